"""A judgement in the folder of a network: its card, its text, and a report beside it."""

import tomllib
from pathlib import Path

from kitrain.bundle import write_card
from kitrain.card_text import card_markdown
from kitrain.evaluate import Judgement
from kitrain.methods import SHIPPED
from kitrain.report import summary, write_report
from kiview.nets.catalog import CARD_NAME


def write_results(folder: Path, judged: Judgement) -> None:
    """Put a judgement into the card, its text and a report beside it.

    Args:
        folder: Of the network.
        judged: What was found.
    """
    card = tomllib.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    effort, standard = judged.effort, judged.standard
    shipped = summary(standard.methods[SHIPPED])
    card["results"] = {
        "test_people": standard.scans,
        "lesions": standard.lesions,
        "test_seed": effort.seed,
        "people_per_condition": effort.per_condition,
        "people_per_count_level": effort.per_count,
        "nrmse_over_best_filter": round(judged.bars[0].value, 4),
        **{f"network {name}": value for name, value in shipped.items() if value is not None},
    }
    write_report(folder, judged, title_of(folder))
    write_card(folder, card, card_markdown(card, judged))


def title_of(folder: Path) -> str:
    """Id and version of the network in a folder."""
    card = tomllib.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    return f"{card['id']} {card['version']}"
