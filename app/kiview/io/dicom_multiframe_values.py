"""What multi-frame PET objects say about values, in the words of single-slice PET."""

from collections.abc import Callable, Sequence

import numpy as np

from kiview.core.errors import InvalidInputError, UnsupportedDataError
from kiview.core.study import Finding, Verdict
from kiview.io.dicom_groups import Values
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_meaning import BOTH_REFUSED, finding
from kiview.io.dicom_tags import ENHANCED_PET, FURTHER, NUCLIDE, RADIOPHARMACEUTICAL
from kiview.io.nuclides import USUAL_DOSE_BQ

MAPPED = "RealWorldValue"
"""Column that says YES where slope and intercept are those of the real-world value mapping."""

_BQ_PER_MBQ = 1e6
_SAME_SLOPE = 1e-4
_DOSE_IN_BQ = "DoseInBecquerels"
_FILE_SLOPE = "PixelValueSlope"
_TABLE = "RealWorldValueLUTData"

_UNITS = {
    "bq/ml": ("BQML", ""),
    "g/ml{suvbw}": ("GML", "BW"),
    "g/ml{suvlbm}": ("GML", "LBM"),
    "g/ml{suvlbm(james128)}": ("GML", "LBMJAMES128"),
    "g/ml{suvlbm(janma)}": ("GML", "LBMJANMA"),
    "g/ml{suvibw}": ("GML", "IBW"),
    "{counts}": ("CNTS", ""),
    "{counts}/s": ("CPS", ""),
    "{propcounts}": ("PROPCNTS", ""),
    "{propcounts}/s": ("PROPCPS", ""),
}
"""UCUM code of CID 84 and 85 in small letters -> Units, SUVType. The first listed is preferred."""

_RANK = {unit: rank for rank, unit in enumerate(_UNITS.values())}

_PET_UNITS = {unit for unit, _ in _UNITS.values()}

_SUV_TYPES = {
    "126401": "BW",
    "126402": "LBM",
    "126404": "IBW",
    "126405": "LBMJANMA",
    "126406": "LBMJAMES128",
}
"""Code of the quantity (DCM) -> SUVType, where the unit is g/ml alone."""


def agent_values(
    agents: Sequence[Values], used: Sequence[Values], sop_class: str
) -> dict[str, str]:
    """Radiopharmaceutical of a frame.

    Args:
        agents: Radiopharmaceuticals of the object.
        used: Radiopharmaceutical usage of the frame, by agent number.
        sop_class: Enhanced PET tells the dose in MBq (PS3.3 C.8.22.4), all others in Bq.

    Raises:
        UnsupportedDataError: more than one radiopharmaceutical in the frame.
        InvalidInputError: the frame uses one that the object does not list.
    """
    if not agents:
        return {}
    numbers = {item.get("Agent", "") for item in used} - {""}
    chosen = [one for one in agents if one.get("RadiopharmaceuticalAgentNumber", "") in numbers]
    if len(numbers) > 1 or (not numbers and len(agents) > 1):
        raise UnsupportedDataError(
            "The frames show several radiopharmaceuticals at once, which KiView cannot separate."
        )
    if numbers and not chosen:
        raise InvalidInputError(
            f"A frame uses radiopharmaceutical {min(numbers)}, which the object does not list."
        )
    agent = chosen[0] if chosen else agents[0]
    names = (*(name for name, _ in RADIOPHARMACEUTICAL.values()), *(n for n, _ in NUCLIDE.values()))
    values = {name: str(agent.get(name, "")) for name in names}
    values |= dict.fromkeys((FURTHER + name for name in names), "")  # told by the frame
    values["Radiopharmaceutical"] = values["Radiopharmaceutical"] or str(
        agent.get("RadiopharmaceuticalMeaning", "")
    )
    if sop_class == ENHANCED_PET:
        values.update(dose_in_bq(values["RadionuclideTotalDose"]))
    return values


def dose_in_bq(text: str) -> dict[str, str]:
    """Dose of an enhanced object in Bq, as values of the classic keywords.

    Some writers keep Bq. The usual doses in MBq (10 to 2000) and in Bq (1e7 to 2e9) are so far
    apart that the number tells its unit; a finding asks to confirm it.
    """
    try:
        told = float(text or "nan")
    except ValueError:
        return {}  # told as no number by who needs it
    if not np.isfinite(told):
        return {}
    low, high = USUAL_DOSE_BQ
    if low <= told <= high:
        return {_DOSE_IN_BQ: "YES"}
    return {"RadionuclideTotalDose": repr(told * _BQ_PER_MBQ)}


def dose_findings(headers: HeaderTable) -> tuple[Finding, ...]:
    """The dose was written in Bq where MBq are due."""
    if "YES" not in headers.distinct(_DOSE_IN_BQ):
        return ()
    message = (
        f"The injected activity of this enhanced PET is {headers.text('RadionuclideTotalDose')},"
        " which cannot be MBq as the standard says; it was taken as Bq. Confirm it or enter"
        " dose_bq."
    )
    return (finding("dose-in-bq", message, (Verdict.CONFIRM, Verdict.READY), "dose_bq"),)


def correction_values(text: Callable[[str], str], sop_class: str) -> dict[str, str]:
    """DecayCorrection and CorrectedImage of a frame (PS3.3 C.8.22.6).

    Args:
        text: Text of a keyword, of the frame or of its file.
        sop_class: Legacy converted objects keep DecayCorrection and CorrectedImage.
    """
    corrected = text("DecayCorrected").upper()
    if sop_class != ENHANCED_PET and not corrected:
        return {}
    values = {"CorrectedImage": text("CorrectedImage")}
    moment = text("DecayCorrectionDateTime")
    if corrected == "YES" and moment:
        values["DecayCorrection"], values["DecayReferenceDateTime"] = "START", moment
    else:
        values["DecayCorrection"] = {"YES": "YES", "NO": "NONE"}.get(corrected, corrected)
    attenuation = text("AttenuationCorrected").upper()
    if not values["CorrectedImage"] and attenuation:
        done = [("ATTN", attenuation), ("DECY", corrected)]
        words = [word for word, told in done if told == "YES"]
        values["CorrectedImage"] = "\\".join(words) or "NONE"
    return values


def mapped_values(mappings: Sequence[Values], text: Callable[[str], str]) -> dict[str, str]:
    """Slope, intercept and unit of a frame by its real-world value mapping, if it has one.

    The mapping goes from stored values to the unit (PS3.3 C.7.6.16.2.11); without it slope and
    intercept are those of the pixel value transformation, and Units (of converted objects) or
    RescaleType says their unit.

    Args:
        mappings: Items of RealWorldValueMappingSequence.
        text: Text of a keyword, of the frame or of its file.

    Raises:
        UnsupportedDataError: the values need a table, or ranges with different slopes.
    """
    if not mappings and not text("Units"):
        told = _UNITS.get(text("RescaleType").lower(), (text("RescaleType").upper(), ""))
        return {"Units": told[0], "SUVType": told[1]} if told[0] in _PET_UNITS else {}
    known = [(unit, item) for item in mappings if (unit := _unit_of(item)) is not None]
    if not known and (not mappings or text("Units")):
        return {}
    if not known:
        known = [((str(mappings[0].get("Unit", "")), ""), mappings[0])]
    unit, item = min(known, key=lambda one: _RANK.get(one[0], len(_RANK)))
    same = {_line(other) for told, other in known if told == unit}
    if len(same) > 1 or _TABLE in item:
        raise UnsupportedDataError(
            f"The values in {unit[0]} follow a table or several ranges, which KiView does not read;"
            " export them with one slope per frame."
        )
    slope, intercept = _line(item)
    return {
        "Units": unit[0],
        "SUVType": unit[1],
        _FILE_SLOPE: text("RescaleSlope"),
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
        MAPPED: "YES",
    }


def _line(item: Values) -> tuple[str, str]:
    return str(item.get("RealWorldValueSlope", "")), str(item.get("RealWorldValueIntercept", ""))


def _unit_of(item: Values) -> tuple[str, str] | None:
    code = str(item.get("Unit", "")).lower().replace(" ", "")
    if code == "g/ml":
        types = [_SUV_TYPES.get(str(part.get("CodeValue"))) for part in item.get("Quantities", [])]
        told = [one for one in types if one]
        return ("GML", told[0]) if told else None
    return _UNITS.get(code)


def mapping_findings(headers: HeaderTable) -> tuple[Finding, ...]:
    """Whether the real-world slopes follow the rescale slopes from frame to frame.

    Both are lines from the same stored values, so their ratio is one number of the series unless
    one of them was applied to values that the other had rescaled already.
    """
    if "YES" not in headers.distinct(MAPPED):
        return ()
    mapped, rescale = headers.numbers("RescaleSlope"), headers.numbers(_FILE_SLOPE)
    if not (np.isfinite(mapped).all() and np.isfinite(rescale).all() and (rescale > 0).all()):
        return ()
    ratio = mapped / rescale
    if np.ptp(ratio) > _SAME_SLOPE * abs(float(ratio[0])):
        message = (
            "RealWorldValueSlope and RescaleSlope do not change together from frame to frame, so"
            " one of them is wrong: no SUV and no Ki; export the series again."
        )
        return (finding("value-mapping-contradicts", message, BOTH_REFUSED),)
    if abs(float(ratio[0]) - 1.0) <= _SAME_SLOPE or headers.text("Units") != "BQML":
        return ()
    message = (
        f"RealWorldValueSlope is {ratio[0]:.6g} times RescaleSlope; the real-world values"
        f" ({headers.text('Units')}) are used, as the standard says. Compare one value with the"
        " scanner's."
    )
    return (finding("value-mapping-used", message, (Verdict.CONFIRM, Verdict.READY)),)
