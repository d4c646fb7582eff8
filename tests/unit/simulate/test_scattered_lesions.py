"""Tumours of a slab: sizes, contrasts, hosts, room."""

from collections import Counter

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.simulate.body import body_parts
from kiview.simulate.person import PersonSettings
from kiview.simulate.phantom import Part, Phantom
from kiview.simulate.physique import physique_of
from kiview.simulate.scattered_lesions import LesionSettings, scatter_lesions
from kiview.simulate.shapes import Column, Grid
from kiview.simulate.tissues import Label, draw_all
from kiview.simulate.torso import with_lesions

SLABS = ((-80.0, -32.0), (20.0, 68.0), (-260.0, -212.0))


@pytest.fixture(scope="module")
def person():
    parts = body_parts(np.random.default_rng(2), physique_of(PersonSettings()))
    tissues = draw_all(np.random.default_rng(2), labels=tuple(Label))
    return Phantom(tuple(parts), tissues, (), 0, "body")


@pytest.fixture(scope="module")
def many(person):
    """Tumours of many slabs, (slab, tumours)."""
    return [
        (slab, scatter_lesions(np.random.default_rng(seed), person, 14, slab))
        for seed in range(6)
        for slab in SLABS
    ]


def test_that_fourteen_tumours_find_room_in_a_slab_of_48_mm(many):
    counts = [len(found) for _, found in many]
    assert np.mean(counts) > 13
    assert min(counts) >= 10


def test_that_tumours_do_not_touch_each_other(many):
    for _, found in many:
        for i, one in enumerate(found):
            for other in found[:i]:
                gap = np.linalg.norm(np.subtract(one.centre_lps_mm, other.centre_lps_mm))
                assert gap >= 0.6 * (one.diameter_mm + other.diameter_mm) + 4


def test_that_sizes_are_near_log_uniform_and_contrasts_reach_from_faint_to_strong(person, many):
    lesions = [x for _, found in many for x in found]
    sizes = np.log([x.diameter_mm for x in lesions])
    assert np.exp(sizes.min()) < 7
    assert np.exp(sizes.max()) > 32
    # log-uniform, but in a slab of 48 mm with 14 tumours large ones find less room
    assert 0.8 * np.sqrt(6 * 40) < np.exp(np.median(sizes)) < 1.05 * np.sqrt(6 * 40)
    warm = [x for x in lesions if x.kind != "cold"]
    contrast = np.array([x.ki / person.tissues[x.host].first.ki for x in warm])
    assert contrast.min() >= 1.5 - 1e-6
    assert contrast.max() <= 20 + 1e-6
    assert (contrast < 3).mean() > 0.12
    assert (contrast > 8).mean() > 0.2
    assert max(x.ki for x in warm) <= 0.12 + 1e-9


def test_that_tumours_grow_in_many_organs_and_cold_ones_in_warm_organs_only(many):
    hosts = Counter(Label(x.host) for _, found in many for x in found)
    wanted = {Label.LIVER, Label.LUNG, Label.FAT, Label.SOFT, Label.MARROW, Label.BOWEL}
    assert wanted <= set(hosts)
    assert not set(hosts) & {Label.AIR, Label.BLOOD, Label.URINE, Label.MYOCARDIUM}
    cold = [Label(x.host) for _, found in many for x in found if x.kind == "cold"]
    assert cold
    assert not set(cold) & {Label.LUNG, Label.FAT, Label.MUSCLE}
    assert any(x.necrotic for _, found in many for x in found)


def test_that_a_tumour_has_a_shell_of_its_host_where_there_is_room():
    """A wide cylinder of liver with a wall: tumours keep away from the wall."""
    inner = Column((0.0, 0.0), (-200.0, 200.0), (90.0,) * 2, (90.0,) * 2)
    outer = Column((0.0, 0.0), (-200.0, 200.0), (120.0,) * 2, (120.0,) * 2)
    parts = (Part(Label.FAT, outer), Part(Label.LIVER, inner))
    phantom = Phantom(parts, draw_all(np.random.default_rng(0)), (), 0, "test")
    settings = LesionSettings(20.0, 30.0, hosts={Label.LIVER: 1.0})
    for seed in range(8):
        found = scatter_lesions(np.random.default_rng(seed), phantom, 2, (-20.0, 20.0), settings)
        for x in found:
            reach = np.hypot(*x.centre_lps_mm[:2]) + 0.5 * x.diameter_mm
            assert reach <= 90 + 4
            assert 20 <= x.diameter_mm <= 30


def test_that_no_tumour_is_cut_by_the_skin(person):
    settings = LesionSettings(15.0, 40.0, hosts={Label.FAT: 1.0, Label.MUSCLE: 1.0})
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    for seed in range(3):
        found = scatter_lesions(np.random.default_rng(seed), person, 12, (-560.0, -500.0), settings)
        assert found
        for x in found:
            for axis in axes:
                place = np.asarray(x.centre_lps_mm) + 0.5 * x.diameter_mm * axis
                assert person.label_at(tuple(float(v) for v in place)) != Label.AIR


def test_that_nothing_grows_where_no_host_is(person):
    settings = LesionSettings(hosts={Label.LIVER: 1.0})
    assert scatter_lesions(np.random.default_rng(0), person, 5, (350.0, 380.0), settings) == []


def test_that_a_range_thinner_than_the_search_grid_still_finds_a_place(person):
    found = scatter_lesions(np.random.default_rng(0), person, 1, (-50.0, -50.0))
    assert [x.centre_lps_mm[2] for x in found] == [-50.0]


def test_that_the_same_seed_gives_the_same_tumours(person):
    first, again = (
        scatter_lesions(np.random.default_rng(9), person, 8, (-60.0, 0.0)) for _ in range(2)
    )
    assert first == again


@pytest.mark.parametrize(
    "wrong", [{"smallest_mm": 20.0, "largest_mm": 10.0}, {"contrast": (0.8, 4.0)}, {"hosts": {}}]
)
def test_that_impossible_tumours_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="contrasts above 1"):
        LesionSettings(**wrong)


def test_that_more_tumours_than_labels_are_refused(person):
    with pytest.raises(InvalidInputError, match="too many"):
        scatter_lesions(np.random.default_rng(0), person, 120, (-50.0, 0.0))


def test_that_drawn_tumours_show_on_a_grid(person, many):
    slab, found = many[0]
    phantom = with_lesions(person, found, np.random.default_rng(0))
    labels = phantom.draw_labels(Grid.centred(24, 256, (2.0, 2.0), sum(slab) / 2))
    for x in found:
        volume = ((labels == x.label) | (labels == x.label + 1)).sum() * 8.0
        assert volume > 0.25 * np.pi / 6 * x.diameter_mm**3
