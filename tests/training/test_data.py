import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from kitrain.bodies import body_config, body_name, body_seeds
from kitrain.config import DataConfig, LossConfig
from kitrain.data import group_name, is_test_seed, make_split, slab_config, split_seeds
from kitrain.dataset import SlabSet, vessel_weights
from kitrain.folds import validation_fold
from kitrain.groups import GroupError
from kitrain.losses import loss
from kiview.nets.preprocess import FUR_CHANNEL, SLICE_COUNT
from kiview.simulate.slab_recipes import standard_config, training_config
from tests.training.slabs import fake_slab

CPU = torch.device("cpu")


def test_that_no_person_is_in_two_splits():
    configs = [DataConfig(9999, 9999, 9999, seed) for seed in (0, 1, 99)]
    names = ("train", "validation", "test")
    seeds = [set(split_seeds(name, config)) for config in configs for name in names]
    assert sum(map(len, seeds)) == len(set.union(*seeds))
    for config in configs:
        for name in names:
            assert {is_test_seed(s) for s in split_seeds(name, config)} == {name == "test"}


def test_that_another_draw_validates_on_other_people_of_the_same_pool():
    draws = [DataConfig(40, 10, 5, draw=draw) for draw in range(5)]
    folds = [set(split_seeds("validation", config)) for config in draws]
    assert [len(fold) for fold in folds] == [10] * 5
    assert len(set.union(*folds)) == 50
    for config, fold in zip(draws, folds, strict=True):
        train = set(split_seeds("train", config))
        assert len(train) == 40
        assert train | fold == set.union(*folds)
        assert split_seeds("test", config) == split_seeds("test", draws[0])


def test_that_a_draw_that_the_pool_cannot_give_is_refused():
    with pytest.raises(GroupError, match="too few for validation split 6"):
        split_seeds("validation", DataConfig(40, 10, 5, draw=5))
    with pytest.raises(GroupError, match="too few"):
        validation_fold(["a"], 1, 0)


def test_that_repeated_ids_are_one_person():
    with pytest.raises(GroupError, match="1 people are too few"):
        validation_fold(["a", "a", "a"], 1, 0)


def test_that_tests_use_the_standard_protocol_and_training_varies():
    assert slab_config("test", 1) == slab_config("test", 2) == standard_config()
    assert len({slab_config("train", seed).frame_count for seed in range(40)}) > 3


def test_that_the_reconstructions_of_the_data_are_those_of_who_is_learnt_from():
    other = DataConfig(4, 1, 1, reconstruction="fbp", direct_update="method", direct_iterations=20)
    chosen, usual = slab_config("train", 7, other), slab_config("train", 7)
    assert (chosen.reconstruction, chosen.direct.update, chosen.direct.iterations) == (
        "fbp",
        "method",
        20,
    )
    assert replace(chosen, reconstruction="osem", direct=usual.direct) == usual
    assert group_name(chosen, 7) != group_name(usual, 7)
    assert slab_config("test", 7, other) == standard_config()
    assert slab_config("train", 7, DataConfig(4, 1, 1)) == training_config(7) == usual


def test_that_the_mix_of_the_data_is_that_of_who_is_learnt_from():
    heads = DataConfig(4, 1, 1, kinds={"body": 1.0}, regions={"head": 1.0})
    found = [slab_config("train", seed, heads) for seed in range(20)]
    assert {(config.kind, config.region) for config in found} == {("body", "head")}
    assert slab_config("test", 3, heads) == standard_config()


def test_that_groups_have_the_names_they_had_when_the_shipped_networks_were_trained():
    """A changed name means that everything is simulated again, and that reports are of others."""
    seeds = range(1_010_000, 1_010_400)
    names = " ".join(group_name(slab_config("train", seed), seed) for seed in seeds)
    digest = hashlib.sha256(names.encode("utf-8")).hexdigest()
    assert digest == "495979ab968b76c0f12818b21847ddd94741913fa842bb3f2ed64886534c09d9"
    assert group_name(standard_config(), 3_010_000) == "group-3010000-5d883f976054"
    seed = body_seeds(1, 1)[0]
    assert body_name(body_config(seed), seed) == "body-3015000-4b34d164abaf"


def test_that_some_people_validate_in_every_draw():
    plain = DataConfig(40, 10, 5)
    for draw in range(5):
        before, more = replace(plain, draw=draw), replace(plain, draw=draw, always_validate=6)
        assert split_seeds("train", more) == split_seeds("train", before)
        found = split_seeds("validation", more)
        assert found[:10] == split_seeds("validation", before)
        assert found[10:] == tuple(range(found[10], found[10] + 6))
        assert not set(found[10:]) & set(split_seeds("train", more))


@pytest.mark.slow
def test_that_a_split_is_simulated_once_and_lists_what_it_holds(tmp_path):
    size = DataConfig(train=1, validation=1, test=1, seed=3, workers=1)
    lines = []
    split = make_split("validation", size, tmp_path, lines.append)
    assert make_split("validation", size, tmp_path, lines.append).sha256 == split.sha256
    assert lines == ["simulated 1 of 1 slabs"]
    manifest = json.loads((tmp_path / "validation-1-3-0.manifest.json").read_text(encoding="utf-8"))
    seed = split_seeds("validation", size)[0]
    assert manifest["groups"][0]["seed"] == seed
    assert (
        manifest["groups"][0]["sha256"] == hashlib.sha256(split.paths[0].read_bytes()).hexdigest()
    )
    record = split.load()[0]
    assert record.identity.subject == f"sim-{seed}"
    assert record.features.shape[:2] == (2, 6)


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


def test_that_slabs_of_other_sizes_are_drawn_from_within_their_own_bounds():
    """The small slab has room for one crop, itself; the large one is told by its lesions."""
    small, large = fake_slab(0, side=32), fake_slab(1, side=48)
    large = replace(large, lesions=np.ones_like(large.lesions))
    batch = SlabSet([small, large], 0.0, CPU).draw(np.random.default_rng(0), 64, 32, 0.0)
    of_large = batch.lesion.flatten(1).amin(dim=1) > 0
    assert 20 < int(of_large.sum()) < 44
    whole = torch.tensor(small.body.mean(axis=(1, 2)).max(), dtype=torch.float32)
    torch.testing.assert_close(
        batch.body[~of_large].flatten(1).mean(dim=1), whole.expand(int((~of_large).sum()))
    )


def with_a_vessel(record):
    """A tube of blood 8 mm wide through soft tissue, beside a block of it 60 mm wide."""
    v0 = np.full_like(record.truth.v0, 0.2)
    v0[:, 4:6, 2:30] = 0.9
    v0[:, 12:27, 10:25] = 0.9
    return replace(record, truth=replace(record.truth, v0=v0))


def test_that_narrow_vessels_are_told_from_wide_ones_and_from_tumours():
    record = with_a_vessel(fake_slab())
    lesions = np.zeros_like(record.lesions)
    lesions[:, 4, 20] = 1
    weights = vessel_weights(replace(record, lesions=lesions))
    expected = np.zeros_like(weights)
    expected[:, 4:6, 2:30] = 1.0
    expected[:, 4, 20] = 0.0
    np.testing.assert_array_equal(weights, expected)
    nobody_knows = replace(record, truth=None)
    assert not vessel_weights(nobody_knows).any()


def test_that_crops_seek_narrow_vessels_and_the_loss_counts_them_more():
    record = with_a_vessel(fake_slab(side=48))
    slabs = SlabSet([replace(record, lesions=np.zeros_like(record.lesions))], 0.0, CPU)
    found = [
        float((slabs.draw(np.random.default_rng(2), 64, 16, 0.0, share).vessel > 0).float().mean())
        for share in (0.0, 1.0)
    ]
    assert found[1] > 2 * found[0] > 0
    batch = slabs.draw(np.random.default_rng(2), 8, 16, 0.0, 1.0)
    wrong, plain = (batch.ki + batch.vessel, batch.v), LossConfig(v_direct=0.0)
    more = replace(plain, vessel=5.0)
    assert float(loss(wrong, batch, more)) > 2 * float(loss(wrong, batch, plain))


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
