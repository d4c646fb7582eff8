"""Patlak: window, weighting, compute."""

from PySide6.QtWidgets import QComboBox

from kiview.core.patlak import Weighting
from kiview.viewmodels.columns import ColumnsCoordinator
from kiview.viewmodels.maps import MapsViewModel
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.views.binding import ChoiceBinding, EnabledBinding, NumberBinding, TextBinding
from kiview.views.parts import Panel, button, labelled, line_label, named, number_box, section

_WEIGHTING_TEXTS = {
    Weighting.RATIO: "ordinary (default)",
    Weighting.LINEAR: "linear form",
    Weighting.LINEAR_WEIGHTED: "linear, weighted",
}
_LIMITS_MIN = (0.0, 600.0)
_QUANTITIES = {
    "Ki": "Ki, net influx rate",
    "V0": "V0, distribution volume",
    "KiSE": "Ki standard error (Patlak)",
    "KiSD": "Ki standard deviation (network)",
    "correction": "Tie of the network to Patlak",
}


class MapsPanel(Panel):
    """Patlak settings and start."""

    def __init__(
        self, model: MapsViewModel, columns: ColumnsCoordinator, messages: MessagesViewModel
    ) -> None:
        super().__init__("maps", "maps")
        self._model, self._columns, self._messages = model, columns, messages
        self.content.addWidget(section("Patlak"))
        self._add_window()
        self._add_weighting()
        compute = button(
            "Compute Patlak map", "computePatlak", "Fit every voxel in the background.", "primary"
        )
        compute.clicked.connect(model.compute)
        EnabledBinding(compute, self._why_not, model.changed)
        self.content.addWidget(compute)
        self._add_quantity()
        TextBinding(self.status, self._status, model.changed, hide=False)

    def _add_window(self) -> None:
        tip = "Frames that start earlier after injection are left out (t*)."
        start = number_box("patlakStart", tip, _LIMITS_MIN, 1)
        end = number_box("patlakEnd", "Frames that end later are left out.", _LIMITS_MIN, 1)
        NumberBinding(start, self._start, self._set_start, self._model.changed, self._refused)
        NumberBinding(end, self._end, self._set_end, self._model.changed, self._refused)
        dash, unit = line_label("\N{EN DASH}"), line_label("min")
        self.content.addLayout(labelled("Frames from t*", start, dash, end, unit))

    def _add_weighting(self) -> None:
        box = QComboBox()
        named(box, "patlakWeighting", "How the frames are weighted in the fit.")
        items = [(text, str(weighting)) for weighting, text in _WEIGHTING_TEXTS.items()]
        ChoiceBinding(box, items.copy, self._weighting, self._set_weighting, self._model.changed)
        self.content.addLayout(labelled("Least squares", box))

    def _add_quantity(self) -> None:
        box = QComboBox()
        named(box, "shownQuantity", "Which map of each run the columns show.")
        ChoiceBinding(
            box,
            self._quantities,
            self._quantity,
            self._columns.show_quantity,
            self._columns.changed,
        )
        self.content.addWidget(section("Columns show"))
        self.content.addWidget(box)

    def _refused(self, sentence: str) -> None:
        self._messages.show(sentence, MessageLevel.WARNING)

    def _why_not(self) -> str:
        return "Computing." if self._model.is_running else self._model.why_not

    def _status(self) -> str:
        return self._model.status

    def _start(self) -> float:
        return self._model.start_min

    def _end(self) -> float:
        return self._model.end_min

    def _set_start(self, start_min: float) -> None:
        self._model.set_window_min(start_min, self._model.end_min)

    def _set_end(self, end_min: float) -> None:
        self._model.set_window_min(self._model.start_min, end_min)

    def _weighting(self) -> str:
        return str(self._model.weighting)

    def _set_weighting(self, value: str) -> None:
        self._model.set_weighting(Weighting(value))

    def _quantities(self) -> list[tuple[str, str]]:
        codes = self._columns.quantities
        return [(_QUANTITIES.get(code, code), code) for code in codes]

    def _quantity(self) -> str:
        return self._columns.quantity
