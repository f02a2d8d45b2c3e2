"""Words into sound. Knows no HTTP and no database."""
