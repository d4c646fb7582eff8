"""Values that the user enters for the open study: in force, beside the files', and undone."""

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.study import Series
from kiview.io.overrides import parse_overrides
from kiview.viewmodels.file_values import FileValues, is_pet
from kiview.viewmodels.history import UNDO_STEPS
from kiview.viewmodels.study import Overrides, StudyViewModel

Values = dict[str, float | str]


class OverridesViewModel(QObject):
    """Steps from one set of entered values to another; each is reached by reading the study again.

    A step counts once the study was read with it: what cannot be read changes nothing.

    Attributes:
        study: The open study.
        files: What the files say themselves.

    Signals:
        changed: Other values are in force, or another study or series is shown.
        step_made: There is one more change to undo.
    """

    changed = Signal()
    step_made = Signal()

    def __init__(self, study: StudyViewModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.study = study
        self.files = FileValues()
        self._path: Path | None = None
        self._steps: list[Values] = [{}]
        self._at = 0
        self._going_to: int | None = None
        study.study_changed.connect(self._on_study_changed)
        study.series_changed.connect(self.changed)
        study.opening_changed.connect(self._on_opening_changed)

    @property
    def values(self) -> Overrides:
        """The values in force."""
        return self.study.overrides

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return self._is_free and self._target > 0

    @property
    def can_redo(self) -> bool:
        """Whether a change was taken back."""
        return self._is_free and self._target < len(self._steps) - 1

    @property
    def _is_free(self) -> bool:
        """Whether a step would not break off another opening."""
        return self._going_to is not None or not self.study.is_opening

    @property
    def _target(self) -> int:
        """The step in force, or the one being read."""
        return self._at if self._going_to is None else self._going_to

    @property
    def pet_series(self) -> tuple[Series, ...]:
        """The PET series of the study, which entered values hold for."""
        study = self.study.study
        return () if study is None else tuple(filter(is_pet, study.series))

    def change(self, changes: Mapping[str, float | str | None]) -> None:
        """Read the study again with some values entered, or taken back (None).

        Raises:
            InvalidInputError: a value cannot be; nothing changes.
        """
        values = {**self.values, **changes}
        kept = {name: value for name, value in values.items() if value is not None}
        parse_overrides(kept)
        if kept != self.values:
            self._going_to = None
            self.study.read_again(kept)

    @property
    def can_use_files(self) -> bool:
        """Whether values were entered that could be taken back now."""
        return bool(self.values) and not self.study.is_opening

    def use_files(self) -> None:
        """Take back every entered value in one step."""
        self.change(dict.fromkeys(self.values))

    def undo(self) -> None:
        """Take back the last change."""
        if self.can_undo:
            self._go(self._target - 1)

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        if self.can_redo:
            self._go(self._target + 1)

    def forget_undone(self) -> None:
        """What was taken back cannot be made again; what is being taken back still can."""
        del self._steps[max(self._at, self._target) + 1 :]

    def _go(self, step: int) -> None:
        self.study.read_again(self._steps[step])
        self._going_to = step

    def _on_opening_changed(self) -> None:
        if not self.study.is_opening:
            self._going_to = None  # it is in force, or could not be read

    def _on_study_changed(self) -> None:
        if self.study.arriving is not None:  # it may fail, and what was open return
            self.changed.emit()
            return
        study, path, values = self.study.study, self.study.path, dict(self.study.overrides)
        if path is None or path != self._path:
            first: Values = values if study is None or study.restored is None else {}
            self._path, self._steps, self._at = path, [first], 0  # restored values are a step
            self._going_to = None
            self.files.clear()
        if study is not None:
            self.files.learn(study, values)
        self._take_step(values)
        self.changed.emit()

    def _take_step(self, values: Values) -> None:
        if self._going_to is not None and self._steps[self._going_to] == values:
            self._at, self._going_to = self._going_to, None
        elif values != self._steps[self._at]:
            del self._steps[self._at + 1 :]
            self._steps.append(values)
            del self._steps[: -UNDO_STEPS - 1]
            self._at = len(self._steps) - 1
            self._going_to = None
            self.step_made.emit()
