"""Helpers that make arrays of domain types read-only and of one type."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def frozen_float64(values: ArrayLike) -> NDArray[np.float64]:
    """Copy to a read-only C-contiguous float64 array."""
    array = np.array(values, dtype=np.float64, order="C")
    array.setflags(write=False)
    return array


def frozen_view(values: NDArray[Any]) -> NDArray[Any]:
    """Read-only view of an array, without a copy."""
    view = values.view()
    view.setflags(write=False)
    return view
