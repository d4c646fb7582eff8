"""`kiview doctor`: versions, the device that really computes, folders, networks."""

import argparse
import platform
from importlib import metadata
from pathlib import Path

from kiview import __version__, paths
from kiview.commands import models
from kiview.commands.terminal import (
    DONE,
    FAILED,
    TerminalProgress,
    say,
    say_json,
    say_pairs,
)
from kiview.core.errors import NetworkError
from kiview.core.provenance import JsonValue
from kiview.jobs.networks import verify_network
from kiview.nets.catalog import NetworkCard
from kiview.nets.runtime import NetworkRuntime, available_threads
from kiview.settings.store import load as load_settings

_LIBRARIES = (
    "numpy",
    "scipy",
    "pydicom",
    "highdicom",
    "nibabel",
    "PySide6-Essentials",
    "pyqtgraph",
)
_RUNTIMES = ("onnxruntime-gpu", "onnxruntime")


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:  # noqa: ARG001 - same for all
    """Print the report; exit code 1 when a network is damaged or missing."""
    networks = _networks()
    report: dict[str, JsonValue] = {
        "versions": {**_versions()},
        "folders": {**_folders()},
        "threads": available_threads(),
        "networks": [*networks],
    }
    if given.json:
        say_json(report)
    else:
        _say_text(report, networks)
    return FAILED if any(network["problem"] for network in networks) else DONE


def _versions() -> dict[str, str]:
    found = {"KiView": __version__, "Python": platform.python_version()}
    found |= {name: _version(name) for name in _LIBRARIES}
    runtimes = {name: _version(name) for name in _RUNTIMES}
    installed = {name: version for name, version in runtimes.items() if version}
    found |= installed or {"onnxruntime": ""}
    return {name: version or "missing" for name, version in found.items()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _folders() -> dict[str, str]:
    cache = paths.cache_dir()
    size_mib = _size(cache) / 2**20
    return {
        "settings": str(paths.config_dir()),
        "data": str(paths.data_dir()),
        "cache": f"{cache} ({size_mib:.0f} MiB)",
        "log": str(paths.log_dir()),
        "networks": str(paths.models_dir()),
        "networks of the site": str(_site_folder() or "none"),
        "networks of the user": str(paths.user_models_dir()),
    }


def _site_folder() -> Path | None:
    return paths.site_models_dir(load_settings().settings.site_networks_folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _networks() -> list[dict[str, JsonValue]]:
    try:
        catalog = models.every_network()
    except NetworkError as error:
        return [{"id": None, "problem": str(error), "providers": []}]
    broken = [models.broken_record(one) | {"providers": []} for one in catalog.broken]
    return [*(_network(card) for card in catalog.cards), *broken]


def _network(card: NetworkCard) -> dict[str, JsonValue]:
    found = verify_network(card)
    providers: list[JsonValue] = []
    if not found:
        try:
            providers = [*NetworkRuntime(card).providers]
        except NetworkError as error:
            found = str(error)
    return models.record(card, found) | {"providers": providers}


def _say_text(report: dict[str, JsonValue], networks: list[dict[str, JsonValue]]) -> None:
    for heading in ("versions", "folders"):
        pairs = report[heading]
        say(heading)
        if isinstance(pairs, dict):
            say_pairs({f"  {name}": str(value) for name, value in pairs.items()})
    say(f"threads  {report['threads']}")
    say("networks")
    for network in networks:
        if network["problem"]:
            origin = f" ({network['origin']})" if "origin" in network else ""
            say(f"  {network['id'] or 'catalogue'}{origin}: {network['problem']}")
            continue
        providers = network["providers"]
        used = ", ".join(map(str, providers)) if isinstance(providers, list) else ""
        place = models.described(str(network["origin"]), str(network["kind"]))
        name = f"{network['id']} {network['version']} ({place})"
        say(f"  {name}: intact, sha256 {network['sha256']}")
        say(f"    computes on {used}")
