"""Open a study as the user left it: with the values and merges that the library keeps for it."""

from dataclasses import replace
from pathlib import Path

from kiview import paths
from kiview.core.errors import KiviewError
from kiview.core.kept import NOTHING, Restored
from kiview.core.progress import NullProgress, Progress
from kiview.core.study import FileEntry, Study
from kiview.io.overrides import OverrideValue
from kiview.io.scan_cache import index_key
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.library.describe import source_of
from kiview.library.library import Library


class _KeptOf:
    """Asks the library about the study at a path, and remembers the answer."""

    def __init__(self, path: Path, library_file: Path) -> None:
        self._path, self._file = path, library_file
        self.restored = Restored()

    def look_up(self, uid: str, files: tuple[FileEntry, ...]) -> dict[str, OverrideValue]:
        """The values to read the study with."""
        if not self._file.exists():
            return {}
        library = Library(self._file)
        try:
            self.restored = library.kept(source_of(self._path), uid, index_key(files))
        except KiviewError as error:
            self.restored = Restored(reason=str(error))
        else:
            if library.findings:  # a damaged library was exchanged: nothing is kept any more
                self.restored = Restored(reason=library.findings[0].message)
        return dict(self.restored.kept.values)


def open_as_kept(
    request: OpenRequest, progress: Progress | None = None, library_file: Path | None = None
) -> Study:
    """Read a study with what the user had entered for these same files.

    Args:
        request: What to open; its own values do not count.
        progress: Told at each step; may raise `Cancelled`.
        library_file: The library; None takes the user's.

    Returns:
        The study; `restored` says what holds again and what was left out and why.

    Raises:
        KiviewError: as `open_study` without entered values.
    """
    progress = progress or NullProgress()
    kept_of = _KeptOf(request.path, library_file or paths.library_file())
    try:
        study = open_study(request, progress, kept_of.look_up)
    except KiviewError as error:
        kept = kept_of.restored.kept
        if not kept.values:
            raise
        study = open_study(replace(request, overrides={}), progress)
        return replace(study, restored=Restored(NOTHING, kept, str(error)))
    return replace(study, restored=kept_of.restored)
