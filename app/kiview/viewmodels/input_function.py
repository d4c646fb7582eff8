"""The input function: where it comes from, how it is scaled, and whether it fits the image."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import InvalidInputError, KiviewError
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.progress import Progress
from kiview.core.tac import TimeActivityCurve
from kiview.jobs.input_curve import DEFAULT_SCALE_WINDOW_S, from_blood, with_plasma_factor
from kiview.tasks import Task, TaskRunner
from kiview.viewmodels.curves import TIMES_UNKNOWN, CurvesViewModel
from kiview.viewmodels.found_curve import FoundCurveViewModel
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.study import StudyViewModel

ReadCurveJob = Callable[[Path, Progress], InputFunction]


class InputFunctionViewModel(QObject):
    """Choices about the input function and what follows from them.

    Attributes:
        source: Where it comes from.
        roi_id: The blood region, empty if none.
        scale_window_s: Window over which the population curve is scaled to the region.
        plasma_factor: Plasma / whole blood, as chosen.
        file: Curve file, or None.
        found: The curve that a network finds.
        input_function: What follows from the choices, or None.
        problem: Why there is none, or an empty text.

    Signals:
        changed: A choice or what follows from it changed.
    """

    changed = Signal()

    def __init__(
        self,
        runner: TaskRunner,
        study: StudyViewModel,
        curves: CurvesViewModel,
        messages: MessagesViewModel,
        read_curve: ReadCurveJob,
        found: FoundCurveViewModel,
    ) -> None:
        super().__init__()
        self._runner, self._study, self._curves = runner, study, curves
        self._messages, self._read_curve = messages, read_curve
        self.found = found
        self._task: Task | None = None
        self._samples: InputFunction | None = None
        self.source = InputSource.IMAGE
        self.roi_id = ""
        self.scale_window_s = DEFAULT_SCALE_WINDOW_S
        self.plasma_factor = 1.0
        self.file: Path | None = None
        self._study_path: Path | None = None
        self.input_function: InputFunction | None = None
        self.problem = ""
        curves.changed.connect(self._derive)
        study.study_changed.connect(self._on_study_changed)
        found.changed.connect(self._on_found_changed)
        self._derive()

    @property
    def identity(self) -> str:
        """Changes whenever the input function does; empty while there is none."""
        if self.input_function is None:
            return ""
        parts = [str(self.source), f"factor {self.applied_factor:g}"]
        if self.source is InputSource.SAMPLES:
            return "|".join([*parts, str(self.file)])
        if self.source is InputSource.NETWORK:
            return "|".join([*parts, self.found.identity])
        known = self._curves.get(self.roi_id)
        if known is not None:
            parts.append(f"region {known.roi.roi_id}@{known.roi.revision}")
        if self.source is InputSource.POPULATION or self.findings:
            parts.append(f"scaled {self.scale_window_s[0]:g}-{self.scale_window_s[1]:g} s")
        return "|".join(parts)

    @property
    def why_no_factor(self) -> str:
        """Why the plasma factor is not used, or an empty text."""
        made = self.input_function
        finds = made is None and self.source is InputSource.NETWORK
        if finds or (made is not None and made.compartment is Compartment.PLASMA):
            return "This curve is plasma already; no factor is applied to it."
        return ""

    @property
    def applied_factor(self) -> float:
        """Plasma / whole blood that is in the input function."""
        return 1.0 if self.why_no_factor else self.plasma_factor

    @property
    def region_curve(self) -> TimeActivityCurve | None:
        """Curve of the blood region, if there is one."""
        known = self._curves.get(self.roi_id)
        return None if known is None else known.curve

    @property
    def findings(self) -> tuple[str, ...]:
        """What should be known of the input function."""
        return () if self.input_function is None else self.input_function.findings

    @property
    def status(self) -> str:
        """One line for the panel."""
        if self.input_function is None:
            return self.problem
        return self.input_function.description[:1].upper() + self.input_function.description[1:]

    def use_source(self, source: InputSource) -> None:
        """Choose where the input function comes from."""
        if source is not self.source:
            self.source = source
            self._derive()

    def use_region(self, roi_id: str) -> None:
        """Choose the blood region."""
        if roi_id != self.roi_id:
            self.roi_id = roi_id
            self._derive()

    def set_scale_window_min(self, start_min: float, end_min: float) -> None:
        """Choose the window over which the population curve is scaled."""
        window = (start_min * 60, end_min * 60)
        if window != self.scale_window_s:
            self.scale_window_s = window
            self._derive()

    def set_plasma_factor(self, factor: float) -> None:
        """Choose the plasma / whole blood ratio."""
        if factor != self.plasma_factor:
            self.plasma_factor = factor
            self._derive()

    def load_file(self, path: Path) -> None:
        """Read a curve file and use it; problems are told in the banner."""
        self.file = path
        task = self._runner.start(f"Reading {path.name}", partial(self._read_curve, path))
        task.succeeded.connect(self._on_file_read)
        task.failed.connect(self._messages.show_failure)
        task.finished.connect(self._on_file_finished)
        self._task = task
        self.changed.emit()

    def _on_file_read(self, samples: InputFunction) -> None:
        if self.sender() is self._task:
            self._samples = samples
            self.source = InputSource.SAMPLES
            self._derive()

    def _on_file_finished(self) -> None:
        if self.sender() is self._task:
            self._task = None
            self.changed.emit()

    def _on_study_changed(self) -> None:
        if self._study.path != self._study_path:  # else it was read again with entered values
            self._study_path = self._study.path
            self._samples, self.file = None, None
        self._derive()

    def _on_found_changed(self) -> None:
        if self.source is InputSource.NETWORK:
            self._derive()

    def _derive(self) -> None:
        """Work out the input function anew and announce once."""
        self._choose_region_if_none()
        try:
            self.input_function, self.problem = self._derived(), ""
        except KiviewError as error:
            self.input_function, self.problem = None, str(error)
        self.changed.emit()

    def _choose_region_if_none(self) -> None:
        """Take the region that is called after blood, else the first one."""
        known = self._curves.all
        if self.roi_id in known:
            return
        named = [i for i, curve in known.items() if _sounds_like_blood(curve.roi.name)]
        self.roi_id = next(iter([*named, *known]), "")

    def _derived(self) -> InputFunction:
        if self._study.image is None:
            raise InvalidInputError(self._study.why_no_image)
        if not self._study.image.is_dynamic:
            raise InvalidInputError("This series has one frame; Ki needs a dynamic series.")
        return with_plasma_factor(self._from_choice(), self.plasma_factor)

    def _from_choice(self) -> InputFunction:
        if self.source is InputSource.SAMPLES:
            return self._from_file()
        if self.source is InputSource.NETWORK:
            return self.found.curve()
        return from_blood(self._region_or_refuse(), self.source, self.scale_window_s)

    def _from_file(self) -> InputFunction:
        if self._samples is None:
            raise InvalidInputError("Choose a curve file (BIDS TSV, CSV, PMOD or Turku).")
        return self._samples

    def _region_or_refuse(self) -> TimeActivityCurve:
        known = self._curves.get(self.roi_id)
        if known is not None and known.curve is not None:
            if not known.curve.timing.is_known:
                raise InvalidInputError(TIMES_UNKNOWN)
            return known.curve
        if known is not None and known.problem:
            raise InvalidInputError(known.problem)
        raise InvalidInputError(
            "Draw a region in the aorta on the early frames: Regions, then Cylinder."
        )


def _sounds_like_blood(name: str) -> bool:
    return any(word in name.lower() for word in ("aorta", "blood", "ventricle", "atrium", "idif"))
