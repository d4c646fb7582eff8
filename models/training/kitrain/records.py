"""A training group as networks and scores see it: features instead of frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kitrain.group_file import load_group
from kitrain.groups import (
    DIRECT,
    CurveSource,
    GroupError,
    Identity,
    Labels,
    ReferenceMaps,
    TrainingGroup,
    Truth,
    Volume,
)
from kiview.nets import preprocess
from kiview.nets.preprocess import FEATURE_NAMES, StudyFeatures


@dataclass(frozen=True, slots=True, eq=False)
class GroupRecord:
    """Features of every noise realisation of a group, with truth and references.

    Maps called `ki` are in /min; those called `v` are V0 <C> / <S>, in /min as features hold them.

    Attributes:
        features: (r, 6, z, y, x) as `StudyFeatures.values`, computed with the group's curve.
        normaliser: (r,) n of each realisation, /min.
        noise_gain: g.
        v_per_v0: (1 or z, 1, 1) <C> / <S> of the curve that truth and references refer to, /min.
        references: By name.
        body: (z, y, x) uint8, inside the patient.
        lesions: (z, y, x) uint8, 0 or the number of a lesion.
        labels: (z, y, x) uint8 tissue, 255 where mixed or unknown.
        spacing_mm: Along z, y, x.
        identity: Who was scanned.
        curve_source: Of the curve the features were computed with.
        target_scale: Factor from truth and references to what a network can be asked for
            (`TrainingGroup.target_scale`).
        truth: None where nobody knows it.
    """

    features: Volume
    normaliser: NDArray[np.float64]
    noise_gain: float
    v_per_v0: Volume
    references: Mapping[str, ReferenceMaps]
    body: Labels
    lesions: Labels
    labels: Labels
    spacing_mm: tuple[float, float, float]
    identity: Identity
    curve_source: CurveSource
    target_scale: float
    truth: Truth | None

    @property
    def ki(self) -> Volume:
        """(z, y, x) true Ki, /min."""
        return self._known_truth().ki

    @property
    def v(self) -> Volume:
        """(z, y, x) true V, /min."""
        return self._known_truth().v0 * self.v_per_v0

    @property
    def ki_direct(self) -> Volume:
        """(r, z, y, x) Ki of the 4-D direct reference, /min."""
        return self.reference(DIRECT).ki

    @property
    def v_direct(self) -> Volume:
        """(r, z, y, x) V of the 4-D direct reference, /min."""
        v0 = self.reference(DIRECT).v0
        if v0 is None:
            raise GroupError(f"The direct reference of {self.identity.scan} has no V0 map.")
        return v0 * self.v_per_v0

    def reference(self, name: str) -> ReferenceMaps:
        """Maps of a reference.

        Raises:
            GroupError: the group has no such reference.
        """
        if name not in self.references:
            known = ", ".join(self.references) or "none"
            raise GroupError(
                f"{self.identity.scan} has no reference {name!r} (it has {known});"
                " choose another target or other groups."
            )
        return self.references[name]

    def study(self, realisation: int) -> StudyFeatures:
        """Features of one realisation in the form the program uses."""
        n = float(self.normaliser[realisation])
        return StudyFeatures(self.features[realisation], n, self.noise_gain)

    def patlak_ki(self, realisation: int) -> Volume:
        """Linear Patlak Ki with the group's curve, unfiltered, (z, y, x) /min."""
        return self._unscaled("ki", realisation, self.noise_gain)

    def patlak_v(self, realisation: int) -> Volume:
        """Linear Patlak V with the group's curve, unfiltered, (z, y, x) /min."""
        return self._unscaled("v", realisation, self.noise_gain)

    def fur(self, realisation: int) -> Volume:
        """Uptake ratio <X> / <S>, (z, y, x) /min."""
        return self._unscaled("fur", realisation, 1.0)

    def _unscaled(self, name: str, realisation: int, gain: float) -> Volume:
        scale = np.float32(self.normaliser[realisation] * gain)
        values: Volume = self.features[realisation, FEATURE_NAMES.index(name)] * scale
        return values

    def _known_truth(self) -> Truth:
        if self.truth is None:
            raise GroupError(
                f"Nobody knows the true Ki of {self.identity.scan} ({self.identity.origin});"
                " score it against a reference, or use simulated groups."
            )
        return self.truth


def record_of(group: TrainingGroup) -> GroupRecord:
    """Compute the features of a group by the code that the program uses.

    Raises:
        GroupError: a realisation has no uptake, so nothing can be normalised.
    """
    operators = preprocess.linear_operators(group.basis)
    studies = [
        preprocess.study_features(
            preprocess.linear_maps(frames, operators.matrix), operators.noise_gain, group.spacing_mm
        )
        for frames in group.frames
    ]
    if not all(study.normaliser > 0 for study in studies):
        raise GroupError(f"{group.identity.scan} has no uptake; leave this scan out.")
    truth = group.truth
    told = operators if truth is None else preprocess.linear_operators(truth.basis)
    return GroupRecord(
        features=np.stack([study.values for study in studies]),
        normaliser=np.array([study.normaliser for study in studies]),
        noise_gain=operators.noise_gain,
        v_per_v0=(1.0 / told.v0_per_v).astype(np.float32)[:, None, None],
        references=group.references,
        body=group.body,
        lesions=group.lesions,
        labels=group.labels,
        spacing_mm=group.spacing_mm,
        identity=group.identity,
        curve_source=group.curve.source,
        target_scale=group.target_scale,
        truth=truth,
    )


def load_record(path: Path) -> GroupRecord:
    """Read a group and compute its features."""
    return record_of(load_group(path))
