"""Compute a network map again from the record beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kiview.core import input_record
from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.images import DynamicImage
from kiview.core.input_function import InputFunction
from kiview.core.provenance import JsonValue
from kiview.nets.catalog import NetworkCard
from kiview.nets.infer import NetworkRequest
from kiview.nets.tie import CONSISTENCY_VERSION
from kiview.nets.untrusted import MOST_JSON_BYTES, parse_json, read_limited
from kiview.nets.weight_files import weights_of_record


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

    def request(self, image: DynamicImage, cards: Iterable[NetworkCard]) -> NetworkRequest:
        """The run on an image.

        Args:
            image: Of the series that the record names.
            cards: The networks there are; that of the record's name is taken, else the only one
                with its network file.

        Raises:
            InvalidInputError: the image is of another series.
            NetworkError: the network is not there, or does not give the recorded weights.
        """
        if image.series_uid != self.series_uid:
            raise InvalidInputError(
                f"The map of {self.path.name} was computed from another series; open the study it"
                " was made from."
            )
        known = tuple(cards)
        recorded = next((card for card in known if card.name == self.network), None)
        card, weights = weights_of_record(self.weights, known, self.path, recorded)
        return NetworkRequest(
            image, self.input_function, self.start_s, self.end_s, card, weights, self.tied
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
        raise ReadError(
            f"{path.name} does not hold all that made the map ({error}); it may come from an older"
            " version of KiView."
        ) from error


def _run(path: Path, record: Mapping[str, JsonValue]) -> RecordedRun:
    settings, inputs = _table(record["settings"]), _table(record["inputs"])
    tied = settings["tied_to_patlak"] is True
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
        input_function=input_record.from_record(inputs["curve"]),
        start_s=_number(settings["start_s"]),
        end_s=_number(settings["end_s"]),
        tied=tied,
        network=f"{record['network_id']}@{settings['network_version']}",
        weights=settings["weights"],
    )


def _table(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError("a table is missing")
    return value


def _number(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is missing")
    return float(value)
