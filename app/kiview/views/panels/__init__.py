"""The panels at both sides of the views."""
