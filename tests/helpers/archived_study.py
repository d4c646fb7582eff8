"""A study to be put into a zip archive, and what opening that leaves in the cache beside it."""

from pathlib import Path
from typing import Any

import pytest

from kiview.core.errors import KiviewError
from kiview.core.study import Study
from kiview.io.cache_limit import PLACING
from kiview.jobs.open_study import OpenRequest, open_study
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series, write_rubbish
from tests.helpers.dicom_patterns.facts import SeriesSpec
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

SHAPE = (3, 4, 5)
PHANTOM = asymmetric_phantom(SHAPE, 2)


def write_study(folder: Path) -> Path:
    """Two frames of PET, a CT and files that are no image, in a folder named after the patient."""
    write_dynamic_series(
        folder / "DOE_JANE" / "pet",
        "siemens",
        PHANTOM,
        axial_affine(),
        [5.0, 65.0],
        [60.0, 60.0],
        study_uid="1.2.3",
        scan_start_s=5.0,
    )
    ct = SeriesSpec(study_uid="1.2.3")
    write_ct_series(folder / "DOE_JANE" / "ct", PHANTOM[0] / 10, axial_affine(), ct)
    write_rubbish(folder / "DOE_JANE", ct)
    return folder


def cache_of(path: Path) -> Path:
    """Beside the archive, so that each test has its own."""
    return path.parent / "cache"


def opened(path: Path, **options: Any) -> Study:
    """The study, by way of the cache."""
    return open_study(OpenRequest(path, cache_folder=cache_of(path), **options))


def refusal(path: Path) -> KiviewError:
    """What is told of an archive that is not opened; it names the archive and leaves nothing."""
    with pytest.raises(KiviewError) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert left_behind(path) == []
    return caught.value


def left_behind(path: Path) -> list[str]:
    """What lies in the cache of a test besides its lock."""
    cache = cache_of(path)
    return [one.name for one in cache.iterdir() if one.name != PLACING] if cache.exists() else []
