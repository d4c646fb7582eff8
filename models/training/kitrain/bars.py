"""What a network has to reach, and whether it did."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kitrain.methods import PATLAK_5, PATLAK_8, SHIPPED
from kitrain.scores import ALL, FAINT_RECOVERY, MethodScores, SetScores
from kitrain.test_sets import COUNT_LEVELS
from kitrain.whole_bodies import WholeBodies

SMALLEST_ORGAN_KI = 1e-3
LEAST_COVERED, MOST_COVERED = 0.90, 0.98  # share of voxels within two sigmas
_ORGANS = "tissues with a true Ki of 0.001 /min or more"


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure to reach.

    Attributes:
        what: In words.
        value: Found; NaN where it was not judged.
        sign: "<=" or ">=".
        bound: To reach.
        note: What else to know.
    """

    what: str
    value: float
    sign: str
    bound: float
    note: str = ""

    @property
    def verdict(self) -> str:
        """Of "met", "MISSED" and "not judged"."""
        if np.isnan(self.value) or np.isnan(self.bound):
            return "not judged"
        met = self.value <= self.bound if self.sign == "<=" else self.value >= self.bound
        return "met" if met else "MISSED"


def best_conventional(scores: SetScores, key: str = "nrmse") -> str:
    """The filter with the best score: lowest NRMSE, or highest SSIM."""
    rivals = [n for n in scores.methods if n.startswith(("Patlak", "HYPR-like"))]
    sign = -1 if key.startswith("ssim") else 1
    return min(rivals, key=lambda n: sign * scores.methods[n].mean(key))


def default_bars(
    standard: SetScores, others: Mapping[str, SetScores], judged: str = SHIPPED
) -> list[Bar]:
    """Bars of a network trained on truth, as shipped (with the consistency step).

    Args:
        standard: Scores on the standard set.
        others: Scores on the robustness sets, by name.
        judged: Name of the method that has to reach them.
    """
    network, patlak = standard.methods[judged], standard.methods[PATLAK_5]
    rival, alike = best_conventional(standard), best_conventional(standard, "ssim")
    share, low, high = network.lost_interval()
    counted = f"{standard.lesions} lesions; 95 % interval {100 * low:.2f} to {100 * high:.2f} %"
    return [
        Bar(
            "NRMSE to truth / best non-network method",
            network.mean("nrmse") / standard.methods[rival].mean("nrmse"),
            "<=",
            0.55,
            rival,
        ),
        Bar(
            "SSIM to truth above the best non-network method",
            network.mean("ssim") - standard.methods[alike].mean("ssim"),
            ">=",
            0.10,
            alike,
        ),
        Bar("lost lesions, CRC < 0.1 (share)", share, "<=", 0.005, counted),
        Bar(
            "CRC < 0.3 (share), no more than Patlak 5 mm",
            _share(network, FAINT_RECOVERY),
            "<=",
            _share(patlak, FAINT_RECOVERY),
        ),
        Bar(
            "large-lesion bias better than Patlak 5 mm (points)",
            100 * (abs(_large(patlak)) - abs(_large(network))),
            ">=",
            5.0,
        ),
        Bar("organ mean bias (mean of |bias|)", _organs(network), "<=", 0.08, _ORGANS),
        Bar("body bias (|share|)", abs(network.mean("body_bias")), "<=", 0.03),
        *_brain(others, judged),
        *_coverage(standard, others, judged),
    ]


def direct_bars(standard: SetScores, judged: str = SHIPPED) -> list[Bar]:
    """Bars of a network trained on the direct image of the same counts (the published claim)."""
    network, patlak = standard.methods[judged], standard.methods[PATLAK_5]
    better = [
        a["nrmse_direct"] < b["nrmse_direct"] and a["ssim_direct"] > b["ssim_direct"]
        for a, b in zip(network.maps, patlak.maps, strict=True)
    ]
    return [
        Bar("closer to 4-D than Patlak 5 mm, NRMSE and SSIM (share of maps)",
            float(np.mean(better)), ">=", 1.0),
        Bar("NRMSE to 4-D / that of Patlak 5 mm",
            network.mean("nrmse_direct") / patlak.mean("nrmse_direct"), "<=", 0.40),
    ]  # fmt: skip


def independent_bars(
    standard: SetScores, direct: MethodScores | None, judged: str = SHIPPED
) -> list[Bar]:
    """Bars of a network trained on the direct image of an independent scan.

    Args:
        standard: Scores on the standard set.
        direct: Of the network trained on the direct image of the same counts, on the same set;
            None where it was not judged.
        judged: Name of the method that has to reach them.
    """
    value = standard.methods[judged].mean("nrmse_high")
    gaussians = [name for name in standard.methods if name.startswith("Patlak")]
    best = min(standard.methods[name].mean("nrmse_high") for name in gaussians)
    theirs = float("nan") if direct is None else direct.mean("nrmse_high")
    return [
        Bar("NRMSE to 5x-count 4-D / that of `direct`", value / theirs, "<=", 0.65),
        Bar("NRMSE to 5x-count 4-D / that of the best Gaussian", value / best, "<=", 1.0),
    ]


def _share(scores: MethodScores, recovery: float) -> float:
    below, count = scores.below(recovery)
    return below / count if count else float("nan")


def _large(scores: MethodScores) -> float:
    return scores.bias(lambda row: row.score.is_large)


def _organs(scores: MethodScores) -> float:
    """Of tissues with any uptake to speak of: of fluid or fat a relative error says nothing."""
    found = [
        abs(values / truth - 1.0)
        for name, (values, truth, voxels) in scores.organs.items()
        if name != ALL and truth / voxels >= SMALLEST_ORGAN_KI
    ]
    return float(np.mean(found)) if found else float("nan")


def _brain(others: Mapping[str, SetScores], judged: str) -> list[Bar]:
    if "brain" not in others:
        return []
    scores = others["brain"]
    network = scores.methods[judged]
    guided = next(n for n in scores.methods if n.startswith("HYPR-like"))
    return [
        Bar("brain-like: body bias (|share|)", abs(network.mean("body_bias")), "<=", 0.05),
        Bar("brain-like: NRMSE / HYPR-like",
            network.mean("nrmse") / scores.methods[guided].mean("nrmse"), "<=", 1.0),
    ]  # fmt: skip


def _coverage(standard: SetScores, others: Mapping[str, SetScores], judged: str) -> list[Bar]:
    """Voxels within two sigmas: all, and the tissues with fewest and most, by counts.

    Most belongs to the bar too: a standard deviation that is always large enough tells nothing.
    """
    bars = []
    sets = {"standard": standard} | {n: others[n] for n in COUNT_LEVELS if n in others}
    for name, scores in sets.items():
        found = scores.methods[judged].coverage()
        if not found:
            continue
        told = f"within 2 sigma, {name} counts"
        least, most = (pick(found, key=lambda tissue: found[tissue]) for pick in (min, max))
        bars += [
            Bar(f"{told}, all (share)", found[ALL], ">=", LEAST_COVERED),
            Bar(f"{told}, least ({least})", found[least], ">=", LEAST_COVERED),
            Bar(f"{told}, most ({most})", found[most], "<=", MOST_COVERED),
        ]
    return bars


def hot_spot_bar(bodies: WholeBodies) -> Bar:
    """False hot spots per body, against Patlak under a 3-D Gaussian of 8 mm."""
    found, patlak = bodies.mean_count(SHIPPED), bodies.mean_count(PATLAK_8)
    return Bar("false hot spots per body, no more than Patlak 3-D 8 mm", found, "<=", patlak)


def slider_bars(path: Mapping[float, MethodScores]) -> list[Bar]:
    """Bars of the weight slider.

    Args:
        path: Scores by position, two or more.
    """
    positions = sorted(path)
    noise = [float(np.mean(path[a].noise)) for a in positions]
    lesions = [path[a].bias() for a in positions]
    body = [path[a].mean("body_bias") for a in positions]
    ends = min(body[0], body[-1]), max(body[0], body[-1])
    outside = max(max(ends[0] - b, b - ends[1], 0.0) for b in body)
    return [
        Bar("slider: least step of noise (share of its range)", _least_step(noise), ">=", 0.0),
        Bar("slider: least step of lesion bias (share of its range)",
            _least_step(lesions), ">=", 0.0),
        Bar("slider: body bias beyond its ends (points)", 100 * outside, "<=", 3.0),
    ]  # fmt: skip


def _least_step(values: list[float]) -> float:
    """Smallest step along the way over the whole range; negative where the way turns back."""
    whole = values[-1] - values[0]
    return float(np.min(np.diff(values)) / whole) if whole > 0 else -1.0
