"""Training groups on disk: one uncompressed `.npz` each, plain arrays and one JSON text."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kitrain.groups import (
    ActivityUnit,
    CurveSource,
    GroupError,
    Identity,
    Origin,
    PlasmaCurve,
    ReferenceMaps,
    TrainingGroup,
    Truth,
)
from kiview.core.errors import ReadError
from kiview.core.timing import FrameTiming
from kiview.nets.preprocess import FrameInput

GROUP_VERSION = 1
"""Raise whenever the same group would be written or simulated otherwise: kept groups are found by
it, and a change of the simulation alone does not rename them."""
_RECORD = "record"
_BLOCK_BYTES = 1 << 22
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)
Arrays = dict[str, NDArray[Any]]


def save_group(group: TrainingGroup, path: Path) -> None:
    """Write a group, whole or not at all."""
    arrays: Arrays = {
        "frames": group.frames,
        "start_s": group.timing.start_s,
        "duration_s": group.timing.duration_s,
        "body": group.body,
        "lesions": group.lesions,
        "labels": group.labels,
        "spacing_mm": np.array(group.spacing_mm),
        **_curve_arrays("curve", group.curve),
        **_basis_arrays("basis", group.basis),
    }
    record: dict[str, Any] = {
        "version": GROUP_VERSION,
        "unit": group.unit.value,
        "subject": group.identity.subject,
        "scan": group.identity.scan,
        "origin": group.identity.origin.value,
        "made_by": dict(group.identity.made_by),
        "curve": _curve_record(group.curve),
        "references": {},
    }
    for name, maps in group.references.items():
        arrays[f"reference/{name}/ki"] = maps.ki
        if maps.v0 is not None:
            arrays[f"reference/{name}/v0"] = maps.v0
        record["references"][name] = {
            "method": maps.method,
            "settings": dict(maps.settings),
            "network_id": maps.network_id,
        }
    if group.truth is not None:
        arrays["truth/ki"], arrays["truth/v0"] = group.truth.ki, group.truth.v0
        arrays |= _curve_arrays("truth/curve", group.truth.curve)
        arrays |= _basis_arrays("truth/basis", group.truth.basis)
        record["truth"] = _curve_record(group.truth.curve)
    _write(path, arrays, record)


def load_group(path: Path) -> TrainingGroup:
    """Read a group.

    Raises:
        ReadError: the file is missing, damaged or no training group of this version.
    """
    arrays, record = _read(path)
    try:
        return _group(arrays, record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReadError(
            f"{path.name} is no complete training group ({error!r}); delete it and make it again."
        ) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def slice_hashes(group: TrainingGroup) -> tuple[str, ...]:
    """Content hash of every slice of every realisation that holds more than one value.

    Two groups that share one of them hold the same measured numbers, however they were cut.
    """
    found = []
    for frames in group.frames:
        for z in range(frames.shape[1]):
            part = np.ascontiguousarray(frames[:, z])
            if part.min() < part.max():
                found.append(hashlib.sha256(part.tobytes()).hexdigest()[:24])
    return tuple(found)


def _write(path: Path, arrays: Arrays, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, sort_keys=True, allow_nan=False)
    arrays[_RECORD] = np.frombuffer(text.encode("utf-8"), np.uint8)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record = json.loads(arrays.pop(_RECORD).tobytes().decode("utf-8"))
    except _UNREADABLE as error:
        raise ReadError(
            f"{path.name} cannot be read as a training group ({error}); delete it and make it again"
            " (`kitrain add`, or any training for a simulated one)."
        ) from error
    if not isinstance(record, dict) or record.get("version") != GROUP_VERSION:
        raise ReadError(
            f"{path.name} is a training group of another version; delete it and make it again."
        )
    return arrays, record


def _group(arrays: Arrays, record: Mapping[str, Any]) -> TrainingGroup:
    z, y, x = (float(d) for d in arrays["spacing_mm"])
    try:
        return TrainingGroup(
            frames=arrays["frames"],
            unit=ActivityUnit(record["unit"]),
            timing=FrameTiming(arrays["start_s"], arrays["duration_s"]),
            curve=_curve(arrays, "curve", record["curve"]),
            basis=_basis(arrays, "basis"),
            references={
                name: _reference(arrays, name, said) for name, said in record["references"].items()
            },
            body=arrays["body"],
            lesions=arrays["lesions"],
            labels=arrays["labels"],
            spacing_mm=(z, y, x),
            identity=Identity(
                record["subject"], record["scan"], Origin(record["origin"]), record["made_by"]
            ),
            truth=_truth(arrays, record),
        )
    except GroupError as error:
        raise ValueError(str(error)) from error


def _truth(arrays: Arrays, record: Mapping[str, Any]) -> Truth | None:
    if "truth" not in record:
        return None
    curve = _curve(arrays, "truth/curve", record["truth"])
    return Truth(arrays["truth/ki"], arrays["truth/v0"], curve, _basis(arrays, "truth/basis"))


def _reference(arrays: Arrays, name: str, said: Mapping[str, Any]) -> ReferenceMaps:
    return ReferenceMaps(
        ki=arrays[f"reference/{name}/ki"],
        v0=arrays.get(f"reference/{name}/v0"),
        method=said["method"],
        settings=said["settings"],
        network_id=said["network_id"],
    )


def _curve_record(curve: PlasmaCurve) -> dict[str, str]:
    return {"source": curve.source.value, "description": curve.description}


def _curve_arrays(name: str, curve: PlasmaCurve) -> Arrays:
    return {f"{name}/time_s": curve.time_s, f"{name}/activity": curve.activity}


def _curve(arrays: Arrays, name: str, said: Mapping[str, Any]) -> PlasmaCurve:
    source = CurveSource(said["source"])
    time_s, activity = arrays[f"{name}/time_s"], arrays[f"{name}/activity"]
    return PlasmaCurve(time_s, activity, source, said["description"])


def _basis_arrays(name: str, basis: FrameInput) -> Arrays:
    return {
        f"{name}/mean": basis.mean,
        f"{name}/integral_min": basis.integral_min,
        f"{name}/weight": basis.weight,
    }


def _basis(arrays: Arrays, name: str) -> FrameInput:
    return FrameInput(*(arrays[f"{name}/{part}"] for part in ("mean", "integral_min", "weight")))
