"""The folder of one network: ONNX file, slider ends, card; and the catalogue that lists it."""

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from kitrain.card_text import card_markdown
from kitrain.evaluate import BAR, TIED, Evaluation
from kitrain.export_onnx import export, tensor_offsets
from kitrain.pipeline import Run
from kitrain.toml_writer import to_toml
from kiview.nets.catalog import CARD_NAME, CATALOG_NAME, SCHEMA_VERSION
from kiview.nets.preprocess import FEATURE_VERSION

NETWORK_FILE, SMOOTH_FILE, SHARP_FILE = "model.onnx", "smooth.safetensors", "sharp.safetensors"
_HELP = (
    "From smooth (less noise, lesions fainter) to sharp (lesions stronger, more noise)."
    " Both ends were fine-tuned from one common start."
)
_DOMAIN: dict[str, Any] = {
    "tracers": ["FDG", "fluorodeoxyglucose"],
    "region": "torso",
    "half_life_s": 6586.2,
    "frame_count": [2, 8],
    "start_min": [25.0, 45.0],
    "end_min": [31.0, 90.0],
    "frame_length_min": [3.0, 10.0],
    "source_voxel_mm": [3.3, 4.6],
    "trues_per_slice_and_5_min": [1e5, 3e6],
}


def write_bundle(run: Run, parent: Path, recipe: str) -> Path:
    """Make the folder of a network in `parent`, and list it in the catalogue there.

    Args:
        run: Trained weights and record.
        parent: Folder of networks.
        recipe: Command that made the run, for the card.

    Returns:
        The folder.
    """
    folder = parent / str(run.record["config"]["network_id"])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(run.smooth, folder / SMOOTH_FILE)
    save_file(run.sharp, folder / SHARP_FILE)
    weights = run.at(run.shipped_position)
    difference = export(weights, run.width, folder / NETWORK_FILE)
    offsets = tensor_offsets((folder / NETWORK_FILE).read_bytes(), weights)
    card = {
        "schema_version": SCHEMA_VERSION,
        "feature_version": FEATURE_VERSION,
        "id": folder.name,
        "version": "1.0.0",
        "title": "Ki and V0 of FDG, torso",
        "licence": "Apache-2.0",
        "voxel_mm": [4.0, 4.0, 4.0],
        "network": _entry(folder / NETWORK_FILE),
        "inputs": _inputs(),
        "outputs": _outputs(run.size.with_sigma),
        "domain": {**_DOMAIN, "noise_gain": [round(g, 3) for g in run.record["noise_gain"]]},
        "slider": {
            "shipped_position": run.shipped_position,
            "help": _HELP,
            "smooth": _entry(folder / SMOOTH_FILE),
            "sharp": _entry(folder / SHARP_FILE),
        },
        "training": _training(run, recipe, difference),
        "results": {},
        "tensors": [
            {"name": name, "shape": list(tensor.shape), "offset": offsets[name]}
            for name, tensor in weights.items()
        ],
    }
    _write_card(folder, card, "")
    return folder


def write_results(
    folder: Path, evaluation: Evaluation, tables: Mapping[str, str], options: Mapping[str, Any]
) -> None:
    """Put scores into the card and its text.

    Args:
        folder: Of the network.
        evaluation: Its scores.
        tables: Tables for the text, by their place in it.
        options: Of the command, for the record.
    """
    card = tomllib.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    best = [evaluation.best(kind) for kind in ("Patlak", "HYPR-like")]
    card["results"] = {
        "test_slabs": evaluation.slabs,
        "lesions": evaluation.lesions,
        "test_seed": int(options["seed"]),
        "slabs_per_condition": int(options["conditions"]),
        "bar": BAR,
        "nrmse_over_best_conventional": round(evaluation.ratio, 4),
        **{f"nrmse {name}": round(evaluation.scores[name]["nrmse"], 4) for name in best},
        **{f"network {k}": round(v, 4) for k, v in evaluation.scores[TIED].items()},
    }
    _write_card(folder, card, card_markdown(card, evaluation, tables))


def read_bundle(folder: Path) -> Run:
    """The weights and the record of a network folder.

    Raises:
        FileNotFoundError: it holds no card.
    """
    card = tomllib.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    ends = [load_file(folder / name) for name in (SMOOTH_FILE, SHARP_FILE)]
    record = {
        "config": card["training"]["config"],
        "shipped_position": card["slider"]["shipped_position"],
    }
    return Run(ends[0], ends[1], record, {})


def _write_card(folder: Path, card: dict[str, Any], text: str) -> None:
    (folder / CARD_NAME).write_text(to_toml(card), encoding="utf-8")
    if text:
        (folder / "CARD.md").write_text(text, encoding="utf-8")
    _list_in_catalogue(folder)


def _list_in_catalogue(folder: Path) -> None:
    path = folder.parent / CATALOG_NAME
    known = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    entries = [entry for entry in known.get("network", []) if entry["id"] != folder.name]
    entries.insert(0, {"id": folder.name, "card_sha256": _sha256(folder / CARD_NAME)})
    catalogue = {"schema_version": SCHEMA_VERSION, "network": entries}
    path.write_text(to_toml(catalogue), encoding="utf-8")


def _training(run: Run, recipe: str, difference: float) -> dict[str, Any]:
    record = run.record
    return {
        "command": f"python -m kitrain {recipe}",
        "seed": record["seed"],
        "device": record["device"],
        "torch": record["torch"],
        "minutes": round(record["seconds"]["training"] / 60, 1),
        "torch_onnxruntime_difference": float(f"{difference:.2g}"),
        "data_sha256": record["data_sha256"],
        "validation_nrmse_by_seed": _rounded(record["validation_nrmse_by_seed"]),
        "validation_nrmse_by_position": _rounded(record["validation_nrmse_by_position"]),
        "config": record["config"],
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _inputs() -> list[dict[str, str]]:
    return [
        {
            "name": "features",
            "shape": "(slices, 31, y, x), y and x multiples of 4",
            "unit": "1",
            "meaning": "6 features of 5 neighbouring slices, then ln g; kiview.nets.preprocess",
        }
    ]


def _outputs(sigma: bool) -> list[dict[str, str]]:
    shape = "(slices, y, x)"
    outputs = {"ki": "Ki / n, n the normaliser in /min", "v": "V0 <C> / <S> / n"}
    if sigma:
        outputs["sigma"] = "standard deviation of Ki / n"
    return [
        {"name": name, "shape": shape, "unit": "1", "meaning": meaning}
        for name, meaning in outputs.items()
    ]


def _entry(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
