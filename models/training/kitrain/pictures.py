"""A sheet of coronal and sagittal planes of one body by several methods, as PNG.

One column a method, one window for all, inverse grey, a millimetre as long across as down, head up.
In a coronal plane the person's right is on the left, in a sagittal one the front is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kitrain.groups import GroupError, Labels, Origin, Volume
from kitrain.records import GroupRecord
from kiview.core.errors import ExportError, GeometryMismatchError, InvalidInputError
from kiview.simulate.tissues import NOT_TISSUE

Grey = NDArray[np.uint8]
MM_PER_PIXEL = 1.5
_AROUND_MM, _RULER_MM = 12.0, 100.0
_HOT_SHARE, _TICKS = 0.995, 4
_NICE = (1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0)
_JUST_BELOW = 1 - 1e-6
"""Of a number that single precision may have rounded up."""
_EDGE, _GAP, _TITLE, _SIDE, _BAR_GAP, _BAR = 16, 12, 30, 26, 28, 14
_LARGE, _SMALL = 17, 14
_INK, _FAINT, _PAPER = (20, 20, 20), (110, 110, 110), (255, 255, 255)
_NO_TISSUE = tuple(int(label) for label in NOT_TISSUE)


@dataclass(frozen=True, slots=True)
class Planes:
    """Which planes of a volume are shown.

    Attributes:
        coronal: Index along y.
        sagittal: Index along x.
    """

    coronal: int
    sagittal: int


def richest_planes(lesions: Labels, body: Labels) -> Planes:
    """Planes that cut most lesions, and most of their voxels where several cut as many.

    Args:
        lesions: (z, y, x) 0 or the number of a lesion.
        body: (z, y, x) 1 inside; its middle is taken where there is no lesion.

    Raises:
        InvalidInputError: there is neither a lesion nor a body.
    """
    if lesions.any():
        return Planes(_richest(lesions, 1), _richest(lesions, 2))
    inside = np.argwhere(body > 0)
    if not len(inside):
        raise InvalidInputError("There is no body to show; check the body mask of the group.")
    _, y, x = inside.mean(axis=0)
    return Planes(round(float(y)), round(float(x)))


def hot_window(record: GroupRecord) -> float:
    """Upper end of a window in /min: the round number above 99.5 % of the true Ki of tissue."""
    tissue = (record.body > 0) & ~np.isin(record.labels, _NO_TISSUE)
    wanted = float(np.quantile(record.ki[tissue], _HOT_SHARE))
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(nice for nice in _NICE if nice * power > wanted * _JUST_BELOW) * power)


def picture_sheet(
    record: GroupRecord,
    maps: Mapping[str, Volume],
    planes: Planes | None = None,
    high_per_min: float | None = None,
) -> Image.Image:
    """Draw a sheet.

    Args:
        record: A simulated group; what surrounds its body is cut off.
        maps: (z, y, x) Ki in /min on the grid of the record by the name of the method (Latin
            letters), in the order of the columns.
        planes: What is shown; `richest_planes` if None.
        high_per_min: Ki shown black, 0 is white; `hot_window` if None.

    Returns:
        8-bit RGB.

    Raises:
        GroupError: the group is not simulated, so that nobody knows which way up it is.
        GeometryMismatchError: a map has another grid.
        InvalidInputError: there is no map, a map holds values that are not numbers, a plane lies
            outside the volume, or the window is not positive.
    """
    _check_maps(record, maps)
    planes = planes or richest_planes(record.lesions, record.body)
    high = hot_window(record) if high_per_min is None else high_per_min
    _, y, x = record.body.shape
    if not (0 <= planes.coronal < y and 0 <= planes.sagittal < x and high > 0):
        raise InvalidInputError(
            f"{planes} up to {high:g} /min cannot be shown; choose planes inside"
            f" {y} x {x} pixels (y, x) and a window above 0."
        )
    rows = [
        _Row(name, ends, [_picture(v[cut], spacing, high) for v in maps.values()])
        for name, ends, cut, spacing in _cuts(record, planes)
    ]
    return _Sheet(list(maps), rows).drawn(high)


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as PNG.

    Raises:
        ExportError: the file cannot be written.
    """
    try:
        sheet.save(path, format="PNG", optimize=True)
    except OSError as error:
        raise ExportError(
            f"The picture {path} cannot be written ({error.strerror or error}); choose a folder"
            " that can be written."
        ) from error


def _check_maps(record: GroupRecord, maps: Mapping[str, Volume]) -> None:
    if record.identity.origin != Origin.SIMULATED:
        raise GroupError(
            f"{record.identity.scan} was added, and groups do not keep which way up a scan lies;"
            " export its maps and look at them in the program."
        )
    if not maps:
        raise InvalidInputError("A sheet needs at least one map.")
    for name, values in maps.items():
        if values.shape != record.body.shape:
            raise GeometryMismatchError(
                f"The map {name!r} has {values.shape} voxels, the body {record.body.shape}; compute"
                " it on the grid of the group."
            )
        if not np.isfinite(values).all():
            raise InvalidInputError(f"The map {name!r} holds values that are not numbers.")


def _richest(lesions: Labels, axis: int) -> int:
    """The plane across an axis with the most lesions, then the most voxels of lesions."""
    planes = np.moveaxis(lesions, axis, 0)
    scores = [(len(np.unique(plane[plane > 0])), np.count_nonzero(plane)) for plane in planes]
    return scores.index(max(scores))


_Cut = tuple[str, tuple[str, str], tuple[slice | int, ...], tuple[float, float]]


def _cuts(record: GroupRecord, planes: Planes) -> Iterable[_Cut]:
    """Name, letters at its sides, cut (head up) and spacing (down, across) of each row."""
    dz, dy, dx = record.spacing_mm
    z, y, x = (_around(record.body, axis, record.spacing_mm[axis]) for axis in range(3))
    head_up = slice(z.stop - 1, z.start - 1 if z.start else None, -1)
    yield "coronal", ("R", "L"), (head_up, planes.coronal, x), (dz, dx)
    yield "sagittal", ("A", "P"), (head_up, y, planes.sagittal), (dz, dy)


def _around(body: Labels, axis: int, spacing_mm: float) -> slice:
    """The body and a little of what surrounds it, along one axis; everything without a body."""
    inside = np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {axis})))
    if not len(inside):
        return slice(0, body.shape[axis])
    more = int(np.ceil(_AROUND_MM / spacing_mm))
    return slice(max(int(inside[0]) - more, 0), min(int(inside[-1]) + more + 1, body.shape[axis]))


def _picture(plane: Volume, spacing_mm: tuple[float, float], high: float) -> Image.Image:
    """A plane in inverse grey at `MM_PER_PIXEL`."""
    down, across = (
        max(1, round(n * d / MM_PER_PIXEL)) for n, d in zip(plane.shape, spacing_mm, strict=True)
    )
    values = np.ascontiguousarray(plane, dtype=np.float32)
    fine = Image.fromarray(values).resize((across, down), Image.Resampling.BILINEAR)
    return Image.fromarray(inverse_grey(np.asarray(fine, np.float32) / np.float32(high)))


def inverse_grey(share: Volume) -> Grey:
    """White at 0 and below, black at 1 and above."""
    return np.asarray(np.rint(255 * (1 - np.clip(share, 0, 1))), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class _Row:
    """Pictures of one orientation, one per method.

    Attributes:
        name: Of the orientation.
        ends: Letters of the left and the right side.
        pictures: In the order of the columns.
    """

    name: str
    ends: tuple[str, str]
    pictures: Sequence[Image.Image]

    @property
    def height(self) -> int:
        return self.pictures[0].height


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Titles and rows of pictures, and where everything is, in pixels."""

    titles: Sequence[str]
    rows: Sequence[_Row]

    def drawn(self, high: float) -> Image.Image:
        ticks = [high * i / _TICKS for i in range(_TICKS + 1)]
        text = max(_font(_SMALL).getlength(f"{tick:.3g}") for tick in ticks)
        lefts = self._lefts()
        width = lefts[-1] - _GAP + _BAR_GAP + _BAR + 8 + int(text) + _EDGE
        sheet = Image.new("RGB", (width, self._tops()[-1] + _GAP + _EDGE), _PAPER)
        draw = ImageDraw.Draw(sheet)
        for title, left, right in zip(self.titles, lefts, lefts[1:], strict=False):
            middle = (left + right - _GAP) / 2
            draw.text((middle, _EDGE), title, _INK, _font(_LARGE), anchor="ma")
        for row, top in zip(self.rows, self._tops(), strict=False):
            self._draw_row(sheet, row, top)
        self._draw_ruler(draw)
        self._draw_bar(sheet, ticks, lefts[-1] - _GAP + _BAR_GAP)
        return sheet

    def _lefts(self) -> list[int]:
        """Left edge of every column, and of one more behind the last."""
        edges = [_EDGE + _SIDE]
        for column, title in enumerate(self.titles):
            wide = max(row.pictures[column].width for row in self.rows)
            edges.append(edges[-1] + max(wide, int(_font(_LARGE).getlength(title)) + 1) + _GAP)
        return edges

    def _tops(self) -> list[int]:
        """Upper edge of every row, and of one more below the last."""
        edges = [_EDGE + _TITLE]
        for row in self.rows:
            edges.append(edges[-1] + row.height + _GAP)
        return edges

    def _draw_row(self, sheet: Image.Image, row: _Row, top: int) -> None:
        draw, font, lefts = ImageDraw.Draw(sheet), _font(_SMALL), self._lefts()
        sheet.paste(_upright(row.name), (_EDGE, top + 4))
        for picture, left, right in zip(row.pictures, lefts, lefts[1:], strict=False):
            start = left + (right - _GAP - left - picture.width) // 2
            sheet.paste(picture, (start, top))
            end = start + picture.width - 1
            draw.rectangle((start, top, end, top + row.height - 1), outline=(225, 225, 225))
            draw.text((start + 5, top + 4), row.ends[0], _FAINT, font)
            draw.text((end - 5, top + 4), row.ends[1], _FAINT, font, anchor="ra")

    def _draw_ruler(self, draw: ImageDraw.ImageDraw) -> None:
        left, y, length = self._lefts()[0], self._tops()[-1] + 6, round(_RULER_MM / MM_PER_PIXEL)
        draw.line((left, y, left + length, y), _INK, 2)
        text = f"{_RULER_MM / 10:g} cm"
        draw.text((left + length + 8, y), text, _INK, _font(_SMALL), anchor="lm")

    def _draw_bar(self, sheet: Image.Image, ticks: Sequence[float], left: int) -> None:
        draw, font = ImageDraw.Draw(sheet), _font(_SMALL)
        top, height = self._tops()[0] + 26, self.rows[0].height - 40
        shares = np.linspace(1, 0, height, dtype=np.float32)[:, None]
        bar = Image.fromarray(np.repeat(inverse_grey(shares), _BAR, axis=1))
        sheet.paste(bar, (left, top))
        draw.rectangle((left, top, left + _BAR - 1, top + height - 1), outline=_FAINT)
        draw.text((left, top - 12), "Ki (/min)", _INK, font, anchor="ls")
        for tick in ticks:
            y = top + (height - 1) * (1 - tick / ticks[-1])
            draw.line((left + _BAR, y, left + _BAR + 4, y), _FAINT)
            draw.text((left + _BAR + 8, y), f"{tick:.3g}", _INK, font, anchor="lm")


def _upright(text: str) -> Image.Image:
    """Text that is read from below."""
    font = _font(_SMALL)
    flat = Image.new("RGB", (int(font.getlength(text)) + 2, _SIDE - 8), _PAPER)
    ImageDraw.Draw(flat).text((0, 0), text, _FAINT, font)
    return flat.transpose(Image.Transpose.ROTATE_90)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
