"""Records as tensors, and crops drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from kitrain.records import GroupRecord
from kitrain.targets import Target, direct_v, target_maps
from kiview.nets.preprocess import SLICE_COUNT

_MIDDLE_VOXELS, _LESION_WEIGHTS = 64, (0.5, 4.0)
_NARROW_MM, _BRIGHT_V0 = 18.0, 0.25
_MAPS = ("ki", "v", "v_direct", "body", "lesion", "vessel")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops for one step.

    Attributes:
        features: (b, 31, y, x).
        ki: (b, y, x) target Ki / n.
        v: (b, y, x) target V / n.
        v_direct: (b, y, x) 4-D direct V / n.
        body: (b, y, x) 1 inside the patient, else 0.
        lesion: (b, y, x) weight of a tumour (`lesion_weights`), 0 elsewhere.
        vessel: (b, y, x) 1 in a narrow vessel (`vessel_weights`), 0 elsewhere.
    """

    features: Tensor
    ki: Tensor
    v: Tensor
    v_direct: Tensor
    body: Tensor
    lesion: Tensor
    vessel: Tensor


class SlabSet:
    """All slabs of a split on one device, both realisations as separate samples.

    Args:
        records: Slabs, none smaller than a crop.
        blur_mm: FWHM of the smoothing of the targets, 0 for none.
        device: Where the tensors live.
        target: Whose maps are the targets; a V that nobody knows is NaN.
    """

    def __init__(
        self,
        records: Sequence[GroupRecord],
        blur_mm: float,
        device: torch.device,
        target: Target = Target.TRUTH,
    ) -> None:
        samples = [(record, r) for record in records for r in range(len(record.features))]
        shapes = [record.body.shape for record, _ in samples]
        largest = (len(samples), *np.max(shapes, axis=0).tolist())
        kinds = len(records[0].features[0])
        self._features = torch.zeros((*largest, kinds), device=device)
        self._maps = torch.zeros((*largest, len(_MAPS)), device=device)
        self._tumours, self._vessels = [], []
        for i, (record, r) in enumerate(samples):
            depth, height, width = record.body.shape
            place = (i, slice(depth), slice(height), slice(width))
            maps = _maps(record, r, target, blur_mm)
            self._features[place] = _on(device, record.features[r]).movedim(0, -1)
            self._maps[place] = _on(device, np.stack(maps)).movedim(0, -1)
            self._tumours.append(np.argwhere(maps[_MAPS.index("lesion")] > 0))
            self._vessels.append(np.argwhere(maps[_MAPS.index("vessel")] > 0))
        self._shapes: NDArray[np.int64] = np.array(shapes)
        gains = [record.noise_gain for record in records for _ in record.features]
        self._log_gain = torch.log(torch.tensor(gains, dtype=torch.float32)).to(device)
        self._slice_voxels = sum(record.body.size for record in records)
        self._boxes = [_bounding_box(record.body) for record, _ in samples]

    def __len__(self) -> int:
        """Number of (slab, realisation) samples."""
        return len(self._features)

    @property
    def slice_voxels(self) -> int:
        """Voxels of all slices, realisations counted once."""
        return self._slice_voxels

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self._features.device

    def draw(
        self,
        rng: np.random.Generator,
        size: int,
        crop: int,
        tumour_share: float,
        vessel_share: float = 0.0,
    ) -> Batch:
        """Random crops with random flips and quarter turns.

        Args:
            rng: Decides everything.
            size: Number of crops.
            crop: Side in voxels.
            tumour_share: Share of crops that hold a tumour voxel near their middle.
            vessel_share: Share of the others that hold a voxel of a narrow vessel there.
        """
        shares = (tumour_share, vessel_share)
        corners = np.array([self._corner(rng, crop, shares) for _ in range(size)])
        sample, z, top, left = corners.T
        steps = np.arange(crop)
        flip_y, flip_x, turn, flip_z = rng.integers(0, 2, (4, size)).astype(bool)
        first = np.where(flip_y[:, None], steps[::-1], steps)[:, :, None]
        second = np.where(flip_x[:, None], steps[::-1], steps)[:, None, :]
        turned = turn[:, None, None]
        rows = np.where(turned, second, first) + top[:, None, None]
        columns = np.where(turned, first, second) + left[:, None, None]
        offsets = np.arange(SLICE_COUNT) - SLICE_COUNT // 2
        offsets = np.where(flip_z[:, None], -offsets, offsets)
        slices = np.clip(z[:, None] + offsets, 0, self._shapes[sample, 0][:, None] - 1)
        return self._gather(sample, slices, rows, columns)

    def _corner(
        self, rng: np.random.Generator, crop: int, shares: tuple[float, float]
    ) -> tuple[int, ...]:
        sample = int(rng.integers(len(self)))
        depth, height, width = self._shapes[sample]
        sought = self._sought(rng, sample, shares)
        if sought is not None:
            z, y, x = sought[rng.integers(len(sought))]
            top, left = (int(c - crop // 2 + rng.integers(-crop // 4, crop // 4)) for c in (y, x))
        else:
            z = rng.integers(depth)
            (y0, x0), (y1, x1) = self._boxes[sample]
            top, left = (int(rng.integers(a, max(a + 1, b))) for a, b in ((y0, y1), (x0, x1)))
            top, left = top - crop // 2, left - crop // 2
        top, left = min(max(top, 0), height - crop), min(max(left, 0), width - crop)
        return sample, int(z), top, left

    def _sought(
        self, rng: np.random.Generator, sample: int, shares: tuple[float, float]
    ) -> NDArray[np.int64] | None:
        """Voxels of which a crop is to hold one, None where it may lie anywhere."""
        for voxels, share in zip((self._tumours, self._vessels), shares, strict=True):
            if share and len(voxels[sample]) and rng.random() < share:
                return voxels[sample]
        return None

    def _gather(
        self,
        sample: NDArray[np.int64],
        slices: NDArray[np.int64],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
    ) -> Batch:
        device = self._features.device
        s, z, y, x = (torch.from_numpy(i).to(device) for i in (sample, slices, rows, columns))
        stack = self._features[s[:, None, None, None], z[:, :, None, None], y[:, None], x[:, None]]
        count, depth, height, width, names = stack.shape
        stack = stack.permute(0, 1, 4, 2, 3).reshape(count, depth * names, height, width)
        gain = self._log_gain[s].view(count, 1, 1, 1).expand(-1, 1, height, width)
        middle = z[:, SLICE_COUNT // 2]
        maps = self._maps[s[:, None, None], middle[:, None, None], y, x]
        return Batch(torch.cat([stack, gain], dim=1), *maps.unbind(dim=-1))


def lesion_weights(lesions: NDArray[np.uint8]) -> NDArray[np.float32]:
    """1 in a tumour of 4 mL (64 voxels of 4 mm), more in smaller and less in larger ones.

    The weight falls with the root of the number of voxels, between 4 and a half: a small tumour
    would else be too few voxels to be missed by a mean over voxels.

    Args:
        lesions: (z, y, x), 0 or the number of a lesion.

    Returns:
        (z, y, x) float32, 0 outside.
    """
    counts = np.bincount(lesions.ravel(), minlength=256)
    table = np.clip(np.sqrt(_MIDDLE_VOXELS / np.maximum(counts, 1)), *_LESION_WEIGHTS)
    table[0] = 0.0
    return table[lesions].astype(np.float32)


def vessel_weights(record: GroupRecord) -> NDArray[np.float32]:
    """1 in a vessel too narrow to be told by its shape: with noise it looks like a small tumour.

    That is where the true V0 stands out by a quarter from what a square of about 18 mm fits into
    in its slice (white top-hat), and no tumour is.

    Returns:
        (z, y, x) float32; 0 everywhere where nobody knows the truth.
    """
    if record.truth is None:
        return np.zeros(record.body.shape, np.float32)
    sides = [2 * int(_NARROW_MM / 2 // d) + 1 for d in record.spacing_mm[1:]]
    above = ndimage.white_tophat(record.truth.v0, size=(1, *sides))
    weights: NDArray[np.float32] = ((above > _BRIGHT_V0) & (record.lesions == 0)).astype(np.float32)
    return weights


def _maps(
    record: GroupRecord, realisation: int, target: Target, blur_mm: float
) -> list[NDArray[np.float32]]:
    """Those of `_MAPS`, each (z, y, x)."""
    n = np.float32(record.normaliser[realisation])
    ki, v = target_maps(record, target, realisation, blur_mm)
    body = record.body.astype(np.float32)
    weights = lesion_weights(record.lesions), vessel_weights(record)
    return [ki / n, v / n, direct_v(record, realisation) / n, body, *weights]


def _on(device: torch.device, values: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(values).to(device)


def _bounding_box(body: NDArray[np.uint8]) -> NDArray[np.int64]:
    """First and last (row, column) inside the patient, (2, 2)."""
    inside = np.argwhere(body.any(axis=0))
    return np.stack([inside.min(axis=0), inside.max(axis=0)])
