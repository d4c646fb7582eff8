import json

import numpy as np
import pytest
import torch

from kitrain.config import DataConfig
from kitrain.data import make_split, record_of, slab_config, split_seeds
from kitrain.dataset import SlabSet
from kitrain.records import load_record
from kiview.nets.preprocess import FUR_CHANNEL, SLICE_COUNT
from kiview.simulate.slab import simulate_slab
from kiview.simulate.slab_config import SlabConfig
from tests.training.slabs import fake_slab

SMALL = SlabConfig(pixels=48, pixel_mm=8.0, slices=6, angles=48, subsets=8, frame_count=3)
CPU = torch.device("cpu")


def test_that_no_person_is_in_two_splits():
    configs = [DataConfig(9999, 9999, 9999, seed) for seed in (0, 1, 99)]
    names = ("train", "validation", "test")
    seeds = [set(split_seeds(name, config)) for config in configs for name in names]
    assert sum(map(len, seeds)) == len(set.union(*seeds))


def test_that_tests_use_the_standard_protocol_and_training_varies():
    assert slab_config("test", 1) == slab_config("test", 2) == SlabConfig()
    assert len({slab_config("train", seed).frame_count for seed in range(40)}) > 3


def test_that_a_record_survives_writing_and_reading(tmp_path):
    record = fake_slab()
    record.save(tmp_path / "slab.npz")
    again = load_record(tmp_path / "slab.npz")
    np.testing.assert_array_equal(again.features, record.features)
    assert again.spacing_mm == record.spacing_mm
    assert float(again.noise_gain) == float(record.noise_gain)
    assert [p.name for p in tmp_path.iterdir()] == ["slab.npz"]


def test_that_references_of_a_simulated_slab_fit_its_features():
    slab = simulate_slab(SMALL, 3)
    record = record_of(slab)
    body = record.body > 0
    assert record.patlak_ki(0)[body].mean() == pytest.approx(record.ki[body].mean(), rel=0.25)
    assert record.patlak_v(0)[body].mean() == pytest.approx(record.v[body].mean(), rel=0.15)
    assert record.v_direct[0][body].mean() == pytest.approx(record.v[body].mean(), rel=0.15)
    assert not np.array_equal(record.features[0], record.features[1])


@pytest.mark.slow
def test_that_a_split_is_simulated_once_and_its_hash_covers_content(tmp_path):
    size = DataConfig(train=1, validation=1, test=1, seed=3, workers=1)
    lines = []
    split = make_split("validation", size, tmp_path, lines.append)
    assert make_split("validation", size, tmp_path, lines.append).sha256 == split.sha256
    assert lines == ["simulated 1 of 1 slabs"]
    manifest = json.loads((tmp_path / "validation-1-3.json").read_text(encoding="utf-8"))
    assert manifest["slabs"][0]["seed"] == split.seeds[0]
    split.records[0].write_bytes(split.records[0].read_bytes() + b"x")
    assert make_split("validation", size, tmp_path, lines.append).sha256 != split.sha256


def test_that_crops_hold_the_features_and_targets_of_one_place():
    record = fake_slab()
    batch = SlabSet([record], 0.0, CPU).draw(np.random.default_rng(0), 16, 16, 0.5)
    assert batch.features.shape == (16, 31, 16, 16)
    assert batch.ki.shape == batch.v.shape == batch.body.shape == (16, 16, 16)
    n = record.normaliser.mean()
    uptake = batch.features[:, FUR_CHANNEL][batch.body > 0]
    total = (batch.ki + batch.v)[batch.body > 0]
    assert torch.corrcoef(torch.stack([uptake, total]))[0, 1] > 0.95
    assert float(batch.ki.max()) == pytest.approx(0.03 / n, rel=0.02)
    assert torch.all(batch.features[:, -1] == batch.features[0, -1, 0, 0])


def test_that_a_crop_is_a_flip_or_turn_of_what_the_program_computes():
    record = fake_slab()
    slabs = SlabSet([record], 0.0, CPU)
    batch = slabs.draw(np.random.default_rng(1), 1, 32, 0.0)
    crop = batch.features[0].numpy()
    found = False
    for realisation in range(2):
        whole = record.study(realisation).block(0, 6)
        for z in range(6):
            for turn in range(2):
                for flips in ((), (1,), (2,), (1, 2)):
                    for order in (1, -1):
                        stack = whole[z, :-1].reshape(SLICE_COUNT, 6, 32, 32)[::order]
                        part = np.flip(stack, [f + 1 for f in flips]) if flips else stack
                        part = np.swapaxes(part, 2, 3) if turn else part
                        found |= np.allclose(part.reshape(30, 32, 32), crop[:-1])
    assert found


def test_that_a_blurred_target_keeps_the_mean_and_loses_the_peak():
    sharp = SlabSet([fake_slab()], 0.0, CPU).draw(np.random.default_rng(0), 8, 32, 1.0)
    smooth = SlabSet([fake_slab()], 12.0, CPU).draw(np.random.default_rng(0), 8, 32, 1.0)
    assert float(smooth.ki.max()) < 0.6 * float(sharp.ki.max())
    assert float(smooth.ki.mean()) == pytest.approx(float(sharp.ki.mean()), rel=0.1)
