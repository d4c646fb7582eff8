"""Threads, cancellation and delivery on the GUI thread. QtCore only."""
