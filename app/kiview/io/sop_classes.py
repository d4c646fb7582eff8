"""Which kinds of DICOM objects become series, and why the others do not."""

import re

from pydicom.uid import UID

from kiview.io.dicom_tags import MULTI_FRAME_PET

PET = "1.2.840.10008.5.1.4.1.1.128"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
DICOMDIR = "1.2.840.10008.1.3.10"
PET_CLASSES = MULTI_FRAME_PET | {PET}
CT_CLASSES = frozenset((CT, "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"))
"""Single-slice, enhanced and legacy converted enhanced CT."""
MR_CLASSES = frozenset((MR, "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"))
"""Single-slice, enhanced and legacy converted enhanced MR."""
READABLE = PET_CLASSES | CT_CLASSES | MR_CLASSES | {PARAMETRIC_MAP}
"""SOP classes that become series."""

NO_SOP_CLASS = "DICOM without a SOP class, damaged or no image"
NO_UID = "DICOM with a SOP class that is no UID, damaged"
IS_DICOMDIR = "DICOMDIR, a list of files; the files themselves were looked at"
STRUCTURE_SET_UNUSED = "RT structure set, no image"
SEGMENTATION_UNUSED = "segmentation, not read"
"""Why these are no series; their regions are listed all the same."""
_UID = re.compile(r"[0-9.]{1,64}")
_ROOT = "1.2.840.10008.5.1.4.1.1."
_OTHERS = {
    "481.3": STRUCTURE_SET_UNUSED,
    "481.2": "RT dose, not shown",
    "481.5": "RT plan, no image",
    "66.4": SEGMENTATION_UNUSED,
    "66.7": SEGMENTATION_UNUSED,
    "66": "raw data, no image",
    "66.1": "registration, no image",
    "66.3": "registration, no image",
    "66.5": "surfaces, no image",
    "67": "real-world value mapping, no image",
    "7": "screen picture, no measured image",
    "7.1": "screen picture, no measured image",
    "7.2": "screen picture, no measured image",
    "7.3": "screen picture, no measured image",
    "7.4": "screen picture, no measured image",
    "20": "nuclear medicine (SPECT) image, not read",
    "4.2": "MR spectra, no image",
    "4.3": "colour MR image, no measured values",
    "88.59": "list of key images, no image",
    "88.67": "dose report, no image",
    "88.68": "radiopharmaceutical dose report, no image",
    "88.73": "dose report of a patient, no image",
}
_FAMILIES = {
    "11.": "presentation state, no image",
    "88.": "structured report, no image",
    "104.": "document, no image",
    "9.": "waveform, no image",
    "481.": "radiotherapy object, not read",
}
"""Beginnings of what follows the root of storage classes."""
_LOCALIZER = "LOCALIZER"


def why_not_used(sop_class: str, image_type: str) -> str:
    """Why a DICOM file becomes no series, empty where it becomes one.

    Args:
        sop_class: SOP class UID; empty where the file has none.
        image_type: ImageType, its values joined by a backslash.
    """
    if not _UID.fullmatch(sop_class):
        return NO_UID if sop_class else NO_SOP_CLASS
    if sop_class == DICOMDIR:
        return IS_DICOMDIR
    if sop_class in READABLE:
        is_volume = sop_class in CT_CLASSES | MR_CLASSES
        is_scout = is_volume and _LOCALIZER in image_type.upper().split("\\")
        return "localizer (scout), no volume" if is_scout else ""
    kind = sop_class.removeprefix(_ROOT) if sop_class.startswith(_ROOT) else ""
    if kind in _OTHERS:
        return _OTHERS[kind]
    for beginning, reason in _FAMILIES.items():
        if kind.startswith(beginning):
            return reason
    name = UID(sop_class).name
    told = sop_class if name == sop_class else f"{name}, {sop_class}"
    return f"DICOM of a kind that is not read ({told})"
