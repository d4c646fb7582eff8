"""What was open before another study, or the same with entered values, is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kiview.core.arriving import ArrivingImage
from kiview.core.images import DynamicImage
from kiview.core.study import Finding, Series, Study


@dataclass(frozen=True, slots=True, eq=False)
class PutAside:
    """The study that is or was open; it returns if the one that is being read fails.

    Attributes:
        study: The study, None where nothing was open.
        series: The shown one.
        path: Where the study came from.
        overrides: Values entered for it.
        merged: Images in place of a series' own, by its UID.
        confirmed: Codes of the findings that the user confirmed.
    """

    study: Study | None
    series: Series | None
    path: Path | None
    overrides: dict[str, float | str]
    merged: dict[str, DynamicImage]
    confirmed: frozenset[str]

    def series_to_show(self, study: Study, path: Path) -> Series | None:
        """The series shown before where the same study was read again, else the main one."""
        uid = self.series.uid if self.path == path and self.series is not None else ""
        same = (s for s in study.series if s.uid == uid and s.image is not None)
        return next(same, study.main_series)

    def still_told(self, findings: Iterable[Finding], path: Path) -> frozenset[str]:
        """Codes of findings that were told alike before, of the same study."""
        before = self.series.findings if self.path == path and self.series is not None else ()
        return frozenset(finding.code for finding in findings if finding in before)

    def lets_show(self, arriving: ArrivingImage, path: Path) -> bool:
        """Whether an arriving image may be shown: not another series of a study read again."""
        shown = self.series if self.path == path else None
        return shown is None or shown.uid == arriving.image.series_uid
