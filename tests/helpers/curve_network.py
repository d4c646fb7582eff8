"""A tiny curve network in a folder of its own, beside the bundled networks that make maps."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from kiview import paths
from kiview.nets.catalog import BLOOD_OUTPUTS, CARD_NAME, CATALOG_NAME, load_catalog
from kiview.nets.curve_features import (
    CURVE_CHANNELS,
    CURVE_FEATURE_NAMES,
    CURVE_FEATURE_VERSION,
    STATISTIC_NAMES,
)
from kiview.nets.onnx_file import read_graph
from kiview.nets.preprocess import FEATURE_VERSION

ID, VERSION = "curve-tiny", "1.2.0"
NAME = f"{ID}@{VERSION}"
NO_SUCH_FILE = "0" * 64


def install(
    folder: Path, least_probability: float = 0.001, ki_network_sha256: str | None = None
) -> Path:
    """Make a folder of networks with one curve network, which prefers much V and little Ki.

    Args:
        folder: Made if it is not there.
        least_probability: Below this it says that there is no vessel.
        ki_network_sha256: Of the network that it needs; the default one if None.

    Returns:
        The folder of the curve network.
    """
    shipped = paths.models_dir()
    maps = load_catalog(shipped)
    listed = ["schema_version = 1"]
    for card in maps.cards:
        shutil.copytree(card.network.path.parent, folder / card.id)
        listed.append(f'[[network]]\nid = "{card.id}"\n{_hash_of(folder / card.id)}')
    made = folder / ID
    made.mkdir()
    content = _onnx()
    (made / "model.onnx").write_bytes(content)
    needed = ki_network_sha256 or maps.default.network.sha256
    card_text = _card(content, least_probability, needed)
    (made / CARD_NAME).write_text(card_text, encoding="utf-8")
    listed.append(f'[[curve_network]]\nid = "{ID}"\n{_hash_of(made)}')
    (folder / CATALOG_NAME).write_text("\n".join(listed), encoding="utf-8")
    return made


def install_none(folder: Path) -> None:
    """Make a folder of networks without any curve network."""
    shutil.rmtree(install(folder))
    path = folder / CATALOG_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(text.partition("[[curve_network]]")[0], encoding="utf-8")


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the program take a folder for that of its bundled networks."""
    monkeypatch.setattr(paths, "models_dir", lambda: folder)


def _onnx() -> bytes:
    """Logit = 8 V - 4 Ki of the network's maps, in the middle of each voxel."""
    onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.zeros((1, CURVE_CHANNELS, 1, 1), np.float32)
    weight[0, CURVE_FEATURE_NAMES.index("network_v")] = 8.0
    weight[0, CURVE_FEATURE_NAMES.index("network_ki")] = -4.0
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["features", "mix.weight"], ["mixed"], kernel_shape=[1, 1]),
            helper.make_node("Squeeze", ["mixed", "axis"], list(BLOOD_OUTPUTS)),
        ],
        "curve",
        [helper.make_tensor_value_info("features", float32, ["b", CURVE_CHANNELS, "y", "x"])],
        [helper.make_tensor_value_info(name, float32, ["b", "y", "x"]) for name in BLOOD_OUTPUTS],
        [
            onnx.numpy_helper.from_array(weight, "mix.weight"),
            onnx.numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = made.SerializeToString()
    return content


def _card(content: bytes, least_probability: float, ki_network_sha256: str) -> str:
    tensor = read_graph(content).tensors["mix.weight"]
    statistics = len(STATISTIC_NAMES)
    return f"""
schema_version = 1
feature_version = {FEATURE_VERSION}
curve_feature_version = {CURVE_FEATURE_VERSION}
id = "{ID}"
version = "{VERSION}"
title = "Plasma curve, for tests"
licence = "Apache-2.0"
voxel_mm = [4.0, 4.0, 4.0]
least_probability = {least_probability}
results = {{}}

[network]
file = "model.onnx"
sha256 = "{hashlib.sha256(content).hexdigest()}"

[ki_network]
sha256 = "{ki_network_sha256}"

[readout]
hidden = [{[0.1] * statistics}]
hidden_bias = [0.0]
out = [[0.1], [0.2], [0.1]]
out_bias = [0.0, 0.0, 0.0]

[[outputs]]
name = "{BLOOD_OUTPUTS[0]}"

[[tensors]]
name = "mix.weight"
shape = {list(tensor.shape)}
offset = {tensor.offset}

[domain]
tracers = ["FDG"]
region = "torso"
half_life_s = 6586.2
frame_count = [2, 30]
start_min = [0.0, 90.0]
end_min = [1.0, 200.0]
frame_length_min = [0.1, 20.0]
source_voxel_mm = [1.0, 10.0]
trues_per_slice_and_5_min = [1.0, 1e12]
noise_gain = [0.1, 1000.0]
"""


def _hash_of(folder: Path) -> str:
    return f'card_sha256 = "{hashlib.sha256((folder / CARD_NAME).read_bytes()).hexdigest()}"'
