"""What is shown early of a zip archive has the names that the archive has."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from tests.helpers.archives import zip_folder
from tests.helpers.phantoms import asymmetric_phantom

from kiview.core.arriving import ArrivingImage
from kiview.core.progress import Progress
from kiview.jobs.open_study import OpenRequest, open_study

PHANTOM = asymmetric_phantom((3, 4, 5), 3)


class Watcher(Progress):
    """Keeps what is offered, and what is said, before the study is open."""

    def __init__(self) -> None:
        self.offered: list[ArrivingImage] = []
        self.said: list[str] = []

    def step(self, _fraction: float | None, message: str) -> None:
        self.said.append(message)

    def offer(self, early: object) -> bool:
        assert isinstance(early, ArrivingImage)
        self.offered.append(early)
        return True


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    voxels = np.moveaxis(PHANTOM.astype(np.float32), 0, -1).transpose(2, 1, 0, 3)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-2.0, -2.0, 2.0, 1.0])), folder / "scan.nii")
    sidecar = {"FrameTimesStart": [0, 60, 120], "FrameDuration": [60] * 3, "Units": "Bq/mL"}
    (folder / "scan.json").write_text(json.dumps(sidecar))
    return zip_folder(tmp_path / "export.zip", folder)


def test_that_an_image_of_an_archive_is_shown_early_under_its_own_name(archive: Path) -> None:
    watcher = Watcher()
    request = OpenRequest(archive, {}, archive.parent / "cache", memory_limit_bytes=0)
    study = open_study(request, watcher)
    assert [sorted(early.frames) for early in watcher.offered] == [[2], [1, 2], [0, 1, 2]]
    first = watcher.offered[0].image
    assert all(early.image is first for early in watcher.offered)  # else it looks like another
    assert first.description == "scan.nii"
    whole = study.series[0].image
    assert whole is not None
    assert (first.series_uid, first.description) == (whole.series_uid, whole.description)
    np.testing.assert_allclose(first.store.frame(1), PHANTOM[1], rtol=1e-6)
    assert watcher.said
    assert not any(str(archive.parent / "cache") in text for text in watcher.said)
