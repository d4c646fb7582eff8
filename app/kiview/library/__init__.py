"""The local library: which studies were opened, kept in one SQLite file of the user."""
