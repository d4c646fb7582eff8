"""Runs of a network and its previews, faked so that no test waits for real ones."""

import time
from dataclasses import replace

import numpy as np

from kiview.core.images import MapSet, ParametricMap
from kiview.core.provenance import Provenance
from kiview.core.units import KI
from kiview.core.voxel_box import VoxelBox
from kiview.jobs.preview_network import Preview
from kiview.viewmodels.results import PATLAK
from tests.helpers import small_study

FIRST_RUN_MS = 30_000
"""The first Patlak of a process waits for its compiler, on a busy machine for many seconds."""


def fake_network(request, progress):
    """Patlak-like map of another method, on the image's grid, made from the request."""
    progress.step(0.5, "fake")
    image = request.image
    values = image.store.frame(image.frame_count - 1) * 1e-6
    record = {"device": "CPU", "start_s": request.start_s, "tied_to_patlak": request.tied}
    made = Provenance(
        "network",
        "test",
        settings=record,
        inputs={"input_source": "image-derived"},
        network_id=request.card.id,
        weight_set_id="0123456789abcdef",
        modified=request.weights.position != request.card.slider.shipped_position,
    )
    return MapSet((ParametricMap(values, KI, image.geometry, made),))


class FakePreview:
    """The computed map times the slider's position, in three steps; remembers its requests."""

    def __init__(self):
        self.requests = []
        self.pace_s = 0.0
        self.ends_whole = False

    def __call__(self, request, kept, key, progress):
        self.requests.append(request)
        wanted = (key, request.run.weights, tuple(request.position_lps_mm), request.planes)
        count = kept[1] + 1 if kept is not None and kept[0] == wanted else 1
        until = time.monotonic() + self.pace_s
        while time.monotonic() < until:
            progress.step(0.5, "preview")
        values = request.computed.values * np.float32(request.run.weights.position)
        return Preview(
            replace(request.computed, values=values),
            (wanted, count),
            is_complete=count == 3,
            fraction=count / 3,
            is_whole=count == 3 and self.ends_whole,
            boxes=() if count == 3 else (VoxelBox(small_study.geometry(), (0, 0, 0), (2, 2, 2)),),
        )


def in_place_of_networks(jobs, preview):
    """The jobs with the fakes of this module."""
    return replace(jobs, network=fake_network, preview=preview)


def compute(qtbot, models, method):
    """Run a method to its end; its result, None where it was refused."""
    model = models.maps if method == PATLAK else models.network
    model.compute()
    qtbot.waitUntil(lambda: not model.is_running, timeout=FIRST_RUN_MS)
    return models.results.get(method)


def settled(qtbot, models):
    """Wait until the preview is whole."""
    qtbot.waitUntil(lambda: models.preview.is_complete and not models.runner.tasks)
