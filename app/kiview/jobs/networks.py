"""The networks that can be used here, and whether each is whole and safe."""

from kiview import paths
from kiview.core.errors import NetworkError
from kiview.nets.catalog import Catalog, NetworkCard
from kiview.nets.catalogs import load_catalogs
from kiview.nets.network_check import check_network
from kiview.nets.weights import shipped_weights


def installed_networks(site_folder: str = "") -> Catalog:
    """Networks of KiView, of the site and of the user.

    Args:
        site_folder: The setting; the environment variable goes before it.

    Raises:
        NetworkError: the bundled networks cannot be used.
    """
    return load_catalogs(
        paths.models_dir(), paths.site_models_dir(site_folder), paths.user_models_dir()
    )


def verify_network(card: NetworkCard) -> str:
    """Check every file of a network: hash, structure, weights; "" or what is wrong."""
    try:
        for file in card.files:
            file.read()
        check_network(card, card.network.read())
        shipped_weights(card).tensors(card)
    except NetworkError as error:
        return str(error)
    return ""
