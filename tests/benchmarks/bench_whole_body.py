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
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pydicom
from numpy.typing import NDArray
from PySide6.QtCore import QEventLoop, QTimer

from kiview import application
from kiview.core.feng import FENG_FDG_NO_DELAY
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.patlak import PatlakSettings
from kiview.core.progress import NullProgress, Progress
from kiview.core.roi import Roi
from kiview.core.roi_shapes import Sphere
from kiview.core.study import PatientInfo, Series, SeriesKind, Study
from kiview.core.suv import SuvScale
from kiview.core.tac import extract
from kiview.core.timing import FrameTiming
from kiview.core.tracer import F18_HALF_LIFE_S, Injection, Radionuclide
from kiview.core.units import ACTIVITY
from kiview.io.scan import scan
from kiview.jobs.compute_patlak import PatlakRequest, compute_patlak
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.viewmodels.results import NETWORK, PATLAK
from kiview.viewmodels.study import Overrides
from kiview.viewmodels.window import WindowModels
from kiview.views.main_window import MainWindow
from tests.benchmarks.measure import AnonymousPeak, Ratio, fastest_s
from tests.helpers.large_study import write_large_series

DURATIONS_S = np.array([5.0] * 24 + [10.0] * 12 + [30.0] * 10 + [120.0] * 11 + [180.0] * 12)
"""69 frames of an hour."""
LATE_S = (1800.0, 3600.0)
KI_PER_MIN, V0, NOISE = 0.005, 0.4, 0.02
MANY_FILES = 4000
FIELD_ZYX_MM = (1064.0, 726.0, 726.0)
SPHERE_OF_2_ML_MM = (3 * 2000 / (4 * np.pi)) ** (1 / 3)
GB_PER_MIB = 1.048576e-3
LONGEST_WAIT_S, LOOK_MS = 1800.0, 5
STEPS = 6
READ_BYTES = 32 << 20


@dataclass(frozen=True)
class Size:
    """How large the study is.

    Attributes:
        shape_zyx: Voxels of a frame.
        repeats: How often short work is done; 1 where the files exceed the memory.
    """

    shape_zyx: tuple[int, int, int]
    repeats: int


REDUCED, FULL = Size((96, 220, 220), 3), Size((645, 440, 440), 1)


def plasma() -> InputFunction:
    """Feng input in Bq/mL."""
    curve = FengCurve(FENG_FDG_NO_DELAY, 1000.0)
    return InputFunction(curve, InputSource.POPULATION, ACTIVITY, Compartment.PLASMA)


def affine(size: Size) -> NDArray[np.float64]:
    """Index (z, y, x, 1) to LPS mm: a field of view of a whole body about the origin."""
    spacing = np.array(FIELD_ZYX_MM) / size.shape_zyx
    made = np.zeros((4, 4))
    made[[2, 1, 0], [0, 1, 2]] = spacing
    made[:3, 3] = -((np.array(size.shape_zyx) - 1) / 2 * spacing)[::-1]
    made[3, 3] = 1
    return made


def stored_body(size: Size) -> NDArray[np.int16]:
    """(z, y, x) an ellipsoid with some noise."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in size.shape_zyx)
    flat = (x / 0.55) ** 2 + (y[:, None] / 0.35) ** 2
    voxels = np.empty(size.shape_zyx, np.int16)
    rng = np.random.default_rng(0)
    for k, at in enumerate(z):
        inside = np.clip(1.2 - flat - at**4, 0, 1)
        voxels[k] = inside * (20000 + 400 * rng.standard_normal(flat.shape, np.float32))
    return voxels


def frame_starts_s() -> NDArray[np.float64]:
    """(t,) one frame after the other."""
    return np.cumsum(DURATIONS_S) - DURATIONS_S


def slopes() -> NDArray[np.float64]:
    """(t,) Bq/mL of stored value 1: the tissue takes up tracer as Patlak says, but for some noise.

    Without it the fit would leave nothing, as in no scan, and that takes longer.
    """
    mid = frame_starts_s() + DURATIONS_S / 2
    curve = KI_PER_MIN * plasma().integral(mid) / 60 + V0 * plasma().at(mid)
    noise = np.random.default_rng(1).standard_normal(len(mid))
    return curve * (1 + NOISE * noise) / 20000


def shared_frames(folder: Path) -> Study:
    """A study of full size whose frames map one file, each with a slope of its own."""
    path = folder / "frame.npy"
    np.save(path, stored_body(FULL))
    one = np.load(path, mmap_mode="r")
    voxels = np.broadcast_to(one, (len(DURATIONS_S), *FULL.shape_zyx), subok=True)
    image = DynamicImage(
        ScaledFrameStore(voxels, slopes()[:, None]),
        VolumeGeometry(FULL.shape_zyx, affine(FULL)),
        FrameTiming(frame_starts_s(), DURATIONS_S),
        ACTIVITY,
        Injection(Radionuclide("18F", F18_HALF_LIFE_S), 3.5e8, "FDG"),
        SuvScale(70e3 / 3.5e8),
        series_uid="1.2.3",
    )
    series = Series("1.2.3", SeriesKind.DYNAMIC, "PT", "whole body", image)
    return Study("1.2", PatientInfo(), (series,), source=str(folder))


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


class Journey:
    """A window on the study: what it shows when, and how much memory it takes.

    Attributes:
        models: View models of the window.
        first_s: From the click to the first picture of a frame.
        import_s: From the click to the open study.
        first_frame: Frame that was seen first.
        prepared: What opening gives instead of reading files, None to read them.
    """

    def __init__(self, cache: Path) -> None:
        """Build the window; nothing is open."""
        application.make_qt_application()

        def open_it(path: Path, overrides: Overrides | None, progress: Progress) -> Study:
            if self.prepared is not None:
                return self.prepared
            request = OpenRequest(path, overrides or {}, cache, memory_limit_bytes=0)
            return open_study(request, progress)

        jobs = replace(
            application.shipped_jobs(), open_study=open_it, read_curve=lambda *_: plasma()
        )
        self.models: WindowModels = application.build_models(jobs)
        application.provide_networks(self.models)
        self.window = MainWindow(self.models)
        self.window.resize(1440, 900)
        self.window.show()
        self.prepared: Study | None = None
        self.first_s = self.import_s = 0.0
        self.first_frame = -1

    def open(self, folder: Path) -> None:
        """Import, and look at the first frame that comes."""
        models = self.models
        begin = time.perf_counter()

        def look() -> None:
            if self.first_s or models.study.arriving is None or models.views.loader.is_busy:
                return
            layer = models.views.layer("image")
            if layer is not None and not layer.pending:
                self.window.canvas.grab()
                self.wait(lambda: not models.views.loader.is_busy)
                self.window.canvas.grab()
                self.first_s = time.perf_counter() - begin
                self.first_frame = models.views.frames.frame

        models.study.arriving_changed.connect(look)
        models.study.open_path(folder)
        self.wait(lambda: models.study.study is not None)
        self.import_s = time.perf_counter() - begin
        models.study.arriving_changed.disconnect(look)
        self.settle()

    def patlak(self) -> None:
        """Patlak maps beside the frames."""
        models = self.models
        models.input_function.load_file(Path("plasma.tsv"))
        self.wait(lambda: not models.maps.why_not)
        models.maps.compute()
        self.settle()
        if models.results.get(PATLAK) is None:
            raise SystemExit("Patlak gave no map.")

    def network(self) -> str:
        """Maps of the network besides; returns why it gave none, or nothing."""
        models = self.models
        if models.network.why_not:
            return models.network.why_not
        models.network.compute()
        self.settle()
        told = models.messages.current
        if models.results.get(NETWORK) is not None:
            return ""
        return "no map" if told is None else told.text

    def show(self, frame: int) -> float:
        """Change the frame; seconds until all views show it."""
        begin = time.perf_counter()
        self.models.views.frames.show_frame(frame)
        self.window.canvas.grab()
        self.wait(lambda: not self.models.views.loader.is_busy)
        self.window.canvas.grab()
        return time.perf_counter() - begin

    def settle(self) -> None:
        """Until no task runs."""
        self.wait(lambda: not self.models.runner.tasks)

    @staticmethod
    def wait(done: Callable[[], bool]) -> None:
        """Run the event loop, as the program does."""
        loop, look, began = QEventLoop(), QTimer(), time.monotonic()

        def on_look() -> None:
            if done() or time.monotonic() > began + LONGEST_WAIT_S:
                loop.quit()

        look.setInterval(LOOK_MS)
        look.timeout.connect(on_look)
        look.start()
        if not done():
            loop.exec()
        look.stop()
        if not done():
            raise SystemExit("The window did not come to its end.")


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
