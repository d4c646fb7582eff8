"""A study in a zip archive."""

from pathlib import Path

import pytest
from tests.helpers.archived_study import write_study
from tests.helpers.archives import zip_folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return zip_folder(tmp_path / "export.zip", write_study(tmp_path / "study"), "DOE_JANE_47")
