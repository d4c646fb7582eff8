"""Plots under the views."""
