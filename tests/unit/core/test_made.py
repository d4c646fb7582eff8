"""When and by whom a result was computed."""

import getpass
from datetime import UTC, datetime, timedelta

import pytest

from kiview.core.made import made_now


def test_that_the_time_is_utc_and_iso_8601():
    before = datetime.now(UTC)
    at = datetime.fromisoformat(made_now().at)
    assert at.utcoffset() == timedelta(0)
    assert at.microsecond == 0
    assert before - timedelta(seconds=1) <= at <= datetime.now(UTC)


def test_that_the_login_name_is_taken(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "rmeyer")
    assert made_now().by == "rmeyer"


@pytest.mark.parametrize("error", [KeyError, OSError, ImportError])
def test_that_an_account_without_a_name_is_nobody(monkeypatch, error):
    def nobody():
        raise error("no entry")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert made_now().by == ""
