"""Transfer: what broke one victim, asked of every other one. Scoring, not attacking; no query is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmark.errors import BenchError, StoreError
from benchmark.identity import digest
from benchmark.plan import CellPlan, Plan, VictimPlan
from benchmark.pool import Pool
from benchmark.records import CellFile, CleanRecord, ExampleRecord, Outcome, Strict, dump, parse
from benchmark.store import write_atomic
from benchmark.worker import ScoreJob, worker_main

FOLDER = "transfers"


class TransferRecord(Strict):
    """One adversarial text of ``source`` (an attack cell) under the victim ``target`` (a victim's key).

    ``clean`` is whether the target is right on the original; ``fooled`` whether it is wrong on the adversarial text.
    """

    source: str
    target: str
    example_id: str
    clean: bool
    fooled: bool


class Share(Strict):
    """A square of the matrix: of the texts whose original the target reads rightly, those that fool it."""

    dataset: str
    seed: int
    attack: str
    source: str
    target: str
    fooled: int
    n: int


class Records(Protocol):
    """What is read of a store."""

    root: Path

    def records(self, cell: CellFile) -> list[ExampleRecord]: ...
    def clean_records(self, cell: CellFile) -> list[CleanRecord]: ...


def broken_texts(cell: CellPlan, store: Records) -> list[ExampleRecord]:
    """The records of a cell whose text broke its victim."""
    found = store.records(cell.file)
    return [record for record in found if record.outcome is Outcome.BROKEN and record.adversarial_text is not None]


def measure(
    plan: Plan, store: Records, cache: Path, jobs: int, told: Callable[[str], None] = lambda text: None
) -> list[Share]:
    """Score every broken text of every ready cell on every other victim of its dataset and seed, and count.

    Answers are kept in the store, so that a second call asks no model. Raises BenchError for what a worker cannot do.
    """
    victims = {cell.victim.key: cell.victim for cell in plan.ready}
    sources = [cell for cell in plan.ready if cell.attack is not None and broken_texts(cell, store)]
    wanted = {
        target.key: [
            cell for cell in sources if _pairs(cell.victim, target) and not _path(store, cell, target).exists()
        ]
        for target in victims.values()
    }
    todo = {key: cells for key, cells in wanted.items() if cells}
    if todo:
        with Pool(max(1, min(jobs, len(todo))), worker_main, (plan.suite, cache)) as pool:
            _score(pool, todo, victims, store, told)
    return [
        _share(cell, target, _stored(store, cell, target))
        for cell in sources
        for target in victims.values()
        if _pairs(cell.victim, target)
    ]


def _pairs(source: VictimPlan, target: VictimPlan) -> bool:
    return source.key != target.key and (source.dataset, source.seed) == (target.dataset, target.seed)


def _score(
    pool: Pool,
    todo: Mapping[str, Sequence[CellPlan]],
    victims: Mapping[str, VictimPlan],
    store: Records,
    told: Callable[[str], None],
) -> None:
    keys, running, number = list(todo), dict[int, str](), 0
    while keys or running:
        while keys and pool.free():
            key, number = keys.pop(0), number + 1
            running[number] = key
            records = [r for cell in todo[key] for r in broken_texts(cell, store)]
            texts = [(r.example_id, text) for r in records for text in (r.text, str(r.adversarial_text))]
            pool.submit(number, ScoreJob(victims[key], tuple(texts)))
        for event in pool.events():
            if event.kind == "failed":
                error: BenchError = event.value[0]
                raise error
            if event.kind == "done":
                key = running.pop(event.number)
                _write(store, todo[key], victims[key], event.value["predictions"])
                told(f"{victims[key].dataset}/{victims[key].defense}: {len(event.value['predictions']) // 2} texts")


def _write(store: Records, cells: Sequence[CellPlan], target: VictimPlan, predictions: list[int]) -> None:
    answers = iter(predictions)
    for cell in cells:
        found = [
            TransferRecord(
                source=cell.key,
                target=target.key,
                example_id=record.example_id,
                clean=next(answers) == record.label,
                fooled=next(answers) != record.label,
            )
            for record in broken_texts(cell, store)
        ]
        write_atomic(_path(store, cell, target), "".join(dump(record) + "\n" for record in found))


def _path(store: Records, cell: CellPlan, target: VictimPlan) -> Path:
    """Named after the texts too: a cascade may have left other texts than a full run."""
    texts = digest([[r.example_id, r.adversarial_text] for r in broken_texts(cell, store)])[:12]
    return store.root / FOLDER / f"{cell.key}-{target.key}-{texts}.jsonl"


def _stored(store: Records, cell: CellPlan, target: VictimPlan) -> list[TransferRecord]:
    path = _path(store, cell, target)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as problem:
        raise StoreError(f"{path} cannot be read ({problem})", "Run with --transfer again") from None
    return [parse(TransferRecord, line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line]


def _share(cell: CellPlan, target: VictimPlan, records: Sequence[TransferRecord]) -> Share:
    counted = [record for record in records if record.clean]
    return Share(
        dataset=target.dataset,
        seed=target.seed,
        attack=str(cell.attack),
        source=cell.victim.defense,
        target=target.defense,
        fooled=sum(record.fooled for record in counted),
        n=len(counted),
    )


def as_json(plan: Plan, shares: Sequence[Share]) -> dict[str, Any]:
    """The matrix for machines; sorted."""
    rows = sorted((share.model_dump() for share in shares), key=lambda row: [str(value) for value in row.values()])
    return {"suite": plan.suite.name, "suite_version": plan.suite.version, "shares": rows}


def as_markdown(plan: Plan, shares: Sequence[Share]) -> str:
    """One table a dataset, seed and attack: rows are where the texts come from, columns who reads them."""
    lines = [
        f"# Transfer, {plan.suite.name} v{plan.suite.version}",
        "",
        "Of the texts that broke the defense of a row, the share that also fools the defense of a column, over those",
        "whose original that one reads rightly (in brackets). Nothing was searched for: these are transferred texts.",
    ]
    groups = sorted({(s.dataset, s.seed, s.attack) for s in shares})
    for dataset, seed, attack in groups:
        found = {(s.source, s.target): s for s in shares if (s.dataset, s.seed, s.attack) == (dataset, seed, attack)}
        targets = sorted({target for _, target in found})
        lines += ["", f"## {dataset}, {attack}, seed {seed}", "", "| from \\ to | " + " | ".join(targets) + " |"]
        lines.append("|---|" + "---:|" * len(targets))
        for source in sorted({source for source, _ in found}):
            row = [_square(found.get((source, target))) for target in targets]
            lines.append(f"| {source} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _square(share: Share | None) -> str:
    if share is None or not share.n:
        return "–"
    return f"{100 * share.fooled / share.n:.0f} % ({share.n})"
