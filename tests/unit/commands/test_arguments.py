"""Words of the command line become checked values."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiview.commands import arguments
from kiview.commands.arguments import InputWord, MergeWord, Method
from kiview.commands.terminal import UsageError
from kiview.jobs.export import ExportFormat


@given(
    st.floats(0, 500, allow_nan=False).map(lambda v: round(v, 3)),
    st.floats(0.01, 500).map(lambda v: round(v, 3)),
)
def test_that_a_window_in_minutes_becomes_seconds(start, length):
    end = round(start + max(length, 0.01), 3)
    first, last = arguments.window_s(f"{start!r}-{end!r}")
    assert first == pytest.approx(60 * start)
    assert last == pytest.approx(60 * end)


@pytest.mark.parametrize(
    "text", ["", "30", "30-", "-30", "60-30", "30-30", "a-b", "nan-60", "0-inf", "30 60", "-5-60"]
)
def test_that_what_is_no_window_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="for example 30-60"):
        arguments.window_s(text)


@pytest.mark.parametrize(
    ("text", "length_s", "start_s"),
    [("10", 600, None), ("10@30", 600, 1800), ("2.5@0", 150, 0), ("20@40.5", 1200, 2430)],
)
def test_that_a_merge_in_minutes_becomes_seconds(text, length_s, start_s):
    assert arguments.merge_word(text) == MergeWord(length_s, start_s)


@pytest.mark.parametrize(
    "text", ["", "@", "10@", "@30", "0", "0@30", "-5", "10@-3", "nan", "inf", "10@inf", "10min"]
)
def test_that_what_is_no_merge_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="for example 10@30"):
        arguments.merge_word(text)


def test_that_lists_of_words_keep_order_and_drop_repetition():
    read = arguments.words(ExportFormat)
    assert read("pm, nifti,pm") == (ExportFormat.PARAMETRIC_MAP, ExportFormat.NIFTI)
    with pytest.raises(argparse.ArgumentTypeError, match="choose from patlak, network"):
        arguments.words(Method)("patlak,")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("blood.tsv", InputWord("file", "blood.tsv")),
        ("Blood.CSV", InputWord("file", "Blood.CSV")),
        ("WholeBlood.txt", InputWord("file", "WholeBlood.txt")),
        ("a:b/blood.tsv", InputWord("file", "a:b/blood.tsv")),
        ("population", InputWord("population")),
        ("population:feng-fdg", InputWord("population", "feng-fdg")),
        ("aorta", InputWord("aorta")),
        ("aorta:C:/x.nii.gz", InputWord("aorta", "C:/x.nii.gz")),
        ("network", InputWord("network")),
    ],
)
def test_that_input_words_are_told_apart(text, word):
    assert arguments.input_word(text) == word


@pytest.mark.parametrize("text", ["network:one", "blood.xlsx", "Population"])
def test_that_other_inputs_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        arguments.input_word(text)


def test_that_entered_values_are_collected_by_name():
    words = [arguments.assignment(text) for text in ("weight_kg = 70", "injection_time=10:31")]
    assert arguments.overrides(words) == {"weight_kg": "70", "injection_time": "10:31"}
    assert arguments.overrides(None) == {}
    with pytest.raises(UsageError, match="weight_kg is given twice"):
        arguments.overrides([("weight_kg", "70"), ("weight_kg", "71")])


@pytest.mark.parametrize("text", ["weight_kg", "=70", "weight_kg=", " = "])
def test_that_half_an_assignment_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="name=value"):
        arguments.assignment(text)


def test_that_an_empty_path_is_not_the_present_folder():
    with pytest.raises(argparse.ArgumentTypeError, match="empty"):
        arguments.path("")
    assert arguments.path("maps").name == "maps"
