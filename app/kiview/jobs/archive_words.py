"""Tell a study that was unpacked from an archive in the names that the archive has."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from kiview.core.arriving import ArrivingImage
from kiview.core.errors import KiviewError, MissingInformationError
from kiview.core.images import DynamicImage
from kiview.core.progress import Progress
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
        region_objects=tuple(
            replace(one, shown=unpacked.shown(one.path)) for one in study.region_objects
        ),
        hold=unpacked.hold,
    )


class InWordsOf(Progress):
    """Hands images out that can be looked at early, in the names that the archive has."""

    def __init__(self, unpacked: Unpacked, progress: Progress) -> None:
        self._unpacked, self._progress = unpacked, progress
        self._told: tuple[DynamicImage, DynamicImage] | None = None

    def step(self, fraction: float | None, message: str) -> None:
        """Report, with the names that files have in the archive."""
        self._progress.step(fraction, self._unpacked.told(message))

    def offer(self, early: object) -> bool:
        """Hand it out; frames of one image stay those of one image."""
        if isinstance(early, ArrivingImage):
            if self._told is None or self._told[0] is not early.image:
                self._told = early.image, _image(self._unpacked, early.image)
            early = replace(early, image=self._told[1])
        return self._progress.offer(early)


def _image(unpacked: Unpacked, image: DynamicImage) -> DynamicImage:
    return replace(image, description=unpacked.told(image.description))


def _series(unpacked: Unpacked, series: Series) -> Series:
    told = unpacked.told
    return replace(
        series,
        description=told(series.description),
        image=None if series.image is None else _image(unpacked, series.image),
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
