"""Tiny slabs made without simulation: a body, two lesions, white noise."""

import numpy as np

from kitrain.records import SlabRecord
from kiview.nets import preprocess
from kiview.nets.preprocess import FrameInput

FRAMES = FrameInput(
    mean=np.array([8.0, 7.4, 6.9, 6.5, 6.1, 5.8]),
    integral_min=np.array([500.0, 538.0, 574.0, 608.0, 639.0, 669.0]),
    weight=300.0 * np.exp(-np.arange(6) * 0.03),
)


def fake_slab(seed: int = 0, side: int = 32, noise: float = 0.05) -> SlabRecord:
    rng = np.random.default_rng(seed)
    _, y, x = np.indices((6, side, side))
    body = ((y - side / 2) / (0.42 * side)) ** 2 + ((x - side / 2) / (0.46 * side)) ** 2 < 1
    lesions = np.zeros(body.shape, np.uint8)
    lesions[1:4, 10:13, 8:11] = 1
    lesions[2:5, 16:19, 20:23] = 2
    ki = np.where(lesions > 0, 0.03, np.where(body, 0.004 + 0.002 * x / side, 0.0))
    v0 = np.where(body, 0.3 + 0.2 * y / side, 0.0)
    operators = preprocess.linear_operators(FRAMES)
    clean = ki * FRAMES.integral_min[:, None, None, None] + v0 * FRAMES.mean[:, None, None, None]
    scans = [clean * (1 + noise * rng.standard_normal(clean.shape)) for _ in range(2)]
    studies = [
        preprocess.study_features(
            preprocess.linear_maps(scan.astype(np.float32), operators.matrix),
            operators.noise_gain,
            (4.0, 4.0, 4.0),
        )
        for scan in scans
    ]
    scale = 1.0 / operators.v0_per_v[0]
    direct = np.stack([ki, ki]) * (1 + 0.2 * rng.standard_normal((2, *ki.shape)))
    return SlabRecord(
        features=np.stack([study.values for study in studies]),
        normaliser=np.array([study.normaliser for study in studies]),
        noise_gain=np.array(operators.noise_gain),
        ki=ki.astype(np.float32),
        v=(v0 * scale).astype(np.float32),
        ki_direct=direct.astype(np.float32),
        v_direct=np.stack([v0, v0]).astype(np.float32) * np.float32(scale),
        body=body.astype(np.uint8),
        lesions=lesions,
        spacing=np.array([4.0, 4.0, 4.0]),
    )
