"""Groups as the curve network sees them: maps by the population curve, blood, the true curve."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kitrain.group_file import load_group
from kitrain.groups import GroupError, Labels, TrainingGroup, Volume
from kitrain.network import KiNetwork
from kitrain.train import network_maps
from kiview.core.input_curves import SampledCurve
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.nets import preprocess
from kiview.nets.curve_features import (
    POPULATION,
    Halves,
    curve_features,
    frame_halves,
    population_input,
)
from kiview.nets.preprocess import StudyFeatures
from kiview.simulate.tissues import Label

Floats = NDArray[np.float64]
HORIZON_MIN = 60.0
"""The area under a curve is told up to here, or to the end of the frames if they end before."""
LEAST_BLOOD_ML = 2.0
"""A group with less in its slices has no vessel to find."""
UNKNOWN = 255
_LATE_POINTS = 5
_MM3_PER_ML = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class CurveTruth:
    """The true plasma curve of a group, in the unit of its frames.

    Attributes:
        area_time_min: (m,) where the curve is sampled for its area, up to `HORIZON_MIN`.
        area: Area under the curve up to the last of them, unit x min.
        late_min: (k,) times over the frames.
        late: (k,) the curve there.
        curve: The whole of it.
    """

    area_time_min: Floats
    area: float
    late_min: Floats
    late: Floats
    curve: SampledCurve


@dataclass(frozen=True, slots=True, eq=False)
class CurveSample:
    """One noise realisation of a group.

    Attributes:
        features: (z, 9, y, x) float32 `curve_features.CURVE_FEATURE_NAMES`.
        study: Features that the population curve makes.
        ki: (z, y, x) Ki of a network on them, in units of the normaliser.
        blood: (z, y, x) uint8: 1 blood, 0 none, 255 unknown.
        halves: Of the frames.
        spacing_mm: Along z, y, x.
        truth: The plasma curve.
        subject: Who.
    """

    features: Volume
    study: StudyFeatures
    ki: Volume
    blood: Labels
    halves: Halves
    spacing_mm: tuple[float, float, float]
    truth: CurveTruth
    subject: str

    @property
    def blood_ml(self) -> float:
        """Volume that is blood for sure."""
        return float((self.blood == 1).sum() * np.prod(self.spacing_mm) / _MM3_PER_ML)

    @property
    def has_blood(self) -> bool:
        """Whether there is a vessel to find."""
        return self.blood_ml >= LEAST_BLOOD_ML


def samples_of(group: TrainingGroup, network: KiNetwork, count: int) -> Iterator[CurveSample]:
    """The first realisations of a group.

    Raises:
        GroupError: nobody knows the true curve of the group.
    """
    truth = curve_truth(group)
    population = population_input(group.timing, F18_HALF_LIFE_S)
    population = replace(population, weight=group.basis.weight)
    operators = preprocess.linear_operators(population)
    for frames in group.frames[:count]:
        maps = preprocess.linear_maps(frames, operators.matrix)
        study = preprocess.study_features(maps, operators.noise_gain, group.spacing_mm)
        n = np.float32(study.normaliser)
        ki, v = (part / n for part in network_maps(network, study))
        yield CurveSample(
            curve_features(study, ki, v, group.spacing_mm),
            study,
            ki,
            _blood(group.labels),
            frame_halves(group.timing, population),
            group.spacing_mm,
            truth,
            group.identity.subject,
        )


def load_samples(paths: Sequence[Path], network: KiNetwork, count: int) -> list[CurveSample]:
    """Samples of many groups."""
    return [s for path in paths for s in samples_of(load_group(path), network, count)]


def curve_truth(group: TrainingGroup) -> CurveTruth:
    """What a curve network is to find.

    Raises:
        GroupError: nobody knows it.
    """
    if group.truth is None:
        raise GroupError(
            f"Nobody knows the true plasma curve of {group.identity.scan}; use simulated groups."
        )
    said = group.truth.curve
    curve = SampledCurve(said.time_s, said.activity)
    first, last = float(group.timing.start_s.min()), float(group.timing.end_s.max())
    end_s = min(60.0 * HORIZON_MIN, last)
    time_s = POPULATION.natural_time_s(end_s)
    time_s = time_s[time_s <= end_s]
    late_s = np.linspace(first, last, _LATE_POINTS)
    area = float(curve.integral(end_s)) / 60.0
    return CurveTruth(time_s / 60.0, area, late_s / 60.0, curve.at(late_s), curve)


def _blood(labels: Labels) -> Labels:
    known = np.where(labels == Label.BLOOD, 1, 0).astype(np.uint8)
    known[labels == UNKNOWN] = UNKNOWN
    return known
