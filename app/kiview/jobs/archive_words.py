"""Tell a study that was unpacked from an archive in the names that the archive has."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from kiview.core.errors import KiviewError, MissingInformationError
from kiview.core.study import Series, Study
from kiview.io.zip_store import Unpacked


def in_words_of(unpacked: Unpacked, study: Study) -> Study:
    """The same study as the user knows its files.

    Files of series stay where they were unpacked, since exports read them; the study keeps them
    from being removed.

    Args:
        unpacked: Where the study was read from.
        study: As it was read.
    """
    return replace(
        study,
        series=tuple(_series(unpacked, series) for series in study.series),
        unused_files=tuple(
            (unpacked.shown(path), unpacked.told(reason)) for path, reason in study.unused_files
        ),
        files=(unpacked.archive,),
        hold=unpacked.hold,
    )


def _series(unpacked: Unpacked, series: Series) -> Series:
    told = unpacked.told
    image = series.image
    return replace(
        series,
        description=told(series.description),
        image=None if image is None else replace(image, description=told(image.description)),
        findings=tuple(replace(one, message=told(one.message)) for one in series.findings),
        facts=tuple(
            replace(one, value=told(one.value), source=told(one.source)) for one in series.facts
        ),
    )


@contextmanager
def errors_in_words_of(unpacked: Unpacked) -> Iterator[None]:
    """Errors inside the `with` statement name files as the archive does."""
    try:
        yield
    except MissingInformationError as error:
        raise MissingInformationError(unpacked.told(str(error)), error.fields) from error
    except KiviewError as error:
        raise type(error)(unpacked.told(str(error))) from error
