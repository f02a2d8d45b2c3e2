"""Who may use the dashboard: people with a name and a password, the links that make them, their sessions."""
