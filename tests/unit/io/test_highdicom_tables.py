"""The standard's table is loaded piece by piece, and is the same."""

import gc
import io
import json
import pkgutil
import threading
import time

import pytest
from highdicom import _standard_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiview.io import highdicom_tables
from kiview.io.highdicom_tables import load_tables, parse_in_pieces

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


_REFUSED = [
    "",
    "[1]",
    '{"a" 1}',
    '{"a": 1 "b": 2}',
    '{"a": 1',
    '{"a": }',
    '{"a": [1',
    '{"a": [1 2]',
]


@pytest.fixture(params=[1, 3, 1 << 16])
def characters_at_a_time(request, monkeypatch):
    monkeypatch.setattr(highdicom_tables, "_PIECE", request.param)
    monkeypatch.setattr(highdicom_tables, "_BREATH_S", 0.0)


@pytest.mark.usefixtures("characters_at_a_time")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(), _VALUES), st.sampled_from([None, 1, "\t"]))
def test_that_pieces_give_what_the_whole_gives(document, indent):
    assert parse_in_pieces(io.StringIO(json.dumps(document, indent=indent))) == document


@pytest.mark.usefixtures("characters_at_a_time")
@pytest.mark.parametrize("text", _REFUSED)
def test_that_text_that_is_no_object_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_in_pieces(io.StringIO(text))


def test_that_something_can_be_done_after_every_member():
    seen = []
    parse_in_pieces(io.StringIO('{"a": [1, 2], "b": 3}'), lambda: seen.append(len(seen)))
    assert seen == [0, 1]


@pytest.mark.slow
def test_that_a_collection_meanwhile_finds_few_objects():
    """The window collects young garbage while others work; half a million objects take 0.3 s."""
    _standard_utils.get_module_attribute_map.cache_clear()
    worker = threading.Thread(target=load_tables)
    most = 0
    gc.disable()
    try:
        worker.start()
        while worker.is_alive():
            most = max(most, gc.get_count()[0])
            time.sleep(0.001)
    finally:
        worker.join()
        gc.enable()
    assert 0 < most < 50_000


@pytest.mark.slow
def test_that_the_loaded_table_is_the_one_of_highdicom():
    _standard_utils.get_module_attribute_map.cache_clear()
    load_tables()
    loaded = _standard_utils.get_module_attribute_map()
    assert _standard_utils.get_module_attribute_map.cache_info().misses == 1
    assert _standard_utils.json is json
    assert _standard_utils.pkgutil is pkgutil
    _standard_utils.get_module_attribute_map.cache_clear()
    whole = _standard_utils.get_module_attribute_map()
    assert loaded == {name: whole[name] for name in loaded}
    assert {"patient", "pet-image", "parametric-map-multi-frame-functional-groups"} <= set(loaded)
    assert len(loaded) < 0.3 * len(whole)
    _standard_utils.get_module_attribute_map.cache_clear()


def test_that_a_highdicom_without_the_table_is_left_alone(monkeypatch):
    monkeypatch.delattr(_standard_utils, "get_module_attribute_map")
    load_tables()
