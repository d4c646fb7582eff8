"""Tiny groups made without simulation: a body, two lesions, white noise."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kitrain.config import DataConfig
from kitrain.data import SPLITS, group_name, slab_config, split_seeds
from kitrain.group_file import save_group
from kitrain.groups import (
    DIRECT,
    ActivityUnit,
    CurveSource,
    Identity,
    Origin,
    PlasmaCurve,
    ReferenceMaps,
    TrainingGroup,
    Truth,
)
from kitrain.records import GroupRecord, record_of
from kiview.core.timing import FrameTiming
from kiview.nets.preprocess import FrameInput

START_S = 1800.0 + 300.0 * np.arange(6)
FRAMES = FrameInput(
    mean=np.array([8.0, 7.4, 6.9, 6.5, 6.1, 5.8]),
    integral_min=np.array([500.0, 538.0, 574.0, 608.0, 639.0, 669.0]),
    weight=300.0 * np.exp(-np.arange(6) * 0.03),
)
CURVE = PlasmaCurve(
    np.array([0.0, 60.0, 1800.0, 3600.0]), np.array([0.0, 40.0, 8.2, 5.6]), CurveSource.TRUE
)


def scaled(basis: FrameInput, factor: float) -> FrameInput:
    """The basis of a curve that is `factor` times as high."""
    return FrameInput(basis.mean * factor, basis.integral_min * factor, basis.weight)


def fake_group(seed: int = 0, side: int = 32, noise: float = 0.05) -> TrainingGroup:
    rng = np.random.default_rng(seed)
    _, y, x = np.indices((6, side, side))
    body = ((y - side / 2) / (0.42 * side)) ** 2 + ((x - side / 2) / (0.46 * side)) ** 2 < 1
    lesions = np.zeros(body.shape, np.uint8)
    lesions[1:4, 10:13, 8:11] = 1
    lesions[2:5, 16:19, 20:23] = 2
    ki = np.where(lesions > 0, 0.03, np.where(body, 0.004 + 0.002 * x / side, 0.0))
    v0 = np.where(body, 0.3 + 0.2 * y / side, 0.0)
    clean = ki * FRAMES.integral_min[:, None, None, None] + v0 * FRAMES.mean[:, None, None, None]
    scans = [clean * (1 + noise * rng.standard_normal(clean.shape)) for _ in range(2)]
    direct = np.stack([ki, ki]) * (1 + 0.2 * rng.standard_normal((2, *ki.shape)))
    return TrainingGroup(
        frames=np.stack(scans).astype(np.float32),
        unit=ActivityUnit.SUV,
        timing=FrameTiming(START_S, np.full(6, 300.0)),
        curve=CURVE,
        basis=FRAMES,
        references={
            DIRECT: ReferenceMaps(
                direct.astype(np.float32),
                np.stack([v0, v0]).astype(np.float32),
                "nested EM",
                {"iterations": 4},
            )
        },
        body=body.astype(np.uint8),
        lesions=lesions,
        labels=np.where(body, 255, 0).astype(np.uint8),
        spacing_mm=(4.0, 4.0, 4.0),
        identity=Identity(f"sim-{seed}", f"scan-{seed}", Origin.SIMULATED, {"seed": seed}),
        truth=Truth(ki.astype(np.float32), v0.astype(np.float32), CURVE, FRAMES),
    )


def fake_slab(seed: int = 0, side: int = 32, noise: float = 0.05) -> GroupRecord:
    return record_of(fake_group(seed, side, noise))


def added_group(seed: int = 0, subject: str = "") -> TrainingGroup:
    """The same as a real case: one realisation, a reference without V0, no truth."""
    group = fake_group(seed)
    reference = replace(group.references[DIRECT], ki=group.references[DIRECT].ki[:1], v0=None)
    return replace(
        group,
        frames=group.frames[:1],
        references={DIRECT: reference},
        curve=replace(CURVE, source=CurveSource.SAMPLES),
        identity=Identity(subject or f"person-{seed}", f"series-{seed}", Origin.ADDED),
        truth=None,
    )


def fill(folder: Path, config: DataConfig) -> None:
    """Put tiny groups where simulated ones of a configuration are looked for.

    Names and people are those of the simulation, so that nothing has to be simulated.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        for seed in split_seeds(name, config):
            path = folder / f"{group_name(slab_config(name, seed), seed)}.npz"
            if not path.is_file():
                save_group(fake_group(seed), path)
