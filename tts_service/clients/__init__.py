"""Whose widget this is: the client, its sealed key, what it spent today, and the database they stand in."""
