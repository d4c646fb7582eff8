"""A whole body from files to maps: speed against peers, memory, and what a clinician waits for.

Files are those of a smaller study unless `KIVIEW_BENCH_WHOLE_BODY=full` asks for all of 440 x 440 x
645 x 69 voxels (17 GB of files and as much of store). What comes after the import always has that
size: without the files, all frames map one file of 250 MB. `KIVIEW_BENCH_FOLDER` names the folder
to do it in.
"""

import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pydicom
from numpy.typing import NDArray

from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.patlak import PatlakSettings
from kiview.core.progress import NullProgress
from kiview.core.roi import Roi
from kiview.core.roi_shapes import Sphere
from kiview.core.tac import extract
from kiview.io.scan import scan
from kiview.jobs.compute_patlak import PatlakRequest, compute_patlak
from kiview.jobs.open_study import OpenRequest, open_study
from tests.benchmarks.journey import Journey
from tests.benchmarks.measure import AnonymousPeak, Ratio, fastest_s
from tests.benchmarks.whole_body import (
    DURATIONS_S,
    FULL,
    REDUCED,
    Size,
    affine,
    frame_starts_s,
    plasma,
    shared_frames,
    slopes,
    stored_body,
)
from tests.helpers.large_study import write_large_series

LATE_S = (1800.0, 3600.0)
MANY_FILES = 4000
SPHERE_OF_2_ML_MM = (3 * 2000 / (4 * np.pi)) ** (1 / 3)
GB_PER_MIB = 1.048576e-3
STEPS = 6
READ_BYTES = 32 << 20


def in_turn_s(repeats: int, *works: Callable[[], object]) -> list[float]:
    """Shortest wall times of works done in turn, so that other load meets all of them."""
    times = []
    for _ in range(repeats):
        times.append([])
        for work in works:
            begin = time.perf_counter()
            work()
            times[-1].append(time.perf_counter() - begin)
    return np.min(times, axis=0).tolist()


def many_files(folder: Path, paths: list[Path], size: Size) -> Iterator[Ratio]:
    """The latest 4,000 files or fewer, whole frames, as a study of their own."""
    part = folder / "part"
    part.mkdir()
    slices = size.shape_zyx[0]
    chosen = paths[-(MANY_FILES // slices * slices) :]
    for path in chosen:
        os.link(path, part / path.name)

    def headers() -> None:
        for path in chosen:
            pydicom.dcmread(path, stop_before_pixels=True)

    def import_them() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            open_study(OpenRequest(part, {}, Path(cache), memory_limit_bytes=0))

    scan_s, plain_s = in_turn_s(size.repeats, lambda: scan(part), headers)
    yield Ratio(f"pydicom headers / scan of {len(chosen)} files", plain_s / scan_s, ">= 5")
    if shutil.which("dcm2niix") is None:
        yield Ratio("dcm2niix not installed", float("nan"), ">= 1")
    else:
        import_s, other_s = in_turn_s(size.repeats, import_them, lambda: convert(part, folder))
        told = f"dcm2niix / whole import of {len(chosen)} files"
        yield Ratio(told, other_s / import_s, ">= 1")
    shutil.rmtree(part)


def convert(source: Path, folder: Path) -> None:
    """The peer's conversion, without compression."""
    with tempfile.TemporaryDirectory(dir=folder) as target:
        command = ["dcm2niix", "-z", "n", "-f", "image", "-o", target, str(source)]
        subprocess.run(command, check=True, capture_output=True)


def copy(folder: Path, paths: list[Path]) -> None:
    """Read all files and write the same bytes to one file, onto the disk."""
    with (folder / "copy").open("wb", buffering=0) as target:
        for path in paths:
            target.write(path.read_bytes())
        os.fsync(target.fileno())
    (folder / "copy").unlink()


def stored(image: DynamicImage) -> NDArray[np.int16]:
    """The mapped voxels (t, z, y, x)."""
    assert isinstance(image.store, ScaledFrameStore)
    return image.store.voxels


def file_of(voxels: NDArray[np.int16]) -> Path:
    """Where voxels are mapped from."""
    return Path(str(voxels.filename))  # type: ignore[attr-defined]  # a memmap


def make_cold(voxels: NDArray[np.int16]) -> None:
    """Let the system forget the pages of a store (Linux)."""
    mapped: object = voxels
    while not isinstance(mapped, mmap.mmap):
        mapped = mapped.base if isinstance(mapped, np.ndarray) else mapped.obj  # type: ignore[attr-defined]
    mapped.madvise(mmap.MADV_DONTNEED)
    with file_of(voxels).open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_frames(image: DynamicImage, frames: list[int]) -> None:
    """Read frames of the store from their file, some MB at a time into the same memory."""
    voxels = stored(image)
    frame_bytes = voxels[0].nbytes
    step = 0 if voxels.strides[0] == 0 else frame_bytes
    buffer = np.ones(READ_BYTES, np.uint8)
    with file_of(voxels).open("rb", buffering=0) as file:
        for t in frames:
            file.seek(voxels.offset + t * step)  # type: ignore[attr-defined]
            for done in range(0, frame_bytes, READ_BYTES):
                file.readinto(buffer[: frame_bytes - done])


def frame_changes(journey: Journey, image: DynamicImage) -> Iterator[Ratio]:
    """SUV frames and the Patlak map, coronal and sagittal: four views."""
    late = range(image.frame_count - STEPS, image.frame_count)
    for frame in late:
        journey.show(frame)
    used_s = time.process_time()
    cached = [journey.show(frame) for frame in late]
    used_s = (time.process_time() - used_s) / STEPS
    cold, read = [], []
    for frame in late:
        make_cold(stored(image))
        cold.append(journey.show(frame))
        make_cold(stored(image))
        read += in_turn_s(1, lambda frame=frame: read_frames(image, [frame]))
    told = f"frame change in {len(journey.window.canvas.slice_views)} views"
    yield Ratio(f"{told}, cached, ms", 1000 * float(np.median(cached)), "<= 50")
    yield Ratio(f"{told}, cached, ms of processor time", 1000 * used_s, "")
    yield Ratio(f"{told}, cold, ms", 1000 * float(np.median(cold)), "<= 300")
    yield Ratio(f"{told}, cold / reading that frame", float(np.median(cold) / np.median(read)), "")


def patlak_from_store(image: DynamicImage) -> Ratio:
    """Against reading the late frames of the store, page cache warm."""
    late = np.flatnonzero(image.timing.weighted().in_window(*LATE_S)).tolist()
    request = PatlakRequest(image, plasma(), PatlakSettings(*LATE_S))
    read_s, patlak_s = in_turn_s(
        3, lambda: read_frames(image, late), lambda: compute_patlak(request, NullProgress())
    )
    return Ratio("Patlak from the store / reading those frames", patlak_s / read_s, "<= 3")


def region_curve(image: DynamicImage) -> Ratio:
    """A sphere of 2 mL in the middle, all frames."""
    place = image.geometry.to_lps_mm(np.array(image.geometry.shape_zyx) // 2)
    roi = Roi("1", "2 mL", "#ffffff", Sphere(tuple(place.tolist()), SPHERE_OF_2_ML_MM))
    taken = fastest_s(lambda: extract(image, roi.rasterise(image.geometry)), 5)
    return Ratio("curve of a 2 mL region over 69 frames, ms", 1000 * taken, "<= 100")


def imports(journey: Journey, folder: Path, size: Size) -> Iterator[Ratio]:
    """From files to the store."""
    source = folder / "study"
    paths = write_large_series(
        source, stored_body(size), slopes(), affine(size), frame_starts_s(), DURATIONS_S
    )
    yield from many_files(folder, paths, size)
    with AnonymousPeak() as peak:
        journey.open(source)
    last = len(DURATIONS_S) - 1
    told = "first image visible / whole import"
    yield Ratio(told, journey.first_s / journey.import_s, "<= 1")
    yield Ratio(
        "frames between the first one seen and the last", last - journey.first_frame, "<= 0"
    )
    yield Ratio("memory while importing, GB", peak.mib * GB_PER_MIB, "<= 2")

    def import_again() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            open_study(OpenRequest(source, {}, Path(cache), memory_limit_bytes=0))

    if size.repeats > 1:
        copied_s, imported_s = in_turn_s(size.repeats, lambda: copy(folder, paths), import_again)
    else:  # files and two stores would not fit
        (copied_s,), imported_s = in_turn_s(1, lambda: copy(folder, paths)), journey.import_s
    told = "reading the files and writing the same bytes / import"
    yield Ratio(told, copied_s / imported_s, ">= 0.7")
    shutil.rmtree(source)


def rows(folder: Path, size: Size) -> Iterator[Ratio]:
    """All figures of one study."""
    journey = Journey(folder / "cache")
    with AnonymousPeak() as peak:
        yield from imports(journey, folder, size)
        if size != FULL:
            journey.prepared = shared_frames(folder)
            journey.open(folder)
        image = journey.models.study.image
        if image is None:
            raise SystemExit("Nothing is open.")
        journey.patlak()
        yield from frame_changes(journey, image)
        why_not = journey.network()
    told = "memory of import, views, Patlak and network, GB"
    told = f"{told}; network: {why_not}" if why_not else told
    yield Ratio(told, peak.mib * GB_PER_MIB, "<= 2")
    journey.window.close()
    journey.models.study.close_study()
    yield patlak_from_store(image)
    yield region_curve(image)


def run() -> Iterator[Ratio]:
    """Reduced unless the environment asks for a whole body."""
    size = FULL if os.environ.get("KIVIEW_BENCH_WHOLE_BODY") == "full" else REDUCED
    place = os.environ.get("KIVIEW_BENCH_FOLDER")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        os.environ["KIVIEW_USER_DIR"] = f"{folder}/user"  # the library of whoever runs this stays
        yield from rows(Path(folder), size)


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        for row in run():
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
