"""Injection time, dose and half-life of a PET series, and what is odd about them."""

import math
import re
from dataclasses import dataclass
from itertools import zip_longest

from kiview.core.study import Finding, Verdict
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_meaning import (
    BOTH_REFUSED,
    BOTH_TO_CONFIRM,
    SUV_REFUSED,
    Verdicts,
    finding,
)
from kiview.io.dicom_tags import FURTHER
from kiview.io.dicom_times import DAY_S, Clock, seconds_of_day, series_start_s
from kiview.io.facts import ENTERED
from kiview.io.nuclides import dose_findings, half_life_findings
from kiview.io.overrides import UserGiven

_LONG_AGO_HALF_LIVES = 6.0
_BELIEVED_HALF_LIVES = 10.0
_LONG_LIVED_S = 6 * 3600.0
"""Nuclides of a longer half-life are also measured on days after the injection."""
_SAME_INJECTION_S = 1.0
_ZONE = re.compile(r"([+-])(\d{2})(\d{2})$")
_SAME_TIME_S = 1e-3
_AFTER_START_S = 0.5
_FIELD = "injection_time"
_SETTLED_BY = {
    "RadionuclideTotalDose": "dose_bq",
    "RadiopharmaceuticalStartDateTime": _FIELD,
    "RadiopharmaceuticalStartTime": _FIELD,
    "RadionuclideHalfLife": "half_life_s",
}
"""What is used of a radiopharmaceutical, and the value that may be entered instead."""
IS_SERIES_START = "injection-is-series-start"
"""Code of the finding that injection and series began together; not told of entered times."""


@dataclass(frozen=True, slots=True)
class InjectionFacts:
    """Injection as far as the files or the user say.

    Attributes:
        time_s: On the series' clock, NaN if unknown.
        dose_bq: At injection, or None.
        half_life_s: Or None.
        nuclide: Name, may be empty.
        tracer: Name, may be empty.
        findings: What is missing or suspicious.
        source: Where the time comes from, empty if it is unknown.
    """

    time_s: float
    dose_bq: float | None
    half_life_s: float | None
    nuclide: str = ""
    tracer: str = ""
    findings: tuple[Finding, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class ScanSpan:
    """When the series was measured, on its clock.

    Attributes:
        series_s: Series time, NaN if unknown.
        first_s: First frame's start, NaN if unknown.
        last_s: Last frame's end, NaN if unknown.
        needs_injection: Whether SUV needs the injection time (not with ADMIN or GML).
    """

    series_s: float
    first_s: float
    last_s: float
    needs_injection: bool = True

    @property
    def begin_s(self) -> float:
        """First frame's start, else the series time."""
        return self.series_s if math.isnan(self.first_s) else self.first_s

    @property
    def are_known(self) -> bool:
        """Whether the times of the frames are known."""
        return not math.isnan(self.first_s)

    def verdicts(self, verdict: Verdict) -> Verdicts:
        """(SUV, kinetics) verdicts of a doubt about the injection time."""
        return (verdict if self.needs_injection else Verdict.READY, verdict)


def injection_of(
    headers: HeaderTable, clock: Clock, given: UserGiven, span: ScanSpan
) -> InjectionFacts:
    """Find time, dose and half-life; what the user entered wins over the files.

    Raises:
        InvalidInputError: a number or time in the files is none, or files differ.
    """
    half_life, odd_half_life = _half_life(headers, given)
    time_s, source, time_findings = _time(headers, clock, given, span, half_life)
    dose, odd_dose = _dose(headers, given)
    time_findings += long_ago(time_s, span, half_life)
    return InjectionFacts(
        time_s,
        dose,
        half_life,
        headers.text("Radionuclide").replace("^", ""),
        headers.text("Radiopharmaceutical"),
        (*time_findings, *odd_dose, *odd_half_life, *_further_injections(headers, given)),
        source,
    )


def _half_life(headers: HeaderTable, given: UserGiven) -> tuple[float | None, list[Finding]]:
    nuclide, value = headers.text("Radionuclide"), given.number("half_life_s")
    if value is not None:
        return value, [*half_life_findings(value, nuclide, is_entered=True)]
    value, why = headers.positive("RadionuclideHalfLife")
    if value is not None:
        return value, [*half_life_findings(value, nuclide)]
    message = f"{why} Without a half-life decay cannot be computed; enter half_life_s."
    return None, [finding("half-life-missing", message, BOTH_REFUSED, "half_life_s")]


def _dose(headers: HeaderTable, given: UserGiven) -> tuple[float | None, list[Finding]]:
    entered = given.number("dose_bq")
    if entered is not None:
        return entered, [*dose_findings(entered)]
    dose, why = headers.positive("RadionuclideTotalDose")
    if dose is None:
        message = f"{why} Without the injected activity there is no SUV; enter dose_bq."
        return None, [finding("dose-missing", message, SUV_REFUSED, "dose_bq")]
    return dose, [*dose_findings(dose)]


def _further_injections(headers: HeaderTable, given: UserGiven) -> list[Finding]:
    """A finding where a radiopharmaceutical after the first tells another dose, time or half-life.

    Often it is the same injection once more, corrected; after two real injections no value of one
    is right for the image. So the first is used and both are shown.
    """
    names = ("Radiopharmaceutical", *_SETTLED_BY)
    first = tuple(headers.text(name) for name in names)
    for row in dict.fromkeys(zip(*(headers.texts(FURTHER + name) for name in names), strict=True)):
        for other in zip_longest(*(text.split("\\") for text in row), fillvalue=""):
            differing = [
                _SETTLED_BY.get(name, "")
                for name, one, two in zip(names, first, other, strict=True)
                if two and _is_other(one, two)
            ]
            fields = tuple(dict.fromkeys(one for one in differing if one and not given.has(one)))
            if fields:
                message = (
                    f"The files list several injections: {_in_words(first)} and"
                    f" {_in_words(other)}. The first was taken; confirm it or enter"
                    f" {' and '.join(fields)}."
                )
                return [finding("injections-differ", message, BOTH_TO_CONFIRM, *fields)]
    return []


def _is_other(one: str, two: str) -> bool:
    """Whether two texts of a header are different numbers, or texts."""
    try:
        return float(one) != float(two)
    except ValueError:
        return one != two


def _in_words(injection: tuple[str, ...]) -> str:
    tracer, dose, moment, time, half_life = (text[:30] or "unknown" for text in injection)
    start = time if moment == "unknown" else moment
    return f"{tracer} (dose {dose} Bq, start {start}, half-life {half_life} s)"


def _time(
    headers: HeaderTable, clock: Clock, given: UserGiven, span: ScanSpan, half_life_s: float | None
) -> tuple[float, str, list[Finding]]:
    """Time, its source, and what is odd about it."""
    entered = given.injection_s(clock, span.begin_s)
    if entered is not None:
        odd = [one for one in suspicious(entered, clock, span) if one.code != IS_SERIES_START]
        return entered, ENTERED, odd
    moment, source, findings = _told_time(headers, clock, span, half_life_s)
    if not math.isnan(moment):
        return moment, source, [*findings, *suspicious(moment, clock, span)]
    suv = Verdict.REFUSED if span.needs_injection else Verdict.READY
    message = (
        "The injection time is absent, so frames count from the start of the scan and there is no"
        f" Ki{' and no SUV' if span.needs_injection else ''}; enter {_FIELD}."
    )
    return moment, "", [finding("injection-time-missing", message, (suv, Verdict.REFUSED), _FIELD)]


def _told_time(
    headers: HeaderTable, clock: Clock, span: ScanSpan, half_life_s: float | None
) -> tuple[float, str, list[Finding]]:
    """Full date-time first; a time of day is taken on the day that brings it closest to the scan.

    So an injection before midnight belongs to the day before a scan after midnight. A date is
    believed within two days of the scan, and before it for as long as activity lasts.
    """
    full, source, findings = _full_time(headers, clock, span)
    text = headers.text("RadiopharmaceuticalStartTime")
    seconds, begin = seconds_of_day(text), span.begin_s
    longest_s = max(2 * DAY_S, _BELIEVED_HALF_LIVES * (half_life_s or 0.0))
    if not math.isnan(full) and (math.isnan(begin) or -2 * DAY_S < begin - full < longest_s):
        return full, source, [*findings, *_contradictions(headers, full, seconds)]
    if seconds is None:
        return math.nan, "", []
    days = 0 if math.isnan(begin) else round((begin - seconds) / DAY_S)
    moment = seconds + days * DAY_S
    findings = _assumed_day(clock, moment, begin, half_life_s)
    if not math.isnan(full):
        message = "The date of the injection does not fit the scan; only its time of day was used."
        findings = [finding("injection-date-strange", message, BOTH_TO_CONFIRM, _FIELD)]
    return moment, "RadiopharmaceuticalStartTime, on the day closest to the scan", findings


def _full_time(
    headers: HeaderTable, clock: Clock, span: ScanSpan
) -> tuple[float, str, list[Finding]]:
    """The full date and time on the scanner's clock, how it was found, and what was assumed."""
    name = "RadiopharmaceuticalStartDateTime"
    text = headers.text(name)
    told = clock.date_time(text)
    own, scan = _ZONE.search(text), _zone_of_scan(headers)
    if own is not None and scan is not None and own.group() != scan.group():
        moment = told + _offset_s(scan) - _offset_s(own)
        seconds = seconds_of_day(headers.text("RadiopharmaceuticalStartTime"))
        if seconds is not None and _apart_s(moment, seconds) <= _SAME_INJECTION_S:
            return moment, f"{name}, moved to the time zone of the scan", []
        message = (
            f"The injection time is told in the time zone {own.group()}, the scan in"
            f" {scan.group()}; it is {clock.to_text(moment)} on the scanner's clock. Confirm it or"
            f" enter {_FIELD}."
        )
        odd = finding("injection-zone", message, BOTH_TO_CONFIRM, _FIELD)
        return moment, f"{name}, moved to the time zone of the scan", [odd]
    moment = told % DAY_S + DAY_S * math.floor(span.first_s / DAY_S) if span.are_known else told
    if not told >= span.last_s or moment > span.first_s or moment >= told:
        return told, name, []
    message = (
        f"The injection is dated {clock.to_text(told)}, after the scan, which ended"
        f" {clock.to_text(span.last_s)}; the same time on the day of the scan,"
        f" {clock.to_text(moment)}, was taken. Confirm it or enter {_FIELD}."
    )
    odd = finding("injection-date-late", message, span.verdicts(Verdict.CONFIRM), _FIELD)
    return moment, f"{name}, on the day of the scan", [odd]


def _zone_of_scan(headers: HeaderTable) -> re.Match[str] | None:
    """Time zone that the times of the scan are told in, or None."""
    told = _ZONE.search(headers.text("TimezoneOffsetFromUTC"))
    return told or _ZONE.search(headers.text("AcquisitionDateTime"))


def _offset_s(zone: re.Match[str]) -> float:
    """What a zone is ahead of UTC."""
    sign, hours, minutes = zone.groups()
    return (-1.0 if sign == "-" else 1.0) * (3600 * int(hours) + 60 * int(minutes))


def _apart_s(moment_s: float, seconds: float) -> float:
    """How far a moment is from a time of day, on whatever day."""
    return abs((moment_s - seconds + DAY_S / 2) % DAY_S - DAY_S / 2)


def _contradictions(headers: HeaderTable, full_s: float, seconds: float | None) -> list[Finding]:
    """Two times of the injection that differ, or one in a time zone that the scan does not have."""
    text = headers.text("RadiopharmaceuticalStartDateTime")
    zone = _ZONE.search(text)
    if seconds is not None and seconds > 0:
        apart = _apart_s(full_s, seconds)
        if apart <= _SAME_INJECTION_S:
            return []
        message = (
            f"RadiopharmaceuticalStartDateTime ({text[:26]}) and RadiopharmaceuticalStartTime"
            f" ({headers.text('RadiopharmaceuticalStartTime')[:13]}) are {apart:.0f} s apart; the"
            f" first was taken. Confirm it or enter {_FIELD}."
        )
        return [finding("injection-times-differ", message, BOTH_TO_CONFIRM, _FIELD)]
    if zone is None or _zone_of_scan(headers) is not None:
        return []
    message = (
        f"The injection time is told in the time zone {zone.group()}, the times of the scan without"
        f" one; it was read as a time of the scanner's clock. Confirm it or enter {_FIELD}."
    )
    return [finding("injection-zone", message, BOTH_TO_CONFIRM, _FIELD)]


def _assumed_day(
    clock: Clock, moment: float, begin_s: float, half_life_s: float | None
) -> list[Finding]:
    """A finding where the day taken is not that of the scan, or may be one of several."""
    told = ""
    if not math.isnan(begin_s) and math.floor(moment / DAY_S) != math.floor(begin_s / DAY_S):
        told = f"; the scan began {clock.to_text(begin_s)}"
    if half_life_s is not None and half_life_s > _LONG_LIVED_S:
        hours = half_life_s / 3600
        told += f"; a nuclide with a half-life of {hours:.3g} h may have been injected days before"
    if not told:
        return []
    message = (
        f"The injection has a time of day but no date. {clock.to_text(moment)} was taken, on the"
        f" day closest to the scan{told}. Confirm it or enter {_FIELD} with its date."
    )
    return [finding("injection-day-assumed", message, BOTH_TO_CONFIRM, _FIELD)]


def long_ago(moment: float, span: ScanSpan, half_life_s: float | None) -> list[Finding]:
    """A finding where many half-lives or more than a day lie between injection and scan."""
    longest_s = min(DAY_S, _LONG_AGO_HALF_LIVES * (half_life_s or math.inf))
    if not span.begin_s - moment > longest_s:
        return []
    hours = (span.begin_s - moment) / 3600.0
    message = f"The injection lies {hours:.1f} h before the scan; check it or enter {_FIELD}."
    return [finding("injection-long-ago", message, BOTH_TO_CONFIRM, _FIELD)]


def suspicious(moment: float, clock: Clock, span: ScanSpan) -> list[Finding]:
    """What is odd about an injection time.

    Args:
        moment: Injection on the clock.
        clock: The series' clock.
        span: When the series was measured, on the same clock.
    """
    told = clock.to_text(moment)
    if moment >= span.last_s:
        message = (
            f"The injection ({told}) lies after the scan, which ended {clock.to_text(span.last_s)};"
            f" enter {_FIELD}."
        )
        return [finding("injection-after-scan", message, span.verdicts(Verdict.REFUSED), _FIELD)]
    if moment > span.begin_s + _AFTER_START_S:
        message = (
            f"The injection ({told}) lies {moment - span.begin_s:.0f} s after the start of the"
            f" scan; confirm it or enter {_FIELD}."
        )
        return [finding("injection-after-start", message, span.verdicts(Verdict.CONFIRM), _FIELD)]
    if abs(moment - span.series_s) <= _SAME_TIME_S:
        message = (
            f"The injection time equals the start of the series ({told}); confirm that injection"
            f" and scan began together, or enter {_FIELD}."
        )
        return [finding(IS_SERIES_START, message, span.verdicts(Verdict.CONFIRM), _FIELD)]
    return []


def span_of(
    headers: HeaderTable, clock: Clock, first_s: float, last_s: float, *, needs_injection: bool
) -> ScanSpan:
    """Span of a series with its series time."""
    return ScanSpan(series_start_s(headers, clock), first_s, last_s, needs_injection)
