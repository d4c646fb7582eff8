"""What a BIDS sidecar tells against the numbers of its image."""

import re

from kiview.core.study import Finding
from kiview.io.bids_sidecar import Sidecar
from kiview.io.dicom_meaning import BOTH_REFUSED, finding

_NOT_CORRECTED = {
    "none", "no", "false", "off", "nac", "uncorrected", "not corrected", "not applied",
}  # fmt: skip
"""In small letters; any other text of AttenuationCorrection is the method, as BIDS has it."""
_WEIGHT = re.compile(r"(patient|body|subject|participant)?[ _]?weight([ _]?kg)?", re.IGNORECASE)


def attenuation_findings(sidecar: Sidecar) -> tuple[Finding, ...]:
    """Refuse values that are not corrected for attenuation, where the sidecar says so."""
    told = str(sidecar.values.get("AttenuationCorrection", "")).strip()
    if told.lower() not in _NOT_CORRECTED:
        return ()
    message = (
        f"{sidecar.name} says AttenuationCorrection {told!r}: no SUV and no Ki; open the corrected"
        " image, or write its method there if it is corrected."
    )
    return (finding("not-attenuation-corrected", message, BOTH_REFUSED),)


def why_no_weight(sidecar: Sidecar) -> str:
    """Why a weight of the sidecar is not used, a sentence; empty where there is none.

    BIDS PET defines no key for it, hence no unit, and none is guessed.
    """
    key = next((key for key in sidecar.values if _WEIGHT.fullmatch(key)), "")
    if not key:
        return ""
    told = str(sidecar.values[key])[:20]
    return f"{sidecar.name} holds {key} {told}, but BIDS PET has no key and unit for a weight."


def value_findings(name: str, largest: float | None) -> tuple[Finding, ...]:
    """Refuse an image without any value.

    Args:
        name: Of the image's file.
        largest: Its largest value, None where every voxel is NaN.
    """
    if largest is not None:
        return ()
    message = f"Every voxel of {name} is NaN: no SUV and no Ki; write the image again."
    return (finding("no-values", message, BOTH_REFUSED),)
