"""Names and half-lives of the radionuclides of PET, and what a half-life or a dose should be."""

import re

from kiview.core.study import Finding, Verdict
from kiview.io.dicom_meaning import BOTH_TO_CONFIRM, finding

HALF_LIVES_S = {
    "18F": 6586.2,
    "11C": 1220.04,
    "15O": 122.24,
    "13N": 597.9,
    "68GA": 4062.6,
    "82RB": 75.45,
    "64CU": 45723.6,
    "89ZR": 282276.0,
    "124I": 360806.0,
}
"""Physical half-lives, for files that name only the nuclide and to check those that state one."""
HALF_LIFE_TOLERANCE = 0.01
"""Scanners round: 6588 s and 6586.2 s are both 18F, 1224 s and 1220.04 s both 11C."""
USUAL_DOSE_BQ = (10e6, 2e9)
_SYMBOLS = {
    "FLUORINE": "F",
    "CARBON": "C",
    "OXYGEN": "O",
    "NITROGEN": "N",
    "GALLIUM": "GA",
    "RUBIDIUM": "RB",
    "COPPER": "CU",
    "ZIRCONIUM": "ZR",
    "IODINE": "I",
}


def nuclide_name(text: str) -> str:
    """A radionuclide in the spelling `18F`, or the text as it is where it is none that is known.

    Understood are F18, F-18, [18F], 18F, ^18^Fluorine and Fluorine-18.
    """
    words = re.findall("[A-Za-z]+", text.upper())
    letters = "".join(_SYMBOLS.get(word, word) for word in words)
    known = "".join(re.findall(r"\d+", text)) + letters
    return known if known in HALF_LIVES_S else text


def half_life_findings(
    half_life_s: float, nuclide: str, *, is_entered: bool = False
) -> tuple[Finding, ...]:
    """Whether a half-life is that of its radionuclide, where that is known.

    Args:
        half_life_s: As used.
        nuclide: Name in any spelling, may be empty.
        is_entered: Whether the user gave it.
    """
    name = nuclide_name(nuclide)
    known = HALF_LIVES_S.get(name)
    if known is None or abs(half_life_s / known - 1.0) <= HALF_LIFE_TOLERANCE:
        return ()
    whose = "The half-life that you entered," if is_entered else "The half-life of the files,"
    message = (
        f"{whose} {half_life_s:g} s, is not that of {name} ({known:g} s); check it or enter"
        " half_life_s."
    )
    return (finding("half-life-differs", message, BOTH_TO_CONFIRM, "half_life_s"),)


def dose_findings(dose_bq: float) -> tuple[Finding, ...]:
    """Whether an injected activity is one that people are given; most mistakes are in its unit."""
    low, high = USUAL_DOSE_BQ
    if low <= dose_bq <= high:
        return ()
    message = (
        f"The injected activity is {dose_bq / 1e6:.6g} MBq, outside {low / 1e6:g} to {high / 1e6:g}"
        " MBq; check it or enter dose_bq."
    )
    return (finding("dose-unusual", message, (Verdict.CONFIRM, Verdict.READY), "dose_bq"),)
