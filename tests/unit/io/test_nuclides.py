"""Names of nuclides, their half-lives and doses: what is usual and what is told."""

import pytest

from kiview.core.study import Verdict
from kiview.io.nuclides import dose_findings, half_life_findings, nuclide_name

READY, CONFIRM = Verdict.READY, Verdict.CONFIRM


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("18F", "18F"),
        ("F18", "18F"),
        ("F-18", "18F"),
        ("[18F]", "18F"),
        ("^18^Fluorine", "18F"),
        ("Fluorine-18", "18F"),
        ("^68^Gallium", "68GA"),
        ("Ga68", "68GA"),
        ("^11^Carbon", "11C"),
        ("Zr-89", "89ZR"),
        ("^99m^Technetium", "^99m^Technetium"),
        ("", ""),
    ],
)
def test_that_spellings_of_a_nuclide_are_one(text: str, name: str) -> None:
    assert nuclide_name(text) == name


@pytest.mark.parametrize("half_life_s", [6586.2, 6588.0, 6586.199707, 6651.0, 6521.0])
def test_that_rounded_half_lives_pass(half_life_s: float) -> None:
    assert half_life_findings(half_life_s, "^18^Fluorine") == ()


@pytest.mark.parametrize("half_life_s", [6653.0, 6519.0, 109.77, 1220.04])
def test_that_a_half_life_more_than_one_percent_off_is_told(half_life_s: float) -> None:
    (told,) = half_life_findings(half_life_s, "F-18")
    assert (told.code, told.suv, told.kinetics) == ("half-life-differs", CONFIRM, CONFIRM)
    assert told.fields == ("half_life_s",)
    assert "18F (6586.2 s)" in told.message


def test_that_a_half_life_of_an_unnamed_nuclide_is_compared_with_none() -> None:
    assert half_life_findings(1.0, "") == half_life_findings(1.0, "99mTc") == ()


@pytest.mark.parametrize(("dose_bq", "is_odd"), [(9.9e6, True), (10.1e6, False), (2.1e9, True)])
def test_that_an_unusual_dose_is_to_be_confirmed(dose_bq: float, is_odd: bool) -> None:
    told = dose_findings(dose_bq)
    assert [(one.code, one.suv, one.kinetics) for one in told] == (
        [("dose-unusual", CONFIRM, READY)] if is_odd else []
    )
