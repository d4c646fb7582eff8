"""Progress of long work, declared low and supplied from above."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass


class Cancelled(Exception):
    """Raised inside long work at the next step after a stop request. Not an error."""


class Progress(ABC):
    """Where long work reports how far it is and learns that it should stop."""

    @abstractmethod
    def step(self, fraction: float | None, message: str) -> None:
        """Report progress and stop here when asked to.

        Args:
            fraction: Share of the work done, 0 to 1, or None while it is unknown.
            message: What is being done, short, for a status line.

        Raises:
            Cancelled: the user asked to stop.
        """

    def offer(self, early: object) -> bool:  # noqa: ARG002 - for those who take it
        """Hand out what can be looked at before the work is done.

        Args:
            early: Replaces what was handed out before; never changes what the work returns.

        Returns:
            Whether anybody takes it.
        """
        return False

    def child(self, start: float, end: float) -> "Progress":
        """Progress of one part of this work, mapped to the range `start` to `end` (0 to 1)."""
        return _PartOfProgress(self, start, end)


class NullProgress(Progress):
    """Progress nobody watches and nobody stops."""

    def step(self, fraction: float | None, message: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class CallbackProgress(Progress):
    """Progress that calls a function and asks another whether to stop.

    Attributes:
        report: Called with (fraction, message).
        stop_requested: Asked at each step; True raises `Cancelled`.
    """

    report: Callable[[float | None, str], None]
    stop_requested: Callable[[], bool] = bool

    def step(self, fraction: float | None, message: str) -> None:
        """Report, or raise `Cancelled` after a stop request."""
        if self.stop_requested():
            raise Cancelled
        self.report(fraction, message)


@dataclass(frozen=True, slots=True)
class _PartOfProgress(Progress):
    parent: Progress
    start: float
    end: float

    def step(self, fraction: float | None, message: str) -> None:
        done = 0.0 if fraction is None else fraction
        self.parent.step(self.start + (self.end - self.start) * done, message)

    def offer(self, early: object) -> bool:
        return self.parent.offer(early)
