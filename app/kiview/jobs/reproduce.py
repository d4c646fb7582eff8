"""Compute a network map again from the record beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kiview.core import input_record
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.images import DynamicImage
from kiview.core.input_function import InputFunction
from kiview.core.merge_frames import MERGE_FRAMES, RecordedMerge, merge_again, recorded_merge
from kiview.core.provenance import JsonValue
from kiview.nets.catalog import NetworkCard
from kiview.nets.infer import NetworkRequest
from kiview.nets.run_record import curve_sha256
from kiview.nets.tie import CONSISTENCY_VERSION
from kiview.nets.untrusted import MOST_JSON_BYTES, parse_json, read_limited
from kiview.nets.weight_files import weights_of_record
from kiview.nets.weights import WeightSet


@dataclass(frozen=True, slots=True, eq=False)
class RecordedRun:
    """What the record of a network map says about the run that made it.

    Attributes:
        path: The record.
        series_uid: Series it was computed from.
        user_given: Values that the user had entered, as `--set` takes them.
        input_function: The curve it was computed with.
        start_s: Start of the time window.
        end_s: End of the time window.
        tied: Whether the map was made consistent with Patlak.
        network: Name of the network, `id@version`.
        weights: Record of the weights.
        merges: How frames were merged before the run, in order.
    """

    path: Path
    series_uid: str
    user_given: Mapping[str, float | str]
    input_function: InputFunction
    start_s: float
    end_s: float
    tied: bool
    network: str
    weights: JsonValue
    merges: tuple[RecordedMerge, ...] = ()

    def chosen(self, cards: Iterable[NetworkCard]) -> tuple[NetworkCard, WeightSet]:
        """The network and the weights of the run.

        Args:
            cards: The networks there are; that of the record's name is taken, else the only one
                with its network file.

        Raises:
            NetworkError: the network is not there, or does not give the recorded weights.
        """
        known = tuple(cards)
        recorded = next((card for card in known if card.name == self.network), None)
        return weights_of_record(self.weights, known, self.path, recorded)

    def frames_of(self, image: DynamicImage) -> DynamicImage:
        """The frames that the run used: as acquired, or merged again as then.

        Args:
            image: Of the series that the record names, as acquired.

        Raises:
            InvalidInputError: the image is of another series, or has other frames than then.
        """
        if image.series_uid != self.series_uid:
            raise InvalidInputError(
                f"The map of {self.path.name} was computed from another series; open the study it"
                " was made from."
            )
        for merge in self.merges:
            image = merge_again(image, merge)
        return image

    def request(self, image: DynamicImage, chosen: tuple[NetworkCard, WeightSet]) -> NetworkRequest:
        """The run on frames.

        Args:
            image: From `frames_of`.
            chosen: Network and weights, from `chosen`.
        """
        return NetworkRequest(
            image, self.input_function, self.start_s, self.end_s, *chosen, self.tied
        )


def read_recorded_run(path: Path) -> RecordedRun:
    """Read the JSON beside a network map.

    Args:
        path: For example `network_Ki.json`.

    Raises:
        NetworkError: the file cannot be read or is too large.
        ReadError: it is no record of a network map that holds all that is needed.
    """
    content = read_limited(path, MOST_JSON_BYTES)
    try:
        record = _table(parse_json(content))
    except (ValueError, TypeError) as error:
        raise ReadError(f"{path.name} is no record of a map: {error}.") from error
    if record.get("method") != "network":
        raise ReadError(
            f"{path.name} is no record of a network map; give the .json beside one, for example"
            " network_Ki.json."
        )
    try:
        return _run(path, record)
    except (KeyError, TypeError) as error:
        missing = isinstance(error, KeyError)
        reason = f"{error.args[0]} is missing" if missing else str(error)
        raise ReadError(
            f"{path.name} does not hold all that made the map ({reason}); it may come from an older"
            " version of KiView, or was changed."
        ) from error


def _run(path: Path, record: Mapping[str, JsonValue]) -> RecordedRun:
    settings, inputs = _table(record["settings"]), _table(record["inputs"])
    tied = settings["tied_to_patlak"]
    if not isinstance(tied, bool):
        raise TypeError(f"tied_to_patlak is {str(tied)[:40]!r}, neither true nor false")
    if tied and settings.get("consistency_version") != CONSISTENCY_VERSION:
        raise ReadError(
            f"{path.name} was made by a version of KiView that made maps consistent with Patlak in"
            " another way, so its map can't be made again; compute a new one."
        )
    given = {
        name: value
        for name, value in _table(record["user_given"]).items()
        if isinstance(value, float | int | str)
    }
    return RecordedRun(
        path=path,
        series_uid=str(inputs["series_uid"]),
        user_given=given,
        input_function=_curve(path, inputs),
        start_s=_number(settings["start_s"]),
        end_s=_number(settings["end_s"]),
        tied=tied,
        network=f"{record['network_id']}@{settings['network_version']}",
        weights=settings["weights"],
        merges=_merges(path, record),
    )


def _merges(path: Path, record: Mapping[str, JsonValue]) -> tuple[RecordedMerge, ...]:
    """Each recorded merge; records of before have none."""
    steps = record.get("steps", [])
    if not isinstance(steps, list):
        raise TypeError("steps is no list")
    found = [_table(step) for step in steps]
    for step in found:
        if step["name"] != MERGE_FRAMES:
            raise ReadError(
                f"Before the map of {path.name} was computed, its frames went through"
                f" {str(step['name'])[:40]!r}, which this version of KiView does not know; use the"
                " version that made it."
            )
    return tuple(recorded_merge(_table(step["settings"])) for step in found)


def _curve(path: Path, inputs: Mapping[str, JsonValue]) -> InputFunction:
    """The input function, unless its values are not those that were recorded."""
    curve = input_record.from_record(inputs["curve"])
    recorded = inputs.get("curve_sha256")
    if recorded is not None and recorded != curve_sha256(curve):
        raise ReadError(
            f"The input function in {path.name} was changed after the map was computed; put the"
            " original record back, or compute a new map from a curve file."
        )
    return curve


def _table(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError("a table is missing")
    return value


def _number(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is missing")
    return float(value)
