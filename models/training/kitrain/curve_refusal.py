"""When a curve network says that it sees no vessel, chosen on people of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitrain.bundle import CARD_TEXT_NAME, list_in_catalogue, next_minor
from kitrain.config import DataConfig
from kitrain.curve_bundle import card_of, read_curve_model
from kitrain.curve_data import samples_of
from kitrain.curve_scores import CurveModel, choose_threshold, probability_of
from kitrain.data import make_groups, split_of
from kitrain.group_file import load_group
from kitrain.learning import Report
from kitrain.manifest import write_whole
from kitrain.report import CONFIRMATION_NAME, REPORT_NAME
from kitrain.test_sets import refusal_jobs
from kitrain.threads import in_order
from kitrain.toml_writer import to_toml
from kiview.nets.catalog import CARD_NAME
from kiview.nets.curve_card import CURVE_ENTRY

JUDGED = (REPORT_NAME, CONFIRMATION_NAME, CARD_TEXT_NAME)
"""What a judgement wrote, and a change of the network takes away."""
Seen = tuple[bool, float]
"""Whether a scan has a vessel, and how sure the network is of what it attends to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who tells when a curve network refuses.

    Attributes:
        people: Of each kind of scan, `test_sets.refusal_jobs`.
        size: Its seed tells which people.
        networks: Where the network lies whose maps the curve network sees.
        command: Of kitrain, for the card.
        data: Cache of simulated scans.
    """

    people: int
    size: DataConfig
    networks: Path
    command: str
    data: Path


def decide_refusals(folder: Path, asked: Asked, report: Report) -> bool:
    """Choose anew the probability below which a curve network refuses, and write its card anew.

    Its weights stay. A network that was judged becomes its next minor version, and the judgement
    goes.

    Args:
        folder: Of the network.
        asked: Who tells.
        report: Takes progress lines.

    Returns:
        Whether it was written: a network that is wrong about half of the scans and more keeps the
        probability it has.
    """
    model, size = read_curve_model(folder, asked.networks), asked.size
    found: dict[str, list[Seen]] = {}
    paths: list[Path] = []
    for kind, jobs in refusal_jobs(size, asked.people).items():
        made = make_groups(jobs, size.workers, asked.data, report)
        found[kind] = _seen(model, made, size.workers)
        paths += made
        report(f"{kind}: {_told(found[kind])}")
    scans = [one for kind in found.values() for one in kind]
    threshold = choose_threshold(scans)
    wrong = {kind: _mistakes(seen, threshold) for kind, seen in found.items()}
    mistakes = sum(wrong.values())
    if 2 * mistakes >= len(scans):
        report(f"{folder.name} cannot tell scans with a vessel from others; its threshold stays")
        return False
    report(f"refuses below a probability of {threshold:.3f}: {mistakes} of {len(scans)} wrong")
    report("wrong by kind: " + ", ".join(f"{kind} {count}" for kind, count in wrong.items()))
    manifest = asked.data / f"refusal-{asked.people}-{size.seed}.manifest.json"
    _write(
        folder,
        threshold,
        {
            "command": f"python -m kitrain {asked.command}",
            "people": asked.people,
            "kinds": sorted(found),
            "scans_with_vessel": sum(vessel for vessel, _ in scans),
            "scans_without_vessel": sum(not vessel for vessel, _ in scans),
            "mistakes": mistakes,
            "data_sha256": split_of("refusal", paths, manifest).sha256,
        },
    )
    return True


def _seen(model: CurveModel, paths: Sequence[Path], workers: int) -> list[Seen]:
    def seen(path: Path) -> Seen:
        (sample,) = samples_of(load_group(path), model.ki_network, 1)
        return sample.has_blood, probability_of(model.logits(sample.features))

    return list(in_order(seen, paths, workers))


def _mistakes(scans: Sequence[Seen], threshold: float) -> int:
    return sum((probability < threshold) == vessel for vessel, probability in scans)


def _told(scans: Sequence[Seen]) -> str:
    parts = []
    for name, wanted in (("with", True), ("without", False)):
        values = [probability for vessel, probability in scans if vessel is wanted]
        if values:
            spread = f"{min(values):.3f} to {max(values):.3f}"
            parts.append(f"{len(values)} scans {name} a vessel, probability {spread}")
    return "; ".join(parts)


def _write(folder: Path, threshold: float, record: dict[str, Any]) -> None:
    card = card_of(folder)
    told = {
        "version": next_minor(card["version"]) if card["results"] else card["version"],
        "least_probability": round(threshold, 4),
        "training": card["training"] | {"refusal": record},
        "results": {},
    }
    write_whole(folder / CARD_NAME, to_toml(card | told))
    for name in JUDGED:
        (folder / name).unlink(missing_ok=True)
    list_in_catalogue(folder, CURVE_ENTRY)
