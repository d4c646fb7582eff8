"""The demo without a display: the same window, driven through the whole journey."""

import json
import math
import sys
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from kiview import __version__
from kiview.jobs.export import ExportFormat
from kiview.viewmodels.demo import DemoViewModel
from kiview.viewmodels.results import METHOD_NAMES
from kiview.viewmodels.window import WindowModels
from kiview.views.main_window import MainWindow

SIZES = ((1280, 800), (1920, 1080))
"""Window sizes of the pictures."""
PICTURED_PANEL = "Network"
SETTLE_MS = 400
IN_FRONT_LPS_MM = np.array([0.0, -12.0, 0.0])
"""From the middle of a lesion to where its outline hides less of it."""


class OffscreenJourney(QObject):
    """Demo study, aorta, input function, both maps, pictures, export, numbers; then quits."""

    def __init__(
        self,
        window: MainWindow,
        models: WindowModels,
        demo: DemoViewModel,
        output: Path,
        sizes: tuple[tuple[int, int], ...] = SIZES,
    ) -> None:
        """Get ready.

        Args:
            window: The window to drive.
            models: What it shows.
            demo: Leads to the maps.
            output: Folder for everything that is written.
            sizes: Window sizes to take pictures of.
        """
        super().__init__(window)
        self._window, self._models = window, models
        self._demo, self._output = demo, output
        self._said = ""
        self._sizes = list(sizes)
        self._pictures: list[str] = []
        demo.ready.connect(self._on_maps_ready)
        demo.stuck.connect(self._fail)
        models.messages.changed.connect(self._on_message)
        models.runner.started.connect(self._on_started)

    def start(self) -> None:
        """Begin; the rest follows from signals."""
        self._output.mkdir(parents=True, exist_ok=True)
        self._demo.start()

    def _on_started(self, task: QObject) -> None:
        title = str(getattr(task, "title", ""))
        if title != self._said:
            self._said = title
            _say(title)

    def _on_message(self) -> None:
        message = self._models.messages.current
        if message is not None:
            _say("\n".join(filter(None, (message.text, message.details))))

    def _on_maps_ready(self) -> None:
        self._window.show_panel(PICTURED_PANEL)
        self._models.views.frames.show_late()
        self._look_at_lesion()
        QTimer.singleShot(SETTLE_MS, self._next_picture)

    def _look_at_lesion(self) -> None:
        """Move the cursor into the first region that is not the blood region."""
        models = self._models
        for roi in models.rois.rois:
            if roi.roi_id != models.input_function.roi_id:
                models.views.link.set_cursor(roi.shape.centre_lps_mm + IN_FRONT_LPS_MM)
                return

    def _next_picture(self) -> None:
        """Bring the window to the next size; the picture is taken once it settled."""
        if not self._sizes:
            self._export()
            return
        self._window.resize(*self._sizes[0])
        QTimer.singleShot(SETTLE_MS, self._take_picture)

    def _take_picture(self) -> None:
        if self._models.runner.tasks:
            QTimer.singleShot(SETTLE_MS, self._take_picture)
            return
        width, height = self._sizes.pop(0)
        name = f"window-{width}x{height}.png"
        self._window.grab().save(str(self._output / name))
        self._pictures.append(name)
        self._next_picture()

    def _export(self) -> None:
        export = self._models.export
        for form in ExportFormat:
            export.set_format(form, True)
        export.set_folder(self._output / "maps")
        export.changed.connect(self._on_export_changed)
        export.export(overwrite=True)

    def _on_export_changed(self) -> None:
        export = self._models.export
        if export.is_running:
            return
        export.changed.disconnect(self._on_export_changed)
        if not export.written:
            self._fail()
            return
        numbers = self._output / "numbers.json"
        numbers.write_text(
            json.dumps(self._numbers(), indent=2, allow_nan=False) + "\n", encoding="utf-8"
        )
        written = ", ".join([*self._pictures, numbers.name, "maps/"])
        _say(f"KiView {__version__}, demo done without a display. Written to {self._output}:")
        _say(f"  {written}")
        QApplication.exit(0)

    def _numbers(self) -> dict[str, object]:
        models = self._models
        comparison = models.agreement.comparison
        rows = () if comparison is None else comparison.rows
        return {
            "software": f"KiView {__version__}",
            "intended_use": "Research use only",
            "input_function": models.input_function.status,
            "runs": {
                METHOD_NAMES[result.method]: {
                    "summary": result.summary,
                    "findings": list(result.maps.findings),
                    "provenance": result.maps.provenance.to_dict(),
                }
                for result in models.results.all
            },
            "agreement": [
                {
                    "region": row.name,
                    "voxels": row.voxel_count,
                    "patlak_mean_per_min": row.mean_a,
                    "network_mean_per_min": row.mean_b,
                    "bias_percent": _number(row.bias_percent),
                    "correlation": _number(row.correlation),
                }
                for row in rows
            ],
        }

    def _fail(self) -> None:
        _say("The demo could not be finished.")
        QApplication.exit(1)


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if math.isfinite(value) else None


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
