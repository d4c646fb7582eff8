"""One damaged input in a folder of its own, and the words of the program it is opened with."""

import io
import random
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from kiview import cli
from kiview.core.errors import KiviewError

DONE, FAILED, USAGE = 0, 1, 2


class UnsoundError(AssertionError):
    """What the program said or did about an input is not what it may."""


@dataclass
class Case:
    """Where one input lies and what was told about it.

    Attributes:
        rng: Decides what is damaged and how it is opened.
        input: Folder of the damaged files; nothing may be written there.
        seeds: Folder of all seeds; likewise.
        user: Folder of the user (`KIVIEW_USER_DIR`).
        out: Where commands write to.
        told: Every sentence: errors, findings, what went to stderr.
        errors: Texts of errors, as they were raised.
        accepted: Whether the input was used.
        damaged: Whether it is damaged at all, for kinds that are damaged while they are opened.
    """

    rng: random.Random
    input: Path
    seeds: Path
    user: Path
    out: Path
    told: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    accepted: bool = True
    damaged: bool = True

    def run(self, *words: str | Path) -> str:
        """Run `kiview` with these words; gives what went to stdout.

        Raises:
            UnsoundError: the exit code is none that may be, or a refusal gives no reason or leaves
                results.
        """
        shown, said = io.StringIO(), io.StringIO()
        before = sys.stderr
        sys.stderr = said
        try:
            with redirect_stdout(shown):
                code = cli.main([str(word) for word in words])
        finally:
            sys.stderr = before
        self.told.append(said.getvalue())
        for line in (shown.getvalue() + said.getvalue()).split("\n"):
            if not line.isprintable():
                raise UnsoundError(f"control characters for the terminal: {line!r}")
        if code != DONE:
            self.accepted = False
            # `models verify` is a report: what is wrong is its result.
            self._check_refusal(code, said.getvalue() or f"kiview: {shown.getvalue()}")
        return shown.getvalue()

    def _check_refusal(self, code: int, said: str) -> None:
        last = said.rstrip("\n").rsplit("\n", 1)[-1]
        if code not in (FAILED, USAGE):
            raise UnsoundError(f"exit code {code}")
        if not last.startswith("kiview: ") or len(last) < 20:
            raise UnsoundError(f"no reason: {last!r}")
        if self.out.exists() and any(self.out.iterdir()):
            raise UnsoundError("a refused command left results")

    def refuse(self, error: KiviewError) -> None:
        """Note that a reader refused the input."""
        self.accepted = False
        self.errors.append(str(error))
