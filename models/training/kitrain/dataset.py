"""Records as tensors, and crops drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kitrain.records import GroupRecord
from kitrain.targets import Target, direct_v, target_maps
from kiview.nets.preprocess import SLICE_COUNT

_MIDDLE_VOXELS, _LESION_WEIGHTS = 64, (0.5, 4.0)
_MAPS = ("ki", "v", "v_direct", "body", "lesion")


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
    """

    features: Tensor
    ki: Tensor
    v: Tensor
    v_direct: Tensor
    body: Tensor
    lesion: Tensor


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
        stacks: dict[str, list[NDArray[np.float32]]] = {name: [] for name in ("features", *_MAPS)}
        for record in records:
            for r in range(len(record.features)):
                ki, v = target_maps(record, target, r, blur_mm)
                n = np.float32(record.normaliser[r])
                stacks["features"].append(np.moveaxis(record.features[r], 0, -1))
                stacks["ki"].append(ki / n)
                stacks["v"].append(v / n)
                stacks["v_direct"].append(direct_v(record, r) / n)
                stacks["body"].append(record.body.astype(np.float32))
                stacks["lesion"].append(lesion_weights(record.lesions))
        self._shapes = np.array([body.shape for body in stacks["body"]])
        tensors = {k: torch.from_numpy(_stacked(v)).to(device) for k, v in stacks.items()}
        self._features = tensors["features"]
        self._maps = torch.stack([tensors[k] for k in _MAPS], dim=-1)
        gains = [record.noise_gain for record in records for _ in record.features]
        self._log_gain = torch.log(torch.tensor(gains, dtype=torch.float32)).to(device)
        self._slice_voxels = sum(record.body.size for record in records)
        self._boxes = [_bounding_box(body) for body in stacks["body"]]
        self._tumours = [np.argwhere(lesion > 0) for lesion in stacks["lesion"]]

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

    def draw(self, rng: np.random.Generator, size: int, crop: int, tumour_share: float) -> Batch:
        """Random crops with random flips and quarter turns.

        Args:
            rng: Decides everything.
            size: Number of crops.
            crop: Side in voxels.
            tumour_share: Share of crops that hold a tumour voxel near their middle.
        """
        corners = np.array([self._corner(rng, crop, tumour_share) for _ in range(size)])
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

    def _corner(self, rng: np.random.Generator, crop: int, tumour_share: float) -> tuple[int, ...]:
        sample = int(rng.integers(len(self)))
        depth, height, width = self._shapes[sample]
        tumours = self._tumours[sample]
        if len(tumours) and rng.random() < tumour_share:
            z, y, x = tumours[rng.integers(len(tumours))]
            top, left = (int(c - crop // 2 + rng.integers(-crop // 4, crop // 4)) for c in (y, x))
        else:
            z = rng.integers(depth)
            (y0, x0), (y1, x1) = self._boxes[sample]
            top, left = (int(rng.integers(a, max(a + 1, b))) for a, b in ((y0, y1), (x0, x1)))
            top, left = top - crop // 2, left - crop // 2
        top, left = min(max(top, 0), height - crop), min(max(left, 0), width - crop)
        return sample, int(z), top, left

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


def _stacked(volumes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(z, y, x, ...) volumes one after the other, filled up with zeros to the largest."""
    largest = np.max([volume.shape for volume in volumes], axis=0)
    out = np.zeros((len(volumes), *largest), np.float32)
    for place, volume in zip(out, volumes, strict=True):
        place[tuple(slice(size) for size in volume.shape)] = volume
    return out


def _bounding_box(body: NDArray[np.float32]) -> NDArray[np.int64]:
    """First and last (row, column) inside the patient, (2, 2)."""
    inside = np.argwhere(body.any(axis=0))
    return np.stack([inside.min(axis=0), inside.max(axis=0)])
