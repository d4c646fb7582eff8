"""What a card says of those a network learnt from."""

from dataclasses import asdict

from kitrain.card_text import people_of
from kitrain.config import DataConfig
from kitrain.domain import domain_table

MEASURED = {"noise_gain": [1.0, 2.0]}


def test_that_a_card_of_the_usual_mix_reads_as_before():
    usual = asdict(DataConfig(4, 1, 1))
    for data in (usual, {"train": 4, "validation": 1}):
        told = people_of(data)
        assert told.startswith("slabs of simulated people, head to mid-thigh, both sexes")
        assert told.endswith("Poisson noise shared between slices; OSEM")
        assert domain_table(MEASURED, data)["region"] == "head to thigh"


def test_that_a_card_tells_another_mix_and_another_reconstruction():
    kinds, regions = {"body": 3.0, "brain": 1.0}, {"thorax": 1.0, "head": 1.0}
    data = asdict(DataConfig(4, 1, 1, reconstruction="fbp", kinds=kinds, regions=regions))
    told = people_of(data)
    assert told.startswith("slabs of body (75%), brain (25%); of a body thorax (50%), head (50%);")
    assert told.endswith("; FBP")
    assert domain_table(MEASURED, data)["region"] == "thorax, head"
