"""Patlak against copying the same frames, against reading them from disk, and against a peer."""

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

from kiview.core.feng import FENG_FDG_NO_DELAY
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import InputFunction, InputSource
from kiview.core.patlak import PatlakSettings
from kiview.core.progress import NullProgress
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY
from kiview.jobs.compute_patlak import PatlakRequest, compute_patlak
from tests.benchmarks.measure import Ratio, fastest_s, peak_anonymous_mib

SHAPE = (10, 128, 220, 220)
WHOLE_BODY = (69, 645, 440, 440)
PEER = "nifti_dynamic 0.3.1"


def late_image(store):
    """Ten 4-min frames from 20 to 60 min."""
    timing = FrameTiming(1200 + 240.0 * np.arange(10), np.full(10, 240.0))
    return DynamicImage(store, VolumeGeometry(store.shape_tzyx[1:], np.eye(4)), timing, ACTIVITY)


def arterial():
    """Feng input in Bq/mL."""
    return InputFunction(FengCurve(FENG_FDG_NO_DELAY, 1000.0), InputSource.POPULATION, ACTIVITY)


def maps(image):
    """Ki, V0 and standard error of the whole image, as the program computes them."""
    request = PatlakRequest(image, arterial(), PatlakSettings(1200, 3600))
    return compute_patlak(request, NullProgress())


def in_memory() -> list[Ratio]:
    """Against numpy.copyto of the ten frames into touched memory, and against the peer."""
    frames = np.random.default_rng(0).random(SHAPE, np.float32) * 1000
    target = np.ones_like(frames)
    copy_s = fastest_s(lambda: np.copyto(target, frames))
    image = late_image(ScaledFrameStore(frames))
    patlak_s = fastest_s(lambda: maps(image))
    voxels = frames[0].size
    rows = [
        Ratio("Patlak / copying ten float32 frames", patlak_s / copy_s, "<= 3"),
        Ratio("Patlak, Mvoxel/s", voxels / patlak_s / 1e6, ""),
    ]
    return rows + peer(frames, patlak_s)


def peer(frames, patlak_s) -> list[Ratio]:
    """Against nifti_dynamic on a part of the same array, if it is installed."""
    if importlib.util.find_spec("nifti_dynamic") is None:
        return [
            Ratio(f"{PEER} not installed: see tests/benchmarks/README.md", float("nan"), ">= 25")
        ]
    import nibabel as nib  # noqa: PLC0415
    from nifti_dynamic.patlak import voxel_patlak  # noqa: PLC0415 - only when it is there

    part = frames[:, :32]
    timing = late_image(ScaledFrameStore(part)).timing
    cp = arterial().at(timing.mid_s)
    nifti = nib.Nifti1Image(np.ascontiguousarray(part.transpose(3, 2, 1, 0)), np.eye(4))
    peer_s = fastest_s(lambda: voxel_patlak(nifti, cp, timing.mid_s), repeats=2)
    peer_s *= frames.shape[1] / part.shape[1]
    return [Ratio(f"{PEER} / Patlak, same array", peer_s / patlak_s, ">= 25")]


def from_disk() -> list[Ratio]:
    """From a memory-mapped int16 store in the page cache, against reading the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.int16"
        rng = np.random.default_rng(1)
        rng.integers(0, 30000, SHAPE, dtype=np.int16).tofile(path)
        buffer = np.ones(path.stat().st_size, np.uint8)

        def read() -> None:
            with path.open("rb", buffering=0) as file:
                file.readinto(buffer)

        read_s = fastest_s(read)
        mapped = np.memmap(path, np.int16, "r", shape=SHAPE)
        image = late_image(ScaledFrameStore(mapped, 0.05))
        patlak_s = fastest_s(lambda: maps(image))
    return [Ratio("Patlak from int16 store / reading it", patlak_s / read_s, "<= 3")]


def whole_body_memory() -> list[Ratio]:
    """Extra memory of Patlak on 440 x 440 x 645 x 69 int16 (a sparse file of 17 GB)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.int16"
        with path.open("wb") as file:
            file.truncate(int(np.prod(WHOLE_BODY)) * 2)
        mapped = np.memmap(path, np.int16, "r", shape=WHOLE_BODY)
        duration = np.full(WHOLE_BODY[0], 3600 / WHOLE_BODY[0])
        timing = FrameTiming(np.cumsum(duration) - duration, duration)
        grid = VolumeGeometry(WHOLE_BODY[1:], np.eye(4))
        image = DynamicImage(ScaledFrameStore(mapped, 0.05), grid, timing, ACTIVITY)
        request = PatlakRequest(image, arterial(), PatlakSettings(3000, 3600))
        peak = peak_anonymous_mib(lambda: compute_patlak(request, NullProgress()))
    return [Ratio("Patlak 440x440x645x69: extra memory with its maps, GiB", peak / 1024, "<= 2")]


def run() -> list[Ratio]:
    """All Patlak figures."""
    return in_memory() + from_disk() + whole_body_memory()


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row}\n")
