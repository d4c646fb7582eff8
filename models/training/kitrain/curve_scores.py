"""Judging plasma curves: the network's against curves scaled to a region or not at all."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, label

from kitrain.bars import Bar
from kitrain.curve_data import CurveSample, samples_of
from kitrain.curve_network import CurveNetwork
from kitrain.group_file import load_group
from kitrain.groups import TrainingGroup, Volume
from kitrain.metrics import nrmse
from kitrain.network import KiNetwork
from kitrain.records import GroupRecord, record_of
from kitrain.scored import scored_voxels
from kitrain.threads import in_order
from kitrain.train import network_outputs
from kiview.core.errors import NetworkError
from kiview.core.feng import FENG_SUV_PER_UNIT
from kiview.core.input_curves import Curve, FengCurve
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.nets import preprocess
from kiview.nets.curve_features import POPULATION, Blood, attended
from kiview.nets.curve_readout import CurveReadout, attention, plasma_curve
from kiview.nets.infer import doubt_in
from kiview.nets.preprocess import FEATURE_NAMES
from kiview.nets.tie import make_consistent, patlak_reference

NETWORK, REGION, FLOOR, UNSCALED = (
    "network",
    "population curve, scaled to the true vessels",
    "population curve, scaled to eroded true blood (floor)",
    "population curve, scaled by dose and weight",
)
LARGEST_VESSEL_MM2 = 1200.0
"""In a slice; what is larger is a chamber of the heart."""
_SMALLEST_REGION = 20
WORSE = 10
"""Scans with a vessel that may be refused rather than one curve made up."""
MARGIN = 0.1
"""Of the probability, between scans without a vessel and the threshold."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CurveErrors:
    """Of one curve.

    Attributes:
        area: |error| of the area up to 60 min, share.
        late: Mean |error| over the frames, share.
        ki_nrmse: NRMSE to true Ki of the map made with it, NaN where none was made.
    """

    area: float
    late: float
    ki_nrmse: float = float("nan")


@dataclass(slots=True)
class CurveScores:
    """Of one set of scans.

    Attributes:
        errors: By method, one per scan that has a vessel (a refused scan has none of the network).
        refused: Scans with a vessel that the network refused.
        with_vessel: Scans with a vessel.
        refused_without: Scans without a vessel that it refused.
        without_vessel: Scans without a vessel.
        true_nrmse: NRMSE of the maps made with the true curve, one per scan with a vessel.
        probabilities: What decides about a refusal: (has a vessel, probability).
    """

    errors: dict[str, list[CurveErrors]] = field(default_factory=dict)
    refused: int = 0
    with_vessel: int = 0
    refused_without: int = 0
    without_vessel: int = 0
    true_nrmse: list[float] = field(default_factory=list)
    probabilities: list[tuple[bool, float]] = field(default_factory=list)

    def mean(self, method: str, name: str) -> float:
        """Mean of an error, NaN where there is none."""
        values = [float(getattr(error, name)) for error in self.errors.get(method, [])]
        return float(np.mean(values)) if values else float("nan")

    def extend(self, other: "CurveScores") -> None:
        """Count the scans of others too."""
        for method, errors in other.errors.items():
            self.errors.setdefault(method, []).extend(errors)
        self.refused += other.refused
        self.with_vessel += other.with_vessel
        self.refused_without += other.refused_without
        self.without_vessel += other.without_vessel
        self.true_nrmse += other.true_nrmse
        self.probabilities += other.probabilities

    @property
    def chain(self) -> float:
        """NRMSE with the network's curve over that with the true curve, on the same scans."""
        return self.mean(NETWORK, "ki_nrmse") / float(np.mean(self.true_nrmse or [np.nan]))


@dataclass(frozen=True, slots=True, eq=False)
class CurveModel:
    """Both networks of the chain and the read-out, as the program uses them.

    Attributes:
        logits: The curve network: (z, 9, y, x) features -> (z, y, x).
        readout: Its read-out.
        ki_network: Whose maps are among its features.
        least_probability: Below this it refuses.
    """

    logits: Callable[[Volume], Volume]
    readout: CurveReadout
    ki_network: KiNetwork
    least_probability: float

    def blood(self, sample: CurveSample) -> Blood:
        """What it attends to."""
        weights, probability = attention(self.logits(sample.features))
        halves = replace(sample.halves, ratio=sample.halves.ratio.mean(axis=1, keepdims=True))
        return attended(weights, probability, sample.study, sample.ki, halves, sample.spacing_mm)


def readout_of(network: CurveNetwork) -> CurveReadout:
    """The read-out in the form the program uses."""
    parts = (network.readout.hidden, network.readout.out)
    arrays = [a.detach().double().numpy() for p in parts for a in (p.weight, p.bias)]
    return CurveReadout(*arrays)


def probabilities(
    network: CurveNetwork, samples: Iterable[CurveSample]
) -> list[tuple[bool, float]]:
    """Whether a sample has a vessel, and how sure the network is of what it attends to."""
    found = []
    for sample in samples:
        with torch.inference_mode():
            logits: Volume = network(torch.from_numpy(sample.features)).numpy()
        found.append((sample.has_blood, probability_of(logits)))
    return found


def probability_of(logits: Volume) -> float:
    """Mean probability of blood where a network attends to, from its logits."""
    weights, probability = attention(logits)
    return float((weights * probability).sum(dtype=np.float64))


def choose_threshold(found: Sequence[tuple[bool, float]]) -> float:
    """The probability below which a scan is refused: fewest mistakes, then farthest from all.

    A curve of a scan without a vessel is wrong and nobody sees it; who is refused draws a region.
    So the first counts as `WORSE` of the second, and already where the network is surer by
    `MARGIN` than it was: of scans that nobody has seen yet it may be.

    Args:
        found: Whether a scan has a vessel, and its probability.
    """
    found = [(vessel, p if vessel else min(p + MARGIN, 1.0)) for vessel, p in found]
    values = sorted({0.0, 1.0, *(p for _, p in found)})
    middles = [0.5 * (a + b) for a, b in itertools.pairwise(values)]
    gaps = [b - a for a, b in itertools.pairwise(values)]
    mistakes = [sum(_mistake(*scan, middle) for scan in found) for middle in middles]
    best = min(range(len(middles)), key=lambda i: (mistakes[i], -gaps[i]))
    return middles[best]


def _mistake(has_vessel: bool, probability: float, threshold: float) -> int:
    if has_vessel:
        return int(probability < threshold)
    return WORSE * int(probability >= threshold)


def score_curves(
    groups: Iterable[TrainingGroup],
    model: CurveModel,
    report: Callable[[str], None],
    chain_network: KiNetwork | None = None,
) -> CurveScores:
    """Score every method on the first realisation of groups.

    Args:
        groups: Held out.
        model: The network.
        report: Takes a line now and then.
        chain_network: Makes Ki maps with the found and with the true curve; None for no maps.
    """
    scores = CurveScores()
    for number, group in enumerate(groups, start=1):
        (sample,) = samples_of(group, model.ki_network, 1)
        _add(scores, group, sample, model, chain_network)
        if number % 10 == 0:
            report(f"scored {number} curves")
    return scores


def score_curve_files(
    paths: Sequence[Path],
    model: CurveModel,
    workers: int,
    report: Callable[[str], None],
    chain_network: KiNetwork | None = None,
) -> CurveScores:
    """Score every method on groups in files, several at once, as `score_curves` does.

    Args:
        paths: Groups, held out.
        model: The network.
        workers: Groups at once, each in memory; 0 as `threads.in_order` does.
        report: Takes a line per group.
        chain_network: Makes Ki maps with the found and with the true curve; None for no maps.
    """

    def scored(path: Path) -> CurveScores:
        return score_curves([load_group(path)], model, lambda _: None, chain_network)

    scores = CurveScores()
    for number, found in enumerate(in_order(scored, paths, workers), start=1):
        scores.extend(found)
        report(f"scored curve {number}")
    return scores


def _add(
    scores: CurveScores,
    group: TrainingGroup,
    sample: CurveSample,
    model: CurveModel,
    chain_network: KiNetwork | None,
) -> None:
    end_s = float(group.timing.end_s.max())
    try:
        blood = model.blood(sample)
        probability = blood.probability
        found: Curve | None = plasma_curve(blood, model.readout, end_s)
    except NetworkError:
        probability, found = 0.0, None
    scores.probabilities.append((sample.has_blood, probability))
    refused = found is None or probability < model.least_probability
    if not sample.has_blood:
        scores.without_vessel += 1
        scores.refused_without += refused
        return
    scores.with_vessel += 1
    scores.refused += refused
    curves = dict(_regions(sample))
    if not refused and found is not None:
        curves[NETWORK] = found
    for name, curve in curves.items():
        made = float("nan")
        if chain_network is not None and name == NETWORK:
            made = _ki_nrmse(group, curve, chain_network)
            scores.true_nrmse.append(_ki_nrmse(group, sample.truth.curve, chain_network))
        scores.errors.setdefault(name, []).append(_errors(curve, sample, made))


def _errors(curve: Curve, sample: CurveSample, ki_nrmse: float) -> CurveErrors:
    truth = sample.truth
    area = float(curve.integral(60.0 * truth.area_time_min[-1])) / 60.0
    late = curve.at(60.0 * truth.late_min)
    return CurveErrors(
        abs(area / truth.area - 1.0), float(np.mean(np.abs(late / truth.late - 1.0))), ki_nrmse
    )


def _regions(sample: CurveSample) -> dict[str, Curve]:
    """Population curves scaled by one number: uptake of a region over that of the curve."""
    blood = np.asarray(sample.blood == 1)
    scale = {
        REGION: _region_scale(sample, _vessels(blood, sample.spacing_mm)),
        FLOOR: _region_scale(sample, _eroded(blood)),
        UNSCALED: FENG_SUV_PER_UNIT,
    }
    return {n: FengCurve(POPULATION.parameters, s) for n, s in scale.items() if s > 0}


def _region_scale(sample: CurveSample, mask: Mask) -> float:
    """<X> of the region over <C> of the population curve; 0 for too small a region."""
    if mask.sum() < _SMALLEST_REGION:
        return 0.0
    found = [
        float(sample.study.values[FEATURE_NAMES.index(name)][mask].mean(dtype=np.float64)) * ratio
        for name, ratio in zip(
            ("fur_early", "fur_late"), sample.halves.ratio.mean(axis=1), strict=True
        )
    ]
    return float(np.mean(found)) * sample.study.normaliser


def _vessels(blood: Mask, spacing_mm: tuple[float, ...]) -> Mask:
    """Blood outside the heart: what is small in its slice."""
    kept = np.zeros_like(blood)
    pixel = spacing_mm[1] * spacing_mm[2]
    for slice_, out in zip(blood, kept, strict=True):
        parts, count = label(slice_)
        areas = np.bincount(parts.ravel(), minlength=count + 1) * pixel
        small = np.flatnonzero(areas <= LARGEST_VESSEL_MM2)
        out[:] = np.isin(parts, small[small > 0])
    return kept


def _eroded(blood: Mask) -> Mask:
    """Without the outermost voxels in the slice."""
    cross = np.zeros((3, 3, 3), bool)
    cross[1] = [[False, True, False], [True, True, True], [False, True, False]]
    return np.asarray(binary_erosion(blood, cross))


def _ki_nrmse(group: TrainingGroup, curve: Curve, network: KiNetwork) -> float:
    """NRMSE to true Ki of the map that the program shows when it is given a curve."""
    record = _with_curve(group, curve)
    study = record.study(0)
    given = network_outputs(network, study)
    reference = patlak_reference(
        record.patlak_ki(0), record.fur(0), study.normaliser, record.spacing_mm
    )
    shown = make_consistent(given.ki, doubt_in(given), reference).ki
    return nrmse(shown, record.ki, scored_voxels(record))


def _with_curve(group: TrainingGroup, curve: Curve) -> GroupRecord:
    basis = preprocess.frame_input(group.timing, curve.integral, F18_HALF_LIFE_S)
    basis = replace(basis, weight=group.basis.weight)
    first = {
        name: replace(maps, ki=maps.ki[:1], v0=None if maps.v0 is None else maps.v0[:1])
        for name, maps in group.references.items()
    }
    return record_of(replace(group, frames=group.frames[:1], basis=basis, references=first))


def curve_bars(standard: CurveScores, others: Mapping[str, CurveScores]) -> list[Bar]:
    """Bars of the curve network and of the chain.

    Args:
        standard: Scores on the standard set, with maps.
        others: Scores on further sets, by name.
    """
    area = standard.mean(NETWORK, "area")
    bars = [
        Bar("AUC(0-60) error / floor of one-number scaling",
            area / standard.mean(FLOOR, "area"), "<=", 1.1, f"{100 * area:.1f} %"),
        Bar("AUC(0-60) error / population curve scaled to the true vessels",
            area / standard.mean(REGION, "area"), "<=", 0.6),
        Bar("chain: NRMSE of Ki / with the true curve", standard.chain, "<=", 1.25),
        Bar("scans with a vessel that are refused (share)",
            standard.refused / max(standard.with_vessel, 1), "<=", 0.0),
    ]  # fmt: skip
    for name in sorted(others):
        scores = others[name]
        if name.startswith("2x") and scores.with_vessel:
            ratio = scores.mean(NETWORK, "area") / scores.mean(REGION, "area")
            bars.append(
                Bar(f"{name}: AUC(0-60) error / scaled to the true vessels", ratio, "<=", 0.9)
            )
    without = sum(scores.without_vessel for scores in others.values())
    if without:
        refused = sum(scores.refused_without for scores in others.values())
        bars.append(
            Bar("scans without a vessel that are refused (share)", refused / without, ">=", 1.0,
                f"{without} scans")
        )  # fmt: skip
    return bars
