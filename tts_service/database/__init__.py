"""Where what must outlast the process is kept: one engine, its tables, its migrations."""
