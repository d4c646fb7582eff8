"""Checks of PET headers as a whole: values that were taken out, slices that are not there."""

from kiview.core.study import Finding
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_meaning import BOTH_TO_CONFIRM, finding

_TIMES = ("SeriesTime", "AcquisitionTime", "RadiopharmaceuticalStartTime")
_DATES = ("SeriesDate",)
_DATE_TIMES = ("AcquisitionDateTime", "RadiopharmaceuticalStartDateTime")
_REMOVED_DATES = ("19000101", "18000101", "10000101", "00010101", "00000000")
"""What programs write where they take a date out."""
_VALUES = (
    ("PatientWeight",),
    ("RadionuclideTotalDose",),
    ("RadionuclideHalfLife",),
    ("RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"),
    ("SeriesDate",),
    ("SeriesTime",),
    ("AcquisitionTime", "AcquisitionDateTime"),
)
"""What numbers rest on; of a group one value is enough."""


def removed_findings(headers: HeaderTable) -> tuple[Finding, ...]:
    """Name values that de-identification left empty or zero.

    A value that is absent has a finding of its own. Here is told that it was taken out on purpose,
    and that a time is a stand-in, which would be read as a real one. A date that stands for none
    does no harm where all files have the same.
    """
    is_removed = "YES" in headers.distinct("PatientIdentityRemoved")
    named, stand_ins = [], []
    for group in _VALUES:
        if any(_is_filled(headers, name) for name in group):
            continue
        zero_times = [n for n in group if n in _TIMES and any(headers.distinct(n))]
        stand_ins += zero_times
        if is_removed and not zero_times:
            named.append(group[0])
    if not (named or stand_ins):
        return ()
    who = "The files were de-identified" if is_removed else "The files seem to be de-identified"
    told = [f"{name} is {headers.text(name)}, which stands for no time" for name in stand_ins]
    told += [f"{name} is {headers.text(name)[:20].strip() or 'empty'}" for name in named]
    message = f"{who}: {'; '.join(told)}."
    if not stand_ins:
        return (Finding("values-removed", f"{message} Enter what is asked for."),)
    message += " Times and decay that rest on it are wrong; enter injection_time, or confirm it."
    return (finding("values-removed", message, BOTH_TO_CONFIRM, "injection_time"),)


def _is_filled(headers: HeaderTable, name: str) -> bool:
    """Whether any file has a real value."""
    return any(_is_real(name, text.strip()) for text in headers.distinct(name))


def _is_real(name: str, text: str) -> bool:
    digits = "".join(c for c in text if c.isdigit())
    if name in _DATES:
        return bool(digits) and digits not in _REMOVED_DATES
    if name in _DATE_TIMES:
        return bool(digits[8:].strip("0")) or (bool(digits) and digits[:8] not in _REMOVED_DATES)
    return bool(digits.strip("0"))


def slice_count_findings(headers: HeaderTable, shape_tz: tuple[int, int]) -> tuple[Finding, ...]:
    """Slices that NumberOfSlices tells of and that are not there.

    A gap inside is refused elsewhere; this finds what is missing at an end. The number may be that
    of a frame or of the whole series; GE also writes that of one bed, which is smaller.

    Args:
        headers: Of the series.
        shape_tz: Frames and slices that were found.
    """
    told = headers.positive("NumberOfSlices")[0]
    frames, slices = shape_tz
    if told is None or told <= slices or told in (frames * slices, len(headers)):
        return ()
    message = (
        f"NumberOfSlices is {told:g} but each frame has {slices}: slices at an end seem to be"
        " missing. Copy the study again, or confirm that this part is what you want."
    )
    return (finding("slices-missing", message, BOTH_TO_CONFIRM),)
