"""From the fine grid of the truth to the voxels of a reconstruction (2 x 2 pixels to one)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kiview.simulate.phantom import lesion_index
from kiview.simulate.projector import field_of_view

Floats = NDArray[np.float32]


def coarse_mean(fine: Floats) -> Floats:
    """Mean of 2 x 2 fine pixels, (z, 2y, 2x) -> (z, y, x)."""
    return np.asarray(_blocks(fine).mean(axis=(2, 4)), dtype=np.float32)


def inside_of(labels: NDArray[np.uint8]) -> Floats:
    """1 inside the person, holes such as the windpipe filled, else 0: (z, y, x)."""
    filled = [ndimage.binary_fill_holes(plane) for plane in labels > 0]
    return np.asarray(filled, dtype=np.float32)


def support_of(body: NDArray[np.bool_], margin: int = 3) -> NDArray[np.bool_]:
    """Pixels (y, x) that may hold activity: any slice of the body (z, y, x) and a margin."""
    grown = ndimage.binary_dilation(np.asarray(body.any(axis=0)), iterations=margin)
    return np.asarray(grown & field_of_view(body.shape[-1]))


def pure_labels(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Label of 2 x 2 fine pixels if all agree, else 255: (z, 2y, 2x) -> (z, y, x)."""
    blocks = _blocks(labels)
    same = (blocks == blocks[:, :, :1, :, :1]).all(axis=(2, 4))
    return np.where(same, blocks[:, :, 0, :, 0], np.uint8(255)).astype(np.uint8)


def majority_lesion(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lesion number where three or four of 2 x 2 fine pixels are that lesion, else 0."""
    index = _blocks(lesion_index(labels))
    highest = index.max(axis=(2, 4))
    share = (index == highest[:, :, None, :, None]).sum(axis=(2, 4))
    return np.where(share > 2, highest, 0).astype(np.uint8)


def _blocks(fine: NDArray[Any]) -> NDArray[Any]:
    z, y, x = fine.shape
    return fine.reshape(z, y // 2, 2, x // 2, 2)
