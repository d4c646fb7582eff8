"""Settings check themselves and say what is allowed."""

import dataclasses

import pytest

from kiview.core.errors import InvalidInputError
from kiview.settings import schema
from kiview.settings.schema import Settings


def test_that_every_default_is_within_its_own_limits():
    for field in schema.fields():
        assert field.checked(field.default) == field.default


def test_that_every_setting_explains_itself_in_a_sentence():
    for field in schema.fields():
        assert field.help.label
        assert field.help.text.endswith(".")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("threads", -1, "between 0 and 256"),
        ("threads", 1.5, "whole number"),
        ("threads", True, "must be a number"),
        ("threads", float("nan"), "'Processor threads'"),
        ("suv_window_max", "seven", "must be a number"),
        ("suv_window_max", float("inf"), "between 0.1 and 1000 g/mL"),
        ("threads", 10**400, "between 0 and 256, not inf"),
        ("threads", -(10**400), "between 0 and 256, not -inf"),
        ("suv_window_max", 10**400, "between 0.1 and 1000 g/mL, not inf"),
        ("recent_folder", 3, "must be a text"),
        ("recent_folder", ["x" * 5000], "must be a text, not .'x{58}.$"),
    ],
)
def test_that_a_value_outside_its_limits_is_refused_with_the_limits(key, value, said):
    with pytest.raises(InvalidInputError, match=said):
        dataclasses.replace(Settings(), **{key: value})


def test_that_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(InvalidInputError, match="40 min is not before 30 min"):
        Settings(patlak_start_min=40.0, patlak_end_min=30.0)


def test_that_a_whole_number_for_a_real_setting_becomes_a_float():
    settings = Settings(suv_window_max=5)
    assert isinstance(settings.suv_window_max, float)
