"""State, decisions and signals of the window. QtCore only."""
