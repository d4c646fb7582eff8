"""One simulated slab as training and scoring need it, and its file."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiview.nets.preprocess import FEATURE_NAMES, StudyFeatures

Volume = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SlabRecord:
    """Features of two noise realisations of one slab, with references.

    Attributes:
        features: (2, 6, z, y, x) as `StudyFeatures.values`.
        normaliser: (2,) n of each realisation, /min.
        noise_gain: () g.
        ki: (z, y, x) true Ki, /min.
        v: (z, y, x) true V in the unit of the features, V0 <C> / <S>, /min.
        ki_direct: (2, z, y, x) 4-D direct reference, /min.
        v_direct: (2, z, y, x) /min.
        body: (z, y, x) uint8, inside the patient.
        lesions: (z, y, x) uint8, 0 or the number of a lesion.
        spacing: (3,) mm.
    """

    features: Volume
    normaliser: NDArray[np.float64]
    noise_gain: NDArray[np.float64]
    ki: Volume
    v: Volume
    ki_direct: Volume
    v_direct: Volume
    body: NDArray[np.uint8]
    lesions: NDArray[np.uint8]
    spacing: NDArray[np.float64]

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel spacing along z, y, x."""
        return tuple(float(d) for d in self.spacing)

    def study(self, realisation: int) -> StudyFeatures:
        """Features of one realisation in the form the program uses."""
        n, g = float(self.normaliser[realisation]), float(self.noise_gain)
        return StudyFeatures(self.features[realisation], n, g)

    def patlak_ki(self, realisation: int) -> Volume:
        """Linear Patlak Ki, unfiltered, /min."""
        scale = self.normaliser[realisation] * float(self.noise_gain)
        ki: Volume = self.features[realisation, FEATURE_NAMES.index("ki")] * np.float32(scale)
        return ki

    def patlak_v(self, realisation: int) -> Volume:
        """Linear Patlak V in the unit of `v`, unfiltered."""
        scale = self.normaliser[realisation] * float(self.noise_gain)
        v: Volume = self.features[realisation, FEATURE_NAMES.index("v")] * np.float32(scale)
        return v

    def fur(self, realisation: int) -> Volume:
        """Uptake ratio <X>/<S>, /min."""
        scale = np.float32(self.normaliser[realisation])
        fur: Volume = self.features[realisation, FEATURE_NAMES.index("fur")] * scale
        return fur

    def save(self, path: Path) -> None:
        """Write all arrays to one uncompressed `.npz`, whole or not at all."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez(file, **{f.name: getattr(self, f.name) for f in fields(self)})
        part.replace(path)


def load_record(path: Path) -> SlabRecord:
    """Read what `SlabRecord.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return SlabRecord(**{f.name: arrays[f.name] for f in fields(SlabRecord)})
