"""Undo: histories, and the order in which the window takes changes back."""

import pytest
from PySide6.QtCore import QObject, Signal

from kiview.viewmodels.history import MERGE_S, History
from kiview.viewmodels.undo import UndoViewModel


class Part(QObject):
    """A number with a history."""

    step_made = Signal()

    def __init__(self):
        super().__init__()
        self.value = 0
        self.history = History()

    @property
    def can_undo(self):
        return self.history.can_undo

    @property
    def can_redo(self):
        return self.history.can_redo

    def set(self, value):
        if self.history.record(self.value, f"{value}"):
            self.step_made.emit()
        self.value = value

    def undo(self):
        self.value = self.history.undo(self.value)

    def forget_undone(self):
        self.history.forget_undone()

    def redo(self):
        self.value = self.history.redo(self.value)


@pytest.fixture
def parts(qapp):  # noqa: ARG001
    return Part(), Part()


def test_that_changes_are_taken_back_in_the_opposite_order(parts):
    first, second = parts
    undo = UndoViewModel(first, second)
    first.set(1)
    second.set(2)
    first.set(3)
    seen = []
    while undo.can_undo:
        undo.undo()
        seen.append((first.value, second.value))
    assert seen == [(1, 2), (1, 0), (0, 0)]
    seen.clear()
    while undo.can_redo:
        undo.redo()
        seen.append((first.value, second.value))
    assert seen == [(1, 0), (1, 2), (3, 2)]


def test_that_a_history_that_was_cleared_is_passed_over(parts):
    first, second = parts
    undo = UndoViewModel(first, second)
    first.set(1)
    second.set(2)
    second.history.clear()
    undo.undo()
    assert (first.value, second.value) == (0, 2)
    assert not undo.can_undo


def test_that_a_change_of_another_kind_forgets_what_was_taken_back(parts):
    first, second = parts
    undo = UndoViewModel(first, second)
    first.set(1)
    undo.undo()
    assert undo.can_redo
    second.set(2)
    assert not undo.can_redo
    undo.redo()
    assert (first.value, second.value) == (0, 2)


def test_that_nothing_to_undo_is_no_error(parts):
    undo = UndoViewModel(*parts)
    undo.undo()
    undo.redo()
    assert not undo.can_undo


def test_that_quick_changes_of_one_control_are_one_step_and_slow_ones_are_not():
    now = [0.0]
    history = History(lambda: now[0])
    assert history.record(0, "slider")
    now[0] += 0.5 * MERGE_S
    assert not history.record(1, "slider")
    assert history.record(2, "other")
    now[0] += 2 * MERGE_S
    assert history.record(3, "other")
    assert [history.undo(4), history.undo(3), history.undo(2)] == [3, 2, 0]
    assert history.undo(0) == 0


def test_that_a_new_change_forgets_what_was_taken_back():
    history = History()
    history.record("a", "1")
    history.undo("b")
    assert history.can_redo
    history.record("a", "2")
    assert not history.can_redo
