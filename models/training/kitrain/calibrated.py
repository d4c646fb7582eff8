"""The folder of a network, calibrated."""

import time
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from kitrain.architecture import CALIBRATION, network_with
from kitrain.bundle import next_minor, output_table, read_bundle, replace_folder, write_weights
from kitrain.calibrate import Fit, fit_of, learnt_calibration
from kitrain.calibration_data import Voxels, gathered, voxels_of
from kitrain.config import CalibrationConfig, DataConfig
from kitrain.data import Report, make_groups, split_of
from kitrain.network import Calibration, KiNetwork
from kitrain.pipeline import Weights
from kitrain.records import load_record
from kitrain.test_sets import calibration_jobs
from kiview.core.errors import NetworkError
from kiview.nets.catalog import CARD_NAME

_HELD_OUT_EACH = 5


@dataclass(frozen=True, slots=True, eq=False)
class _Learnt:
    """A calibration and how it was made."""

    made: Calibration
    before: Fit
    after: Fit
    data_sha256: str
    seconds: float

    def record(self, config: CalibrationConfig, command: str) -> dict[str, Any]:
        """For the card."""
        return {
            "command": f"python -m kitrain {command}",
            "minutes": round(self.seconds / 60, 1),
            "data_sha256": self.data_sha256,
            "held_out_cost_before": round(self.before.cost, 4),
            "held_out_cost": round(self.after.cost, 4),
            "held_out_tissues": self.after.count,
            "held_out_outside_before": len(self.before.outside),
            "held_out_outside": len(self.after.outside),
            "config": asdict(config),
        }


def calibrate_network(
    folder: Path, config: CalibrationConfig, command: str, data: Path, report: Report
) -> bool:
    """Calibrate the standard deviation of a network and write its folder anew, whole or not at all.

    Ki and V stay as they are. A network that was judged becomes its next minor version, and the
    judgement goes.

    Args:
        folder: Of the network.
        config: How, and on how many people.
        command: Of kitrain, for the card.
        data: Cache of simulated scans.
        report: Takes progress lines.

    Returns:
        Whether it was written: a calibration that is no better on people it has not learnt from is
        left out.

    Raises:
        NetworkError: the network tells no standard deviation.
    """
    run = read_bundle(folder)
    ends = [_without(weights) for weights in (run.smooth, run.sharp)]
    plain = replace(run, smooth=ends[0], sharp=ends[1])
    network = network_with(plain.at(plain.shipped_position))
    if not network.has_sigma:
        raise NetworkError(f"The network {folder.name!r} tells no uncertainty to calibrate.")
    learnt = _learnt(network, plain.width, config, data, report)
    if learnt.after.cost >= learnt.before.cost:
        report("the calibration is no better on people it has not learnt from; it is left out")
        return False
    more = {CALIBRATION + name: tensor for name, tensor in learnt.made.state_dict().items()}
    calibrated = replace(plain, smooth=ends[0] | more, sharp=ends[1] | more)
    card = tomllib.loads((folder / CARD_NAME).read_text(encoding="utf-8"))

    def write(part: Path) -> dict[str, Any]:
        files, difference = write_weights(calibrated, part)
        training = card["training"] | {"torch_onnxruntime_difference": float(f"{difference:.2g}")}
        training["calibration"] = learnt.record(config, command)
        told = {
            "version": next_minor(card["version"]) if card["results"] else card["version"],
            "outputs": output_table(network.has_sigma, calibrated=True),
            "training": training,
            "results": {},
        }
        return card | files | told

    replace_folder(folder, write)
    return True


def _without(weights: Mapping[str, Tensor]) -> Weights:
    """Weights without a calibration."""
    return {name: tensor for name, tensor in weights.items() if not name.startswith(CALIBRATION)}


def _learnt(
    network: KiNetwork, width: int, config: CalibrationConfig, data: Path, report: Report
) -> _Learnt:
    started = time.perf_counter()
    kinds = calibration_jobs(DataConfig(1, 1, 1, config.seed), config.people)
    learning: list[tuple[str, dict[str, Voxels]]] = []
    held_out: list[tuple[str, dict[str, Voxels]]] = []
    files: list[Path] = []
    for kind, jobs in kinds.items():
        paths = make_groups(jobs, 0, data, report)
        files += paths
        for place, path in enumerate(paths):
            scan = kind, voxels_of(network, load_record(path), config.seed)
            is_held_out = place % _HELD_OUT_EACH == _HELD_OUT_EACH - 1
            (held_out if is_held_out else learning).append(scan)
        report(f"voxels of {len(paths)} people, {kind}")
    manifest = data / f"calibration-{config.people}-{config.seed}.manifest.json"
    sha256 = split_of("calibration", files, manifest).sha256
    voxels, others = gathered(learning), gathered(held_out)
    made = learnt_calibration(width, voxels, config)
    before, after = fit_of(None, others), fit_of(made, others)
    report(_said("before", before))
    report(_said("after", after))
    return _Learnt(made, before, after, sha256, time.perf_counter() - started)


def _said(when: str, fit: Fit) -> str:
    listed = "; ".join(fit.outside)
    return (
        f"held-out people, {when}: cost {fit.cost:.4f}, {len(fit.outside)} of {fit.count} tissues"
        f" outside ({listed})"
    )
