"""The folder of a curve network: ONNX file, weights to go on with, card."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save_file
from torch import Tensor

from kitrain.architecture import network_with
from kitrain.bundle import file_entry, list_in_catalogue, read_bundle
from kitrain.checkpoint import Trained
from kitrain.config import CurveConfig, DataConfig
from kitrain.curve_data import CurveSample, load_samples
from kitrain.curve_network import CurveNetwork
from kitrain.curve_scores import (
    CurveModel,
    choose_threshold,
    probabilities,
    readout_of,
)
from kitrain.curve_train import CurveTraining, train_curve
from kitrain.data import make_split
from kitrain.domain import domain_table, measured_ranges
from kitrain.export_onnx import export_network, tensor_offsets
from kitrain.leaks import check_splits
from kitrain.learning import Report
from kitrain.manifest import write_whole
from kitrain.network import KiNetwork
from kitrain.toml_writer import to_toml
from kiview.core.errors import NetworkError
from kiview.nets.card_values import plain_name, read_toml
from kiview.nets.catalog import BLOOD_OUTPUTS, CARD_NAME, SCHEMA_VERSION
from kiview.nets.curve_card import CURVE_ENTRY, read_curve_card
from kiview.nets.curve_features import CURVE_CHANNELS, CURVE_FEATURE_NAMES, CURVE_FEATURE_VERSION
from kiview.nets.preprocess import FEATURE_VERSION
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.untrusted import HashedFile

_FILE, _WEIGHTS = "model.onnx", "weights.safetensors"
_READOUT = "readout."
_SMALLEST_LISTED = 8
"""Smaller tensors are no weights that anybody edits, and not unique in the file."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a curve network is made of.

    Attributes:
        config: Of the network.
        data: People.
        ki_folder: Of the network whose maps are among its features.
        command: Of kitrain, for the card.
    """

    config: CurveConfig
    data: DataConfig
    ki_folder: Path
    command: str


def make_curve_network(recipe: Recipe, data: Path, out: Path, report: Report) -> Path:
    """Simulate what is not there, train, and write the folder of the network into `out`.

    Raises:
        LeakError: a person is in both splits.
        NetworkError: the Ki network cannot be used.
    """
    config, names = recipe.config, ("train", "validation")
    splits = {name: make_split(name, recipe.data, data, report) for name in names}
    check_splits(*splits.values())
    ki_network = ki_network_of(recipe.ki_folder)
    report("computing what the curve network sees")
    count = config.realisations
    samples = {n: load_samples(split.paths, ki_network, count) for n, split in splits.items()}
    training = CurveTraining(config.width, config.seen_slices, config.schedule, config.seed)
    trained = train_curve(training, samples["train"], samples["validation"], out, report)
    hashes = {name: split.sha256 for name, split in splits.items()}
    return write_curve_network(recipe, trained, samples, hashes, out, report)


def ki_network_of(folder: Path) -> KiNetwork:
    """A network that makes maps, as shipped.

    Raises:
        NetworkError: it is not there, or a file of it was changed.
    """
    if not (folder / CARD_NAME).is_file():
        raise NetworkError(f"There is no network of maps at {folder}; put its folder there.")
    run = read_bundle(folder)
    return network_with(run.at(run.shipped_position))


def write_curve_network(
    recipe: Recipe,
    trained: Trained,
    samples: Mapping[str, Sequence[CurveSample]],
    hashes: Mapping[str, str],
    out: Path,
    report: Report,
) -> Path:
    """Write the folder of a trained curve network into `out`, and list it in the catalogue there.

    Args:
        recipe: What it was made of.
        trained: Its weights.
        samples: `train` and `validation`.
        hashes: Of their manifests.
        out: Folder of networks.
        report: Takes a line.
    """
    config = recipe.config
    network = curve_network(trained.weights, config.width)
    folder = out / config.network_id
    folder.mkdir(parents=True, exist_ok=True)
    seen = {n: t for n, t in trained.weights.items() if not n.startswith(_READOUT)}
    listed = {n: t for n, t in seen.items() if t.numel() >= _SMALLEST_LISTED}
    path = folder / _FILE
    difference = export_network(network, CURVE_CHANNELS, BLOOD_OUTPUTS, listed, path)
    save_file({n: w.contiguous() for n, w in trained.weights.items()}, folder / _WEIGHTS)
    offsets = tensor_offsets(path.read_bytes(), listed)
    tensors = [{"name": n, "shape": list(w.shape), "offset": offsets[n]} for n, w in listed.items()]
    studies = [sample.study for split in samples.values() for sample in split]
    threshold = choose_threshold(probabilities(network, samples["validation"]))
    report(f"refuses below a probability of {threshold:.3f} (chosen on validation)")
    card = {
        **_head(config.network_id),
        "least_probability": round(threshold, 4),
        "network": file_entry(path),
        "weights": file_entry(folder / _WEIGHTS),
        "ki_network": {"id": recipe.ki_folder.name} | file_entry(recipe.ki_folder / _FILE),
        "readout": _readout_table(network),
        "domain": domain_table(measured_ranges(studies), asdict(recipe.data)),
        "training": {
            "command": f"python -m kitrain {recipe.command}",
            "seed": config.seed,
            "torch": torch.__version__,
            "minutes": round(trained.seconds / 60, 1),
            "torch_onnxruntime_difference": float(f"{difference:.2g}"),
            "data_sha256": dict(hashes),
            "validation_error": round(trained.validation, 4),
            "config": {"data": asdict(recipe.data), "curve": asdict(config)},
        },
        "results": {},
        "tensors": tensors,
    }
    write_whole(folder / CARD_NAME, to_toml(card))
    list_in_catalogue(folder, CURVE_ENTRY)
    return folder


def _head(network_id: str) -> dict[str, Any]:
    shape = f"(slices, {CURVE_CHANNELS}, y, x), y and x multiples of 4"
    return {
        "schema_version": SCHEMA_VERSION,
        "feature_version": FEATURE_VERSION,
        "curve_feature_version": CURVE_FEATURE_VERSION,
        "id": network_id,
        "version": "1.0.0",
        "title": "Plasma curve of FDG from late frames",
        "licence": "Apache-2.0",
        "voxel_mm": [4.0, 4.0, 4.0],
        "inputs": [_told("features", shape, ", ".join(CURVE_FEATURE_NAMES))],
        "outputs": [_told(BLOOD_OUTPUTS[0], "(slices, y, x)", "logit that a voxel is blood")],
    }


def _readout_table(network: CurveNetwork) -> dict[str, Any]:
    names = ("hidden", "hidden_bias", "out", "out_bias")
    parts = readout_of(network).parts
    return {name: part.tolist() for name, part in zip(names, parts, strict=True)}


def _told(name: str, shape: str, meaning: str) -> dict[str, str]:
    return {"name": name, "shape": shape, "unit": "1", "meaning": meaning}


def curve_network(weights: Mapping[str, Tensor], width: int) -> CurveNetwork:
    """A curve network with given weights."""
    network = CurveNetwork(width)
    network.load_state_dict(dict(weights))
    return network.eval()


def trained_curve_network(folder: Path) -> CurveNetwork:
    """The network of a folder as it was trained, to go on with.

    Raises:
        NetworkError: a file is missing or was changed.
    """
    said = card_of(folder)
    file = HashedFile(folder / plain_name(said["weights"]["file"]), said["weights"]["sha256"])
    return curve_network(load(file.read()), said["training"]["config"]["curve"]["width"])


def read_curve_model(folder: Path, networks: Path | None = None) -> CurveModel:
    """The networks of a folder, as the program uses them.

    Args:
        folder: Of the curve network.
        networks: Where the network lies whose maps it sees; None beside it.

    Raises:
        NetworkError: a file is missing or was changed.
    """
    card = read_curve_card(folder / CARD_NAME)
    said = card_of(folder)
    runtime = NetworkRuntime(card.network)
    (name,) = BLOOD_OUTPUTS
    return CurveModel(
        lambda features: runtime.values(features)[name],
        card.readout,
        ki_network_of((networks or folder.parent) / said["ki_network"]["id"]),
        card.least_probability,
    )


def is_curve_network(folder: Path) -> bool:
    """Whether a folder holds a curve network.

    Raises:
        NetworkError: it holds no card that can be read.
    """
    return "readout" in card_of(folder)


def card_of(folder: Path) -> dict[str, Any]:
    """The card of a folder, plain values.

    Raises:
        NetworkError: it holds no card that can be read.
    """
    return read_toml(folder / CARD_NAME)
