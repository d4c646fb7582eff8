"""Watches one input: no other exception, no leak, no hang, not too much memory, no stray file."""

import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kiview import cli, paths
from kiview.core.errors import KiviewError
from kiview.io import scan_cache
from tests.fuzz.case import Case, UnsoundError
from tests.fuzz.kinds import KINDS, Kind
from tests.fuzz.seeds import MARKER

MOST_SECONDS = 10.0
"""Of the processor, for one input."""
MOST_BYTES = 2 << 30
"""Resident at once, while one input is opened."""
LONGEST_SENTENCE = 1000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset(["os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.chmod"])
_HANDLERS = ("_info", "_curve", "_map", "_compare", "_models", "_library", "_doctor")


@dataclass(frozen=True)
class Outcome:
    """What came of one input.

    Attributes:
        kind: Of the input.
        result: `accepted`, `refused` or `failed`.
        reason: Why it failed, else the last sentence of a refusal.
        seconds: By the clock.
        processor_s: Of the processor.
        peak_bytes: Largest resident memory.
    """

    kind: str
    result: str
    reason: str
    seconds: float
    processor_s: float
    peak_bytes: int


@dataclass
class Watch:
    """Everything that happens beside what the opener returns."""

    allowed: tuple[str, ...] = ()
    on: bool = False
    strays: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    caught: list[str] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)

    def reset(self, allowed: tuple[str, ...]) -> None:
        """Begin a new input."""
        self.allowed = allowed
        for one in (self.strays, self.logged, self.errors, self.caught, self.noise):
            one.clear()

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """Note every change that Python makes to a file elsewhere."""
        if not self.on:
            return
        if event == "open":
            path, _mode, flags = arguments
            if isinstance(flags, int) and flags & _WRITING and isinstance(path, str | bytes):
                self._note(path)
        elif event in _CHANGES:
            count = 2 if event in ("os.rename", "os.link") else 1
            folders = arguments[-count:]
            for path, folder in zip(arguments[:count], folders, strict=True):
                if isinstance(path, str | bytes):
                    self._note(path, folder if isinstance(folder, int) else -1)

    def _note(self, path: str | bytes, folder: int = -1) -> None:
        """Note a path, which may be relative to an open folder."""
        here = str(Path(f"/proc/self/fd/{folder}").readlink()) if folder >= 0 else ""
        full = os.path.abspath(os.path.join(here, os.fsdecode(path)))  # noqa: PTH100, PTH118 - also of what is not there
        if full != os.devnull and not full.startswith(self.allowed):
            self.strays.append(full)


class _Logged(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += " Traceback"
        if record.levelno >= logging.WARNING and not _has_handlers(record.name):
            self._watch.noise.append(f"{record.name}: {text}")  # Python would print it
        self._watch.logged.append(f"{record.name} {record.levelname}: {text}")


def _has_handlers(name: str) -> bool:
    """Whether a logger has handlers, its own or of one above, beside those of this module."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger.parent is not None:
        if logger.handlers:
            return True
        logger = logger.parent
    return False


WATCH = Watch()


def install() -> None:
    """Prepare this process: it is used for nothing else afterwards."""
    sys.dont_write_bytecode = True
    sys.addaudithook(WATCH.audit)
    logging.getLogger().addHandler(_Logged(WATCH))
    logging.getLogger("kiview").addHandler(logging.NullHandler())  # as the program does
    logging.getLogger("kiview").setLevel(logging.DEBUG)
    scan_cache.FEWEST_FILES = 1
    for name in _HANDLERS:
        setattr(cli, name, _listened(getattr(cli, name)))
    cli._os_reason = _not_told(cli._os_reason)


def _listened(handler):
    """A subcommand whose error texts are noted as they are raised."""

    def run(given, progress):
        try:
            return handler(given, progress)
        except KiviewError as error:
            WATCH.errors.append(str(error))
            raise
        except MemoryError:
            WATCH.caught.append(traceback.format_exc())
            raise

    return run


def _not_told(function):
    """The program's last resort for errors of the system, which no input may need."""

    def reason(error: OSError) -> str:
        WATCH.caught.append("".join(traceback.format_exception(error)))
        return function(error)

    return reason


@dataclass(frozen=True)
class Task:
    """One input to be tried.

    Attributes:
        number: Of the input; below 0 it stays sound.
        kind: Key of `KINDS`.
        saved: Folder of damaged files that are laid over the seeds, in place of new damage.
    """

    number: int
    kind: str
    saved: Path | None = None


def examine(task: Task, seed: int, place: Path, seeds: Path) -> Outcome:
    """Damage and open an input; the same one for the same seed and number.

    Args:
        task: What to try.
        seed: Of the run.
        place: Folder for this input alone, not there yet.
        seeds: Folder with the seeds of all kinds.
    """
    kind, rng = KINDS[task.kind], random.Random(f"{seed}/{task.kind}/{task.number}")
    shutil.copytree(seeds / kind.seed, place / "input")
    case = Case(rng, place / "input", seeds, place / "user", place / "out" / "result")
    case.damaged = task.number >= 0
    if task.saved is not None:
        shutil.copytree(task.saved, case.input, dirs_exist_ok=True)
    elif case.damaged:
        kind.damage(case)
    return opened(case, task.kind, place)


def opened(case: Case, kind_name: str, place: Path) -> Outcome:
    """Open a damaged input under watch."""
    kind = KINDS[kind_name]
    own = _prepare(case, kind, place)
    before, said = _tree(case), _stderr_bytes()
    started, used = time.perf_counter(), time.process_time()
    _reset_peak()
    try:
        with _limited():
            WATCH.on = True
            kind.open(case)
        reason = ""
    except UnsoundError as error:
        reason = f"unsound: {error}"
    except BaseException:  # noqa: BLE001 - whatever comes out is what is looked for
        reason = traceback.format_exc()
    finally:
        WATCH.on = False
    processor_s = time.process_time() - used
    if _stderr_bytes() > said:
        WATCH.noise.append("lines on the stderr of the process")
    seconds, peak = time.perf_counter() - started, peak_bytes()
    reason = reason or _complaint(case, own, before, peak, processor_s)
    result = "failed" if reason else ("accepted" if case.accepted else "refused")
    told = [*WATCH.errors, *case.errors]
    return Outcome(
        kind_name, result, reason or (told[-1] if told else ""), seconds, processor_s, peak
    )


def _prepare(case: Case, kind: Kind, place: Path) -> tuple[str, ...]:
    """Give the program folders of its own; those it may write in."""
    case.out.parent.mkdir()
    case.user.mkdir()
    for name in ("home", "tmp", "here"):
        (place / name).mkdir()
    os.chdir(place / "here")
    os.environ.update(HOME=str(place / "home"), KIVIEW_USER_DIR=str(case.user))
    os.environ.update(TMPDIR=str(place / "tmp"))
    tempfile.tempdir = str(place / "tmp")
    may = ("cache", *kind.writes)
    for name in kind.writes:
        (case.user / name).mkdir(parents=True)
    own = (*(str(case.user / name) for name in may), str(case.out.parent))
    # Temporary files are allowed while they are used: none may be left.
    WATCH.reset((*own, str(place / "tmp")))
    return own


def _tree(case: Case) -> dict[str, tuple[int, int]]:
    """Size and time of every file that is not to be touched."""
    found = {}
    for root in (case.input.parent, case.seeds, paths.resources_dir()):
        for folder, _folders, files in os.walk(root):
            for name in files:
                path = os.path.join(folder, name)  # noqa: PTH118 - thousands of them
                status = os.lstat(path)
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


def _complaint(
    case: Case, own: tuple[str, ...], before: dict[str, tuple[int, int]], peak: int, used_s: float
) -> str:
    """What is wrong with how an input was taken, or an empty text."""
    after = _tree(case)
    changed = [
        path
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path) and not path.startswith(own)
    ]
    told = [*case.told, *case.errors, *WATCH.errors, *WATCH.logged]
    checks = (
        (WATCH.noise, lambda: f"a library speaks to the user: {WATCH.noise[:3]}"),
        (WATCH.caught, lambda: f"an error of the system reached the top: {WATCH.caught[0]}"),
        (changed or WATCH.strays, lambda: f"files changed: {[*changed, *WATCH.strays][:5]}"),
        (peak > MOST_BYTES, lambda: f"{peak >> 20} MB of memory"),
        (used_s > MOST_SECONDS, lambda: f"{used_s:.1f} s"),
        (any(MARKER in text.lower() for text in told), lambda: f"patient told: {told}"),
        (any("Traceback" in text for text in told), lambda: f"traceback told: {told}"),
    )
    for found, text in checks:
        if found:
            return text()
    return next(filter(None, map(_bad_sentence, [*case.errors, *WATCH.errors])), "")


def _bad_sentence(text: str) -> str:
    """What is wrong with the sentence of an error, or an empty text."""
    if not text.isprintable():
        return f"a sentence in more than one line, or with control characters: {text!r}"
    if not text.endswith("."):
        return f"no sentence: {text!r}"
    if len(text) > LONGEST_SENTENCE:
        return f"a sentence of {len(text)} characters: {text[:300]!r}"
    return ""


@contextmanager
def _limited() -> Iterator[None]:
    """End the process where one input takes too much time of the processor."""
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS + 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def limit_memory(extra_bytes: int) -> None:
    """Let the process ask for so much more memory than it has now, so that it cannot harm."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _stderr_bytes() -> int:
    """How much the process itself, not the program, wrote to stderr where that is a file."""
    return os.fstat(2).st_size


def _reset_peak() -> None:
    """Forget the largest memory so far, where the system can."""
    if sys.platform == "linux":
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("5")


def peak_bytes() -> int:
    """Largest resident memory since the last input, or since the start where no more is known."""
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
