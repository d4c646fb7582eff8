"""Computed maps, what they were made from, and whether they still belong to it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from kiview.core.images import MapSet
from kiview.viewmodels.marks import is_untied, marks
from kiview.viewmodels.missing_values import by_you, capitalised

PATLAK = "patlak"
NETWORK = "network"
METHOD_NAMES = {PATLAK: "Patlak", NETWORK: "Network"}

KeyFunction = Callable[[], str]
"""Identity of everything that a run started now would be made from."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One run.

    Attributes:
        method: `patlak` or `network`.
        maps: What it computed.
        key: Identity of everything it was made from.
        input_key: Identity of the input function.
        window_s: Start and end of the frames used.
        summary: One line for the view: window, input, network.
        is_stale: Whether an input changed since.
    """

    method: str
    maps: MapSet
    key: str
    input_key: str
    window_s: tuple[float, float]
    summary: str
    is_stale: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Warnings about the run in one word each."""
        made = self.maps.provenance
        return marks(modified=made.modified, untied=is_untied(made), stale=self.is_stale)

    @property
    def entered(self) -> str:
        """Values that the user entered for the study it was made from, in one line, or empty."""
        return by_you(self.maps.provenance.user_given.items())

    @property
    def told(self) -> str:
        """What made it, for a status line."""
        return ". ".join(part for part in (self.summary, capitalised(self.entered)) if part)


class ResultsViewModel(QObject):
    """The latest run of each method.

    Signals:
        changed: A result came, went, became stale or fresh.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._results: dict[str, Result] = {}
        self._keys: dict[str, KeyFunction] = {}
        self._series_uid = ""
        self._of_other_series: dict[str, dict[str, Result]] = {}

    @property
    def all(self) -> tuple[Result, ...]:
        """Results, Patlak first."""
        return tuple(self._results[name] for name in METHOD_NAMES if name in self._results)

    @property
    def series_uid(self) -> str:
        """Whose runs they are: while another series is being opened, still the one before."""
        return self._series_uid

    def get(self, method: str) -> Result | None:
        """The latest run of a method."""
        return self._results.get(method)

    def register(self, method: str, key: KeyFunction) -> None:
        """Say how to find out what a run of `method` would be made from now."""
        self._keys[method] = key

    def store(self, result: Result) -> None:
        """Keep a run in place of the one before."""
        self._results[result.method] = self._judged(result)
        self.changed.emit()

    def switch_to(self, series_uid: str) -> None:
        """Show the runs of another series; those of the one before are kept."""
        self._of_other_series[self._series_uid] = self._results
        self._results = self._of_other_series.pop(series_uid, {})
        self._series_uid = series_uid
        self.changed.emit()
        self.judge()

    def forget(self) -> None:
        """Forget every run of every series."""
        self._of_other_series.clear()
        if self._results:
            self._results = {}
            self.changed.emit()

    def judge(self) -> None:
        """Mark stale what no longer belongs to its inputs, and fresh what does again."""
        judged = {method: self._judged(result) for method, result in self._results.items()}
        if any(judged[m].is_stale != self._results[m].is_stale for m in judged):
            self._results = judged
            self.changed.emit()

    def _judged(self, result: Result) -> Result:
        key = self._keys.get(result.method)
        stale = key is not None and key() != result.key
        return replace(result, is_stale=stale)
