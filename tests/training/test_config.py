import dataclasses
from pathlib import Path

import pytest

import kitrain
from kitrain.config import ConfigError, LossConfig, as_table, read_config

CONFIGS = Path(kitrain.__file__).parents[1] / "configs"
SMALLEST = """
network_id = "tiny"
[data]
train = 1
validation = 1
test = 1
[base]
iterations = 5
[end]
iterations = 2
"""


def read(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_that_every_configuration_in_the_repository_is_valid(path):
    config = read_config(path)
    assert config.network_id
    assert max(config.positions) <= 1
    assert as_table(config)["data"]["train"] == config.data.train


def test_that_what_is_left_out_gets_the_documented_default(tmp_path):
    config = read(tmp_path, SMALLEST)
    assert config.network.width == 32
    assert config.loss == LossConfig()
    assert config.smooth.blur_mm == 12.0
    assert dataclasses.replace(config.sharp, lesion=1.0) == LossConfig()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("iterations = 5", "iterations = 0", "iterations = 0 is outside"),
        ("iterations = 5", "iteration = 5", "unknown key 'iteration'"),
        ("iterations = 5", "iterations = 5\ncrop = 30", "not a multiple of 4"),
        ("[end]\niterations = 2", "", "end"),
        ('network_id = "tiny"', "", "network_id"),
    ],
)
def test_that_a_wrong_configuration_is_refused_with_the_reason(tmp_path, old, new, told):
    with pytest.raises(ConfigError, match=told):
        read(tmp_path, SMALLEST.replace(old, new))
