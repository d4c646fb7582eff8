"""The standard's table is loaded piece by piece, and is the same."""

import json

import pytest
from highdicom import _standard_utils
from hypothesis import given
from hypothesis import strategies as st

from kiview.io.highdicom_tables import load_tables, parse_in_pieces

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _VALUES), st.sampled_from([None, 1, "\t"]))
def test_that_pieces_give_what_the_whole_gives(document, indent):
    assert parse_in_pieces(json.dumps(document, indent=indent)) == document


@pytest.mark.parametrize("text", ["", "[1]", '{"a" 1}', '{"a": 1 "b": 2}', '{"a": 1', '{"a": }'])
def test_that_text_that_is_no_object_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_in_pieces(text)


@pytest.mark.slow
def test_that_the_loaded_table_is_the_one_of_highdicom():
    _standard_utils.get_module_attribute_map.cache_clear()
    load_tables()
    loaded = _standard_utils.get_module_attribute_map()
    assert _standard_utils.get_module_attribute_map.cache_info().misses == 1
    assert _standard_utils.json is json
    _standard_utils.get_module_attribute_map.cache_clear()
    assert loaded == _standard_utils.get_module_attribute_map()


def test_that_a_highdicom_without_the_table_is_left_alone(monkeypatch):
    monkeypatch.delattr(_standard_utils, "get_module_attribute_map")
    load_tables()
