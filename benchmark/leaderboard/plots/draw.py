"""Draw one picture of a page."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.plots import ACCURACY, COST, CURVES, HEAT, Picture
from benchmark.leaderboard.plots.accuracy import clean_against_worst, cost_against_worst
from benchmark.leaderboard.plots.curves import budget_curves
from benchmark.leaderboard.plots.heat import attack_by_defense, transfer_matrix
from benchmark.leaderboard.plots.style import styled, written
from benchmark.leaderboard.table import Table
from benchmark.records import TransferRecord


def draw(
    picture: Picture, table: Table, evidence: Evidence, transfers: Sequence[TransferRecord]
) -> tuple[bytes, bytes]:
    """The picture as (SVG, PNG); what it needs must be there (see ``pictures``)."""
    with styled():
        if picture is ACCURACY:
            figure = clean_against_worst(table)
        elif picture is COST:
            figure = cost_against_worst(table)
        elif picture is CURVES:
            figure = budget_curves(table, evidence)
        elif picture is HEAT:
            figure = attack_by_defense(table)
        else:
            figure = transfer_matrix(table, evidence, transfers)
        return written(figure)
