"""``index.html`` and what lies beside it: one static page, no server, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.html.details import detail_files
from benchmark.leaderboard.html.page import render_page
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.texts import Texts
from benchmark.records import TransferRecord

INDEX = "index.html"


def html_files(
    table: Table,
    evidence: Evidence,
    digests: Mapping[str, str],
    texts: Texts | None = None,
    transfers: Sequence[TransferRecord] = (),
) -> dict[str, bytes]:
    """The page and its details by path below the page's folder; the same arguments give the same bytes.

    The table is in ``index.html``. What a click on a cell shows is a script of its own for each cell: a page opened
    from a disk may load a script beside it, but may not fetch a data file, and one file with everything would not be
    usable with some hundred thousand examples. ``digests`` are printed, by what they are of. Sentences are in the
    details only where ``texts`` are given.
    """
    return {INDEX: render_page(table, evidence, digests, transfers), **detail_files(table, evidence, texts)}
