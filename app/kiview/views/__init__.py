"""Widgets. pyqtgraph, QtGui and QtWidgets live here only."""
