"""Fill a store of the voxel cache."""

import numpy as np

from kiview.io.frame_store import VoxelWriter


def put_all(writer: VoxelWriter, voxels_tzyx: np.ndarray) -> None:
    """Write all frames."""
    for t, frame in enumerate(voxels_tzyx):
        writer.put(t, 0, frame)
