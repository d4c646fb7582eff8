"""Curve networks that there are, and the input function by one of them."""

from kiview import paths
from kiview.core.errors import NetworkError
from kiview.core.images import DynamicImage
from kiview.core.input_function import InputFunction
from kiview.core.progress import Progress
from kiview.jobs.networks import installed_networks
from kiview.nets.card_values import read_toml
from kiview.nets.catalog import (
    BLOOD_OUTPUTS,
    CARD_NAME,
    CATALOG_NAME,
    BrokenNetwork,
    Catalog,
    NetworkCard,
    Origin,
    entries,
    entry_card,
)
from kiview.nets.curve_card import CURVE_ENTRY, CurveCard, load_curve_card, read_curve_card
from kiview.nets.curve_infer import CurveNetworkRequest, network_input_function

_NONE = (
    "No network that finds blood is installed; draw a region in blood, scale a population curve, or"
    " give a curve file."
)


def curve_network() -> tuple[CurveCard, NetworkCard]:
    """The curve network that is used, and the network whose maps it looks at.

    Raises:
        NetworkError: there is none, or one of them cannot be used; the text says what to do.
    """
    if not _is_listed():
        raise NetworkError(_NONE)
    card = load_curve_card(paths.models_dir())
    return card, card.ki_network(installed_networks())


def curve_by_network(
    image: DynamicImage, frames_s: tuple[float, float], progress: Progress
) -> InputFunction:
    """Let the curve network find blood and tell the plasma curve.

    Args:
        image: Frames, decay-corrected to injection.
        frames_s: Start and end of the frames it looks at, in s from injection.
        progress: Told of every block; its cancel ends the run.

    Raises:
        NetworkError: there is no curve network or no large vessel, or the study lies outside what
            the networks can do.
        Cancelled: the user asked to stop.
    """
    request = CurveNetworkRequest(image, *frames_s, *curve_network())
    return network_input_function(request, progress)


def installed_curve_networks(catalog: Catalog) -> Catalog:
    """All curve networks, with those that cannot be used.

    Args:
        catalog: Of the networks that make maps; each curve network needs one of them.

    Raises:
        NetworkError: the catalogue cannot be read.
    """
    cards: list[NetworkCard] = []
    broken: list[BrokenNetwork] = []
    folder = paths.models_dir()
    for entry in entries(folder, CURVE_ENTRY) if _is_listed() else []:
        try:
            network = entry_card(folder, entry, kinds=(BLOOD_OUTPUTS,))
            read_curve_card(network.network.path.parent / CARD_NAME).ki_network(catalog)
        except NetworkError as error:
            broken.append(BrokenNetwork(str(entry.get("id", "")), Origin.SHIPPED, str(error)))
        else:
            cards.append(network)
    return Catalog(tuple(cards), tuple(broken))


def _is_listed() -> bool:
    return bool(read_toml(paths.models_dir() / CATALOG_NAME).get(CURVE_ENTRY))
