"""What PET voxel values mean: unit, corrections, decay reference (`science.md` 6.1, 6.2)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.study import Finding, Verdict
from kiview.core.units import ACTIVITY, COUNTS, GML, KI, SUV_BW, UNKNOWN, V0, Quantity
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_times import (
    DAY_S,
    Clock,
    Vendor,
    acquisition_start_s,
    series_start_s,
    vendor_of,
)
from kiview.io.overrides import UserGiven

RATES = {KI.unit.dicom_term: KI, V0.unit.dicom_term: V0}
"""Units of parametric maps written as PET."""

_SAME_REFERENCE_S = 1.0
REFERENCE_ASSUMED = "decay-reference-assumed"
"""Code of the finding that nothing but a matching DecayFactor would prove the decay reference."""

Verdicts = tuple[Verdict, Verdict]
SUV_REFUSED: Verdicts = (Verdict.REFUSED, Verdict.READY)
BOTH_REFUSED: Verdicts = (Verdict.REFUSED, Verdict.REFUSED)
BOTH_TO_CONFIRM: Verdicts = (Verdict.CONFIRM, Verdict.CONFIRM)


@dataclass(frozen=True, slots=True)
class Meaning:
    """Unit of the voxel values.

    Attributes:
        quantity: What stored x slope x `factor` is.
        factor: From the rescaled values of the file to `quantity`.
        units: The Units term.
        findings: What is assumed or refused.
    """

    quantity: Quantity
    factor: float
    units: str
    findings: tuple[Finding, ...] = ()


def meaning_of(headers: HeaderTable, given: UserGiven) -> Meaning:
    """Find the unit of a PET series.

    Raises:
        InvalidInputError: files of the series differ in unit or factor.
    """
    units = given.word("units") or shared_word(headers, "Units")
    if units == "BQML":
        return Meaning(ACTIVITY, 1.0, units)
    if units == "GML":
        return _suv_meaning(shared_word(headers, "SUVType"))
    if units == "CNTS":
        return _counts_meaning(headers)
    if units in ("PROPCNTS", "PROPCPS", "CPS"):
        return Meaning(COUNTS, 1.0, units, (_only_counts(units),))
    told = f"are in {units}" if units else "have no unit (Units is absent)"
    unusual = finding(
        "units-unknown",
        f"The voxel values {told}: no SUV and no Ki. Enter units if you know it.",
        BOTH_REFUSED,
        "units",
    )
    return Meaning(UNKNOWN, 1.0, units, (unusual,))


def _suv_meaning(suv_type: str) -> Meaning:
    if suv_type in ("", "BW"):
        return Meaning(SUV_BW, 1.0, "GML")
    quantity = Quantity(f"SUV{suv_type.lower()}", f"SUV ({suv_type})", GML)
    unusual = finding(
        "suv-other-type",
        f"The values are SUV by {suv_type}, not by body weight; they are shown as they are.",
        SUV_REFUSED,
    )
    return Meaning(quantity, 1.0, "GML", (unusual,))


def _counts_meaning(headers: HeaderTable) -> Meaning:
    """Philips counts with private factors; counts of others stay counts."""
    activity = headers.number("PhilipsActivityFactor") or 0.0
    suv = headers.number("PhilipsSuvFactor") or 0.0
    findings: tuple[Finding, ...] = ()
    if (headers.numbers("RescaleSlope") != 1.0).any() and (activity > 0 or suv > 0):
        findings = (
            Finding(
                "philips-slope",
                "RescaleSlope of this Philips series in counts is not 1; it was applied besides the"
                " private factor. Compare one value with the scanner's.",
                suv=Verdict.CONFIRM,
            ),
        )
    if activity > 0:
        return Meaning(ACTIVITY, activity, "CNTS", findings)
    if suv > 0:
        return Meaning(SUV_BW, suv, "CNTS", findings)
    return Meaning(COUNTS, 1.0, "CNTS", (_only_counts("CNTS"),))


def _only_counts(units: str) -> Finding:
    return Finding(
        "units-counts",
        f"The values are counts ({units}) without a factor to activity: no SUV. Ki needs an input"
        " function in the same counts, from a region of this series.",
        suv=Verdict.REFUSED,
        kinetics=Verdict.CONFIRM,
        fields=("units",),
    )


@dataclass(frozen=True, slots=True)
class DecayState:
    """How the values of the files are decay-corrected.

    Attributes:
        correction: START, ADMIN, NONE or empty if unknown.
        reference_s: Time that START refers to, on the clock, NaN if unknown; the earliest where
            images differ.
        findings: What does not fit.
        references_s: (n,) the same per image, where the files tell one for each; else None.
        source: Where `reference_s` comes from.
    """

    correction: str
    reference_s: float
    findings: tuple[Finding, ...] = ()
    references_s: NDArray[np.float64] | None = None
    source: str = ""


def decay_state_of(headers: HeaderTable, clock: Clock, given: UserGiven) -> DecayState:
    """Find the decay correction of a PET series and the time that it refers to.

    Raises:
        InvalidInputError: files of the series differ.
    """
    correction = given.word("decay_correction") or shared_word(headers, "DecayCorrection")
    findings = [*_correction_findings(headers, correction, given)]
    if correction not in ("START", "ADMIN", "NONE"):
        findings.append(_unknown_correction(correction))
        correction = ""
    references = _told_references(headers, clock)
    if references is not None and not given.word("decay_correction"):
        first, source = float(references.min()), "DecayCorrectionDateTime"
        return DecayState(correction, first, tuple(findings), references, source)
    reference_s, source, doubts = _start_reference(headers, clock)
    findings += doubts if correction == "START" else []
    if correction == "START" and math.isnan(reference_s):
        message = (
            "Decay is corrected to the start of the scan, but neither SeriesTime nor"
            " AcquisitionTime tells when that was: no SUV and no Ki; enter decay_correction=ADMIN"
            " if activity is corrected to the injection."
        )
        findings.append(
            finding("decay-reference-unknown", message, BOTH_REFUSED, "decay_correction")
        )
    return DecayState(correction, reference_s, tuple(findings), source=source)


def _unknown_correction(correction: str) -> Finding:
    told = f"DecayCorrection is {correction!r}" if correction else "DecayCorrection is absent"
    if correction == "YES":
        told = "DecayCorrected is YES, but DecayCorrectionDateTime is absent"
    return finding(
        "decay-correction-unknown",
        f"{told}, so activity cannot be brought to the injection; enter decay_correction (START,"
        " ADMIN or NONE).",
        BOTH_REFUSED,
        "decay_correction",
    )


def _told_references(headers: HeaderTable, clock: Clock) -> NDArray[np.float64] | None:
    """(n,) date and time that decay was corrected to, where multi-frame objects tell it."""
    moments = headers.texts("DecayReferenceDateTime")
    if not all(moments):
        return None
    known = {text: clock.date_time(text) for text in dict.fromkeys(moments)}
    references = np.array([known[text] for text in moments])
    return references if np.isfinite(references).all() else None


def _correction_findings(
    headers: HeaderTable, correction: str, given: UserGiven
) -> tuple[Finding, ...]:
    """Attenuation must be corrected; CorrectedImage and DecayCorrection must agree."""
    listed = set(shared_word(headers, "CorrectedImage").split("\\"))
    if listed == {""}:
        return (
            Finding(
                "corrections-unknown",
                "CorrectedImage is absent: the files do not say whether attenuation and decay were"
                " corrected.",
                Verdict.CONFIRM,
                Verdict.CONFIRM,
            ),
        )
    findings = []
    if "ATTN" not in listed:
        findings.append(
            finding(
                "not-attenuation-corrected",
                "The images are not corrected for attenuation: no SUV and no Ki; open the corrected"
                " series.",
                BOTH_REFUSED,
            )
        )
    told = given.word("decay_correction")
    if not told and correction and ("DECY" in listed) == (correction == "NONE"):
        findings.append(
            finding(
                "decay-correction-contradiction",
                f"DecayCorrection is {correction} but CorrectedImage"
                f" {'lists' if 'DECY' in listed else 'does not list'} DECY; enter"
                " decay_correction.",
                BOTH_REFUSED,
                "decay_correction",
            )
        )
    return tuple(findings)


def _start_reference(headers: HeaderTable, clock: Clock) -> tuple[float, str, list[Finding]]:
    """Time that DecayCorrection START refers to, where it comes from, and what is odd about it."""
    series = series_start_s(headers, clock)
    acquisition = acquisition_start_s(headers, clock)
    if np.isnan(acquisition).all():
        return series, "SeriesTime", []
    earliest = float(np.nanmin(acquisition))
    if series <= earliest:
        return series, "SeriesTime, not after the first AcquisitionTime", []
    reference, source, fits = _reference_of_later_series(headers, clock, acquisition, earliest)
    if math.isnan(series):
        findings = [] if fits else [_assumed_reference(clock, reference)]
        return reference, f"{source}, as SeriesTime is absent", findings
    message = (
        f"SeriesTime ({clock.to_text(series)}) is later than the first AcquisitionTime"
        f" ({clock.to_text(earliest)}), as in series that were processed afterwards; the decay"
        f" reference was taken from {source} ({clock.to_text(reference)})."
    )
    if fits is False:
        message += " FrameReferenceTime does not fit it; confirm it."
        return reference, source, [finding("series-time-later", message, BOTH_TO_CONFIRM)]
    findings = [Finding("series-time-later", message)]
    if fits is None:
        findings.append(_assumed_reference(clock, reference))
    return reference, source, findings


def _assumed_reference(clock: Clock, reference_s: float) -> Finding:
    message = (
        "The files do not prove that decay was corrected to the first AcquisitionTime"
        f" ({clock.to_text(reference_s)}): where earlier frames are not there, SUV is too high."
        " Confirm that the series is whole, or open the whole one."
    )
    return finding(REFERENCE_ASSUMED, message, BOTH_TO_CONFIRM)


def _reference_of_later_series(
    headers: HeaderTable, clock: Clock, acquisition: NDArray[np.float64], earliest: float
) -> tuple[float, str, bool | None]:
    """Decay reference where the series time is of later processing: time, source, does it fit.

    Whether it fits is None where nothing in the files tells.
    """
    for name, told in (
        ("GeScanDateTime", "the scan time of GE (0009,100D)"),
        ("SiemensDecayDateTime", "the decay time of Siemens (0071,1022)"),
    ):
        moment = clock.date_time(headers.text(name))
        if not math.isnan(moment) and abs(moment - earliest) < DAY_S:
            return moment, told, True
    offset = headers.numbers("FrameReferenceTime") / 1000.0
    vendor = vendor_of(headers.text("Manufacturer"))
    if vendor is Vendor.OTHER or not np.isfinite(offset).all() or not offset.any():
        return earliest, "the first AcquisitionTime", None
    if vendor is not Vendor.GE:
        offset = offset - headers.numbers("ActualFrameDuration") / 2000.0
    reference = acquisition - offset
    if np.isfinite(reference).all() and np.ptp(reference) <= _SAME_REFERENCE_S:
        return float(np.median(reference)), "AcquisitionTime less FrameReferenceTime", True
    # the acquisition time does not move with the frame
    does_move = bool(np.ptp(acquisition) > _SAME_REFERENCE_S)
    return earliest, "the first AcquisitionTime", not does_move


def shared_word(headers: HeaderTable, name: str) -> str:
    """The word in capitals that all files share, empty where absent.

    Raises:
        InvalidInputError: files differ.
    """
    words = tuple(dict.fromkeys(word.strip().upper() for word in headers.distinct(name)))
    if len(words) > 1:
        raise InvalidInputError(
            f"{name} differs within the series ({words[0] or 'absent'} and"
            f" {words[1] or 'absent'}); separate the images."
        )
    return words[0]


def finding(code: str, message: str, verdicts: Verdicts, *fields: str) -> Finding:
    """A finding with (SUV, kinetics) verdicts and the values that would settle it."""
    return Finding(code, message, verdicts[0], verdicts[1], fields)
