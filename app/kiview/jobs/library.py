"""Work on the local library, as plain functions: record, list, remove, prune."""

from dataclasses import dataclass
from pathlib import Path

from kiview import paths
from kiview.core.kept import Kept
from kiview.core.progress import NullProgress, Progress
from kiview.core.study import Finding, Study
from kiview.io.cache_limit import PruneReport, forget, prune
from kiview.library.describe import record_of
from kiview.library.library import Library, LibraryListing, LibraryQuery
from kiview.library.records import LibraryStudy


@dataclass(frozen=True, slots=True, eq=False)
class RecordRequest:
    """What to put into the library.

    Attributes:
        study: The opened study.
        path: What was opened.
        library_file: The library; None takes the user's.
    """

    study: Study
    path: Path
    library_file: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KeepRequest:
    """What to keep with a study.

    Attributes:
        study: The opened study.
        path: What was opened.
        kept: What the user entered for it.
        library_file: The library; None takes the user's.
    """

    study: Study
    path: Path
    kept: Kept
    library_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What to list.

    Attributes:
        query: Words, order, limit.
        repair: Whether to check the whole library first: once per window.
        library_file: The library; None takes the user's.
    """

    query: LibraryQuery
    repair: bool = False
    library_file: Path | None = None


@dataclass(frozen=True, slots=True)
class RemoveRequest:
    """What to take out of the library.

    Attributes:
        library_id: The study.
        library_file: The library; None takes the user's.
        cache_folder: Where its voxels may lie; None takes the user's cache.
    """

    library_id: str
    library_file: Path | None = None
    cache_folder: Path | None = None


def record_study(
    request: RecordRequest, progress: Progress | None = None
) -> tuple[str, tuple[Finding, ...]]:
    """Put an opened study into the library, or bring its entry up to date.

    Returns:
        Its library id, and what was noticed about the library.

    Raises:
        ReadError: the library cannot be used.
        LibraryVersionError: it belongs to a newer KiView.
    """
    progress = progress or NullProgress()
    library = Library(request.library_file or paths.library_file())
    record = record_of(request.study, request.path, progress)
    progress.step(None, "Remembering the study")
    return library.record(record), library.findings


def keep_entered(request: KeepRequest, _progress: Progress | None = None) -> None:
    """Keep what the user entered for a study; short, so that it is not stopped halfway.

    Raises:
        ReadError: the library cannot be used.
        LibraryVersionError: it belongs to a newer KiView.
    """
    library = Library(request.library_file or paths.library_file())
    library.keep(record_of(request.study, request.path, None), request.kept)


def list_studies(request: ListRequest, progress: Progress | None = None) -> LibraryListing:
    """Search the library.

    Raises:
        ReadError: the library cannot be used.
        LibraryVersionError: it belongs to a newer KiView.
    """
    (progress or NullProgress()).step(None, "Looking through the library")
    library = Library(request.library_file or paths.library_file())
    if request.repair:
        library.repair()
    return library.search(request.query)


def find_study(library_id: str, library_file: Path | None = None) -> LibraryStudy | None:
    """The study with a library id, or None.

    Raises:
        ReadError: the library cannot be used.
        LibraryVersionError: it belongs to a newer KiView.
    """
    return Library(library_file or paths.library_file()).find(library_id)


def remove_study(request: RemoveRequest, progress: Progress | None = None) -> None:
    """Take a study out of the library and its voxels out of the cache; its files stay.

    Raises:
        InvalidInputError: there is no such study.
        ReadError: the library cannot be used.
        LibraryVersionError: it belongs to a newer KiView.
    """
    (progress or NullProgress()).step(None, "Removing from the library")
    library = Library(request.library_file or paths.library_file())
    keys = library.remove(request.library_id)
    forget(request.cache_folder or paths.voxel_cache_dir(), keys)


def prune_cache(limit_bytes: int, cache_folder: Path | None = None) -> PruneReport:
    """Bring the voxel cache below a size; open studies stay."""
    return prune(cache_folder or paths.voxel_cache_dir(), limit_bytes)
