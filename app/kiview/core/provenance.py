"""What made a result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

JsonValue = str | float | int | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done to the frames before a result was computed from them.

    Attributes:
        name: Stable short name, for example `merge-frames`.
        label: A few words for a view, for example `10 min frames`.
        text: Sentences for people and for derived DICOM objects.
        settings: Choices and what came of them, JSON-like; enough to do it again.
    """

    name: str
    label: str
    text: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    def to_dict(self) -> dict[str, JsonValue]:
        """Plain dictionary for JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "text": self.text,
            "settings": dict(self.settings),
        }


@dataclass(frozen=True, slots=True)
class Provenance:
    """Record of how a result came to be; complete enough to compute it again.

    When and by whom it was computed is told beside that and changes nothing.

    Attributes:
        method: For example `patlak` or `network`.
        software: Name and version.
        settings: Choices that shaped the result, JSON-like (window, weighting, frames ...).
        inputs: Ids of what went in (series UID, input-function source, region names ...).
        network_id: Network used, empty if none.
        weight_set_id: SHA-256 of the weights used, empty if none.
        modified: Whether the weights differ from the shipped ones.
        user_given: Values that the user entered because the files lack them.
        steps: What was done to the frames before, in order; frame numbers in `settings` count the
            frames that came of it.
        computed_at: UTC as ISO 8601, empty if nobody recorded it.
        operator: Login name of who computed it, empty if nobody recorded it; never the patient.
    """

    method: str
    software: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    network_id: str = ""
    weight_set_id: str = ""
    modified: bool = False
    user_given: Mapping[str, JsonValue] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    computed_at: str = ""
    operator: str = ""

    def __post_init__(self) -> None:
        for name in ("settings", "inputs", "user_given"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def to_dict(self) -> dict[str, JsonValue]:
        """Plain dictionary for JSON."""
        return {
            "method": self.method,
            "software": self.software,
            "settings": dict(self.settings),
            "inputs": dict(self.inputs),
            "network_id": self.network_id,
            "weight_set_id": self.weight_set_id,
            "weights_modified": self.modified,
            "user_given": dict(self.user_given),
            "steps": [step.to_dict() for step in self.steps],
            "computed_at": self.computed_at,
            "operator": self.operator,
        }
