"""Merging short frames into longer ones: the weights, the image, and the record.

A frame value C_f is the mean activity of the frame, corrected for decay to the injection with the
mean over the frame (`tracer.frame_decay_correction`), so that

    N_f = C_f w_f,   w_f = integral of exp(-L t) over the frame
        = exp(-L t_f) (1 - exp(-L T_f)) / L

are its counts (activity x time), with decay constant L, start t_f and duration T_f. One long frame
would have measured the sum of the counts and been corrected with its own integral, the sum of the
w_f:

    C = sum of N_f / sum of w_f = sum of w_f C_f / sum of w_f.

So durations are weighted by the decay within them: what comes late counts less. The plain mean by
duration differs where activity changes; where it does not, both give it back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, MissingInformationError
from kiview.core.images import DynamicImage
from kiview.core.merge_plan import MergePlan, MergeSettings, merge_text, minutes, plan_merge
from kiview.core.merged_store import MergedFrameStore
from kiview.core.provenance import JsonValue, Step
from kiview.core.timing import FrameTiming
from kiview.core.tracer import decay_constant_per_s

MERGE_FRAMES = "merge-frames"
"""Name of the step in records."""


@dataclass(frozen=True, slots=True)
class RecordedMerge:
    """A merge as its record tells it.

    Attributes:
        settings: Length and start.
        source_frames: Numbers of the source frames of each new frame, from 1.
        left_out_frames: Numbers of those left out.
    """

    settings: MergeSettings
    source_frames: JsonValue
    left_out_frames: JsonValue


def merge_weights(
    timing: FrameTiming, group: Sequence[int], half_life_s: float
) -> NDArray[np.float64]:
    """Share of each source frame in a merged one.

    Args:
        timing: Of the source frames.
        group: The n source frames.
        half_life_s: Of the radionuclide.

    Returns:
        (n,) or, with times per slice, (n, z); sums to 1 over the frames.
    """
    frames = list(group)
    decay = decay_constant_per_s(half_life_s)
    since_first = timing.start_s[frames] - timing.start_s[frames[0]]
    weight = np.exp(-decay * since_first) * -np.expm1(-decay * timing.duration_s[frames])
    return np.asarray(weight / weight.sum(axis=0))


def merge_frames(image: DynamicImage, settings: MergeSettings) -> DynamicImage:
    """An image whose frames are longer; voxels are merged when they are read.

    Args:
        image: Decay-corrected to the injection.
        settings: Length and start.

    Returns:
        The image with its own frame times, and the step in its record.

    Raises:
        InvalidInputError: the frames do not fit, were not brought to one decay reference, or their
            times are unknown.
        MissingInformationError: the half-life is unknown.
    """
    if not image.timing.is_known:
        raise InvalidInputError(
            "The frame times are unknown, so frames cannot be merged; enter frame_start_s and"
            " frame_duration_s first."
        )
    if not image.decay_corrected:
        raise InvalidInputError(
            "The frames could not be decay-corrected to one time, so they cannot be merged; enter"
            " the missing half-life or injection time first."
        )
    if image.injection is None:
        raise MissingInformationError(
            "Merging frames needs the half-life, which the files do not tell; enter half_life_s.",
            ("half_life_s",),
        )
    plan = plan_merge(image.timing, settings)
    half_life_s = image.injection.radionuclide.half_life_s
    weights = [merge_weights(image.timing, group, half_life_s) for group in plan.groups]
    return replace(
        image,
        store=MergedFrameStore(image.store, plan.groups, weights),
        timing=plan.timing,
        steps=(*image.steps, step_of(plan, image.timing)),
    )


def step_of(plan: MergePlan, timing: FrameTiming) -> Step:
    """The record of a merge; frames are numbered from 1 there.

    Args:
        plan: What was done.
        timing: Of the source frames.
    """
    settings: dict[str, JsonValue] = {
        "start_s": plan.settings.start_s,
        "length_s": plan.settings.length_s,
        "source_frames": [[t + 1 for t in group] for group in plan.groups],
        "left_out_frames": [t + 1 for t in plan.left_out],
    }
    length = f"{minutes(plan.settings.length_s)} min"
    return Step(MERGE_FRAMES, f"{length} frames", merge_text(plan, timing), settings)


def recorded_merge(recorded: Mapping[str, JsonValue]) -> RecordedMerge:
    """Read the `settings` of a recorded step.

    Raises:
        KeyError, TypeError: it does not hold what is needed.
        InvalidInputError: length or start cannot be.
    """
    values = []
    for key in ("length_s", "start_s"):
        value = recorded[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{key} of merged frames is no number")
        values.append(float(value))
    return RecordedMerge(
        MergeSettings(*values), recorded["source_frames"], recorded["left_out_frames"]
    )


def merge_again(image: DynamicImage, recorded: RecordedMerge) -> DynamicImage:
    """Do a recorded merge again.

    Args:
        image: Of the same series as then.
        recorded: What was done then.

    Raises:
        InvalidInputError: other frames would be merged than then.
    """
    merged = merge_frames(image, recorded.settings)
    if recorded_merge(merged.steps[-1].settings) != recorded:
        raise InvalidInputError(
            "The frames of this series are not those that the record merged; open the study with"
            " the frame times that it had then."
        )
    return merged
