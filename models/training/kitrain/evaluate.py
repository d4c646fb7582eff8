"""Scores of networks and of what they have to beat, on held-out slabs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kitrain import metrics
from kitrain.baselines import (
    WIDTHS_3D_MM,
    Method,
    direct_baselines,
    gaussian_baselines,
    guided_baselines,
)
from kitrain.groups import Volume
from kitrain.network import combine
from kitrain.records import GroupRecord
from kitrain.train import ki_map, network_maps, network_with
from kiview.nets.preprocess import smooth
from kiview.nets.tie import make_consistent, patlak_reference

COLUMNS = (
    "nrmse",
    "ssim",
    "nrmse_direct",
    "nrmse_independent_direct",
    "noise",
    "body_bias",
    "tumour_bias",
    "tumour_bias_small",
    "tumour_bias_large",
    "crc",
    "cnr",
    "lost",
)
NETWORK, TIED, CONTROL = "network", "network + consistency", "control: learned part zeroed"
BAR = 0.8
"""A network is shipped only below this share of the best conventional NRMSE."""
_LOST_CRC = 0.1
Scores = dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Result of one evaluation.

    Attributes:
        scores: Columns by method.
        slabs: Number of slabs.
        lesions: Number of lesions scored (each in two realisations).
    """

    scores: dict[str, Scores]
    slabs: int
    lesions: int

    def best(self, beginning: str) -> str:
        """The method with the lowest NRMSE among those whose name begins so."""
        names = [name for name in self.scores if name.startswith(beginning)]
        return min(names, key=lambda name: self.scores[name]["nrmse"])

    @property
    def ratio(self) -> float:
        """NRMSE of the tied network over the better of the best Gaussian and the best HYPR."""
        rival = min(self.scores[self.best(kind)]["nrmse"] for kind in ("Patlak", "HYPR-like"))
        return self.scores[TIED]["nrmse"] / rival

    @property
    def passed(self) -> bool:
        """Below the bar, with the control worse than the network."""
        worse = self.scores[CONTROL]["nrmse"] > self.scores[NETWORK]["nrmse"]
        return self.ratio <= BAR and worse


def network_method(weights: Mapping[str, Tensor], width: int, *, tied: bool) -> Method:
    """A network as a method; `tied` adds the consistency step of the program."""
    network = network_with(dict(weights), width)

    def apply(record: GroupRecord, realisation: int) -> Volume:
        ki = ki_map(network, record.study(realisation))
        if not tied:
            return ki
        n = float(record.normaliser[realisation])
        patlak, fur = record.patlak_ki(realisation), record.fur(realisation)
        reference = patlak_reference(patlak, fur, n, record.spacing_mm)
        return make_consistent(ki, None, reference).ki

    return apply


def control_method() -> Method:
    """The head alone: everything learned is zero."""

    def apply(record: GroupRecord, realisation: int) -> Volume:
        study = record.study(realisation)
        features = torch.from_numpy(study.block(0, study.values.shape[1]))
        shape = (features.shape[0], 2, *features.shape[2:])
        ki, _ = combine(features, torch.zeros(shape))
        values: Volume = ki.numpy() * np.float32(study.normaliser)
        return values

    return apply


def all_methods(weights: Mapping[str, Tensor], width: int) -> dict[str, Method]:
    """Everything of the table: conventional methods, references, control, network."""
    return {
        **gaussian_baselines(),
        **guided_baselines(),
        **direct_baselines(),
        CONTROL: control_method(),
        NETWORK: network_method(weights, width, tied=False),
        TIED: network_method(weights, width, tied=True),
    }


def evaluate(
    methods: Mapping[str, Method],
    records: Sequence[GroupRecord],
    report: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Score methods: means over slabs and both realisations; over lesions for tumour columns."""
    rows: dict[str, list[Scores]] = {name: [] for name in methods}
    lesion_rows: dict[str, list[metrics.LesionScore]] = {name: [] for name in methods}
    count = 0
    for i, record in enumerate(records):
        lesions = metrics.scorable_lesions(record.lesions, record.ki, record.body > 0)
        count += len(lesions)
        for name, method in methods.items():
            maps = [method(record, r) for r in range(len(record.features))]
            rows[name].append(_score_maps(maps, record))
            for lesion in lesions:
                lesion_rows[name] += [metrics.score_lesion(v, record.ki, lesion) for v in maps]
        report(f"scored slab {i + 1} of {len(records)}")
    scores = {name: {**_mean(rows[name]), **_tumours(lesion_rows[name])} for name in methods}
    return Evaluation(scores, len(records), count)


def _score_maps(maps: Sequence[Volume], record: GroupRecord) -> Scores:
    body = record.body > 0
    per_map = [
        {
            "nrmse": metrics.nrmse(v, record.ki, body),
            "ssim": metrics.ssim(v, record.ki, body),
            "nrmse_direct": metrics.nrmse(v, record.ki_direct[r], body),
            "nrmse_independent_direct": metrics.nrmse(v, record.ki_direct[1 - r], body),
            "body_bias": metrics.body_bias(v, record.ki, body),
        }
        for r, v in enumerate(maps)
    ]
    return {**_mean(per_map), "noise": metrics.noise(maps[0], maps[1], record.ki, body)}


def _tumours(scores: Sequence[metrics.LesionScore]) -> Scores:
    small = [s.bias for s in scores if not s.is_large]
    large = [s.bias for s in scores if s.is_large]
    recovery = np.array([s.recovery for s in scores])
    return {
        "tumour_bias": _average([s.bias for s in scores]),
        "tumour_bias_small": _average(small),
        "tumour_bias_large": _average(large),
        "crc": _average(list(recovery)),
        "cnr": _average([s.contrast_to_noise for s in scores]),
        "lost": float((recovery < _LOST_CRC).mean()) if len(recovery) else float("nan"),
    }


def _average(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _mean(rows: Sequence[Scores]) -> Scores:
    return {key: _average([row[key] for row in rows]) for key in rows[0]}


def evaluate_v(
    weights: Mapping[str, Tensor], width: int, records: Sequence[GroupRecord]
) -> dict[str, float]:
    """NRMSE of V0 to truth: the network, and Patlak under 3-D filters."""
    network = network_with(dict(weights), width)
    scores: dict[str, list[float]] = {}
    for record in records:
        body = record.body > 0
        for r in range(len(record.features)):
            maps = {NETWORK: network_maps(network, record.study(r))[1]}
            for mm in WIDTHS_3D_MM:
                v = smooth(record.patlak_v(r), (mm,) * 3, record.spacing_mm)
                maps[f"Patlak, 3-D {mm:g} mm"] = v
            for name, v in maps.items():
                scores.setdefault(name, []).append(metrics.nrmse(v, record.v, body))
    return {name: _average(values) for name, values in scores.items()}


def slider_path(
    at: Callable[[float], Mapping[str, Tensor]],
    positions: Sequence[float],
    width: int,
    records: Sequence[GroupRecord],
) -> dict[float, Scores]:
    """Scores along the slider, without the tie to Patlak."""
    methods = {f"{a:g}": network_method(at(a), width, tied=False) for a in positions}
    scores = evaluate(methods, records).scores
    return {a: scores[f"{a:g}"] for a in positions}


def table(scores: Mapping[str, Scores]) -> str:
    """Scores as a Markdown table; shares in percent."""
    heads = ["method", "NRMSE truth", "SSIM", "NRMSE direct", "NRMSE indep. direct", "noise %"]
    heads += ["body bias %", "tumour bias % (<20 vox / larger)", "CRC", "CNR", "CRC < 0.1 %"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    lines += [f"| {name} | " + " | ".join(_cells(row)) + " |" for name, row in scores.items()]
    return "\n".join(lines)


def _cells(row: Scores) -> list[str]:
    tumour = 100 * np.array([row[f"tumour_bias{part}"] for part in ("", "_small", "_large")])
    return [
        f"{row['nrmse']:.3f}",
        f"{row['ssim']:.3f}",
        f"{row['nrmse_direct']:.3f}",
        f"{row['nrmse_independent_direct']:.3f}",
        f"{100 * row['noise']:.1f}",
        f"{100 * row['body_bias']:.1f}",
        f"{tumour[0]:.0f} ({tumour[1]:.0f} / {tumour[2]:.0f})",
        f"{row['crc']:.2f}",
        f"{row['cnr']:.1f}",
        f"{100 * row['lost']:.0f}",
    ]


def v_table(scores: Mapping[str, float]) -> str:
    """NRMSE of V0 by method (Markdown)."""
    lines = ["| V0 | NRMSE truth |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {score:.3f} |" for name, score in scores.items())])


def verdict(evaluation: Evaluation) -> str:
    """One sentence: does the network reach the bar."""
    gaussian, guided = evaluation.best("Patlak"), evaluation.best("HYPR-like")
    word = "passed" if evaluation.passed else "FAILED"
    return (
        f"{word}: NRMSE of the tied network / the better of '{gaussian}' and '{guided}'"
        f" = {evaluation.ratio:.3f} (bar {BAR})"
    )
