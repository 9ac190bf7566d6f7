"""The pictures of a page: which there are, and how they are drawn (the library is loaded for drawing only)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.lines import lines_of
from benchmark.leaderboard.table import Table
from benchmark.records import TransferRecord


@dataclass(frozen=True)
class Picture:
    """One plot, as SVG and as PNG. ``about`` says in words how to read it."""

    name: str
    title: str
    about: str
    wide: bool = True

    @property
    def svg(self) -> str:
        """Path below the page's folder."""
        return f"plots/{self.name}.svg"

    @property
    def png(self) -> str:
        """Path below the page's folder."""
        return f"plots/{self.name}.png"


ACCURACY = Picture(
    "clean-vs-worst",
    "Clean against worst-case accuracy",
    "With 95 % intervals; a hollow mark has no rank. The stepped line joins the defenses that no other one beats in "
    "both accuracies (Pareto front).",
)
CURVES = Picture(
    "budget-curves",
    "Accuracy by query budget",
    "What stays right when an attack may ask at most so many texts an example, with 95 % intervals; in the worst case "
    "every attack has the budget for itself. Hollow marks are upper bounds: some examples ran out of queries earlier. "
    "Of several seeds the line is the mean and the bar reaches from the lowest to the highest. Panels of more than "
    "eight lines leave the bars out.",
)
HEAT = Picture(
    "attack-by-defense",
    "Attack by defense",
    "Accuracy under each attack, in per cent; brighter is more robust. Hatched squares were not measured.",
)
TRANSFER = Picture(
    "transfer",
    "Transfer",
    "Of the texts that broke the defense of a row, the share in per cent that also fools the defense of a column, over "
    "those whose original that one reads rightly (n), all attacks and seeds together. Nothing was searched for.",
)
COST = Picture(
    "cost-vs-worst",
    "Cost against worst-case accuracy",
    "Training time, and forward passes for one prediction, with 95 % intervals of the accuracy; a hollow mark has no "
    "rank.",
)


def pictures(table: Table, evidence: Evidence, transfers: Sequence[TransferRecord] = ()) -> list[Picture]:
    """The pictures that the evidence has something for, in page order."""
    lines = lines_of(table)
    measured = [line for line in lines if line.worst_case is not None]
    found = {
        ACCURACY: any(line.clean is not None for line in measured),
        HEAT: any(line.attacks for line in lines),
        CURVES: any(evidence.attacked.values()),
        COST: any(line.seconds or line.forwards for line in measured),
        TRANSFER: bool(transfers),
    }
    return [picture for picture, wanted in found.items() if wanted]


def known_files() -> frozenset[str]:
    """Every file that a plot can be."""
    return frozenset(name for p in (ACCURACY, CURVES, HEAT, TRANSFER, COST) for name in (p.svg, p.png))


def plot_files(table: Table, evidence: Evidence, transfers: Sequence[TransferRecord] = ()) -> dict[str, bytes]:
    """SVG and PNG of every picture, by path below the page's folder.

    The same evidence gives the same bytes with the same version of matplotlib; across its versions they may differ (it
    places text anew), so ``check`` compares none of them.
    """
    from benchmark.leaderboard.plots.draw import draw

    files: dict[str, bytes] = {}
    for picture in pictures(table, evidence, transfers):
        files[picture.svg], files[picture.png] = draw(picture, table, evidence, transfers)
    return files
