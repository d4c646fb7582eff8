"""Who validates: people drawn from a pool, whole and without repetition."""

import hashlib
from collections.abc import Iterable

from kitrain.groups import GroupError


def validation_fold(subjects: Iterable[str], count: int, draw: int) -> frozenset[str]:
    """The people of one validation split.

    The order depends on nothing but the ids, and draw k takes the k-th `count` people of it:
    another draw validates on people none of whom validated before.

    Args:
        subjects: Ids of the pool; repeated ids are one person.
        count: Number of people to validate on.
        draw: 0 for the first split, 1 for the next.

    Raises:
        GroupError: the pool is too small for so many splits.
    """
    known = in_order(subjects)
    first = draw * count
    if count < 1 or first + count > len(known) or count >= len(known):
        raise GroupError(
            f"{len(known)} people are too few for validation split {draw + 1} of {count} people"
            " each with somebody left to train on; add people or validate on fewer."
        )
    return frozenset(known[first : first + count])


def in_order(subjects: Iterable[str]) -> list[str]:
    """People once each, in an order that depends on nothing but their ids."""
    return sorted(set(subjects), key=_place)


def _place(subject: str) -> str:
    return hashlib.sha256(subject.encode("utf-8")).hexdigest()
