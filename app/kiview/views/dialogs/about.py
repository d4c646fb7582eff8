"""About KiView: purpose, patents, versions."""

import platform
from importlib import metadata

from PySide6 import __version__ as pyside_version
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from kiview import __version__

_PACKAGES = ("numpy", "scipy", "pydicom", "highdicom", "nibabel", "pyqtgraph")
_RUNTIMES = ("onnxruntime-gpu", "onnxruntime")

_TEXT = """
## KiView {version}

A viewer for dynamic PET: parametric images by Patlak and by a neural network beside the frames.

**Research use only.** Not a medical device; not for diagnosis or treatment.

The method follows **US 2021/0272340 A1** (granted parent **US 11,010,938**). Whoever uses KiView
commercially must see to the rights in these patents.

Licence: Apache-2.0. KiView works offline and sends nothing anywhere.

{versions}
"""


def about_text() -> str:
    """Text of the dialog, Markdown."""
    versions = [f"Python {platform.python_version()}", f"PySide6 {pyside_version}"]
    versions += [f"{name} {_version(name)}" for name in _PACKAGES]
    versions += [f"{name} {_version(name)}" for name in _RUNTIMES if _version(name)]
    return _TEXT.format(version=__version__, versions=" \N{MIDDLE DOT} ".join(versions))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


class TextDialog(QDialog):
    """A page of text with a close button."""

    def __init__(self, name: str, title: str, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setWindowTitle(title)
        self.resize(560, 420)
        page = QTextBrowser()
        page.setObjectName(f"{name}Text")
        page.setMarkdown(text)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.addWidget(page)
        layout.addWidget(buttons)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
