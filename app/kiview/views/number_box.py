"""Entry for a number, read the same on every system."""

from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QWidget


class NumberBox(QDoubleSpinBox):
    """Takes a point or a comma before the decimals and shows a point, as all of the window does.

    Left to itself, Qt reads the one that the system does not use as a separator of thousands:
    0,05 becomes 5.
    """

    def __init__(
        self, limits: tuple[float, float], decimals: int, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        plain = QLocale.c()
        plain.setNumberOptions(QLocale.NumberOption.RejectGroupSeparator)
        self.setLocale(plain)
        self.setDecimals(decimals)
        self.setRange(*limits)
        self.setAlignment(Qt.AlignmentFlag.AlignRight)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Turn a comma into a point while it is typed."""
        return super().validate(text.replace(",", "."), position)
