"""Whether a study is like those a network was trained on."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from kiview.core.images import DynamicImage
from kiview.core.timing import FrameTiming
from kiview.nets.card_domain import Domain

_MINUTE_S = 60.0
_HALF_LIFE_TOLERANCE = 0.02
_TIME_SLACK_MIN = 0.05
_EARLIEST_MIN = 10.0
"""Before this Patlak's straight line does not hold for FDG and neither does the network."""
_FAR_NOISE_GAIN = 3.0
"""A protocol this much noisier than any of the training is refused."""
_FAR_NOISE = 3.0
"""Likewise a study: it has a ninth of the fewest counts that the training covers."""

_BETWEEN_PARTS = ("TO", "AND")


class Severity(StrEnum):
    """What a finding means for the run."""

    WARNING = "warning"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a study differs from the training.

    Attributes:
        code: Short name.
        severity: Warned or refused.
        message: Sentence for the user.
    """

    code: str
    severity: Severity
    message: str


def check_domain(
    domain: Domain, image: DynamicImage, timing: FrameTiming, noise_gain: float
) -> tuple[Finding, ...]:
    """Compare a study with a network's domain.

    Args:
        domain: Of the card.
        image: The study.
        timing: The chosen frames, one time per frame.
        noise_gain: g of the chosen frames.

    Returns:
        Findings, empty for a study of the kind the network was trained on.
    """
    found = [
        *_check_tracer(domain, image),
        *_check_times(domain, timing),
        *_check_gain(domain, noise_gain),
        *_check_region(domain, image),
    ]
    low, high = domain.source_voxel_mm
    spacing = image.geometry.spacing_zyx_mm
    if spacing.min() < low or spacing.max() > high:
        sizes = " x ".join(f"{d:.2g}" for d in spacing)
        found.append(
            _warning("voxel-size", f"voxels are {sizes} mm, the training covers {low:g}-{high:g}")
        )
    return tuple(found)


def _check_tracer(domain: Domain, image: DynamicImage) -> list[Finding]:
    injection = image.injection
    if injection is None:
        return [_warning("tracer-unknown", "the files do not name the tracer")]
    half_life = injection.radionuclide.half_life_s
    if abs(half_life / domain.half_life_s - 1) > _HALF_LIFE_TOLERANCE:
        return [
            Finding(
                "radionuclide",
                Severity.REFUSAL,
                f"The radionuclide has a half-life of {half_life:g} s; this network is for"
                f" {' or '.join(domain.tracers)} only. Use Patlak.",
            )
        ]
    tracer = injection.tracer
    if not any(name.lower() in tracer.lower() for name in domain.tracers):
        told = f"the tracer is {tracer!r}" if tracer else "the files do not name the tracer"
        return [_warning("tracer-unknown", told)]
    return []


def _check_times(domain: Domain, timing: FrameTiming) -> list[Finding]:
    start = float(timing.start_s[0]) / _MINUTE_S
    end = float(timing.end_s[-1]) / _MINUTE_S
    length = timing.duration_s / _MINUTE_S
    if start < _EARLIEST_MIN:
        return [
            Finding(
                "start",
                Severity.REFUSAL,
                f"The chosen frames start {start:g} min after injection, before tracer uptake is"
                f" steady; choose frames from {domain.start_min[0]:g} min on.",
            )
        ]
    checks = (
        ("frame-count", "frames are used", timing.frame_count, timing.frame_count),
        ("start", "min is the start of the first frame", start, start),
        ("end", "min is the end of the last frame", end, end),
        ("frame-length", "min is the length of a frame", length.min(), length.max()),
    )
    limits = {
        "frame-count": domain.frame_count,
        "start": domain.start_min,
        "end": domain.end_min,
        "frame-length": domain.frame_length_min,
    }
    found = []
    for code, what, low, high in checks:
        lowest, highest = limits[code]
        if low < lowest - _TIME_SLACK_MIN or high > highest + _TIME_SLACK_MIN:
            value = low if low < lowest - _TIME_SLACK_MIN else high
            covered = f"the training covers {lowest:g} to {highest:g}"
            found.append(_warning(code, f"{float(value):.3g} {what}, {covered}"))
    return found


def _check_gain(domain: Domain, gain: float) -> list[Finding]:
    low, high = domain.noise_gain
    if not np.isfinite(gain) or gain > _FAR_NOISE_GAIN * high:
        return [
            Finding(
                "noise-gain",
                Severity.REFUSAL,
                f"The chosen frames make Ki {gain:.0f} times noisier than uptake, far beyond the"
                f" training (up to {high:.0f}); choose a longer time window.",
            )
        ]
    if not low <= gain <= high:
        return [
            _warning(
                "noise-gain", f"noise gain is {gain:.1f}, the training covers {low:g}-{high:g}"
            )
        ]
    return []


def check_noise(domain: Domain, noise: float, noise_gain: float) -> tuple[Finding, ...]:
    """Compare the counts of a study with a network's domain, by the noise that they leave.

    Counts are not known from images. Cards of before limit the noise of the Patlak map instead,
    which depends on the frames more than on counts.

    Args:
        domain: Of the card.
        noise: From `nets.noise.uptake_noise`, NaN where it could not be measured.
        noise_gain: g of the chosen frames.
    """
    return (
        *_check_noise_of("uptake", domain.uptake_noise, noise),
        *_check_noise_of("the Patlak map", domain.patlak_noise, noise * noise_gain),
    )


def _check_noise_of(what: str, limits: tuple[float, float], noise: float) -> tuple[Finding, ...]:
    low, high = limits
    if noise > _FAR_NOISE * high:
        message = (
            f"Too few counts: the noise of {what} is {noise / high:.1f} times what the network's"
            " training covers. Choose a longer time window, or use Patlak."
        )
        return (Finding("noise", Severity.REFUSAL, message),)
    if noise < low or noise > high:
        why = "few counts" if noise > high else "many counts, or a strong filter"
        told = f"the noise of {what} is {noise:.2g} of its level ({why})"
        return (_warning("noise", f"{told}, the training covers {low:g}-{high:g}"),)
    return ()


def _check_region(domain: Domain, image: DynamicImage) -> list[Finding]:
    found = []
    part = image.body_part
    if domain.body_parts and not _is_seen(part, domain.body_parts):
        told = f"the files say {part.upper()!r}, the training covers {domain.region}"
        found.append(_warning("body-part", told))
    low, high = domain.scan_height_mm
    height = float(image.geometry.shape_zyx[0] * image.geometry.spacing_zyx_mm[0])
    if not low <= height <= high:
        told = f"the scan is {height:.0f} mm high, the training covers {low:g}-{high:g}"
        found.append(_warning("scan-height", told))
    return found


def _is_seen(part: str, seen: tuple[str, ...]) -> bool:
    """Whether every word of a term is one that was seen; no term at all says nothing.

    Terms run words together (HEADNECK) and scanners write them as they like: `Whole Body`,
    `CHEST_ABDOMEN`, `HEAD TO THIGH`, `LUNGS`.
    """
    letters, *known = (_letters(word) for word in (part, *seen))
    words = (*known, *(f"{word}S" for word in known), *_BETWEEN_PARTS)
    ends = {0}
    for start in range(len(letters)):
        if start in ends:
            ends |= {start + len(word) for word in words if letters.startswith(word, start)}
    return len(letters) in ends


def _letters(term: str) -> str:
    return "".join(filter(str.isalpha, term.upper()))


def _warning(code: str, what: str) -> Finding:
    return Finding(code, Severity.WARNING, f"Outside the network's training: {what}.")
