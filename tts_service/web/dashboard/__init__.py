"""The dashboard: pages under /dashboard for the people who run this service."""
