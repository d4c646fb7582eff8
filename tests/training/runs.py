"""What a finished run says of itself, without a training."""

import torch

RECORD = {
    "config": {
        "network_id": "site-net",
        "network": {"width": 4, "with_sigma": True},
        "data": {"train": 1, "validation": 1},
        "variants": {"direct": {"target": "direct"}, "sharp": {"target": "truth"}},
        "slider": {"smooth": "smooth", "sharp": "sharp"},
    },
    "shipped_seeds": {"smooth": [0, 1], "sharp": [0, 1], "direct": [1]},
    "shipped_position": 0.75,
    "measured": {"noise_gain": [4.0, 5.0], "uptake_noise": [0.1, 2.0]},
    "seed": 0,
    "device": "CPU",
    "torch": torch.__version__,
    "seconds": {"training": 1.0},
    "data_sha256": {},
    "validation_nrmse_by_seed": {"0": 0.5},
    "validation_nrmse_by_position": {"0.75": 0.5},
}
