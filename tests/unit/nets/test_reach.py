import dataclasses

import pytest
from tests.unit.nets.fakes import card

from kiview.core.errors import NetworkError
from kiview.nets.catalog import CARD_NAME, load_catalog, read_card
from kiview.nets.curve_card import load_curve_card, read_curve_card
from kiview.nets.reach import THREE_LEVELS, Reach, card_reach
from kiview.paths import models_dir


def test_that_a_card_that_says_nothing_is_of_three_levels():
    assert card_reach({}) == THREE_LEVELS == Reach(4, 24)
    assert {one.reach for one in load_catalog(models_dir()).cards} == {THREE_LEVELS}
    assert load_curve_card(models_dir()).network.reach == THREE_LEVELS


def test_that_a_card_tells_how_far_its_network_looks(tmp_path):
    text = (card().network.path.parent / CARD_NAME).read_text(encoding="utf-8")
    path = tmp_path / CARD_NAME
    path.write_text("alignment = 8\nhalo = 56\n" + text, encoding="utf-8")
    assert dataclasses.astuple(read_card(path).reach) == (8, 56)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"alignment": 2}, "alignment 2 is none of"),
        ({"alignment": 8, "halo": 20}, "halo 20 is no multiple of 8"),
        ({"halo": 0}, "halo 0 is no"),
        ({"halo": 1024}, "up to 256"),
    ],
)
def test_that_a_reach_out_of_limits_is_refused(content, told):
    with pytest.raises(ValueError, match=told):
        card_reach(content)


@pytest.mark.parametrize("content", [{"alignment": "8"}, {"halo": 24.0}, {"alignment": True}])
def test_that_a_reach_that_is_no_whole_number_is_refused(content):
    with pytest.raises(TypeError, match="whole numbers"):
        card_reach(content)


def test_that_a_curve_network_of_wider_steps_than_its_maps_is_refused(tmp_path):
    folder = load_curve_card(models_dir()).network.network.path.parent
    text = (folder / CARD_NAME).read_text(encoding="utf-8")
    path = tmp_path / CARD_NAME
    path.write_text("alignment = 8\n" + text, encoding="utf-8")
    with pytest.raises(NetworkError, match="alignment 8 is more than 4"):
        read_curve_card(path)
