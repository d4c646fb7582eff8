"""The folder of a curve network: ONNX file, card, report; and how it is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kitrain.architecture import network_with
from kitrain.bars import Bar
from kitrain.bundle import file_entry, list_in_catalogue, read_bundle
from kitrain.checkpoint import Trained
from kitrain.config import CurveConfig, DataConfig
from kitrain.curve_data import CurveSample, load_samples
from kitrain.curve_network import CurveNetwork
from kitrain.curve_report import curve_report
from kitrain.curve_scores import (
    CurveModel,
    CurveScores,
    choose_threshold,
    curve_bars,
    probabilities,
    readout_of,
    score_curves,
)
from kitrain.curve_train import CurveTraining, train_curve
from kitrain.data import make_split
from kitrain.domain import domain_table, measured_ranges
from kitrain.evaluate import Effort, test_groups
from kitrain.export_onnx import export_network, tensor_offsets
from kitrain.group_file import load_group
from kitrain.leaks import check_splits
from kitrain.learning import Report
from kitrain.manifest import write_whole
from kitrain.network import KiNetwork
from kitrain.report import REPORT_NAME
from kitrain.test_sets import ROBUSTNESS, STANDARD, TestSet
from kitrain.toml_writer import to_toml
from kiview.nets.card_values import read_toml
from kiview.nets.catalog import BLOOD_OUTPUTS, CARD_NAME, SCHEMA_VERSION
from kiview.nets.curve_card import CURVE_ENTRY, read_curve_card
from kiview.nets.curve_features import CURVE_CHANNELS, CURVE_FEATURE_NAMES, CURVE_FEATURE_VERSION
from kiview.nets.preprocess import FEATURE_VERSION
from kiview.nets.runtime import NetworkRuntime

_FILE = "model.onnx"
_READOUT = "readout."
_SMALLEST_LISTED = 8
"""Smaller tensors are no weights that anybody edits, and not unique in the file."""


@dataclass(frozen=True, slots=True, eq=False)
class CurveJudgement:
    """Everything found about a curve network.

    Attributes:
        effort: How much was judged.
        standard: Scores on the standard set, with maps.
        others: Scores on further sets, by name.
        titles: Of the sets, by name.
        bars: What it has to reach.
    """

    effort: Effort
    standard: CurveScores
    others: Mapping[str, CurveScores]
    titles: Mapping[str, str]
    bars: Sequence[Bar]

    @property
    def passed(self) -> bool:
        """Whether no bar that was judged is missed."""
        return all(bar.verdict != "MISSED" for bar in self.bars)


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
    return _write(recipe, trained, samples, hashes, out, report)


def ki_network_of(folder: Path) -> KiNetwork:
    """A network that makes maps, as shipped."""
    run = read_bundle(folder)
    return network_with(run.at(run.shipped_position), run.width)


def _write(
    recipe: Recipe,
    trained: Trained,
    samples: Mapping[str, Sequence[CurveSample]],
    hashes: Mapping[str, str],
    out: Path,
    report: Report,
) -> Path:
    config = recipe.config
    network = curve_network(trained.weights, config.width)
    folder = out / config.network_id
    folder.mkdir(parents=True, exist_ok=True)
    seen = {n: t for n, t in trained.weights.items() if not n.startswith(_READOUT)}
    listed = {n: t for n, t in seen.items() if t.numel() >= _SMALLEST_LISTED}
    path = folder / _FILE
    difference = export_network(network, CURVE_CHANNELS, BLOOD_OUTPUTS, listed, path)
    offsets = tensor_offsets(path.read_bytes(), listed)
    readout = readout_of(network)
    names = ("hidden", "hidden_bias", "out", "out_bias")
    studies = [sample.study for split in samples.values() for sample in split]
    threshold = choose_threshold(probabilities(network, samples["validation"]))
    report(f"refuses below a probability of {threshold:.3f} (chosen on validation)")
    card = {
        "schema_version": SCHEMA_VERSION,
        "feature_version": FEATURE_VERSION,
        "curve_feature_version": CURVE_FEATURE_VERSION,
        "id": config.network_id,
        "version": "1.0.0",
        "title": "Plasma curve of FDG from late frames",
        "licence": "Apache-2.0",
        "voxel_mm": [4.0, 4.0, 4.0],
        "least_probability": round(threshold, 4),
        "network": file_entry(path),
        "ki_network": {"id": recipe.ki_folder.name} | file_entry(recipe.ki_folder / _FILE),
        "readout": {n: part.tolist() for n, part in zip(names, readout.parts, strict=True)},
        "inputs": [_told("features", f"(slices, {CURVE_CHANNELS}, y, x), y and x multiples of 4",
                         ", ".join(CURVE_FEATURE_NAMES))],
        "outputs": [_told(BLOOD_OUTPUTS[0], "(slices, y, x)", "logit that a voxel is blood")],
        "domain": domain_table(measured_ranges(studies)),
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
        "tensors": [
            {"name": n, "shape": list(t.shape), "offset": offsets[n]} for n, t in listed.items()
        ],
    }  # fmt: skip
    write_whole(folder / CARD_NAME, to_toml(card))
    list_in_catalogue(folder, CURVE_ENTRY)
    return folder


def _told(name: str, shape: str, meaning: str) -> dict[str, str]:
    return {"name": name, "shape": shape, "unit": "1", "meaning": meaning}


def curve_network(weights: Mapping[str, Tensor], width: int) -> CurveNetwork:
    """A curve network with given weights."""
    network = CurveNetwork(width)
    network.load_state_dict(dict(weights))
    return network.eval()


def read_curve_model(folder: Path) -> CurveModel:
    """The networks of a folder, as the program uses them.

    Raises:
        NetworkError: a file is missing or was changed.
    """
    card = read_curve_card(folder / CARD_NAME)
    said = _said(folder)
    runtime = NetworkRuntime(card.network)
    (name,) = BLOOD_OUTPUTS
    return CurveModel(
        lambda features: runtime.values(features)[name],
        card.readout,
        ki_network_of(folder.parent / said["ki_network"]["id"]),
        card.least_probability,
    )


def judge_curve_network(
    folder: Path, effort: Effort, data: Path, report: Report, ki_folder: Path
) -> CurveJudgement:
    """Judge a curve network on people that no training has seen.

    Args:
        folder: Of the network.
        effort: How much; whole bodies are not judged.
        data: Cache of simulated scans.
        report: Takes progress lines.
        ki_folder: Of the network that makes Ki maps with the found curve.

    Raises:
        LeakError: a test person was trained on.
    """
    model, chain = read_curve_model(folder), ki_network_of(ki_folder)

    def scored(kind: TestSet, count: int, network: KiNetwork | None) -> CurveScores:
        paths = test_groups(kind, effort.size(count), effort.workers, data, report)
        return score_curves((load_group(path) for path in paths), model, report, network)

    standard = scored(STANDARD, effort.scans, chain)
    kinds = ROBUSTNESS if effort.per_condition else ()
    others = {kind.name: scored(kind, effort.per_condition, None) for kind in kinds}
    titles = {kind.name: kind.title for kind in (STANDARD, *kinds)}
    return CurveJudgement(effort, standard, others, titles, curve_bars(standard, others))


def is_curve_network(folder: Path) -> bool:
    """Whether a folder holds a curve network.

    Raises:
        NetworkError: it holds no card that can be read.
    """
    return "readout" in _said(folder)


def report_text(folder: Path, judged: CurveJudgement) -> str:
    """The report of a judgement."""
    return curve_report(judged, _said(folder))


def _said(folder: Path) -> dict[str, Any]:
    return read_toml(folder / CARD_NAME)


def write_curve_results(folder: Path, judged: CurveJudgement) -> None:
    """Put a judgement into the card and a report beside it."""
    said = _said(folder)
    said["results"] = {
        bar.what: round(bar.value, 4) for bar in judged.bars if bar.verdict != "not judged"
    }
    write_whole(folder / CARD_NAME, to_toml(said))
    write_whole(folder / REPORT_NAME, curve_report(judged, said))
    list_in_catalogue(folder, CURVE_ENTRY)
