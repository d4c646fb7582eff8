"""ECAT 7 files that are packed, cut, damaged or of a kind that is not read: told in a sentence."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.ecat_factory import BLOCK, CALIBRATION, stored, write_ecat, written
from tests.helpers.opening import codes, image_of, read

from kiview.core.errors import KiviewError, ReadError
from kiview.jobs.open_study import OpenRequest, open_study


def test_that_packed_files_read_the_same(tmp_path):
    path = written(tmp_path)
    packed = tmp_path / "other.v.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for t in range(3):
        np.testing.assert_array_equal(
            image_of(read(packed)).store.frame(t), image_of(read(path)).store.frame(t)
        )


@pytest.mark.parametrize("length", [100, 600, 1100, 1600, 2040, -700, -300])
def test_that_files_cut_off_say_so(length, tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(KiviewError, match=r"cut off|no ECAT 7 image"):
        read(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.98])
def test_that_packed_files_cut_off_say_so(share, tmp_path):
    frames = np.random.default_rng(1).integers(0, 3000, (3, 4, 5, 6)).astype(np.int16)
    whole = gzip.compress(written(tmp_path, stored=frames).read_bytes())
    packed = tmp_path / "pet.v.gz"
    packed.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ReadError, match=r"cut off|damaged|no DICOM"):
        read(packed)


def altered(path: Path, place: int, content: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("place", "content", "told"),
    [
        (BLOCK, struct.pack(">i", 7), "list of frames"),
        (BLOCK + 4, struct.pack(">i", 3), "list of frames"),
        (BLOCK + 20, struct.pack(">i", 2_000_000_000), "cut off"),
        (BLOCK + 20, struct.pack(">i", 0), "list of frames"),
        (2 * BLOCK + 4, struct.pack(">H", 0), "different size"),
        (2 * BLOCK, struct.pack(">H", 4), "different size or number type"),
        (2 * BLOCK + 26, struct.pack(">f", float("nan")), "scale factor"),
        (50, struct.pack(">H", 11), "sinogram"),
    ],
)
def test_that_damage_is_told_in_a_sentence(place, content, told, tmp_path):
    with pytest.raises(KiviewError, match=told):
        read(altered(written(tmp_path), place, content))


def test_that_a_list_that_points_back_ends(tmp_path):
    """nibabel's reader never comes back from this one."""
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0" * BLOCK)
    last = path.stat().st_size // BLOCK
    altered(path, BLOCK + 4, struct.pack(">i", last))
    altered(path, (last - 1) * BLOCK, struct.pack(">4i", 31, last, 0, 0))
    with pytest.raises(ReadError, match="points back to itself"):
        read(path)


def test_that_numbers_of_a_vax_gates_and_beds_are_refused(tmp_path):
    with pytest.raises(KiviewError, match="numbers of type 2"):
        read(written(tmp_path, sub={"data_type": 2}))
    gates = [((t + 1) << 24) + (1 << 16) + 1 for t in range(3)]
    with pytest.raises(KiviewError, match="3 gates"):
        read(written(tmp_path, ids=gates))
    beds = [(1 << 24) + (1 << 16) + (t << 12) + 1 for t in range(3)]
    with pytest.raises(KiviewError, match="3 bed positions"):
        read(written(tmp_path, ids=beds))


def test_that_random_damage_never_gives_another_error(tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(20261126)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(0, 4 * BLOCK)] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            read(path)
            outcomes["read"] += 1
        except KiviewError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 5


def test_that_deleted_frames_are_left_out_and_told(tmp_path):
    status_of_third = BLOCK + 16 * 3 + 12
    for status in (-1, 0, 3):
        path = altered(written(tmp_path), status_of_third, struct.pack(">i", status))
        series = read(path)
        assert image_of(series).frame_count == 2
        assert "frames-missing" in codes(series)


def test_that_a_list_of_frames_may_go_on_in_another_block(tmp_path):
    start_s = [10.0 * t for t in range(40)]
    path = write_ecat(tmp_path / "pet.v", stored(40), start_s, [10.0] * 40)
    image = image_of(read(path))
    np.testing.assert_allclose(image.timing.start_s, start_s)
    assert image.store.frame(39).max() == pytest.approx(stored(40)[39].max() * CALIBRATION)


def test_that_no_room_is_made_for_voxels_that_are_not_there(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-400])
    request = OpenRequest(path, {}, tmp_path / "cache", memory_limit_bytes=0)
    with pytest.raises(ReadError, match="cut off in frame 3 of 3"):
        open_study(request)
    assert not (tmp_path / "cache").exists()
