"""When a result was computed and who asked for it."""

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Made:
    """When and by whom; nothing that changes the numbers of a result.

    Attributes:
        at: UTC as ISO 8601, for example `2026-01-31T09:30:00+00:00`.
        by: Login name in the operating system, empty where it has none; never the patient.
    """

    at: str
    by: str


def made_now() -> Made:
    """Now, by whom the program runs as."""
    return Made(datetime.now(UTC).isoformat(timespec="seconds"), _login_name())


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # as a container without an account raises
        return ""
