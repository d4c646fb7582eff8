"""Frame times that count now: those of the files, or those that the user entered."""

from PySide6.QtCore import QObject

from kiview.core.timing import FrameTiming
from kiview.io.overrides import SERIES
from kiview.viewmodels.file_values import has_entered_times, is_pet, known_timing
from kiview.viewmodels.frame_rows import Times
from kiview.viewmodels.missing_values import FRAME_FIELDS
from kiview.viewmodels.overrides import OverridesViewModel


class FramesInForce(QObject):
    """The times of the shown series, and whose they are."""

    def __init__(self, overrides: OverridesViewModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._overrides, self._study = overrides, overrides.study

    @property
    def frame_count(self) -> int:
        """Number of frames; 0 where there is no table."""
        series = self._study.series
        if series is None or series.image is None or not is_pet(series):
            return 0
        return series.image.frame_count

    @property
    def is_entered(self) -> bool:
        """Whether the times in force are the user's."""
        series = self._study.series
        return series is not None and has_entered_times(self._overrides.values, series.uid)

    @property
    def _taken_by(self) -> str:
        """What the other series is called that frame times were entered for, or empty."""
        values = self._overrides.values
        if self.is_entered or FRAME_FIELDS[0] not in values:
            return ""
        others = [s for s in self._overrides.pet_series if s.uid == values.get(SERIES)]
        return next((other.description or other.uid for other in others), "another series")

    @property
    def _file_timing(self) -> FrameTiming | None:
        series = self._study.series
        values = self._overrides.values
        return None if series is None else self._overrides.files.timing(series, values)

    @property
    def _why_taken(self) -> str:
        return (
            f"You entered the frame times of {self._taken_by}; only one series of a study can have"
            " entered times. Take those back first (Reset all and Apply there)."
        )

    def _in_force(self) -> Times | None:
        """The user's times of this series, or None where the files' count."""
        series = self._study.series
        timing = None if series is None else known_timing(series)
        if not self.is_entered or timing is None or not self.frame_count:
            return None
        return timing.start_s.tolist(), timing.duration_s.tolist()
