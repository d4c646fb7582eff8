"""The default network against the bare runtime on the same tensors, and previews in the window."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QTimer

from kiview import application, paths
from kiview.core.progress import NullProgress
from kiview.core.study import PatientInfo, Series, SeriesKind, Study
from kiview.nets import infer
from kiview.nets.catalog import CALIBRATION, load_catalog
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weights import shipped_weights
from kiview.viewmodels.results import NETWORK
from kiview.viewmodels.window import WindowModels
from kiview.views.main_window import MainWindow
from tests.benchmarks.measure import Ratio, fastest_s
from tests.helpers.heartbeat import Heartbeat
from tests.unit.nets.fakes import fake_image, plasma, request

SHAPE_ZYX = (90, 128, 128)
"""Of the demo study."""
BLOCK = infer.BLOCK_VOXELS // (SHAPE_ZYX[1] * SHAPE_ZYX[2])
REPEATS = 5
MOST_S, LOOK_MS = 120.0, 5


def run() -> Iterator[Ratio]:
    """Whole maps from frames in memory, then previews of other weights."""
    network = load_catalog(paths.models_dir()).default
    wanted = request(fake_image(SHAPE_ZYX), card=network, weights=shipped_weights(network))
    nobody = NullProgress()
    prepared = infer.prepare(wanted, nobody)
    runtime = NetworkRuntime(network)
    depth = SHAPE_ZYX[0]
    blocks = [prepared.features.block(z, min(depth, z + BLOCK)) for z in range(0, depth, BLOCK)]
    bare, whole = _fastest_in_turn(
        lambda: [runtime.run(block) for block in blocks], lambda: infer.run_network(wanted, nobody)
    )
    yield Ratio("network maps from frames / bare onnxruntime", whole / bare, "<= 1.2")
    yield Ratio("network, 1e5 voxels per second", np.prod(SHAPE_ZYX) / whole / 1e5, ">= 4")
    light = NetworkRuntime(network, without=[CALIBRATION])
    fewer, all_of_it = _fastest_in_turn(
        lambda: [light.run(block) for block in blocks],
        lambda: [runtime.run(block) for block in blocks],
    )
    yield Ratio("bare onnxruntime with the calibration / without", all_of_it / fewer, "")
    yield from _previews(lambda: [runtime.run(block) for block in blocks])


def _fastest_in_turn(*works: Callable[[], object]) -> list[float]:
    """Shortest wall times in s of works done in turn, so that other load meets all of them."""
    rounds = [[fastest_s(work, 1) for work in works] for _ in range(REPEATS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _previews(bare: Callable[[], object]) -> Iterator[Ratio]:
    """From a moved slider to pixels, in a whole window, beside the bare runtime on the volume."""
    window, models = _window()
    positions = np.linspace(0.1, 0.9, REPEATS + 1)
    times, bare_times, heartbeat = [], [], Heartbeat()
    for position in positions:
        with heartbeat:
            times.append(_preview_s(window, models, float(position)))
        bare_times.append(_once_s(bare))
    near_s, planes_s = np.array(times[1:]).min(axis=0)  # the first one prepares features
    window.close()
    _wait_until(lambda: not models.runner.tasks)
    yield Ratio("slider to cursor neighbourhood on both planes, ms", 1e3 * near_s, "<= 300")
    yield Ratio("slider to both planes whole, ms", 1e3 * planes_s, "<= 3000")
    told = "both planes whole / bare onnxruntime on the whole volume"
    yield Ratio(told, planes_s / min(bare_times[1:]), "<= 1.3")
    yield Ratio("longest gap of the event loop meanwhile, ms", 1e3 * heartbeat.longest_s, "<= 100")


def _once_s(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _preview_s(window: MainWindow, models: WindowModels, position: float) -> tuple[float, float]:
    """Seconds to the neighbourhood and to the whole planes, both drawn."""
    begin = time.perf_counter()
    stages: list[float] = []
    models.preview.shown.connect(lambda: stages.append(time.perf_counter()))
    models.network.set_position(position)
    _wait_until(lambda: bool(stages))
    window.canvas.grab()
    near_s = time.perf_counter() - begin
    _wait_until(lambda: models.preview.is_complete)
    window.canvas.grab()
    whole_s = time.perf_counter() - begin
    models.preview.shown.disconnect()
    return near_s, whole_s


def _window() -> tuple[MainWindow, WindowModels]:
    """A window on a study as large as the demo study, with a network map."""
    application.make_qt_application()
    image = fake_image(SHAPE_ZYX)
    series = Series("1", SeriesKind.DYNAMIC, "PT", "Dynamic PET", image, ())
    study = Study("1.2", PatientInfo("", "Bench"), (series,), source="bench")
    jobs = replace(
        application.shipped_jobs(),
        open_study=lambda _path, _overrides, _uid, _progress: study,
        read_curve=lambda _path, _progress: plasma(),
    )
    models = application.build_models(jobs)
    application.provide_networks(models)
    window = MainWindow(models)
    window.resize(1440, 900)
    window.show()
    models.study.open_path(Path("bench"))
    _wait_until(lambda: models.study.study is not None)
    models.input_function.load_file(Path("plasma.tsv"))
    _wait_until(lambda: not models.network.why_not)
    models.network.compute()
    _wait_until(lambda: models.results.get(NETWORK) is not None and not models.runner.tasks)
    return window, models


def _wait_until(done: Callable[[], bool]) -> None:
    """Run the event loop as the program does: it sleeps while there is nothing to do."""
    loop, look, began = QEventLoop(), QTimer(), time.monotonic()

    def on_look() -> None:
        if done() or time.monotonic() > began + MOST_S:
            loop.quit()

    look.setInterval(LOOK_MS)
    look.timeout.connect(on_look)
    look.start()
    loop.exec()
    look.stop()
    if not done():
        raise SystemExit("A preview did not come to its end.")
