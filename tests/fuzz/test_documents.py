"""Documents that hypothesis invents: readers give a result or a sentence, nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kiview.core import input_record, roi
from kiview.core.errors import KiviewError
from kiview.core.geometry import VolumeGeometry
from kiview.io.curve_files import read_input_function
from kiview.io.curve_tables import parse_curves
from kiview.jobs.reproduce import read_recorded_run
from kiview.nets.weight_files import load_weight_set
from kiview.settings.store import load as load_settings
from tests.helpers.phantoms import axial_affine

GRID = VolumeGeometry((3, 4, 5), axial_affine())
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([10**400, -(10**400), 1e308, 2**31, -1, 0, 1e-320]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
POINT = st.one_of(VALUES, st.lists(NUMBERS, min_size=2, max_size=3))


def table(**fields: Any) -> st.SearchStrategy[Any]:
    """A dictionary in which any value may be another and any key absent."""
    return st.fixed_dictionaries({}, optional={k: st.one_of(v, VALUES) for k, v in fields.items()})


SHAPES = table(
    type=st.sampled_from(["sphere", "cylinder", "polygons"]),
    centre_lps_mm=POINT,
    points_lps_mm=st.lists(POINT, max_size=4),
    radius_mm=NUMBERS,
    plane=st.sampled_from(["axial", "coronal", "sagittal"]),
    thickness_mm=NUMBERS,
    contours=st.lists(table(position_mm=NUMBERS, points_uv_mm=st.lists(POINT, max_size=5))),
)
REGIONS = table(
    schema_version=st.just(1),
    regions=st.lists(
        table(id=st.text(), name=st.text(max_size=5), revision=NUMBERS, shape=SHAPES), max_size=3
    ),
)
TITLES = ["DFT", "time[min]", "plasma[kBq/cc]", "start[sec]", "end[Bq/cc]", "Times", "(min)"]
NUMERALS = ["0", "1", "30", "60", ".", "nan", "-inf", "1e308", "1e999"]
CELLS = st.one_of(
    st.sampled_from([*TITLES, "kBq/ml", "\t", "\n", "\n"]),
    st.sampled_from(NUMERALS),
    st.text(max_size=4),
)
TEXTS = st.lists(CELLS, max_size=40).map(" ".join)
FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sentence(work: Any, *given_: Any) -> str:
    """What an error says, or an empty text; any other exception fails the test."""
    told = ""
    try:
        work(*given_)
    except KiviewError as error:
        told = str(error)
    assert not told or (told.isprintable() and told.endswith("."))
    return told


@FEW
@given(REGIONS)
@example({"schema_version": 1, "regions": [{"revision": float("inf"), "shape": {}}]})
def test_that_any_region_document_gives_masks_or_a_sentence(document):
    def masks(value):
        return [one.rasterise(GRID) for one in roi.from_dict(value)]

    sentence(masks, document)


@FEW
@given(TEXTS)
def test_that_any_table_gives_curves_or_a_sentence(text):
    sentence(parse_curves, "curve.tac", text)


@FEW
@given(text=TEXTS, sidecar=VALUES)
def test_that_any_blood_table_and_sidecar_give_a_curve_or_a_sentence(tmp_path: Path, text, sidecar):
    path = tmp_path / "sub-01_blood.tsv"
    path.write_text(f"time\tplasma_radioactivity\n{text}", encoding="utf-8", errors="replace")
    path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
    sentence(read_input_function, path)


@FEW
@given(VALUES)
def test_that_any_record_of_a_curve_is_used_or_refused(record):
    sentence(input_record.from_record, record)


@pytest.mark.parametrize("reader", [read_recorded_run, lambda path: load_weight_set(path, ())])
@FEW
@given(document=VALUES)
def test_that_any_json_is_no_record_and_no_weight_set(tmp_path: Path, reader, document):
    path = tmp_path / "any.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert sentence(reader, path)


@FEW
@given(VALUES)
def test_that_any_settings_file_gives_settings(tmp_path: Path, document):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    loaded = load_settings(path)
    assert all(notice.isprintable() for notice in loaded.notices)
