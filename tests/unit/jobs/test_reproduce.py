"""A record gives the run that made it, or is refused with the reason."""

import dataclasses
import json

import numpy as np
import pytest
from tests.unit.nets.fakes import SIX_FRAMES, card, fake_image, plasma

from kiview.core.errors import InvalidInputError, NetworkError, ReadError
from kiview.core.made import Made
from kiview.core.merge_frames import merge_frames
from kiview.core.merge_plan import MergeSettings
from kiview.jobs.reproduce import read_recorded_run
from kiview.nets.infer import NetworkRequest
from kiview.nets.run_record import network_provenance
from kiview.nets.weights import WeightSet

NETWORK = card()
IMAGE = dataclasses.replace(fake_image((2, 8, 8)), series_uid="1.2.3")


def twin(name):
    """A network with the same network file and exchanged slider ends."""
    slider = NETWORK.slider
    ends = dataclasses.replace(slider, smooth=slider.sharp, sharp=slider.smooth)
    return dataclasses.replace(NETWORK, id=name, slider=ends)


MADE = Made("2026-01-31T09:30:00+00:00", "rmeyer")


def record_of(network, tied=True, image=IMAGE):
    weights = WeightSet(network.network.sha256, 0.25)
    request = NetworkRequest(image, plasma(), 1800.0, 3600.0, network, weights, tied)
    made = network_provenance(request, np.arange(6), "CPU", MADE).to_dict()
    return json.loads(json.dumps(made))


def read(tmp_path, record):
    path = tmp_path / "network_Ki.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return read_recorded_run(path)


def test_that_when_and_by_whom_change_nothing(tmp_path):
    record = record_of(NETWORK)
    assert (record["computed_at"], record["operator"]) == (MADE.at, MADE.by)

    def request_of(content):
        run = read(tmp_path, content)
        return run.request(IMAGE, run.chosen((NETWORK,)))

    first = request_of(record)
    del record["computed_at"], record["operator"]  # as records of before
    before = request_of(record)
    for name in ("card", "weights", "start_s", "end_s", "tied"):
        assert getattr(first, name) == getattr(before, name)
    np.testing.assert_array_equal(
        first.input_function.at(SIX_FRAMES.mid_s), before.input_function.at(SIX_FRAMES.mid_s)
    )


MERGED = merge_frames(IMAGE, MergeSettings(600.0, 1800.0))


def test_that_frames_are_merged_again_as_the_record_tells(tmp_path):
    run = read(tmp_path, record_of(NETWORK, image=MERGED))
    again = run.frames_of(IMAGE)
    assert again.timing == MERGED.timing != IMAGE.timing
    assert again.steps == MERGED.steps
    np.testing.assert_array_equal(again.store.slab(0, 2), MERGED.store.slab(0, 2))


def test_that_frames_stay_as_acquired_where_the_record_tells_no_step(tmp_path):
    record = record_of(NETWORK)
    assert record["steps"] == []
    assert read(tmp_path, record).frames_of(IMAGE) is IMAGE
    del record["steps"]  # as records of before
    assert read(tmp_path, record).frames_of(IMAGE) is IMAGE


def test_that_another_series_is_refused(tmp_path):
    run = read(tmp_path, record_of(NETWORK))
    with pytest.raises(InvalidInputError, match="computed from another series"):
        run.frames_of(dataclasses.replace(IMAGE, series_uid="1.2.4"))


def test_that_a_step_of_a_later_version_is_refused(tmp_path):
    record = record_of(NETWORK, image=MERGED)
    record["steps"][0]["name"] = "move-frames"
    with pytest.raises(ReadError, match=r"went through 'move-frames', which this version"):
        read(tmp_path, record)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ({}, "steps is no list"),
        ([5], "a table is missing"),
        ([{"name": "merge-frames"}], "settings is missing"),
        ([{"name": "merge-frames", "settings": {"length_s": 600}}], "start_s is missing"),
        ([{"name": "merge-frames", "settings": {"length_s": "a"}}], "length_s of merged frames is"),
    ],
)
def test_that_damaged_steps_are_refused(tmp_path, steps, reason):
    with pytest.raises(ReadError, match=f"does not hold all that made the map .{reason}"):
        read(tmp_path, record_of(NETWORK) | {"steps": steps})


@pytest.mark.parametrize("own", [0, 1])
def test_that_the_recorded_network_is_used_among_those_with_the_same_file(tmp_path, own):
    cards = (NETWORK, twin("site-ends"))
    record = record_of(cards[own])
    del record["settings"]["weights"]["network"]  # as records of before
    run = read(tmp_path, record)
    again = run.request(IMAGE, run.chosen(cards))
    assert again.card is cards[own]
    assert again.weights.identity(again.card) == record["weight_set_id"]


def test_that_without_the_recorded_network_only_a_sole_equal_one_is_used(tmp_path):
    record = record_of(NETWORK)
    renamed = dataclasses.replace(NETWORK, id="renamed")
    run = read(tmp_path, record)
    assert run.chosen((renamed,))[0] is renamed
    with pytest.raises(NetworkError, match=r"may belong to renamed@1\.0\.0 or other@1\.0\.0"):
        run.chosen((renamed, twin("other")))
    with pytest.raises(NetworkError, match="weights of the network were changed"):
        run.chosen((twin("other"),))


@pytest.mark.parametrize("tied", [True, False])
def test_that_a_record_keeps_or_drops_consistency_as_the_run_did(tmp_path, tied):
    run = read(tmp_path, record_of(NETWORK, tied))
    assert run.request(IMAGE, run.chosen((NETWORK,))).tied is tied


@pytest.mark.parametrize("tied", ["yes", "true", 1, 0, None, []])
def test_that_consistency_is_on_or_off_and_nothing_else(tmp_path, tied):
    record = record_of(NETWORK)
    record["settings"]["tied_to_patlak"] = tied
    with pytest.raises(ReadError, match=r"tied_to_patlak is .* neither true nor false"):
        read(tmp_path, record)
    del record["settings"]["tied_to_patlak"]
    with pytest.raises(ReadError, match="tied_to_patlak is missing"):
        read(tmp_path, record)


def test_that_a_changed_curve_is_refused(tmp_path):
    record = record_of(NETWORK)
    original = read(tmp_path, record).input_function
    np.testing.assert_array_equal(original.curve.activity, plasma().curve.activity)
    values = record["inputs"]["curve"]["curve"]["activity"]
    values[3] = float(np.nextafter(values[3], np.inf))
    with pytest.raises(ReadError, match=r"input function in network_Ki\.json was changed"):
        read(tmp_path, record)
    del record["inputs"]["curve_sha256"]  # as records of before
    assert read(tmp_path, record).input_function.curve.activity[3] == values[3]


@pytest.mark.parametrize("change", [("plasma_factor", 1.25), ("compartment", "whole blood")])
def test_that_a_changed_meaning_of_the_curve_is_refused(tmp_path, change):
    record = record_of(NETWORK)
    name, value = change
    assert record["inputs"]["curve"][name] != value
    record["inputs"]["curve"][name] = value
    with pytest.raises(ReadError, match="was changed after the map was computed"):
        read(tmp_path, record)
