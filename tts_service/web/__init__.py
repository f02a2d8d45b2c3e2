"""The service as HTTP: everything that imports flask. Views parse, call, render."""
