"""Training of the bundled networks. Not part of the application."""
