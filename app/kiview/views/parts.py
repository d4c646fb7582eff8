"""Small widgets that several panels share."""

from html import escape

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QTextBrowser,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from kiview import paths
from kiview.views.number_box import NumberBox

_WIDEST_NUMBER = 999.0
_ENTRY_MARGIN = 22


def text_label(text: str, role: str = "", name: str = "") -> QLabel:
    """A sentence that wraps; `role` chooses its look in the style sheet."""
    label = line_label(text, role, name)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def line_label(text: str, role: str = "number", name: str = "") -> QLabel:
    """One line of text that takes the width it needs."""
    label = QLabel(text)
    label.setProperty("role", role)
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setIndent(0)
    return label


def section(text: str, name: str = "") -> QLabel:
    """Headline of a group of controls."""
    label = line_label(text, "section", name)
    label.setContentsMargins(0, 4, 0, 0)
    return label


def plain_tip(text: str) -> str:
    """A tool tip that shows a text of a file as it is, whatever marks it holds."""
    return f"<qt>{escape(text)}</qt>" if "<" in text or "&" in text else text


def set_role(label: QWidget, role: str) -> None:
    """Change the look of a label."""
    if label.property("role") != role:
        label.setProperty("role", role)
        label.style().unpolish(label)
        label.style().polish(label)


def set_flag(widget: QWidget, name: str, holds: bool) -> None:
    """Set a property that the style sheet looks at."""
    if bool(widget.property(name)) != holds:
        widget.setProperty(name, holds)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def button(text: str, name: str, tip: str, role: str = "") -> QPushButton:
    """A push button with its name, tip and look."""
    made = QPushButton(text)
    named(made, name, tip)
    made.setProperty("role", role)
    return made


def tool_button(text: str, name: str, tip: str, checkable: bool = False) -> QToolButton:
    """A small button."""
    made = QToolButton()
    made.setText(text)
    made.setCheckable(checkable)
    named(made, name, tip)
    return made


def named(widget: QWidget, name: str, tip: str) -> QWidget:
    """Give a control its object name, tool tip and accessible name."""
    widget.setObjectName(name)
    widget.setToolTip(tip)
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    widget.setAccessibleName(text or tip.rstrip("."))
    widget.setAccessibleDescription(tip)
    if isinstance(widget, QSlider | QAbstractSpinBox | QComboBox):
        _WheelGuard(widget)
    return widget


class _WheelGuard(QObject):
    """Leaves the wheel to the panel that scrolls, unless the control has the keyboard."""

    def __init__(self, control: QWidget) -> None:
        super().__init__(control)
        self._control = control
        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not by the wheel
        control.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the parent have it: what is not accepted goes there."""
        if event.type() == QEvent.Type.Wheel and not self._control.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def number_box(name: str, tip: str, limits: tuple[float, float], decimals: int) -> NumberBox:
    """An entry for a number."""
    box = NumberBox(limits, decimals)
    dress_number_box(box, name, tip)
    return box


def dress_number_box(box: NumberBox, name: str, tip: str) -> None:
    """Give an entry for a number its name, tip and width."""
    named(box, name, tip)
    # Without buttons the styled entry field gets no width: the style sheet makes them 0 px wide.
    widest = f"{min(box.maximum(), _WIDEST_NUMBER):.{box.decimals()}f}"
    box.setFixedWidth(box.fontMetrics().horizontalAdvance(widest) + _ENTRY_MARGIN)


def row(*widgets: QWidget | None, spacing: int = 6) -> QHBoxLayout:
    """Widgets beside each other; None takes the free room."""
    layout = QHBoxLayout()
    layout.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget)
    return layout


def labelled(text: str, *widgets: QWidget) -> QHBoxLayout:
    """A question at the left and its entries at the right."""
    label = line_label(text)
    label.setBuddy(widgets[0])
    return row(label, None, *widgets)


def keep_room(widget: QWidget) -> None:
    """Let a widget take its room while it is hidden, so that nothing moves when it comes."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.setSizePolicy(policy)


def rule() -> QFrame:
    """A thin line."""
    line = QFrame()
    line.setProperty("role", "rule")
    return line


class Panel(QWidget):
    """A panel: status line, content, and a short help that opens in place.

    Attributes:
        status: The status line.
        content: Where the controls go.
    """

    def __init__(self, name: str, help_name: str) -> None:
        super().__init__()
        self.setObjectName(f"{name}Panel")
        self.status = text_label("", "status", f"{name}Status")
        self._help_name = help_name
        self._help = QTextBrowser()
        self._help.setObjectName("panelHelp")
        self._help.setOpenExternalLinks(False)
        self._help.hide()
        self._help_button = tool_button("?", f"{name}Help", "Short help for this panel.", True)
        self._help_button.setProperty("role", "round")
        self._help_button.toggled.connect(self._on_help_toggled)
        self.content = QVBoxLayout()
        self.content.setSpacing(8)
        head = QHBoxLayout()
        head.addWidget(self.status, 1)
        head.addWidget(self._help_button, 0, Qt.AlignmentFlag.AlignTop)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(14, 12, 14, 12)
        outer.setSpacing(10)
        outer.addLayout(head)
        outer.addWidget(self._help)
        outer.addLayout(self.content)
        outer.addStretch(1)

    def _on_help_toggled(self, shown: bool) -> None:
        if shown and not self._help.toPlainText():
            self._help.setMarkdown(help_text(self._help_name))
        self._help.setMinimumHeight(220 if shown else 0)
        self._help.setVisible(shown)


def help_text(name: str) -> str:
    """Text of one help page, Markdown."""
    return paths.resource(f"help/{name}.md").read_text(encoding="utf-8")
