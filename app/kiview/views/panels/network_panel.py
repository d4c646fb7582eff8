"""The network: which one, its weights, compute, and agreement with Patlak."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QSlider, QWidget

from kiview.nets.catalog import NetworkCard
from kiview.viewmodels.marks import INSTALLED
from kiview.viewmodels.window import WindowModels
from kiview.views.binding import (
    ChoiceBinding,
    EnabledBinding,
    SliderBinding,
    SwitchBinding,
    TextBinding,
)
from kiview.views.disclosure import Disclosure
from kiview.views.panels.agreement_table import AgreementTable
from kiview.views.panels.network_expert import NetworkExpert
from kiview.views.panels.probe_table import ProbeTable
from kiview.views.parts import (
    Panel,
    button,
    keep_room,
    labelled,
    line_label,
    named,
    row,
    section,
    text_label,
)

_STEPS = 100
_FILE_NAME_WIDTH = 140
_DOT = " \N{MIDDLE DOT} "


class NetworkPanel(Panel):
    """Choice and adjustment of the network; what only experts need is folded."""

    def __init__(self, models: WindowModels) -> None:
        super().__init__("network", "network")
        self._model = models.network
        self._add_choice()
        self._add_sliders()
        self._add_switch()
        self._add_compute()
        findings = text_label("", "warning", "networkFindings")
        TextBinding(findings, self._findings_text, self._model.changed)
        self.content.addWidget(findings)
        self.content.addWidget(section("Agreement with Patlak"))
        self.content.addWidget(AgreementTable(models.agreement))
        self._add_folded(models)
        TextBinding(self.status, self._status, self._model.changed, hide=False)

    def _add_choice(self) -> None:
        box = QComboBox()
        named(box, "networkChoice", "Which network computes the map, and who put it there.")
        ChoiceBinding(box, self._cards, self._card, self._model.choose, self._model.changed)
        self.content.addLayout(labelled("Network", box))
        device = text_label("", "soft", "networkDevice")
        TextBinding(device, self._device, self._model.changed)
        self.content.addWidget(device)

    def _add_sliders(self) -> None:
        self._weights = _slider("weightSlider", "Blend of two weight sets of one network.")
        SliderBinding(self._weights, self._position, self._model.set_position, self._model.changed)
        told = line_label("", "soft", "weightPosition")
        TextBinding(told, self._position_text, self._model.changed, hide=False)
        self._add_slider_rows(self._weights, ("Smooth", told, "Sharp"))
        self._blend = _slider("blendSlider", "Mixes the Patlak map into the network's map.")
        SliderBinding(self._blend, self._share, self._set_share, self._model.changed)
        told = line_label("", "soft", "blendShare")
        TextBinding(told, self._share_text, self._model.changed, hide=False)
        self._add_slider_rows(self._blend, ("Patlak", told, "Network"))
        EnabledBinding(self._weights, self._why_no_slider, self._model.changed)
        EnabledBinding(self._blend, self._why_no_card, self._model.changed)

    def _add_folded(self, models: WindowModels) -> None:
        tip = "A simulated person with known truth: installed weights against these."
        probe = Disclosure("Probe phantom", "probeFold", tip, ProbeTable(models.probe))
        tip = "Edit, load and save weights; update the network."
        expert = Disclosure("Expert", "expertFold", tip, NetworkExpert(models))
        self.content.addWidget(probe)
        self.content.addWidget(expert)

    def _add_slider_rows(self, slider: QSlider, ends: tuple[str, QWidget, str]) -> None:
        low, middle, high = ends
        self.content.addLayout(row(line_label(low), None, middle, None, line_label(high)))
        self.content.addWidget(slider)

    def _add_switch(self) -> None:
        tied = QCheckBox("Keep consistent with Patlak")
        named(
            tied,
            "tieSwitch",
            "Scaled to Patlak at 30 mm; what Patlak shows beyond its noise at 8 mm is kept.",
        )
        SwitchBinding(tied, self._is_tied, self._model.set_tied, self._model.changed)
        EnabledBinding(tied, self._why_no_card, self._model.changed)
        self.content.addWidget(tied)

    def _add_compute(self) -> None:
        self._modified = line_label("", "warning", "modifiedState")
        TextBinding(self._modified, self._modified_text, self._model.changed)
        reset = button(
            "Reset",
            "resetWeights",
            "Back to the weights as installed, consistent with Patlak.",
            "link",
        )
        reset.clicked.connect(self._model.reset)
        keep_room(reset)  # nothing below moves away under the mouse
        keep_room(self._modified)
        self._reset = reset
        self._model.changed.connect(self._show_reset)
        self._show_reset()
        self.content.addLayout(row(self._modified, None, reset))
        compute = button(
            "Compute network map", "computeNetwork", "Run the network in the background.", "primary"
        )
        compute.clicked.connect(self._model.compute)
        EnabledBinding(compute, self._why_not, self._model.changed)
        self.content.addWidget(compute)

    def _why_not(self) -> str:
        return "Computing." if self._model.is_running else self._model.why_not

    def _why_no_slider(self) -> str:
        return self._model.why_no_slider

    def _why_no_card(self) -> str:
        return "" if self._model.card is not None else self._model.why_not

    def _show_reset(self) -> None:
        self._reset.setVisible(self._model.is_changed)

    def _status(self) -> str:
        return self._model.status

    def _cards(self) -> list[tuple[str, str]]:
        return [(_card_text(card), card.name) for card in self._model.cards]

    def _card(self) -> str:
        return "" if self._model.card is None else self._model.card.name

    def _device(self) -> str:
        return f"Last computed on {self._model.device}." if self._model.device else ""

    def _position(self) -> float:
        return self._model.position

    def _position_text(self) -> str:
        if self._model.card is None:
            return "weights"
        if self._model.weights_file:
            metrics, name = self.fontMetrics(), self._model.weights_file
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, _FILE_NAME_WIDTH)
            return f"weights from {shown}"
        origin = f"{INSTALLED} {self._model.shipped_position:.2f}"
        return f"weights {self._model.position:.2f}{_DOT}{origin}"

    def _share_text(self) -> str:
        return f"image blend {100 * self._share():.0f} % network"

    def _share(self) -> float:
        weights = self._model.weights
        return 1.0 if weights is None else 1.0 - weights.image_blend

    def _set_share(self, share: float) -> None:
        self._model.set_image_blend(round(1.0 - share, 4))

    def _is_tied(self) -> bool:
        return self._model.is_tied

    def _modified_text(self) -> str:
        shown = self._model.modified_map_id
        return _DOT.join((*self._model.marks, shown) if shown else self._model.marks)

    def _findings_text(self) -> str:
        return "\n".join(self._model.findings)


def _card_text(card: NetworkCard) -> str:
    return f"{card.id} {card.version}{_DOT}{card.origin}"


def _slider(name: str, tip: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    named(slider, name, tip)
    slider.setRange(0, _STEPS)
    slider.setPageStep(10)
    return slider
