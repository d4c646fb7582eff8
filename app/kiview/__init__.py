"""KiView: a viewer for dynamic PET with parametric images by Patlak and by a network."""

__version__ = "0.1.0"
