"""The series that is shown: its image, what was noticed about it, and what the user confirmed."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from kiview.core.images import DynamicImage
from kiview.core.study import Finding, Series, Study, Verdict, not_confirmed, worst


class ShownSeries(QObject):
    """The open study with the series that is shown and computed on.

    Attributes:
        study: What is open, or None.
        series: The series that is shown and computed on, or None.
        path: Where the open study came from.
        confirmed: Codes of the findings that the user confirmed.

    Signals:
        study_changed: Another study (or none) is open, or it was read again with entered values.
        series_changed: Another series is shown.
        findings_changed: The user confirmed a finding.
    """

    study_changed = Signal()
    series_changed = Signal()
    findings_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._overrides: dict[str, float | str] = {}
        self._merged: dict[str, DynamicImage] = {}
        self.study: Study | None = None
        self.series: Series | None = None
        self.path: Path | None = None
        self.confirmed: frozenset[str] = frozenset()

    @property
    def image(self) -> DynamicImage | None:
        """The voxels that are shown and computed on: the series' own, or with merged frames."""
        if self.series is None:
            return None
        return self._merged.get(self.series.uid, self.series.image)

    def use_merged(self, image: DynamicImage | None) -> None:
        """Let an image take the place of the shown series' own; None gives that its place back."""
        if self.series is not None:
            self._merged.pop(self.series.uid, None)
            if image is not None:
                self._merged[self.series.uid] = image
            self.series_changed.emit()

    @property
    def overrides(self) -> Mapping[str, float | str]:
        """Values that the user entered for the open study."""
        return dict(self._overrides)

    @property
    def identity(self) -> str:
        """Changes whenever results computed before no longer belong to what is open."""
        if self.series is None or self.study is None:
            return ""
        given = ",".join(f"{name}={self._overrides[name]}" for name in sorted(self._overrides))
        steps = () if self.image is None else self.image.steps
        made_of = (self.series.uid, self.study.fingerprint, given)
        return "|".join([*made_of, *(f"{step.name} {step.text}" for step in steps)])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed about the shown series."""
        return () if self.series is None else self.series.findings

    def show_series(self, uid: str) -> None:
        """Show another series of the open study."""
        for series in self.study.series if self.study is not None else ():
            if series.uid == uid and series.image is not None and series is not self.series:
                self.series = series
                self.series_changed.emit()

    @property
    def suv_verdict(self) -> Verdict:
        """Whether SUV may be shown."""
        return self._verdict(finding.suv for finding in self._open_findings())

    @property
    def kinetics_verdict(self) -> Verdict:
        """Whether Ki may be computed."""
        return self._verdict(finding.kinetics for finding in self._open_findings())

    def _verdict(self, verdicts: Iterable[Verdict]) -> Verdict:
        return Verdict.REFUSED if self.series is None else worst(verdicts)

    def _open_findings(self) -> list[Finding]:
        """Findings that the user has not confirmed."""
        return [f for f in self.findings if self.verdict_of(f) is not Verdict.READY]

    def confirm(self, code: str) -> None:
        """Take note that the user looked at a finding and agrees."""
        self.confirmed |= {code}
        self.findings_changed.emit()

    def restore_confirmed(self, codes: frozenset[str]) -> None:
        """Take over what was confirmed before."""
        self.confirmed = codes
        self.findings_changed.emit()

    def verdict_of(self, finding: Finding) -> Verdict:
        """What a finding means now: a confirmed one is ready."""
        verdict = finding.verdict
        is_confirmed = verdict is Verdict.CONFIRM and finding.code in self.confirmed
        return Verdict.READY if is_confirmed else verdict

    def told(self, finding: Finding) -> str:
        """The sentence of a finding, with whether the user confirmed it."""
        return finding.told(confirmed=finding.code in self.confirmed)

    @property
    def not_confirmed(self) -> str:
        """Where to look at what waits for the user's confirmation, or an empty text."""
        waiting = [f for f in self.findings if self.verdict_of(f) is Verdict.CONFIRM]
        text = not_confirmed(len(waiting))
        return text and f"{text}; see Checks."
