"""Transfer: what broke one victim, asked of every other one. Scoring, not attacking; no query is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmark.attacking import Execution
from benchmark.errors import BenchError, StoreError
from benchmark.identity import digest
from benchmark.plan import CellPlan, Plan, VictimPlan
from benchmark.pool import Pool
from benchmark.records import CellFile, ExampleRecord, Outcome, Strict, TransferRecord, dump, parse
from benchmark.store import write_atomic
from benchmark.worker import ScoreJob, worker_main

FOLDER = "transfers"
"""Named again in ``benchmark.leaderboard.transfers``, which publishes what lies there."""


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


class Source(NamedTuple):
    """An attack cell and the records whose text broke its victim; ``digest`` tells sets of texts apart."""

    cell: CellPlan
    broken: tuple[ExampleRecord, ...]
    digest: str

    @classmethod
    def of(cls, cell: CellPlan, store: Records) -> Source:
        found = [r for r in store.records(cell.file) if r.outcome is Outcome.BROKEN and r.adversarial_text is not None]
        return cls(cell, tuple(found), digest([[r.example_id, r.adversarial_text] for r in found])[:12])

    def path(self, store: Records, target: VictimPlan) -> Path:
        """Where the target's answers lie. A cascade leaves other texts than a full run, and so another file."""
        return store.root / FOLDER / f"{self.cell.key}-{target.key}-{self.digest}.jsonl"

    def meets(self, target: VictimPlan) -> bool:
        """Whether the target is another victim of the same dataset and seed."""
        own = self.cell.victim
        return own.key != target.key and (own.dataset, own.seed) == (target.dataset, target.seed)


def measure(
    plan: Plan,
    store: Records,
    cache: Path,
    jobs: int,
    told: Callable[[str], None] = lambda text: None,
    execution: Execution | None = None,
) -> list[Share]:
    """Score every broken text of every ready cell on every other victim of its dataset and seed, and count.

    Answers are kept in the store, so that a second call asks no model. Raises BenchError for what a worker cannot do.
    """
    victims = {cell.victim.key: cell.victim for cell in plan.ready}
    found = [Source.of(cell, store) for cell in plan.ready if cell.attack is not None]
    sources = [source for source in found if source.broken]
    todo: dict[str, list[Source]] = {}
    for target in victims.values():
        missing = [s for s in sources if s.meets(target) and not s.path(store, target).exists()]
        if missing:
            todo[target.key] = missing
    if todo:
        with Pool(max(1, min(jobs, len(todo))), worker_main, (plan.suite, cache, execution)) as pool:
            _score(pool, todo, victims, store, told)
    return [
        _share(source.cell, target, _stored(source.path(store, target)))
        for source in sources
        for target in victims.values()
        if source.meets(target)
    ]


def _score(
    pool: Pool,
    todo: Mapping[str, Sequence[Source]],
    victims: Mapping[str, VictimPlan],
    store: Records,
    told: Callable[[str], None],
) -> None:
    keys, running, number = list(todo), dict[int, str](), 0
    while keys or running:
        while keys and pool.free():
            key, number = keys.pop(0), number + 1
            running[number] = key
            records = [record for source in todo[key] for record in source.broken]
            texts = [text for record in records for text in (record.text, str(record.adversarial_text))]
            pool.submit(number, ScoreJob(victims[key], tuple(texts)))
        for event in pool.events():
            if event.kind == "failed":
                error: BenchError = event.value[0]
                raise error
            if event.kind == "done":
                key = running.pop(event.number)
                _write(store, todo[key], victims[key], event.value["predictions"])
                told(f"{victims[key].dataset}/{victims[key].defense}: {len(event.value['predictions']) // 2} texts")


def _write(store: Records, sources: Sequence[Source], target: VictimPlan, predictions: list[int]) -> None:
    answers = iter(predictions)
    for source in sources:
        found = [
            TransferRecord(
                source=source.cell.key,
                target=target.key,
                example_id=record.example_id,
                clean=next(answers) == record.label,
                fooled=next(answers) != record.label,
            )
            for record in source.broken
        ]
        write_atomic(source.path(store, target), "".join(dump(record) + "\n" for record in found))


def _stored(path: Path) -> list[TransferRecord]:
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
