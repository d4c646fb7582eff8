"""KiView, a viewer for dynamic PET. Research use only."""

__version__ = "0.1.0"
