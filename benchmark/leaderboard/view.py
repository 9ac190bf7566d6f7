"""What of a page is there to look at: ``index.html``, its details, and the texts and transfers that it shows.

``publish`` writes these files, ``check`` makes them again from the evidence and compares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import BadRecord, BenchError
from benchmark.leaderboard.evidence import Evidence
from benchmark.leaderboard.html import INDEX, html_files
from benchmark.leaderboard.html.details import DETAILS, path_of
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.texts import TEXTS, Texts, read_texts, text_problems, texts_bytes
from benchmark.leaderboard.transfers import TRANSFERS, read_transfers, transfer_problems, transfers_bytes
from benchmark.records import TransferRecord


@dataclass(frozen=True)
class Beside:
    """What a page shows besides its evidence: sentences, where their publisher shares them, and transferred texts."""

    texts: Texts | None = None
    transfers: Sequence[TransferRecord] = ()

    def with_new(self, fresh: Beside, evidence: Evidence) -> Beside:
        """This page's, completed by what was found now; without sentences where the new ones are none.

        Raises BadRecord where a published cell attacked an example whose sentence is nowhere.
        """
        texts = None if fresh.texts is None else {**(self.texts or {}), **fresh.texts}
        old = {(t.source, t.target, t.example_id): t for t in self.transfers}
        new = {(t.source, t.target, t.example_id): t for t in fresh.transfers}
        merged = Beside(texts, [record for _, record in sorted({**old, **new}.items())])
        merged._refuse_problems(evidence, "Publish without the sentences, or from a store that holds every cell")
        return merged

    def _refuse_problems(self, evidence: Evidence, hint: str) -> None:
        problems = [] if self.texts is None else text_problems(evidence, self.texts)
        problems += transfer_problems(evidence, self.transfers)
        if problems:
            raise BadRecord(problems[0], hint)


@dataclass
class Viewed:
    """What :func:`check_view` found.

    ``files`` are as they should be, none where there are problems.
    """

    problems: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


def view_files(table: Table, evidence: Evidence, digest: str, beside: Beside | None = None) -> dict[str, bytes]:
    """The files by path below the page's folder; ``digest`` is the one over all evidence files."""
    beside = beside or Beside()
    files: dict[str, bytes] = {}
    digests = {"evidence": digest}
    if beside.texts is not None:
        files[TEXTS] = texts_bytes(beside.texts)
        digests[TEXTS] = hashlib.sha256(files[TEXTS]).hexdigest()
    if beside.transfers:
        files[TRANSFERS] = transfers_bytes(beside.transfers)
        digests[TRANSFERS] = hashlib.sha256(files[TRANSFERS]).hexdigest()
    return {**html_files(table, evidence, digests, beside.texts, beside.transfers), **files}


def read_beside(page: Path, evidence: Evidence) -> Beside:
    """What a page has besides its evidence, none for a page that is not there; raises BadRecord for what is unsound."""
    found = Beside(read_texts(page), read_transfers(page))
    found._refuse_problems(evidence, f"Restore that file in {page} from a copy, or remove it")
    return found


def view_names(evidence: Evidence) -> frozenset[str]:
    """The names that files of the view may have."""
    details = (path_of(cell) for cell in evidence.cells if cell.attack is not None)
    return frozenset({INDEX, TEXTS, TRANSFERS, *details})


def check_view(page: Path, table: Table, evidence: Evidence, digest: str) -> Viewed:
    """Make the files of a page again from its evidence; what cannot be read or does not belong to it is a problem."""
    viewed = Viewed()
    try:
        beside = Beside(read_texts(page), read_transfers(page))
    except BenchError as problem:
        viewed.problems.append(problem.message.replace(f"{page}/", ""))
        return viewed
    if beside.texts is not None:
        viewed.problems += text_problems(evidence, beside.texts)
    viewed.problems += transfer_problems(evidence, beside.transfers)
    viewed.problems += _changed(page, beside)
    if not viewed.problems:
        viewed.files = view_files(table, evidence, digest, beside)
    return viewed


def _changed(page: Path, beside: Beside) -> list[str]:
    """Transferred texts that are not those whose digest the page prints: nothing else vouches for them."""
    try:
        shown = (page / INDEX).read_bytes().decode("utf-8", "replace")
    except OSError:
        return []  # reported as a missing file
    data = transfers_bytes(beside.transfers)
    if beside.transfers and hashlib.sha256(data).hexdigest() not in shown:
        return [f"{TRANSFERS} was changed after the page was published"]
    return []


def stale(page: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Files of an earlier view that the new one does not have."""
    old = [*(page / DETAILS).glob("*.js"), *(page / name for name in (TEXTS, TRANSFERS) if (page / name).exists())]
    return [path for path in sorted(old) if path.relative_to(page).as_posix() not in files]
