"""What each client's widget was used for: counted as turns end, kept by the day, read back as a report."""
