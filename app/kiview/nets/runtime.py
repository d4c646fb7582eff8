"""ONNX sessions: providers, threads, replaced weights, stopping."""

import contextlib
import functools
import importlib.util
import io
import logging
import os
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from kiview.core.errors import NetworkError
from kiview.core.progress import Cancelled
from kiview.nets.catalog import NetworkCard, TensorSpec
from kiview.nets.network_check import INPUT_NAME, check_network
from kiview.nets.onnx_file import with_outputs

_logger = logging.getLogger(__name__)
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_SILENT = 4
_OPTIONS = {CUDA: {"use_tf32": "0"}}
"""Of providers. TF32 would round every product to ten bits: the maps of a card would differ from
those of a processor by far more than 1e-5."""

Volume = NDArray[np.float32]


class NetworkOutputs(NamedTuple):
    """What a network gives, each (b, y, x) float32.

    Attributes:
        ki: Ki, in units of the normaliser n or in /min.
        v: V, likewise.
        sigma: Standard deviation of Ki, likewise, or None where the network tells none.
        calibration: Factor of the standard deviation of Ki as it is shown, a plain number, or None
            where the network is not calibrated.
    """

    ki: Volume
    v: Volume
    sigma: Volume | None = None
    calibration: Volume | None = None

    def times(self, normaliser_per_min: float) -> "NetworkOutputs":
        """In /min, from units of the normaliser; a calibration has none."""
        n = np.float32(normaliser_per_min)
        sigma = None if self.sigma is None else self.sigma * n
        return NetworkOutputs(self.ki * n, self.v * n, sigma, self.calibration)


def available_threads() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class NetworkRuntime:
    """One network with one set of weights, ready to run.

    Creating and running release the interpreter, so do both in a worker thread.
    """

    def __init__(
        self,
        card: NetworkCard,
        tensors: Mapping[str, NDArray[np.float32]] | None = None,
        threads: int | None = None,
        without: Collection[str] = (),
    ) -> None:
        """Load a network.

        Args:
            card: The network; its file is checked against the card's hash.
            tensors: Weights that replace the shipped ones, all or some, by name.
            threads: Of the processor; all that are available if None.
            without: Outputs that are not computed, with what only they need.

        Raises:
            NetworkError: the file was changed, is not what its card says or cannot be run, or a
                name or shape is not the network's.
        """
        content = card.network.read()
        check_network(card, content)
        content = with_tensors(content, card.tensors, tensors or {})
        self._outputs = tuple(name for name in card.outputs if name not in without)
        if len(self._outputs) < len(card.outputs):
            content = with_outputs(content, self._outputs)
        ort.set_default_logger_severity(_SILENT)
        self._card, self._content, self._threads = card, content, threads
        self._session = self._first_session()
        self._run_options = ort.RunOptions()
        self._stopped = False

    @property
    def providers(self) -> tuple[str, ...]:
        """What really computes, first choice first, after the session was made."""
        return tuple(self._session.get_providers())

    @property
    def device(self) -> str:
        """`GPU (CUDA)` or `CPU`, for the screen."""
        return "GPU (CUDA)" if self.providers[0] == CUDA else "CPU"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `run` gives: `ki`, `v`, perhaps `sigma`, perhaps `calibration`."""
        return self._outputs

    def run(self, features: Volume) -> NetworkOutputs:
        """Run a network that makes maps.

        Args:
            features: (b, channels, y, x) float32, sides in the alignment of the network.

        Returns:
            Ki / n, V / n and perhaps the standard deviation of Ki / n and its factor, each
            (b, y, x).

        Raises:
            Cancelled: `stop` was called.
            NetworkError: the runtime failed.
        """
        return NetworkOutputs(**self.values(features))

    def values(self, features: Volume) -> dict[str, Volume]:
        """Run the network: every output by name, (b, y, x).

        Raises:
            Cancelled: `stop` was called.
            NetworkError: the runtime failed.
        """
        if self._stopped:
            raise Cancelled
        try:
            found = self._computed({INPUT_NAME: features})
        except Exception as error:
            if self._stopped:
                raise Cancelled from error
            raise NetworkError(
                f"The network could not be computed ({type(error).__name__});"
                " close other programs to free memory and try again."
            ) from error
        return dict(zip(self._outputs, found, strict=True))

    def _computed(self, given: dict[str, Volume]) -> list[Volume]:
        """Run, on the processor from now on where the graphics card fails."""
        try:
            found = self._session.run([*self._outputs], given, self._run_options)
        except Exception:
            if self._stopped or self.providers[0] == CPU:
                raise
            _logger.warning("The graphics card failed; the processor computes instead.")
            self._session = self._new_session([CPU])
            found = self._session.run([*self._outputs], given, self._run_options)
        return list(found)

    def _first_session(self) -> ort.InferenceSession:
        """A session on the best of what works here."""
        wanted = wanted_providers()
        if wanted[0] != CPU:
            _load_cuda_libraries()
            try:
                return self._new_session(wanted)
            except NetworkError:
                _logger.warning("The graphics card cannot run the network; the processor does.")
        return self._new_session([CPU])

    def _new_session(self, providers: list[str]) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads or available_threads()
        options.log_severity_level = _SILENT
        # Spinning threads would take the processor from the window between two blocks.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # Its own way to fall back to the processor prints to the output of the program.
            asked = [(name, _OPTIONS.get(name, {})) for name in providers]
            return ort.InferenceSession(self._content, options, providers=asked, enable_fallback=0)
        except Exception as error:
            raise NetworkError(
                f"The network {self._card.id!r} cannot be run here ({type(error).__name__}); its"
                " file may be made for another version, or memory is short."
            ) from error

    def stop(self) -> None:
        """End a run from another thread, and refuse later ones."""
        self._stopped = True
        self._run_options.terminate = True


def wanted_providers() -> list[str]:
    """Providers to ask for: CUDA where the library knows it, the processor always."""
    known = ort.get_available_providers()
    return [p for p in (CUDA, CPU) if p in known]


@functools.cache
def _load_cuda_libraries() -> None:
    """Let the runtime find CUDA and cuDNN where pip installed them; else the system's are taken."""
    if importlib.util.find_spec("nvidia") is not None:
        # It prints what it does not find; the session tells by its providers.
        with contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls(directory="")


def with_tensors(
    content: bytes, specs: tuple[TensorSpec, ...], tensors: Mapping[str, NDArray[np.float32]]
) -> bytes:
    """A copy of a network file in memory with other values in its initialisers.

    `SessionOptions.add_initializer` would not do: where the session optimises the layout of
    convolutions it packs the weights of the file and leaves the given ones unused, silently.

    Args:
        content: The ONNX file.
        specs: Names, shapes and places of all weights.
        tensors: Weights to replace, all or some, by name.

    Raises:
        NetworkError: a name is unknown or a shape is wrong.
    """
    known = {spec.name: spec for spec in specs}
    changed = bytearray(content)
    for name, tensor in tensors.items():
        if name not in known:
            raise NetworkError(f"The network has no weight {name!r}; choose a fitting weight set.")
        spec = known[name]
        if tensor.shape != spec.shape:
            raise NetworkError(
                f"The weight {name!r} has shape {tensor.shape}, the network needs {spec.shape}."
            )
        values = np.ascontiguousarray(tensor, dtype="<f4").tobytes()
        changed[spec.offset : spec.offset + len(values)] = values
    return bytes(changed)
