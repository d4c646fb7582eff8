"""Damaged inputs of every kind that KiView reads, opened as the program opens them."""
