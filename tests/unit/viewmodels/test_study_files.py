"""Files that were not used: where they are, why, and what must not be told."""

import os

from kiview.core.study import PatientInfo, Study
from kiview.viewmodels.study_files import unused_files, unused_summary, unused_text

ROOT = os.path.join(os.sep, "data", "study")  # noqa: PTH118 - as the scan tells paths


def study(*unused):
    return Study("1", PatientInfo(), (), unused_files=unused, source=ROOT)


def below(*parts):
    return os.path.join(ROOT, *parts)  # noqa: PTH118


def test_that_paths_are_told_within_the_study_and_others_by_name_only():
    made = study((below("ct", "a.dcm"), "is no PET"), (f"{ROOT}-other{os.sep}b.txt", "is no image"))
    inside = os.path.join("ct", "a.dcm")  # noqa: PTH118
    assert unused_files(made) == ((inside, "is no PET"), ("b.txt", "is no image"))


def test_that_the_summary_counts_reasons_most_common_first():
    made = study(
        (below("a"), "is no image"), (below("b"), "is a copy"), (below("c"), "is no image")
    )
    assert unused_summary(made) == "3 files were not used. 2: is no image; 1: is a copy."
    assert unused_summary(study()) == "Every file of this study was used."
    assert unused_summary(study((below("a"), "is empty"))).startswith("1 file was not used")


def test_that_many_reasons_are_not_all_listed_in_the_summary():
    made = study(*((below(str(n)), f"reason {n}") for n in range(7)))
    assert unused_summary(made).endswith("3 other reasons below.")


def test_that_the_list_is_copied_with_every_file_and_reason():
    made = study((below("a.dcm"), "is a copy"), (below("b.dcm"), "is damaged"))
    assert unused_text(made) == "path\treason\na.dcm\tis a copy\nb.dcm\tis damaged\n"


def test_that_the_summary_names_no_folder_of_a_patient():
    made = study((below("DOE^JANE_4711", "a.dcm"), "is a copy"))
    assert "DOE^JANE" in unused_text(made)
    assert "DOE" not in unused_summary(made)
