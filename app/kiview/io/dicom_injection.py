"""Injection time, dose and half-life of a PET series, and what is odd about them."""

import math
from dataclasses import dataclass

from kiview.core.study import Finding, Verdict
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_meaning import BOTH_REFUSED, BOTH_TO_CONFIRM, SUV_REFUSED, finding
from kiview.io.dicom_times import DAY_S, Clock, seconds_of_day, series_start_s
from kiview.io.overrides import UserGiven

USUAL_DOSE_BQ = (10e6, 2e9)
_LONG_AGO_HALF_LIVES = 6.0
_LONG_LIVED_S = 6 * 3600.0
"""Nuclides of a longer half-life are also measured on days after the injection."""
_SAME_TIME_S = 1e-3
_AFTER_START_S = 0.5
_FIELD = "injection_time"
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
    """

    time_s: float
    dose_bq: float | None
    half_life_s: float | None
    nuclide: str = ""
    tracer: str = ""
    findings: tuple[Finding, ...] = ()


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


def injection_of(
    headers: HeaderTable, clock: Clock, given: UserGiven, span: ScanSpan
) -> InjectionFacts:
    """Find time, dose and half-life; what the user entered wins over the files.

    Raises:
        InvalidInputError: a number or time in the files is none, or files differ.
    """
    half_life, half_life_findings = _half_life(headers, given)
    time_s, time_findings = _time(headers, clock, given, span, half_life)
    dose, dose_findings = _dose(headers, given)
    time_findings += long_ago(time_s, span, half_life)
    time_findings += _assumed_day(headers, clock, given, half_life)
    return InjectionFacts(
        time_s,
        dose,
        half_life,
        headers.text("Radionuclide").replace("^", ""),
        headers.text("Radiopharmaceutical"),
        (*time_findings, *dose_findings, *half_life_findings),
    )


def _half_life(headers: HeaderTable, given: UserGiven) -> tuple[float | None, list[Finding]]:
    value, why = given.number("half_life_s"), ""
    if value is None:
        value, why = headers.positive("RadionuclideHalfLife")
    if value is not None:
        return value, []
    message = f"{why} Without a half-life decay cannot be computed; enter half_life_s."
    return None, [finding("half-life-missing", message, BOTH_REFUSED, "half_life_s")]


def _dose(headers: HeaderTable, given: UserGiven) -> tuple[float | None, list[Finding]]:
    entered = given.number("dose_bq")
    if entered is not None:
        return entered, []
    dose, why = headers.positive("RadionuclideTotalDose")
    if dose is None:
        message = f"{why} Without the injected activity there is no SUV; enter dose_bq."
        return None, [finding("dose-missing", message, SUV_REFUSED, "dose_bq")]
    low, high = USUAL_DOSE_BQ
    if low <= dose <= high:
        return dose, []
    message = (
        f"The injected activity is {dose / 1e6:.6g} MBq, outside {low / 1e6:g} to {high / 1e6:g}"
        " MBq; check it or enter dose_bq."
    )
    return dose, [finding("dose-unusual", message, (Verdict.CONFIRM, Verdict.READY), "dose_bq")]


def _time(
    headers: HeaderTable,
    clock: Clock,
    given: UserGiven,
    span: ScanSpan,
    half_life_s: float | None,
) -> tuple[float, list[Finding]]:
    entered = given.injection_s(clock, span.begin_s)
    if entered is not None:
        return entered, [
            one for one in suspicious(entered, clock, span) if one.code != IS_SERIES_START
        ]
    moment, findings = _told_time(headers, clock, span, half_life_s)
    if not math.isnan(moment):
        return moment, [*findings, *suspicious(moment, clock, span)]
    suv = Verdict.REFUSED if span.needs_injection else Verdict.READY
    message = (
        "The injection time is absent, so frames count from the start of the scan and there is no"
        f" Ki{' and no SUV' if span.needs_injection else ''}; enter {_FIELD}."
    )
    return moment, [finding("injection-time-missing", message, (suv, Verdict.REFUSED), _FIELD)]


def _told_time(
    headers: HeaderTable, clock: Clock, span: ScanSpan, half_life_s: float | None
) -> tuple[float, list[Finding]]:
    """Full date-time first; a time of day is taken on the day that brings it closest to the scan.

    So an injection before midnight belongs to the day before a scan after midnight. A date fits
    within two days or, for long-lived nuclides, within as many half-lives as are usual.
    """
    full = clock.date_time(headers.text("RadiopharmaceuticalStartDateTime"))
    seconds = seconds_of_day(headers.text("RadiopharmaceuticalStartTime"))
    begin = span.begin_s
    longest_s = max(2 * DAY_S, _LONG_AGO_HALF_LIVES * (half_life_s or 0.0))
    if not math.isnan(full) and (math.isnan(begin) or abs(begin - full) < longest_s):
        return full, []
    if seconds is None:
        return math.nan, []
    findings = []
    if not math.isnan(full):
        message = "The date of the injection does not fit the scan; only its time of day was used."
        findings.append(finding("injection-date-strange", message, BOTH_TO_CONFIRM, _FIELD))
    days = 0 if math.isnan(begin) else round((begin - seconds) / DAY_S)
    return seconds + days * DAY_S, findings


def _assumed_day(
    headers: HeaderTable, clock: Clock, given: UserGiven, half_life_s: float | None
) -> list[Finding]:
    """A finding where only the time of day is told of a tracer that is measured for days."""
    is_told = given.word("injection_time") or not math.isnan(
        clock.date_time(headers.text("RadiopharmaceuticalStartDateTime"))
    )
    if is_told or not headers.text("RadiopharmaceuticalStartTime").strip():
        return []
    if half_life_s is None or half_life_s <= _LONG_LIVED_S:
        return []
    message = (
        "The files tell the time of the injection but not its day; the day nearest to the scan was"
        f" taken, although a nuclide with a half-life of {half_life_s / 3600:.3g} h may have been"
        f" injected days before. Confirm it or enter {_FIELD} with its date."
    )
    return [finding("injection-day-assumed", message, BOTH_TO_CONFIRM, _FIELD)]


def long_ago(moment: float, span: ScanSpan, half_life_s: float | None) -> list[Finding]:
    """A finding where many half-lives lie between injection and scan."""
    if not half_life_s or not span.begin_s - moment > _LONG_AGO_HALF_LIVES * half_life_s:
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
        return [finding("injection-after-scan", message, BOTH_REFUSED, _FIELD)]
    if moment > span.begin_s + _AFTER_START_S:
        message = (
            f"The injection ({told}) lies {moment - span.begin_s:.0f} s after the start of the"
            f" scan; confirm it or enter {_FIELD}."
        )
        return [finding("injection-after-start", message, BOTH_TO_CONFIRM, _FIELD)]
    if abs(moment - span.series_s) <= _SAME_TIME_S:
        message = (
            f"The injection time equals the start of the series ({told}); confirm that injection"
            f" and scan began together, or enter {_FIELD}."
        )
        return [finding(IS_SERIES_START, message, BOTH_TO_CONFIRM, _FIELD)]
    return []


def span_of(
    headers: HeaderTable, clock: Clock, first_s: float, last_s: float, *, needs_injection: bool
) -> ScanSpan:
    """Span of a series with its series time."""
    return ScanSpan(series_start_s(headers, clock), first_s, last_s, needs_injection)
