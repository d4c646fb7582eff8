"""Longest time the window did not answer, from making the demo study to written DICOM."""

import gc
import os
import sys
import tempfile
from pathlib import Path

from kiview import application
from kiview.views.main_window import MainWindow
from kiview.views.offscreen_journey import OffscreenJourney
from tests.benchmarks.measure import Ratio
from tests.helpers.heartbeat import Heartbeat


def run() -> list[Ratio]:
    """The offscreen demo, without its pictures, with a heartbeat in the event loop."""
    before = os.environ.get("KIVIEW_USER_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KIVIEW_USER_DIR"] = folder
        try:
            heartbeat = _journey(Path(folder) / "output")
        finally:
            if before is None:
                del os.environ["KIVIEW_USER_DIR"]
            else:
                os.environ["KIVIEW_USER_DIR"] = before
    alone = 1000 * heartbeat.longest_s
    return [
        Ratio("longest gap of the event loop, ms", 1000 * heartbeat.longest_wall_s, "<= 100"),
        Ratio("the same without waiting for a free processor, ms", alone, "<= 100"),
    ]


def _journey(output: Path) -> Heartbeat:
    qt = application.make_qt_application()
    models = application.build_models(application.shipped_jobs())
    application.provide_networks(models)
    application.apply_settings(models)
    window = MainWindow(models)
    window.show()
    gc.freeze()  # as the program does
    demo = application.demo_model(models)
    journey = OffscreenJourney(window, models, demo, output, sizes=())
    with Heartbeat() as heartbeat:
        models.runner.started.connect(lambda task: setattr(heartbeat, "note", task.title))
        journey.start()
        code = qt.exec()
    window.close()
    sys.stderr.write(f"{heartbeat.told()}\n")
    if code:
        raise SystemExit("The demo could not be finished; its own words are above.")
    return heartbeat
