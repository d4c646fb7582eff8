import shutil
import subprocess
import sys
import tomllib

import pytest

from kiview import paths
from kiview.core.errors import NetworkError
from kiview.nets.catalog import load_catalog, read_card, verify


@pytest.fixture
def models(tmp_path):
    """A copy of the bundled networks that a test may damage."""
    source = paths.models_dir()
    shutil.copy(source / "catalog.toml", tmp_path)
    for folder in (path.parent for path in source.glob("*/card.toml")):
        shutil.copytree(folder, tmp_path / folder.name)
    return tmp_path


@pytest.fixture
def folder(models):
    return models / load_catalog(models).default.id


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_that_the_bundled_network_is_listed_whole_and_described():
    card = load_catalog(paths.models_dir()).default
    verify(card)
    assert card.voxel_mm == (4.0, 4.0, 4.0)
    assert 0 <= card.slider.shipped_position <= 1
    assert 0 < card.results["nrmse_over_best_filter"] < 0.8
    assert "FDG" in card.domain.tracers
    assert sum(len(spec.shape) == 4 for spec in card.tensors) >= 8


@pytest.mark.parametrize("name", ["model.onnx", "smooth.safetensors", "sharp.safetensors"])
def test_that_a_network_file_with_one_changed_byte_is_refused(models, folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    card = load_catalog(models).default
    with pytest.raises(NetworkError, match=name):
        verify(card)


def test_that_a_missing_network_file_is_named(models, folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(NetworkError, match=r"model\.onnx cannot be read"):
        verify(load_catalog(models).default)


def test_that_an_edited_card_is_refused(models, folder):
    edit(folder / "card.toml", "Apache-2.0", "MIT")
    with pytest.raises(NetworkError, match=r"card\.toml was changed"):
        load_catalog(models)


def test_that_a_network_trained_on_other_features_is_refused(folder):
    edit(folder / "card.toml", "feature_version = 1", "feature_version = 99")
    with pytest.raises(NetworkError, match="other features"):
        read_card(folder / "card.toml")


def test_that_a_card_of_another_schema_is_refused(folder):
    edit(folder / "card.toml", "schema_version = 1", "schema_version = 99")
    with pytest.raises(NetworkError, match="unknown version"):
        read_card(folder / "card.toml")


@pytest.mark.parametrize("line", ["[domain]", "voxel_mm"])
def test_that_an_incomplete_card_is_refused(folder, line):
    edit(folder / "card.toml", line, f"{line[:-1]}x{line[-1]}" if line[0] == "[" else "other")
    with pytest.raises(NetworkError, match="incomplete"):
        read_card(folder / "card.toml")


def test_that_a_card_cannot_point_outside_its_folder(folder):
    edit(folder / "card.toml", '"model.onnx"', '"../model.onnx"')
    with pytest.raises(NetworkError, match="leaves its folder"):
        read_card(folder / "card.toml")


def test_that_a_catalogue_without_networks_or_unreadable_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="cannot be read"):
        load_catalog(tmp_path)
    (tmp_path / "catalog.toml").write_text("schema_version = 1\n", encoding="utf-8")
    with pytest.raises(NetworkError, match="lists no network"):
        load_catalog(tmp_path)
    (tmp_path / "catalog.toml").write_text("= nothing", encoding="utf-8")
    with pytest.raises(NetworkError, match="cannot be read"):
        load_catalog(tmp_path)


def test_that_an_unknown_network_is_answered_with_those_there_are(models):
    catalog = load_catalog(models)
    assert catalog.card(catalog.default.id) is catalog.default
    with pytest.raises(NetworkError, match=catalog.default.id):
        catalog.card("no-such-network")


def test_that_the_card_agrees_with_its_onnx_file():
    onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
    card = load_catalog(paths.models_dir()).default
    graph = onnx.load_from_string(card.network.read()).graph
    shapes = {i.name: tuple(i.dims) for i in graph.initializer}
    assert {spec.name: shapes[spec.name] for spec in card.tensors} == {
        spec.name: spec.shape for spec in card.tensors
    }
    raw = tomllib.loads((card.network.path.parent / "card.toml").read_text(encoding="utf-8"))
    assert [i.name for i in graph.input] == [entry["name"] for entry in raw["inputs"]]
    assert [o.name for o in graph.output] == [entry["name"] for entry in raw["outputs"]]


def test_that_reading_the_catalogue_loads_no_runtime():
    script = "import sys, kiview.nets.catalog; sys.exit('onnxruntime' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
