import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

import kitrain
from kitrain.config import (
    ConfigError,
    Initialisation,
    LossConfig,
    Norm,
    Optimiser,
    OptimiserConfig,
    Schedule,
    as_table,
)
from kitrain.config_file import read_config
from kitrain.targets import Target
from kitrain.toml_writer import to_toml
from kiview.simulate.slab_recipes import KINDS, REGIONS

CONFIGS = Path(kitrain.__file__).parents[1] / "configs"
SMALLEST = """
network_id = "tiny"
[data]
train = 4
validation = 1
test = 1
[base]
iterations = 5
[finetune]
iterations = 2
[variant.smooth]
blur_mm = 12.0
[variant.sharp]
lesion = 5.0
start = "smooth"
"""


def read(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_that_every_configuration_in_the_repository_is_valid(path):
    config = read_config(path)
    assert config.network_id
    assert max(config.slider.positions) <= 1
    ends = {config.slider.smooth, config.slider.sharp}
    assert ends <= {"base", *config.variants}
    assert len(ends) == 2
    if path.stem != "ablation":  # which only compares terms of the cost
        assert {"direct", "indep"} <= {*config.variants}
        assert config.variants["indep"].loss.norm is Norm.SQUARE
    assert json.loads(json.dumps(as_table(config)))["data"]["train"] == config.data.train


@pytest.mark.parametrize("name", ["smoke", "reduced", "full", "large"])
def test_that_every_configuration_can_be_written_into_a_card(name):
    table = json.loads(json.dumps(as_table(read_config(CONFIGS / f"{name}.toml"))))
    assert tomllib.loads(to_toml(table)) == table


@pytest.mark.parametrize("name", ["reduced", "full"])
def test_that_a_fifth_of_the_people_validate(name):
    data = read_config(CONFIGS / f"{name}.toml").data
    validating = data.validation + data.always_validate
    assert validating / (data.train + validating) == pytest.approx(0.2, abs=0.01)


def test_that_what_is_left_out_gets_the_documented_default(tmp_path):
    config = read(tmp_path, SMALLEST)
    assert config.network.width == 32
    assert config.loss == LossConfig()
    assert config.base == OptimiserConfig(iterations=5)
    assert config.initial.kind is Initialisation.KAIMING


def test_that_the_reconstructions_of_the_data_can_be_chosen(tmp_path):
    said = 'test = 1\nreconstruction = "mlem"\ndirect_update = "method"\ndirect_iterations = 30'
    data = read(tmp_path, SMALLEST.replace("test = 1", said)).data
    assert (data.reconstruction, data.direct_update, data.direct_iterations) == (
        "mlem",
        "method",
        30,
    )
    usual = read(tmp_path, SMALLEST).data
    assert (usual.reconstruction, usual.direct_update, usual.direct_iterations) == (
        "osem",
        "nested",
        4,
    )


def test_that_the_mix_of_phantoms_is_a_list_or_a_table_of_weights(tmp_path):
    said = 'test = 1\nkinds = ["brain", "body"]\nregions = { pelvis = 1, thorax = 3 }'
    data = read(tmp_path, SMALLEST.replace("test = 1", said)).data
    assert list(data.kinds.items()) == [("body", 1.0), ("brain", 1.0)]
    assert data.regions == {"thorax": 3.0, "pelvis": 1.0}
    usual = read(tmp_path, SMALLEST).data
    assert (usual.kinds, usual.regions) == (KINDS, REGIONS)


def test_that_a_variant_says_what_differs_from_loss_and_schedule(tmp_path):
    text = SMALLEST + (
        '[variant.indep]\ntarget = "indep"\nnorm = "l2"\niterations = 7\noptimiser = "rmsprop"\n'
        "[loss]\nrelative = 0.5\n"
    )
    config = read(tmp_path, text)
    indep = config.variants["indep"]
    assert indep.target is Target.INDEPENDENT
    assert indep.loss == LossConfig(norm=Norm.SQUARE, relative=0.5)
    assert indep.schedule == OptimiserConfig(iterations=7, optimiser=Optimiser.RMSPROP)
    assert config.variants["smooth"].target is Target.TRUTH
    assert config.variants["smooth"].schedule == config.finetune
    assert config.variants["sharp"].start == "smooth"
    assert dataclasses.replace(config.variants["sharp"].loss, lesion=1.0) == config.loss


def test_that_everything_the_method_lets_a_user_choose_is_a_key(tmp_path):
    text = SMALLEST.replace(
        "iterations = 5",
        'epochs = 2.5\noptimiser = "adadelta"\nschedule = "step"\nlearning_rate = 0.1\nbatch = 3',
    ) + (
        '[initial]\nkind = "uniform"\nspread = 1.0\n[network]\nwidth = 16\nlevels = 4\nkernel = 5\n'
        "slices = 5\n[stop]\ncost_below = 0.1\nchange_below = 0.01\npatience = 2\n"
        "[verdict]\naccuracy = 0.8\ngap = 0.05\nretry = false\n[loss]\ngradient = 0.1\n"
        "multiscale = 0.2\n"
    )
    config = read(tmp_path, text)
    assert config.base.optimiser is Optimiser.ADADELTA
    assert config.base.schedule is Schedule.STEP
    assert config.stop.patience == 2
    assert config.verdict.accuracy == 0.8
    assert (config.network.levels, config.network.kernel) == (4, 5)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("iterations = 5", "iterations = 0", "iterations = 0 is outside"),
        ("iterations = 5", "iteration = 5", r"\[base\]: unknown key 'iteration'; known .*'batch'"),
        ("iterations = 5", "iterations = 5.5", "is no int"),
        ("iterations = 5", "iterations = true", "is no int"),
        ("iterations = 5", "learning_rate = nan", "is outside"),
        ("iterations = 5", 'autocast = "yes"', "is no bool"),
        ("iterations = 5", "iterations = 5\ncrop = 36", "not a multiple of 8"),
        ("[base]", "[network]\nkernel = 4\n[base]", "kernel = 4 is even"),
        ("[base]", "[network]\nkernel = 7\n[base]", "kernel = 7 is outside 3 to 5"),
        ("[base]", "[network]\nlevels = 1\n[base]", "levels = 1 is outside 2 to 4"),
        ("[base]", "[network]\nlevels = 5\n[base]", "levels = 5 is outside 2 to 4"),
        ("[base]", "[network]\nslices = 7\n[base]", "slices = 7 is outside 5 to 5"),
        ("iterations = 5", 'optimiser = "lion"', "'lion' is none of sgd, adam"),
        ('network_id = "tiny"', "", "'network_id' is missing"),
        ('network_id = "tiny"', 'network_id = "tiny"\nseeds = [0, "a"]', "seeds = 'a' is no int"),
        ('network_id = "tiny"', 'network_id = "tiny"\nseeds = []', "no list of numbers"),
        ('network_id = "tiny"', 'network_id = "tiny"\nverdict = 3', "is no table"),
        ("test = 1", "", "'test' is missing"),
        ("test = 1", 'test = 1\nreconstruction = "art"', "'art' is none of osem, mlem, fbp"),
        ("test = 1", 'test = 1\ndirect_update = "em"', "'em' is none of nested, method"),
        ("test = 1", 'test = 1\nregions = ["neck"]', "regions = 'neck' is none of thorax, abdomen"),
        ("test = 1", "test = 1\nkinds = { dog = 1 }", "kinds = 'dog' is none of body, torso"),
        ("test = 1", "test = 1\nregions = []", "leaves nothing"),
        ("test = 1", "test = 1\nregions = { head = 0 }", "leaves nothing"),
        ("test = 1", "test = 1\nregions = { head = -1 }", "regions = -1 is outside"),
        ("test = 1", 'test = 1\nregions = { head = "much" }', "'much' is no float"),
        ("test = 1", 'test = 1\nregions = "head"', "no list of names and no table"),
        ("test = 1", "test = 1\ndirect_iterations = 0", "direct_iterations = 0 is outside"),
        ("lesion = 5.0", "lesions = 5.0", r"variant\.sharp\]: unknown key 'lesions'"),
        ("lesion = 5.0", 'target = "network"', "'network' is none of truth, direct, indep"),
        ('start = "smooth"', 'start = "later"', "'later', which is none of"),
        ("[variant.smooth]\nblur_mm = 12.0", "[variant.base]", "'base' cannot be the name"),
        (
            '[variant.sharp]\nlesion = 5.0\nstart = "smooth"',
            "",
            "slider ends at 'sharp', which is none of",
        ),
        ("[data]", "[data", "cannot be read"),
        ("train = 4", "train = 1\ndraw = 1", "a retry validates on 1 other people"),
        ('network_id = "tiny"', 'network_id = "tiny"\nship = "mean"', "needs one start for all"),
        ('network_id = "tiny"', 'network_id = "tiny"\nship = "all"', "'all' is none of best, mean"),
        ("[base]", '[initial]\nkind = "network"\n[base]', "need each other; give both or neither"),
        ("[base]", '[initial]\nnetwork = "one"\n[base]', "need each other; give both or neither"),
    ],
)
def test_that_a_wrong_configuration_is_refused_with_the_reason(tmp_path, old, new, told):
    assert old in SMALLEST
    with pytest.raises(ConfigError, match=told):
        read(tmp_path, SMALLEST.replace(old, new))


def test_that_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        read_config(tmp_path / "none.toml")
