"""Colours of the canvas, taken from the theme of the window."""

from kiview.views.theme import COLOURS

PANEL = COLOURS["panel"]
BORDER = COLOURS["line"]
TEXT = COLOURS["text"]
MUTED = COLOURS["soft"]
ACCENT = COLOURS["accent"]
WARNING = COLOURS["amber"]
HANDLE = COLOURS["handle"]
CANVAS = "#0d0f12"
"""Surround of the pictures: darker than the window, so that they stand out."""
