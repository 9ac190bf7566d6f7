"""From stored records to an archive: the rows of some defenses, complete, with where their plugin can be had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import BenchError
from benchmark.identity import cell_key
from benchmark.leaderboard.digests import sha256
from benchmark.leaderboard.evidence import make_evidence
from benchmark.leaderboard.publish import refuse_problems
from benchmark.leaderboard.selection import NothingToPublish, Prescribed, RecordSource, freeze, select
from benchmark.records import CellFile
from benchmark.submission.content import Content, Source, Submission, archive_bytes
from benchmark.suite import Suite

SIDECAR = "checkpoint.json"


def pack(
    suite: Suite,
    store: RecordSource,
    defenses: Sequence[str],
    source: Source,
    victims: Path,
    prescribed: Prescribed | None = None,
) -> bytes:
    """The archive of every complete cell of ``defenses`` (empty: of all); equal records give equal bytes.

    ``victims`` is the folder of checkpoints by key; those that are there are listed by the sha256 of their sidecar,
    which holds the sha256 of every file. Raises NothingToPublish and BadRecord.
    """
    cells = [cell for cell in select(suite, store, prescribed) if not defenses or cell.defense in defenses]
    missing = sorted(set(defenses) - {cell.defense for cell in cells})
    if missing or not cells:
        raise NothingToPublish(
            f"the store has no complete cell of {', '.join(missing) or 'these defenses'} in suite '{suite.name}'",
            f"Run `bench run --suite {suite.name} -d {missing[0] if missing else 'NAME'}` first",
        )
    frozen = freeze(suite, cells)
    evidence = make_evidence(
        cells,
        {cell.key: store.records(cell) for cell in cells if cell.attack is not None},
        {cell.key: store.clean_records(cell) for cell in cells if cell.attack is None},
    )
    refuse_problems(frozen, evidence)
    environments = [cell.provenance.get("environment") for cell in evidence.cells]
    submission = Submission(
        suite=frozen.name,
        suite_version=frozen.version,
        source=source,
        checkpoints=_checkpoints(evidence.cells, victims),
        environment=next((found for found in environments if isinstance(found, dict)), {}),
    )
    return archive_bytes(Content(submission, frozen, evidence))


def victim_key(cell: CellFile) -> str:
    """The key of the victim that a cell attacks; raises BenchError where the specification names none."""
    victim: Any = cell.spec.get("victim")
    if not isinstance(victim, dict):
        raise BenchError(f"cell {cell.key} does not say its victim", "It was written by something else than bench run")
    return cell_key(victim)


def _checkpoints(cells: Sequence[CellFile], victims: Path) -> dict[str, str]:
    found = {}
    for key in sorted({victim_key(cell) for cell in cells}):
        path = victims / key / SIDECAR
        if path.is_file():
            found[key] = sha256(path.read_bytes())
    return found
