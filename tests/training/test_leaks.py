from dataclasses import replace

import pytest

from kitrain.data import POOL_SEEDS, TEST_SEEDS, split_of
from kitrain.group_file import save_group
from kitrain.leaks import LeakError, check_entries, check_splits
from kitrain.manifest import GroupEntry
from tests.training.slabs import fake_group


def entry(number: int, **changes) -> GroupEntry:
    seed = POOL_SEEDS[number]
    plain = GroupEntry(
        file=f"group-{number}.npz",
        sha256=f"{number:064d}",
        subject=f"sim-{seed}",
        scan=f"scan-{number}",
        origin="simulated",
        seed=seed,
        slices=(f"slice-{number}-a", f"slice-{number}-b"),
        references={"direct": "nested EM"},
        reference_networks={},
        curve_source="true",
    )
    return replace(plain, **changes)


def judged(number: int, **changes) -> GroupEntry:
    seed = TEST_SEEDS[number]
    return entry(1000 + number, **{"seed": seed, "subject": f"sim-{seed}", **changes})


def splits(**changes):
    plain = {"train": [entry(0), entry(1)], "validation": [entry(2)], "test": [judged(0)]}
    return {**plain, **changes}


def test_that_clean_splits_pass():
    check_entries(splits())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"validation": [entry(2, subject=entry(1).subject)]},
            rf"same person .*sim-{POOL_SEEDS[1]} in train and validation",
        ),
        (
            {"test": [judged(0, scan="scan-1")]},
            "same scan .*scan-1 in test and train",
        ),
        (
            {"test": [judged(0, slices=("x", "slice-0-b"))]},
            r"same frames .*group-0\.npz \(train\) = group-1000\.npz \(test\)",
        ),
        (
            {"train": [entry(0), entry(1, seed=TEST_SEEDS[7])]},
            rf"group-1\.npz \(seed {TEST_SEEDS[7]}\) in train",
        ),
        (
            {"test": [judged(0, seed=POOL_SEEDS[9])]},
            rf"seed {POOL_SEEDS[9]}\) in test",
        ),
        (
            {"train": [entry(0, reference_networks={"direct": "ki-fdg-torso-1"})]},
            r"group-0\.npz \(direct by ki-fdg-torso-1\)",
        ),
        (
            {"train": [entry(0, references={"direct": "Network, tied"})]},
            r"direct by Network, tied",
        ),
    ],
)
def test_that_each_leak_fails_with_names(changes, told):
    with pytest.raises(LeakError, match=told):
        check_entries(splits(**changes))


def test_that_added_groups_need_no_seed_but_are_checked_all_the_same():
    real = entry(5, origin="added", seed=None, subject="a1b2")
    check_entries(splits(train=[real]))
    with pytest.raises(LeakError, match="a1b2"):
        check_entries(splits(train=[real], validation=[replace(real, scan="other", slices=())]))


def test_that_parts_of_one_scan_may_be_in_one_split():
    check_entries(splits(train=[entry(0), entry(1, scan="scan-0", subject=entry(0).subject)]))


def test_that_many_offenders_are_counted():
    everyone = [entry(n) for n in range(9)]
    with pytest.raises(LeakError, match="and 4 more"):
        check_entries({"train": everyone, "validation": everyone})


def test_that_the_files_of_a_split_are_what_is_checked(tmp_path):
    """The same scan saved twice under other people's names is found by its content."""
    group = fake_group()
    twin = replace(group, identity=replace(group.identity, subject="sim-2", scan="scan-2"))
    made = []
    for name, part in (("train", group), ("validation", twin)):
        path = tmp_path / f"{name}.npz"
        save_group(part, path)
        made.append(split_of(name, [path], tmp_path / f"{name}.manifest.json"))
    with pytest.raises(LeakError, match=r"same frames .*train\.npz"):
        check_splits(*made)
    with pytest.raises(LeakError, match="same name"):
        check_splits(made[0], made[0])
