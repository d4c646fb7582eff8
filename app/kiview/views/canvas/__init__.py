"""The canvas: linked slice views with colour bars, frame control and region drawing."""
