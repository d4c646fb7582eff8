"""A record gives the run that made it, or is refused with the reason."""

import dataclasses
import json

import numpy as np
import pytest
from tests.unit.nets.fakes import card, fake_image, plasma

from kiview.core.errors import NetworkError
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


def record_of(network, tied=True):
    weights = WeightSet(network.network.sha256, 0.25)
    request = NetworkRequest(IMAGE, plasma(), 1800.0, 3600.0, network, weights, tied)
    made = network_provenance(request, np.arange(6), "CPU").to_dict()
    return json.loads(json.dumps(made))


def read(tmp_path, record):
    path = tmp_path / "network_Ki.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return read_recorded_run(path)


@pytest.mark.parametrize("own", [0, 1])
def test_that_the_recorded_network_is_used_among_those_with_the_same_file(tmp_path, own):
    cards = (NETWORK, twin("site-ends"))
    record = record_of(cards[own])
    del record["settings"]["weights"]["network"]  # as records of before
    again = read(tmp_path, record).request(IMAGE, cards)
    assert again.card is cards[own]
    assert again.weights.identity(again.card) == record["weight_set_id"]


def test_that_without_the_recorded_network_only_a_sole_equal_one_is_used(tmp_path):
    record = record_of(NETWORK)
    renamed = dataclasses.replace(NETWORK, id="renamed")
    run = read(tmp_path, record)
    assert run.request(IMAGE, (renamed,)).card is renamed
    with pytest.raises(NetworkError, match=r"may belong to renamed@1\.0\.0 or other@1\.0\.0"):
        run.request(IMAGE, (renamed, twin("other")))
    with pytest.raises(NetworkError, match="weights of the network were changed"):
        run.request(IMAGE, (twin("other"),))
