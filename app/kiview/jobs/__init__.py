"""Long work as plain functions of a request and a progress."""
