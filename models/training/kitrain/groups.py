"""One training group: frames, the curve they are fitted with, references made of them, truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError
from kiview.core.provenance import JsonValue
from kiview.core.timing import FrameTiming
from kiview.nets.preprocess import MIN_FRAMES, FrameInput

Volume = NDArray[np.float32]
Labels = NDArray[np.uint8]
DIRECT = "direct"
"""Name of the 4-D direct reference of the same counts as the frames."""


class GroupError(InvalidInputError):
    """A training group is incomplete, contradicts itself, or lacks what is asked of it."""


class Origin(StrEnum):
    """Where a group came from."""

    SIMULATED = "simulated"
    ADDED = "added"


class CurveSource(StrEnum):
    """Who made the plasma curve that the features are computed with."""

    TRUE = "true"
    IMAGE = "idif"
    POPULATION_SCALED = "population-scaled"
    POPULATION = "population"
    NETWORK = "network"
    SAMPLES = "samples"


class ActivityUnit(StrEnum):
    """Unit of frames and curve of a group."""

    SUV = "g/mL"
    ACTIVITY = "Bq/mL"


@dataclass(frozen=True, slots=True, eq=False)
class PlasmaCurve:
    """A plasma curve and who made it.

    Attributes:
        time_s: (n,) from injection, increasing.
        activity: (n,) in the unit of the frames, decay-corrected to injection.
        source: Who made it.
        description: One line.
    """

    time_s: NDArray[np.float64]
    activity: NDArray[np.float64]
    source: CurveSource
    description: str = ""

    def __post_init__(self) -> None:
        time, activity = self.time_s, self.activity
        if time.ndim != 1 or time.shape != activity.shape or len(time) < 2:
            raise GroupError(
                f"A plasma curve of {time.shape} times and {activity.shape} activities is none;"
                " give two samples or more, each with its time."
            )
        if not (np.isfinite(time).all() and np.isfinite(activity).all()):
            raise GroupError("The plasma curve holds values that are not numbers; correct them.")
        if (np.diff(time) <= 0).any():
            raise GroupError("The times of the plasma curve do not increase; sort its samples.")


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceMaps:
    """Maps that another method made of the same scans; the target of some trainings.

    Attributes:
        ki: (r, z, y, x) float32, /min, one per noise realisation of the frames.
        v0: (r, z, y, x) float32, mL/mL, or None where only Ki was made.
        method: What made them, for example `direct`.
        settings: Of that method, plain values.
        network_id: Network that made them, empty if none did.
    """

    ki: Volume
    v0: Volume | None
    method: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    network_id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a simulation knows.

    Attributes:
        ki: (z, y, x) float32, /min.
        v0: (z, y, x) float32, mL/mL.
        curve: The true plasma curve.
        basis: Its means over the frames, and the weights.
    """

    ki: Volume
    v0: Volume
    curve: PlasmaCurve
    basis: FrameInput


@dataclass(frozen=True, slots=True)
class Identity:
    """Who was scanned, as far as training has to know to keep people apart.

    Attributes:
        subject: Person: `sim-<seed>`, or a salted hash; never a name or a hospital number.
        scan: One scan of the person; parts of it share this.
        origin: Simulated or added.
        made_by: Seed and configuration, or the settings of `add`; plain values.
    """

    subject: str
    scan: str
    origin: Origin
    made_by: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.subject and self.scan):
            raise GroupError("A training group needs the id of its subject and of its scan.")

    @property
    def seed(self) -> int | None:
        """Seed of a simulated person, else None."""
        seed = self.made_by.get("seed")
        return seed if isinstance(seed, int) else None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingGroup:
    """Everything of one scan, or of a part of it, that training and scoring use.

    Truth refers to the true plasma curve. References refer to it too where it is known, else to
    `curve`.

    Attributes:
        frames: (r, t, z, y, x) float32 in `unit`, r noise realisations, decay-corrected to
            injection.
        unit: Of frames and curves.
        timing: (t,) or (t, z) s from injection.
        curve: The plasma curve that the features are computed with.
        basis: Means over the frames of that curve and of its integral, and the weights.
        references: By name.
        body: (z, y, x) uint8, 1 inside the patient.
        lesions: (z, y, x) uint8, 0 or the number of a lesion.
        labels: (z, y, x) uint8 tissue (`simulate.tissues.Label`), 255 where mixed or unknown.
        spacing_mm: Along z, y, x.
        identity: Who was scanned.
        truth: None where nobody knows it.

    Raises:
        GroupError: shapes do not fit each other, or frames hold values that are not numbers.
    """

    frames: Volume
    unit: ActivityUnit
    timing: FrameTiming
    curve: PlasmaCurve
    basis: FrameInput
    references: Mapping[str, ReferenceMaps]
    body: Labels
    lesions: Labels
    labels: Labels
    spacing_mm: tuple[float, float, float]
    identity: Identity
    truth: Truth | None = None

    def __post_init__(self) -> None:
        self._check_frames()
        for name, shape in self._shapes_beside_frames():
            if shape != self.shape_zyx:
                raise GroupError(
                    f"{self.identity.scan}: {name} is {shape} but the frames are"
                    f" {self.shape_zyx}; make both on one grid."
                )
        if not min(self.spacing_mm) > 0:
            raise GroupError(f"{self.identity.scan}: voxels of {self.spacing_mm} mm cannot be.")

    def _check_frames(self) -> None:
        scan = self.identity.scan
        if self.frames.ndim != 5 or self.frames.shape[0] < 1 or self.frames.shape[1] < MIN_FRAMES:
            raise GroupError(
                f"{scan}: frames of shape {self.frames.shape} are no (realisation, frame, z, y, x)"
                f" with {MIN_FRAMES} frames or more."
            )
        if not np.isfinite(self.frames).all():
            raise GroupError(f"{scan}: frames hold values that are not numbers; leave them out.")
        count = self.frames.shape[1]
        bases = [self.basis] if self.truth is None else [self.basis, self.truth.basis]
        if any(len(basis.mean) != count for basis in bases) or self.timing.frame_count != count:
            raise GroupError(f"{scan}: {count} frames but another number of times or curve means.")

    def _shapes_beside_frames(self) -> list[tuple[str, tuple[int, ...]]]:
        maps = [("body", self.body), ("lesions", self.lesions), ("labels", self.labels)]
        found = [(name, values.shape) for name, values in maps]
        if self.truth is not None:
            found += [("true Ki", self.truth.ki.shape), ("true V0", self.truth.v0.shape)]
        for name, reference in self.references.items():
            for values in (reference.ki, reference.v0):
                if values is None:
                    continue
                if len(values) != self.realisations:
                    raise GroupError(
                        f"{self.identity.scan}: reference {name!r} has {len(values)} realisations,"
                        f" the frames {self.realisations}."
                    )
                found.append((f"reference {name!r}", values.shape[1:]))
        return found

    @property
    def realisations(self) -> int:
        """r, number of noise realisations."""
        return int(self.frames.shape[0])

    @property
    def shape_zyx(self) -> tuple[int, ...]:
        """Voxels along z, y, x."""
        return tuple(self.frames.shape[2:])

    @property
    def target_scale(self) -> float:
        """<S_true> / <S_used>: what a pure error of the curve's scale does to Ki.

        Features are exactly equivariant to the scale of the curve, so a network cannot see it and
        a target multiplied by this does not ask it to. 1 where the true curve is used or unknown.
        """
        if self.truth is None:
            return 1.0
        return _weighted_integral(self.truth.basis) / _weighted_integral(self.basis)


def _weighted_integral(basis: FrameInput) -> float:
    """<S>: mean of the integral over the frames (and slices) by weight, activity x min."""
    used = np.where(basis.weight > 0, basis.integral_min, 0.0)
    return float((used * basis.weight).sum() / basis.weight.sum())
