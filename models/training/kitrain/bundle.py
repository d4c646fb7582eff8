"""The folder of one network: ONNX file, slider ends, card; and the catalogue that lists it."""

import hashlib
import math
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from kitrain.architecture import loaded_network, reach_table
from kitrain.domain import domain_table
from kitrain.export_onnx import export, tensor_offsets
from kitrain.pipeline import Run, final_variants
from kitrain.toml_writer import to_toml
from kitrain.update_card import Learnt, update_card, update_text
from kiview.core.errors import NetworkError
from kiview.nets.catalog import CARD_NAME, CATALOG_NAME, SCHEMA_VERSION, read_card, verify
from kiview.nets.preprocess import FEATURE_VERSION

CARD_TEXT_NAME = "CARD.md"
NETWORK_FILE, SMOOTH_FILE, SHARP_FILE = "model.onnx", "smooth.safetensors", "sharp.safetensors"
_HELP = "From smooth (less noise, lesions fainter) to sharp (lesions stronger, more noise)."

_TITLES = {
    "direct": "Ki of FDG, as 4-D direct of the same counts",
    "indep": "Ki of FDG, as 4-D direct of an independent scan",
}
"""Networks trained on a reference, by target."""


@dataclass(frozen=True, slots=True, eq=False)
class Parent:
    """A network that an update starts from.

    Attributes:
        folder: Of the network.
        card: As in `card.toml`, plain values.
        card_sha256: Of that file.
        run: Its weights.
        groups: Hashes of the added groups that it was trained on.
        held_out: Hashes of the added groups that judged it.
    """

    folder: Path
    card: dict[str, Any]
    card_sha256: str
    run: Run
    groups: frozenset[str]
    held_out: frozenset[str]


def write_bundle(run: Run, parent: Path, recipe: str) -> Path:
    """Make the folder of a network in `parent`, and list it in the catalogue there.

    Variants that were trained on a reference instead of truth (`direct`, `indep`) become networks
    of their own, `ID-NAME`, without a slider, listed behind it.

    Args:
        run: Trained weights and record.
        parent: Folder of networks.
        recipe: Command that made the run, for the card.

    Returns:
        The folder of the network with the slider.
    """
    folder = parent / str(run.record["config"]["network_id"])
    _write_network(run, folder, recipe)
    for name, target in final_variants(run.record["config"].get("variants", {})).items():
        if name in run.variants and target in _TITLES:
            alone = run.variant(name, target)
            _write_network(alone, parent / f"{folder.name}-{name}", recipe)
    return folder


def _write_network(run: Run, folder: Path, recipe: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files, difference = write_weights(run, folder)
    card = {
        **_head(folder.name, "1.0.0"),
        **files,
        "inputs": _inputs(files["alignment"]),
        "outputs": output_table(run.size.with_sigma),
        "domain": domain_table(run.record["measured"], run.record["config"]["data"]),
        "training": _training(run, recipe, difference),
        "results": {},
    }
    card["title"] = _TITLES.get(run.target, card["title"])
    write_card(folder, card, "")


def _head(network_id: str, version: str) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "feature_version": FEATURE_VERSION,
        "id": network_id,
        "version": version,
        "title": "Ki and V0 of FDG, head to thigh",
        "licence": "Apache-2.0",
        "voxel_mm": [4.0, 4.0, 4.0],
    }


def write_weights(run: Run, folder: Path) -> tuple[dict[str, Any], float]:
    """Write all files of weights.

    Returns:
        Their part of the card, and how far torch and ONNX differ.
    """
    weights = run.at(run.shipped_position)
    difference = export(weights, folder / NETWORK_FILE)
    offsets = tensor_offsets((folder / NETWORK_FILE).read_bytes(), weights)
    files: dict[str, Any] = {"network": file_entry(folder / NETWORK_FILE)} | reach_table(run.size)
    if run.has_slider:
        save_file(run.smooth, folder / SMOOTH_FILE)
        save_file(run.sharp, folder / SHARP_FILE)
        files["slider"] = {
            "shipped_position": run.shipped_position,
            "help": _HELP,
            "smooth": file_entry(folder / SMOOTH_FILE),
            "sharp": file_entry(folder / SHARP_FILE),
        }
    files["tensors"] = [
        {"name": name, "shape": list(tensor.shape), "offset": offsets[name]}
        for name, tensor in weights.items()
    ]
    return files, difference


def read_parent(folder: Path) -> Parent:
    """A network to start an update from.

    Raises:
        NetworkError: a file is missing or was changed, or its weights do not fit its card.
    """
    verify(read_card(folder / CARD_NAME))
    content = (folder / CARD_NAME).read_bytes()
    card = tomllib.loads(content.decode("utf-8"))
    run = read_bundle(folder)
    for weights in (run.smooth, run.sharp):
        try:
            loaded_network(weights, run.size)
        except RuntimeError as error:
            raise NetworkError(
                f"The weights of network {folder.name!r} do not fit its card; use another network."
            ) from error
    groups, held_out = (frozenset(card["training"].get(k, [])) for k in ("groups", "held_out"))
    return Parent(folder, card, hashlib.sha256(content).hexdigest(), run, groups, held_out)


def write_update(
    parent: Parent,
    moved: Mapping[str, Tensor],
    models: Path,
    learnt: Learnt,
    results: Mapping[str, float],
) -> Path:
    """Write the next version of a network, whole or not at all, and list it.

    Args:
        parent: The version before.
        moved: What is added to every weight, at both ends of the slider.
        models: Folder of networks.
        learnt: From what.
        results: Validation before and after, by name.

    Returns:
        The new folder.
    """
    version, folder = _next_version(parent, models)
    ends = [
        {name: (tensor.double() + moved[name]).float() for name, tensor in end.items()}
        for end in (parent.run.smooth, parent.run.sharp)
    ]
    run = Run(ends[0], ends[1], parent.run.record, {})

    def write(part: Path) -> dict[str, Any]:
        files, difference = write_weights(run, part)
        card = update_card(parent.card, (folder.name, version), learnt, results)
        card |= files
        card["training"]["parent_card_sha256"] = parent.card_sha256
        card["training"]["torch_onnxruntime_difference"] = float(f"{difference:.2g}")
        (part / CARD_TEXT_NAME).write_text(update_text(card), encoding="utf-8")
        return card

    replace_folder(folder, write)
    return folder


def replace_folder(folder: Path, write: Callable[[Path], dict[str, Any]]) -> None:
    """Write the folder of a network whole or not at all, and list it in the catalogue beside it.

    Args:
        folder: That is made or replaced.
        write: Puts the files into the folder it is given, and returns the card.
    """
    part, before = (folder.with_name(folder.name + suffix) for suffix in (".part", ".before"))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        card = write(part)
        (part / CARD_NAME).write_text(to_toml(card), encoding="utf-8")
        if folder.exists():
            folder.replace(before)
        part.replace(folder)
    finally:
        if before.exists() and not folder.exists():
            before.replace(folder)
        for rest in (part, before):
            shutil.rmtree(rest, ignore_errors=True)
    list_in_catalogue(folder)


def next_minor(version: str) -> str:
    """The minor version after a version."""
    major, minor, *_ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


def _next_version(parent: Parent, models: Path) -> tuple[str, Path]:
    """The next minor version that is free, and the folder of its network."""
    root = str(parent.card["id"]).partition("-v")[0]
    version = str(parent.card["version"])
    while True:
        version = next_minor(version)
        folder = models / f"{root}-v{version}"
        if not folder.exists():
            return version, folder


def read_bundle(folder: Path) -> Run:
    """The weights and the record of a network folder.

    Raises:
        FileNotFoundError: it holds no card.
        NetworkError: a file is damaged.
    """
    content = (folder / CARD_NAME).read_text(encoding="utf-8")
    try:
        card = tomllib.loads(content)
        record = {
            "config": card["training"]["config"],
            "shipped_position": card.get("slider", {}).get("shipped_position", 1.0),
            "target": card["training"].get("target", "truth"),
            "has_slider": "slider" in card,
        }
        if not record["has_slider"]:
            weights = _tensors_of(card, (folder / NETWORK_FILE).read_bytes())
            return Run(weights, weights, record, {})
        ends = [load_file(folder / name) for name in (SMOOTH_FILE, SHARP_FILE)]
    except (SafetensorError, ValueError, KeyError) as error:
        raise NetworkError(
            f"The network folder {folder} is damaged ({error}); make or install it again."
        ) from error
    return Run(ends[0], ends[1], record, {})


def _tensors_of(card: Mapping[str, Any], content: bytes) -> dict[str, Tensor]:
    """Weights out of the ONNX file, where the card says that they lie."""
    found = {}
    for entry in card["tensors"]:
        count = math.prod(entry["shape"])
        values = np.frombuffer(content, "<f4", count, entry["offset"]).reshape(entry["shape"])
        found[str(entry["name"])] = torch.from_numpy(values.copy())
    return found


def write_card(folder: Path, card: dict[str, Any], text: str) -> None:
    """Write the card, its text if there is one, and list the network."""
    (folder / CARD_NAME).write_text(to_toml(card), encoding="utf-8")
    if text:
        (folder / CARD_TEXT_NAME).write_text(text, encoding="utf-8")
    list_in_catalogue(folder)


def list_in_catalogue(folder: Path, kind: str = "network") -> None:
    """List a network with the hash of its card in the catalogue beside it.

    Args:
        folder: Of the network.
        kind: Key of the catalogue.
    """
    path = folder.parent / CATALOG_NAME
    known = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    entries = list(known.get(kind, []))
    ids = [entry["id"] for entry in entries]
    entry = {"id": folder.name, "card_sha256": _sha256(folder / CARD_NAME)}
    if folder.name in ids:
        entries[ids.index(folder.name)] = entry
    elif any(folder.name.startswith(f"{known_id}-") for known_id in ids):
        entries.append(entry)  # a variant of a network stands behind it
    else:
        entries.insert(0, entry)
    catalogue = {"schema_version": SCHEMA_VERSION} | known | {kind: entries}
    path.write_text(to_toml(catalogue), encoding="utf-8")


def _training(run: Run, recipe: str, difference: float) -> dict[str, Any]:
    record = run.record
    return {
        "command": f"python -m kitrain {recipe}",
        "target": run.target,
        "seed": record["seed"],
        "weights": _said_weights(record),
        "device": record["device"],
        "torch": record["torch"],
        "minutes": round(record["seconds"]["training"] / 60, 1),
        "torch_onnxruntime_difference": float(f"{difference:.2g}"),
        "data_sha256": record["data_sha256"],
        "validation_nrmse_by_seed": _rounded(record["validation_nrmse_by_seed"]),
        "validation_nrmse_by_position": _rounded(record["validation_nrmse_by_position"]),
        "config": record["config"],
    }


def _said_weights(record: Mapping[str, Any]) -> str:
    """Of which seeds the weights are: of both ends of a slider, or of a variant."""
    slider, seeds = record["config"]["slider"], record["shipped_seeds"]
    ends = list(seeds) if len(seeds) == 1 else [slider["smooth"], slider["sharp"]]
    told = {name: _said_seeds(seeds[name]) for name in ends}
    if len(set(told.values())) == 1:
        return told[ends[0]]
    return "; ".join(f"{name}: {words}" for name, words in told.items())


def _said_seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]} (chosen by validation)"
    return f"mean of the weights of seeds {', '.join(str(seed) for seed in seeds)}"


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _inputs(alignment: int) -> list[dict[str, str]]:
    return [
        {
            "name": "features",
            "shape": f"(slices, 31, y, x), y and x multiples of {alignment}",
            "unit": "1",
            "meaning": "6 features of 5 neighbouring slices, then ln g; kiview.nets.preprocess",
        }
    ]


def output_table(sigma: bool, calibrated: bool = False) -> list[dict[str, str]]:
    """What a card says of the outputs of a network.

    Args:
        sigma: Whether it tells its standard deviation.
        calibrated: Whether that is calibrated.
    """
    outputs = {"ki": "Ki / n, n the normaliser in /min", "v": "V0 <C> / <S> / n"}
    if sigma:
        outputs["sigma"] = "standard deviation of Ki / n"
    if calibrated:
        outputs["calibration"] = "factor of the standard deviation of Ki as shown"
    return [
        {"name": name, "shape": "(slices, y, x)", "unit": "1", "meaning": meaning}
        for name, meaning in outputs.items()
    ]


def file_entry(path: Path) -> dict[str, str]:
    """How a card names a file that lies beside it."""
    return {"file": path.name, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
