"""Where the input function comes from."""

from pathlib import Path

from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFileDialog,
    QLayout,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from kiview.core.input_function import InputSource
from kiview.io.curve_files import CURVE_ENDINGS
from kiview.viewmodels.curves import CurvesViewModel
from kiview.viewmodels.input_function import InputFunctionViewModel
from kiview.views.binding import ChoiceBinding, EnabledBinding, NumberBinding, TextBinding
from kiview.views.parts import (
    Panel,
    button,
    labelled,
    line_label,
    named,
    number_box,
    row,
    section,
    text_label,
)

_TEXTS = {
    InputSource.IMAGE: ("From the region (image-derived)", "Mean of the blood region per frame."),
    InputSource.POPULATION: (
        "Population curve, scaled to the region",
        "Feng's shape, a simulation curve, scaled so that its area equals the region's.",
    ),
    InputSource.SAMPLES: ("Blood samples from a file", "BIDS TSV with time in s and Bq/mL."),
    InputSource.NETWORK: (
        "Found by a network (no region)",
        "An estimate from late frames; the early part is a population's.",
    ),
}
_WINDOW_LIMITS_MIN = (0.0, 600.0)
_FACTOR_LIMITS = (0.1, 10.0)


class InputPanel(Panel):
    """Choice of the input function."""

    def __init__(self, model: InputFunctionViewModel, curves: CurvesViewModel) -> None:
        super().__init__("input", "input")
        self._model, self._curves = model, curves
        self._group = QButtonGroup(self)
        self._buttons: dict[InputSource, QRadioButton] = {}
        self.content.addWidget(section("Input function"))
        for source, (text, tip) in _TEXTS.items():
            choice = QRadioButton(text)
            named(choice, f"input_{source.name.lower()}", tip)
            self._buttons[source] = choice
            self._group.addButton(choice)
            self.content.addWidget(choice)
        self._add_region()
        self._add_window()
        self._add_file()
        self._add_find()
        self._add_factor()
        self._findings = text_label("", "warning", "inputFindings")
        self.content.addWidget(self._findings)
        TextBinding(self.status, self._status, model.changed, hide=False)
        TextBinding(self._findings, self._findings_text, model.changed)
        self._group.buttonClicked.connect(self._on_source_chosen)
        model.changed.connect(self._on_changed)
        self._on_changed()

    def _add_region(self) -> None:
        region = QComboBox()
        named(region, "inputRegion", "The region that lies in blood.")
        region.setMinimumWidth(150)
        ChoiceBinding(
            region, self._regions, self._region, self._model.use_region, self._model.changed
        )
        self._region_row = _holder(labelled("Blood region", region))
        self.content.addWidget(self._region_row)

    def _add_window(self) -> None:
        self._start = number_box("scaleStart", "Scaling starts at.", _WINDOW_LIMITS_MIN, 0)
        self._end = number_box("scaleEnd", "Scaling ends at.", _WINDOW_LIMITS_MIN, 0)
        changed = self._model.changed
        NumberBinding(self._start, self._window_start, self._set_start, changed)
        NumberBinding(self._end, self._window_end, self._set_end, changed)
        unit = line_label("min")
        dash = line_label("\N{EN DASH}")
        self._window_row = _holder(labelled("Scaled over", self._start, dash, self._end, unit))
        self.content.addWidget(self._window_row)

    def _add_file(self) -> None:
        choose = button("Choose file\N{HORIZONTAL ELLIPSIS}", "inputFile", "Choose a curve file.")
        choose.clicked.connect(self._on_choose_file)
        self._file = text_label("", "soft", "inputFileName")
        self._file_row = _holder(row(choose, self._file))
        self.content.addWidget(self._file_row)

    def _add_find(self) -> None:
        tip = "Let the network look for blood in the frames of the maps, in the background."
        find = button("Find", "inputFind", tip)
        find.clicked.connect(self._model.found.find)
        EnabledBinding(find, self._why_no_find, self._model.changed)
        rows = QVBoxLayout()
        rows.addWidget(text_label(_TEXTS[InputSource.NETWORK][1], "soft"))
        rows.addLayout(row(find, None))
        self._find_rows = _holder(rows)
        self.content.addWidget(self._find_rows)

    def _add_factor(self) -> None:
        tip = "Plasma / whole blood. 1 for FDG unless you measured it; exported with the maps."
        factor = number_box("plasmaFactor", tip, _FACTOR_LIMITS, 3)
        factor.setSingleStep(0.01)
        NumberBinding(factor, self._factor, self._model.set_plasma_factor, self._model.changed)
        EnabledBinding(factor, self._why_no_factor, self._model.changed)
        self.content.addLayout(labelled("Plasma / blood factor", factor))

    def _on_changed(self) -> None:
        source = self._model.source
        self._buttons[source].setChecked(True)
        self._region_row.setVisible(source in (InputSource.IMAGE, InputSource.POPULATION))
        self._window_row.setVisible(source is InputSource.POPULATION)
        self._file_row.setVisible(source is InputSource.SAMPLES)
        self._find_rows.setVisible(source is InputSource.NETWORK)
        self._file.setText("" if self._model.file is None else self._model.file.name)

    def _on_source_chosen(self, chosen: QRadioButton) -> None:
        for source, choice in self._buttons.items():
            if choice is chosen:
                self._model.use_source(source)

    def _on_choose_file(self) -> None:
        kinds = f"Curves ({' '.join(f'*{ending}' for ending in CURVE_ENDINGS)});;All files (*)"
        name, _ = QFileDialog.getOpenFileName(self, "Choose a curve file", "", kinds)
        if name:
            self._model.load_file(Path(name))

    def _status(self) -> str:
        return self._model.status

    def _findings_text(self) -> str:
        return "\n".join(self._model.findings)

    def _regions(self) -> list[tuple[str, str]]:
        return [(known.roi.name, roi_id) for roi_id, known in self._curves.all.items()]

    def _region(self) -> str:
        return self._model.roi_id

    def _window_start(self) -> float:
        return self._model.scale_window_s[0] / 60

    def _window_end(self) -> float:
        return self._model.scale_window_s[1] / 60

    def _set_start(self, start_min: float) -> None:
        self._model.set_scale_window_min(start_min, self._window_end())

    def _set_end(self, end_min: float) -> None:
        self._model.set_scale_window_min(self._window_start(), end_min)

    def _factor(self) -> float:
        return self._model.applied_factor

    def _why_no_factor(self) -> str:
        return self._model.why_no_factor

    def _why_no_find(self) -> str:
        return self._model.found.why_not


def _holder(layout: QLayout) -> QWidget:
    """A widget around a layout, so that the row can be hidden."""
    widget = QWidget()
    layout.setContentsMargins(0, 0, 0, 0)
    widget.setLayout(layout)
    return widget
