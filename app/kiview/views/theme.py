"""Colours, sizes and the style sheet of the window."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from PySide6.QtGui import QColor, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from kiview import paths

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "window": "#14161a",
        "panel": "#1b1e24",
        "raised": "#252931",
        "line": "#343a45",
        "select": "#24415a",
        "text": "#dfe2e7",
        "soft": "#a3aab6",
        "faint": "#6b7280",
        "handle": "#f2f4f7",
        "accent": "#4cc2ff",
        "accenthover": "#7ad2ff",
        "onaccent": "#08131a",
        "amber": "#e8b04b",
        "green": "#4cc38a",
        "red": "#f07171",
    }
)
"""Name in the style sheet -> colour."""

FAMILIES = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "Roboto", "DejaVu Sans")
"""Fonts to use, the first that the machine has."""
WIDE_FAMILY = "DejaVu Sans"
"""Drawn so large that a pixel less reads as well."""


def colour(name: str) -> QColor:
    """A colour of the theme by name."""
    return QColor(COLOURS[name])


def apply(application: QApplication) -> None:
    """Give an application KiView's look."""
    application.setStyle("Fusion")
    application.setPalette(_palette())
    application.setStyleSheet(style_sheet(_family()))


def style_sheet(family: str) -> str:
    """The style sheet with colours and sizes filled in."""
    size = 12 if family == WIDE_FAMILY else 13
    values = {
        **COLOURS,
        "family": f'"{family}"',
        "size": f"{size}px",
        "large": f"{size + 2}px",
        "hero": f"{size + 9}px",
        "tabpad": "8px",
        "icons": paths.resource("icons").as_posix(),
    }
    text = paths.resource("styles/kiview.qss").read_text(encoding="utf-8")
    return re.sub(r"@([a-z]+)", lambda match: values[match[1]], text)


def _family() -> str:
    present = set(QFontDatabase.families())
    fallback = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont).family()
    return next((family for family in FAMILIES if family in present), fallback)


def _palette() -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: "window",
        QPalette.ColorRole.WindowText: "text",
        QPalette.ColorRole.Base: "panel",
        QPalette.ColorRole.AlternateBase: "raised",
        QPalette.ColorRole.Text: "text",
        QPalette.ColorRole.PlaceholderText: "faint",
        QPalette.ColorRole.Button: "raised",
        QPalette.ColorRole.ButtonText: "text",
        QPalette.ColorRole.Highlight: "select",
        QPalette.ColorRole.HighlightedText: "text",
        QPalette.ColorRole.ToolTipBase: "raised",
        QPalette.ColorRole.ToolTipText: "text",
        QPalette.ColorRole.Link: "accent",
    }
    for role, name in roles.items():
        palette.setColor(role, colour(name))
    return palette
