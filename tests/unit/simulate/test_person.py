"""Who can be drawn, and what share of a weight that is."""

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.simulate.person import PersonSettings, draw_region
from kiview.simulate.physique import physique_of


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"weight_kg": 40.0}, "weight of 40 kg"),
        ({"height_m": 175.0}, "height of 175 m"),
        ({"weight_kg": 130.0, "height_m": 1.45}, "body-mass index"),
    ],
)
def test_that_a_person_who_can_not_be_drawn_is_refused_with_the_limits(settings, what):
    with pytest.raises(InvalidInputError, match=what):
        PersonSettings(**settings)


@pytest.mark.parametrize(("sex", "up", "down"), [("male", 0.717, 0.761), ("female", 0.709, 0.748)])
def test_that_the_drawn_share_of_the_weight_is_larger_with_lowered_arms(sex, up, down):
    """By hand from de Leva's table: 100 % less shanks, feet, 44 % of the thighs, and arms."""
    assert PersonSettings(sex, 70, arms="up").drawn_share == pytest.approx(up, abs=6e-4)
    assert PersonSettings(sex, 70, arms="down").drawn_share == pytest.approx(down, abs=6e-4)


def test_that_the_thinnest_and_the_heaviest_of_every_height_have_an_outline():
    for height in (1.45, 1.6, 1.8, 2.0):
        for bmi in (15.0, 22.0, 35.0, 50.0):
            weight = bmi * height**2
            if 45 <= weight <= 130:
                physique = physique_of(PersonSettings("female", float(weight), float(height)))
                assert min(physique.flesh.half_x) > 25
                assert min(physique.legs[0].half_x) > 25


def test_that_an_unknown_region_is_refused_with_those_there_are():
    with pytest.raises(InvalidInputError, match="head, thorax, abdomen, pelvis, thigh"):
        draw_region(np.random.default_rng(0), "arm", PersonSettings())


def test_that_places_scale_with_height():
    short, tall = PersonSettings(height_m=1.5, weight_kg=60), PersonSettings(height_m=2.0)
    z = [draw_region(np.random.default_rng(1), "pelvis", p) for p in (short, tall)]
    assert z[1] / z[0] == pytest.approx(2.0 / 1.5)
