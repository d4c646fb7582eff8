"""What made a network map, in its record and beside it."""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kiview import __version__
from kiview.core import input_record
from kiview.core.images import RecordFile
from kiview.core.input_function import InputFunction
from kiview.core.made import Made, made_now
from kiview.core.provenance import JsonValue, Provenance
from kiview.nets.tie import CONSISTENCY_VERSION
from kiview.nets.weight_files import loaded_content, weight_record
from kiview.nets.weights import WeightState

if TYPE_CHECKING:
    from kiview.nets.infer import NetworkRequest

WEIGHTS_FILE = "network_weights.safetensors"
"""Lies beside the record of a map when tensors were loaded."""


def curve_sha256(input_function: InputFunction) -> str:
    """Identity of an input function, of every value in full precision."""
    record = input_record.to_record(input_function)
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def network_provenance(
    request: "NetworkRequest", frames: NDArray[np.intp], device: str, made: Made | None = None
) -> Provenance:
    """Everything that decides a network map; complete enough to compute it again.

    When and by whom it was computed is told beside that.

    Args:
        request: The run.
        frames: Indices of the frames it used.
        device: What it computed on.
        made: When and by whom; None takes now and who the program runs as.
    """
    made = made or made_now()
    weights = weight_record(request.card, request.weights, WEIGHTS_FILE)
    settings: dict[str, JsonValue] = {
        "start_s": request.start_s,
        "end_s": request.end_s,
        "frames": [int(t) + 1 for t in frames],
        "tied_to_patlak": request.tied,
        "consistency_version": CONSISTENCY_VERSION if request.tied else None,
        "slider_position": request.weights.position,
        "image_blend": request.weights.image_blend,
        "weights": weights,
        "network_origin": str(request.card.origin),
        "network_version": request.card.version,
        "network_sha256": request.card.network.sha256,
        "device": device,
    }
    inputs: dict[str, JsonValue] = {
        "series_uid": request.image.series_uid,
        "input_function": request.input_function.description,
        "input_source": str(request.input_function.source),
        "curve": input_record.to_record(request.input_function),
        "curve_sha256": curve_sha256(request.input_function),
    }
    return Provenance(
        method="network",
        software=f"KiView {__version__}",
        settings=settings,
        inputs=inputs,
        network_id=request.card.id,
        weight_set_id=str(weights["weight_set_id"]),
        modified=request.weights.state(request.card) is WeightState.MODIFIED,
        user_given=dict(request.image.user_given),
        steps=request.image.steps,
        computed_at=made.at,
        operator=made.by,
    )


def record_files(request: "NetworkRequest") -> tuple[RecordFile, ...]:
    """Files that the provenance refers to: the tensors that were loaded, if any."""
    if request.weights.loaded is None:
        return ()
    return (RecordFile(WEIGHTS_FILE, loaded_content(request.card, request.weights)),)
