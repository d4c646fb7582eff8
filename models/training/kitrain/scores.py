"""Scores of every method on every scan of a set, and their means."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from kitrain import metrics
from kitrain.groups import Volume
from kitrain.methods import Family, Made
from kitrain.records import GroupRecord, load_record
from kitrain.scored import (
    contrast_of,
    lesions_of,
    must_not_be_lost,
    scored_voxels,
    volume_ml,
)
from kitrain.simulated import DIRECT_HIGH
from kitrain.threads import in_order
from kiview.core.map_scores import LOST_RECOVERY, Lesion, LesionScore, Mask
from kiview.simulate.tissues import NOT_TISSUE, Label

FAINT_RECOVERY = 0.3
ALL = "all"
"""The whole body, among the tissues."""
SIGMAS = 2.0
_FEWEST_ORGAN_VOXELS = 30
_FEWEST_PEOPLE, _DRAWS = 3, 2000
"""Of an interval, and how often people are drawn for it."""


@dataclass(frozen=True, slots=True)
class LesionRow:
    """One lesion in one map.

    Attributes:
        subject: Who.
        number: Of the lesion in that scan.
        realisation: Of the noise.
        volume_ml: Of its voxels.
        contrast: True mean over that of its shell.
        score: Of the map.
        counts: Whether it must not be lost (2 : 1, 0.5 mL).
    """

    subject: str
    number: int
    realisation: int
    volume_ml: float
    contrast: float
    score: LesionScore
    counts: bool


@dataclass(slots=True)
class MethodScores:
    """What one method got on a set; lists grow scan by scan.

    Attributes:
        maps: Per map: score by name.
        noise: Per scan.
        lesions: All lesions in all maps.
        organs: By tissue: sums of the map, of the truth, and voxels.
        covered: By tissue (and `ALL`) and subject: voxels within two sigmas of the truth, and
            voxels.
    """

    maps: list[dict[str, float]] = field(default_factory=list)
    noise: list[float] = field(default_factory=list)
    lesions: list[LesionRow] = field(default_factory=list)
    organs: dict[str, list[float]] = field(default_factory=dict)
    covered: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def mean(self, name: str) -> float:
        """Mean of a score over the maps that have it; NaN without any."""
        found = [row[name] for row in self.maps if name in row]
        return float(np.mean(found)) if found else float("nan")

    def bias(self, chosen: Callable[[LesionRow], bool] = lambda _: True) -> float:
        """Mean relative error of some lesions."""
        return _mean([row.score.bias for row in self.lesions if chosen(row)])

    @property
    def recovery(self) -> float:
        """Mean contrast recovery of all lesions."""
        return _mean([row.score.recovery for row in self.lesions])

    @property
    def contrast_to_noise(self) -> float:
        """Median over the lesions: a quiet shell makes a mean meaningless."""
        found = [row.score.contrast_to_noise for row in self.lesions]
        return float(np.median(found)) if found else float("nan")

    def below(self, recovery: float) -> tuple[int, int]:
        """Of the lesions that count: how many have less recovery, and how many there are."""
        found = [row.score.recovery for row in self.lesions if row.counts]
        return sum(value < recovery for value in found), len(found)

    def lost_interval(self) -> tuple[float, float, float]:
        """Share of lost lesions with its exact binomial 95 % interval (Clopper and Pearson)."""
        lost, count = self.below(LOST_RECOVERY)
        if not count:
            return float("nan"), float("nan"), float("nan")
        found = binomtest(lost, count).proportion_ci(0.95, "exact")
        return lost / count, float(found.low), float(found.high)

    def organ_bias(self) -> dict[str, float]:
        """Relative error of the mean of each tissue whose truth is not zero."""
        return {
            name: values / truth - 1.0
            for name, (values, truth, _) in self.organs.items()
            if truth > 0
        }

    def coverage(self) -> dict[str, float]:
        """Share of voxels whose truth lies within two sigmas, by tissue."""
        found = {name: np.sum([*rows.values()], axis=0) for name, rows in self.covered.items()}
        return {name: float(inside / count) for name, (inside, count) in found.items()}

    def coverage_interval(self, tissue: str) -> tuple[float, float, int]:
        """95 % interval of that share, as people are drawn anew, and how many people there are.

        NaN where they are too few: the voxels of a person err together.
        """
        rows = np.array([*self.covered[tissue].values()])
        if len(rows) < _FEWEST_PEOPLE:
            return float("nan"), float("nan"), len(rows)
        drawn = np.random.default_rng(0).integers(0, len(rows), (_DRAWS, len(rows)))
        inside, count = rows[drawn].sum(axis=1).T
        low, high = np.percentile(inside / count, (2.5, 97.5))
        return float(low), float(high), len(rows)

    def extend(self, other: "MethodScores") -> None:
        """Count the scans of others too: every map and every lesion counts."""
        self.maps += other.maps
        self.noise += other.noise
        self.lesions += other.lesions
        for tissue, sums in other.organs.items():
            _add(self.organs, tissue, sums)
        for tissue, people in other.covered.items():
            known = self.covered.setdefault(tissue, {})
            for subject, voxels in people.items():
                _add(known, subject, voxels)


@dataclass(frozen=True, slots=True, eq=False)
class SetScores:
    """All methods on one set.

    Attributes:
        methods: By name.
        scans: Number of people.
        lesions: Number of lesions that must not be lost, each counted once.
    """

    methods: Mapping[str, MethodScores]
    scans: int
    lesions: int


def score_set(
    records: Iterable[GroupRecord], families: Sequence[Family], report: Callable[[str], None]
) -> SetScores:
    """Score methods on the scans of a set, one scan in memory at a time.

    Truth is that of the phantom in the scale of the curve the features were made with.

    Args:
        records: Scans.
        families: What is judged.
        report: Takes a line per scan.
    """
    methods: dict[str, MethodScores] = defaultdict(MethodScores)
    scans, lesions = 0, 0
    for record in records:
        scans += 1
        lesions += _score_scan(record, families, methods)
        report(f"scored scan {scans}")
    return SetScores(dict(methods), scans, lesions)


def score_files(
    paths: Sequence[Path],
    families: Sequence[Family],
    workers: int,
    report: Callable[[str], None],
) -> SetScores:
    """Score methods on scans in files, several at once; the same numbers as one after the other.

    Args:
        paths: Scans, as `data.make_groups` writes them.
        families: What is judged.
        workers: Scans at once, each in memory; 0 as `threads.in_order` does.
        report: Takes a line per scan.
    """

    def scored(path: Path) -> SetScores:
        return score_set([load_record(path)], families, lambda _: None)

    methods: dict[str, MethodScores] = defaultdict(MethodScores)
    scans, lesions = 0, 0
    for found in in_order(scored, paths, workers):
        for name, scores in found.methods.items():
            methods[name].extend(scores)
        scans, lesions = scans + found.scans, lesions + found.lesions
        report(f"scored scan {scans}")
    return SetScores(dict(methods), scans, lesions)


def _score_scan(
    record: GroupRecord, families: Sequence[Family], methods: dict[str, MethodScores]
) -> int:
    truth: Volume = record.ki * np.float32(record.target_scale)
    found, body = lesions_of(record), scored_voxels(record)
    counting = [must_not_be_lost(lesion, truth, record.spacing_mm) for lesion in found]
    for family in families:
        made = [family(record, r) for r in range(len(record.features))]
        for name in made[0]:
            scores = methods[name]
            for r, maps in enumerate(made):
                _score_map(scores, record, r, maps[name], (truth, body))
                _score_lesions(scores, record, r, maps[name].ki, (truth, found, counting))
            if len(made) > 1:
                pair = made[0][name].ki, made[1][name].ki
                scores.noise.append(metrics.noise(*pair, truth, body))
    return sum(counting)


def _score_map(
    scores: MethodScores, record: GroupRecord, r: int, made: Made, told: tuple[Volume, Mask]
) -> None:
    truth, body = told
    ki, scale = made.ki, np.float32(record.target_scale)
    row = {
        "nrmse": metrics.nrmse(ki, truth, body),
        "ssim": metrics.ssim(ki, truth, body),
        "body_bias": metrics.body_bias(ki, truth, body),
    }
    for name, reference in _references(record, r).items():
        row[f"nrmse_{name}"] = metrics.nrmse(ki, reference * scale, body)
        row[f"ssim_{name}"] = metrics.ssim(ki, reference * scale, body)
    if made.v is not None:
        row["nrmse_v"] = metrics.nrmse(made.v, record.v * scale, body)
    scores.maps.append(row)
    for name, mask in tissues_of(record, body):
        _add(scores.organs, name, (ki[mask].sum(dtype=np.float64), truth[mask].sum(), mask.sum()))
        if made.sigma is not None:
            inside = np.abs(ki - truth)[mask] <= SIGMAS * made.sigma[mask]
            people = scores.covered.setdefault(name, {})
            _add(people, record.identity.subject, (inside.sum(), mask.sum()))


def _references(record: GroupRecord, r: int) -> dict[str, Volume]:
    """Direct images: of the same counts, of an independent scan, of one with more counts."""
    direct = record.ki_direct
    found: dict[str, Volume] = {"direct": direct[r]}
    if len(direct) > 1:
        found["independent"] = direct[1 - r]
    if DIRECT_HIGH in record.references:
        found["high"] = record.reference(DIRECT_HIGH).ki[r]
    return found


def tissues_of(record: GroupRecord, body: Mask) -> list[tuple[str, Mask]]:
    """Pure voxels of every tissue there is enough of, healthy ones only, and the whole body."""
    healthy = record.lesions == 0
    found = [(ALL, body)]
    for label in Label:
        if label in NOT_TISSUE:
            continue
        mask = (record.labels == int(label)) & healthy & (record.body > 0)
        if mask.sum() >= _FEWEST_ORGAN_VOXELS:
            found.append((label.name.lower().replace("_", " "), mask))
    return found


def _score_lesions(
    scores: MethodScores,
    record: GroupRecord,
    r: int,
    ki: Volume,
    told: tuple[Volume, Sequence[Lesion], Sequence[bool]],
) -> None:
    truth, lesions, counting = told
    for lesion, counts in zip(lesions, counting, strict=True):
        number = int(record.lesions[lesion.mask][0])
        row = LesionRow(
            record.identity.subject,
            number,
            r,
            volume_ml(lesion, record.spacing_mm),
            contrast_of(lesion, truth),
            metrics.score_lesion(ki, truth, lesion),
            counts,
        )
        scores.lesions.append(row)


def _add(table: dict[str, list[float]], name: str, values: Sequence[float]) -> None:
    known = table.get(name, [0.0] * len(values))
    table[name] = [a + float(b) for a, b in zip(known, values, strict=True)]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
