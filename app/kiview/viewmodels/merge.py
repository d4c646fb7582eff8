"""Merging frames into longer ones: what is offered, what would come of it, and undo."""

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from kiview.core.errors import KiviewError
from kiview.core.images import DynamicImage
from kiview.core.merge_frames import merge_frames
from kiview.core.merge_plan import MergeSettings, default_start_s
from kiview.core.study import Study
from kiview.viewmodels.history import History
from kiview.viewmodels.maps import MapsViewModel
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.study import StudyViewModel

PRESETS_MIN = (10.0, 20.0)
"""Lengths offered by a button."""
_SECONDS_PER_MINUTE = 60.0
_FEWEST = 2  # frames for a slope


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a merge would do.

    Attributes:
        text: Sentences: what joins and what is left out, or why it cannot be done.
        is_possible: Whether it can be done.
    """

    text: str
    is_possible: bool


class MergeViewModel(QObject):
    """Puts merged frames in the place of those as acquired; voxels are merged when they are read.

    Signals:
        changed: Other frames are used, or others can be.
        step_made: There is one more change to undo.
    """

    changed = Signal()
    step_made = Signal()

    def __init__(
        self, study: StudyViewModel, maps: MapsViewModel, messages: MessagesViewModel
    ) -> None:
        super().__init__()
        self._study, self._maps, self._messages = study, maps, messages
        self._settings: dict[str, MergeSettings] = {}
        self._history: History[MergeSettings | None] = History()
        self._series_uid = ""
        self._known: Study | None = None
        self._of: object = None
        self._is_aside = False
        study.study_changed.connect(self._on_study_changed)
        study.series_changed.connect(self._on_series_changed)

    @property
    def settings(self) -> MergeSettings | None:
        """How the frames of the shown series are merged; None as acquired."""
        series = self._study.series
        return None if series is None else self._settings.get(series.uid)

    @property
    def all_settings(self) -> dict[str, MergeSettings]:
        """How frames are merged, by series UID; others are as acquired."""
        return dict(self._settings)

    @property
    def is_merged(self) -> bool:
        """Whether merged frames are used."""
        return self.settings is not None

    @property
    def why_not(self) -> str:
        """What keeps frames from being merged, or an empty text."""
        acquired = self._acquired
        if acquired is None:
            return self._study.why_no_image
        return "" if acquired.is_dynamic else "This series has one frame; nothing to merge."

    @property
    def length_min(self) -> float:
        """Length in use, else the first preset."""
        settings = self.settings
        return PRESETS_MIN[0] if settings is None else settings.length_s / _SECONDS_PER_MINUTE

    @property
    def start_min(self) -> float:
        """Start in use, else that of the first frame in the Patlak window."""
        settings, acquired = self.settings, self._acquired
        if settings is not None:
            return settings.start_s / _SECONDS_PER_MINUTE
        if acquired is None:
            return 0.0
        start_s = default_start_s(acquired.timing, self._maps.settings.start_s)
        return start_s / _SECONDS_PER_MINUTE

    def proposal(self, length_min: float, start_min: float) -> Proposal:
        """What merging would do, without doing it."""
        try:
            merged = self._merged(_settings(length_min, start_min))
        except KiviewError as error:
            return Proposal(str(error), is_possible=False)
        window = self._maps.settings
        count = int(merged.timing.weighted().in_window(window.start_s, window.end_s).sum())
        span = f"{self._maps.start_min:g}\N{EN DASH}{self._maps.end_min:g} min"
        told = f"Maps would use {count} frame{'s' * (count != 1)} ({span})"
        told += "." if count >= _FEWEST else "; Ki needs two: change the window there."
        return Proposal(f"{merged.steps[-1].text} {told}", is_possible=True)

    def merge(self, length_min: float, start_min: float) -> None:
        """Use merged frames; everything computed from others becomes stale.

        Raises:
            KiviewError: the frames do not fit; the text says why. Nothing changes.
        """
        self._change(_settings(length_min, start_min))

    def use_acquired(self) -> None:
        """Use the frames as acquired."""
        if self.is_merged:
            self._change(None)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of frames to take back."""
        return self._study.series is not None and self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether such a change was taken back."""
        return self._study.series is not None and self._history.can_redo

    def undo(self) -> None:
        """Take back the last change of frames."""
        self._go(self._history.undo(self.settings))

    def redo(self) -> None:
        """Make the change again that was taken back last."""
        self._go(self._history.redo(self.settings))

    def forget_undone(self) -> None:
        """What was taken back cannot be made again."""
        self._history.forget_undone()

    @property
    def _acquired(self) -> DynamicImage | None:
        series = self._study.series
        return None if series is None else series.image

    def _merged(self, settings: MergeSettings) -> DynamicImage:
        acquired = self._acquired
        if acquired is None or self.why_not:
            raise KiviewError(self.why_not)
        return merge_frames(acquired, settings)

    def _change(self, settings: MergeSettings | None) -> None:
        if settings is not None:
            self._merged(settings)  # refused before anything changes
        if settings != self.settings:
            self._note_step(self.settings, settings)
        self._take(settings)

    def _note_step(self, before: MergeSettings | None, after: MergeSettings | None) -> None:
        if self._history.record(before, f"{before} to {after}"):
            self.step_made.emit()

    def _go(self, settings: MergeSettings | None) -> None:
        try:
            self._take(settings)
        except KiviewError as error:  # other frame times were entered since
            self._history.clear()
            self._messages.show(f"The frames stay as they are. {error}", MessageLevel.WARNING)

    def _take(self, settings: MergeSettings | None) -> None:
        series = self._study.series
        if series is None or settings == self.settings:
            return
        if settings is None:
            self._settings.pop(series.uid, None)
            self._study.use_merged(None)
        else:
            merged = self._merged(settings)
            self._settings[series.uid] = settings
            self._study.use_merged(merged)
        self.changed.emit()

    def _on_study_changed(self) -> None:
        """Frames of a study that was read again with entered values are merged as before."""
        study = self._study.study
        if self._study.arriving is not None:
            self._is_aside = True  # what was open may return with its merges
        elif self._is_aside and study is self._known:
            self._is_aside = False
        else:
            before = self._begin_or_go_on()
            restored = None if study is None else study.restored
            settings = self._settings if restored is None else restored.kept.merges
            known = () if study is None else tuple(series.uid for series in study.series)
            self._settings = {uid: it for uid, it in settings.items() if uid in known}
            self._merge_again()  # other series when they are shown
            if restored is not None and self.settings != before:
                self._note_step(before, self.settings)  # to be taken back like one just made
        self.changed.emit()

    def _begin_or_go_on(self) -> MergeSettings | None:
        """Forget the steps of another study; how frames were merged so far in this one."""
        study = self._study.study
        now = None if study is None else (self._study.path, study.uid)
        is_same, self._of = now == self._of, now
        self._is_aside, self._known = False, study
        if is_same:
            return self.settings
        self._history.clear()
        return None

    def _on_series_changed(self) -> None:
        series = self._study.series
        uid = "" if series is None else series.uid
        if uid == self._series_uid or self._study.arriving is not None:
            return
        self._series_uid = uid
        self._history.clear()
        self._merge_again()
        self.changed.emit()

    def _merge_again(self) -> None:
        series, settings = self._study.series, self.settings
        if series is None or settings is None or self._study.image is not series.image:
            return  # nothing to do, or done
        try:
            merged = self._merged(settings)
        except KiviewError as error:
            del self._settings[series.uid]
            self._history.clear()
            text = f"The frames are as acquired again. {error}"
            self._messages.show(text, MessageLevel.WARNING)
            return
        self._study.use_merged(merged)


def _settings(length_min: float, start_min: float) -> MergeSettings:
    return MergeSettings(length_min * _SECONDS_PER_MINUTE, start_min * _SECONDS_PER_MINUTE)
