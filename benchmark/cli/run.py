"""``bench run``: plan, then fit and attack every cell that the store does not hold yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.api import Track
    from benchmark.attacking import Execution
    from benchmark.plan import Plan
    from benchmark.registry import Registry
    from benchmark.runner import RunResult
    from benchmark.store import Store
    from benchmark.suite import Suite

DEFAULT_SUITE = "mini"
EPILOG = (
    "Examples:  bench run --all  ·  bench run --suite smoke  ·  bench run -d mvp -a textfooler --limit 10  ·  "
    "bench run --dataset path=reviews.csv --text-column review --label-column stars -d mlp"
)


def run(
    everything: bool = typer.Option(False, "--all", help="Every defense x attack x dataset, plugins of others too."),
    suite: str | None = typer.Option(
        None, "--suite", help=f"A suite's name (bench list suites) or a TOML file.  [default: {DEFAULT_SUITE}]"
    ),
    defense: list[str] = typer.Option([], "-d", "--defense", help="Only this defense, such as HEAD or HEAD+OBJECTIVE."),
    attack: list[str] = typer.Option([], "-a", "--attack", help="Only this attack; all means every one that can run."),
    track: str = typer.Option("contract", help="contract: the suite's; native: only the attack's own constraints."),
    dataset: list[str] = typer.Option([], "--dataset", help="Only this dataset, or path=FILE (jsonl, csv, parquet)."),
    text_column: str = typer.Option("text", help="Text column of a --dataset path=FILE."),
    label_column: str = typer.Option("label", help="Label column of a --dataset path=FILE."),
    seed: list[int] = typer.Option([], "--seed", help="Training seed(s) instead of the suite's."),
    limit: int | None = typer.Option(None, min=1, help="Attack the first N examples of each sample (not publishable)."),
    options: list[str] = typer.Option(
        [], "--set", help="NAME.OPTION=VALUE of a defense or attack, training.FIELD=VALUE or inference.precision=bf16."
    ),
    jobs: int = typer.Option(0, min=0, help="Worker processes; 0 means one a core, less where memory is short."),
    concurrency: int = typer.Option(16, min=1, help="Examples attacked side by side in each worker; not in a record."),
    example_seconds: float = typer.Option(
        600.0, min=0, help="The most an attack may run on one example by itself; past it: error. 0 means no limit."
    ),
    device: str = typer.Option("auto", help="cpu, cuda, mps, or auto: the first that is here of cuda, mps, cpu."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the plan and its estimated cost; run nothing."),
    cascade: bool = typer.Option(
        False, "--cascade", help="Cheapest attack first, later ones on what is left: the same worst case, sooner."
    ),
    transfer: bool = typer.Option(
        False, "--transfer", help="Afterwards score every adversarial text on every other victim, as a matrix."
    ),
    fresh: bool = typer.Option(False, "--fresh", help="Forget the stored records of the selected cells first."),
    skip_broken: bool = typer.Option(False, "--skip-broken", help="Go on without plugins that fail to load."),
    store: Path | None = typer.Option(None, help="Where records are kept (default: in the per-user cache)."),
) -> None:
    """Run a suite: fit every defense, attack it with every attack, store one record an example.

    A run can be stopped at any moment (Ctrl-C, kill, power): the same command goes on where it stopped, and what is
    stored is never computed again. Afterwards: bench leaderboard publish.
    """
    from rich.console import Console

    from benchmark.api import Track
    from benchmark.attacking import Execution
    from benchmark.choice import native, selected, suite_named, with_strangers
    from benchmark.data.source import sources_of
    from benchmark.devices import resolve
    from benchmark.errors import BenchError
    from benchmark.plan import make_plan
    from benchmark.registry import load_registry, require_sound
    from benchmark.store import Store, default_store

    chosen = bool(defense or attack or dataset or seed or options) or suite is not None
    if not everything and not chosen:
        raise BenchError("nothing was selected", "Say bench run --all, or choose with --suite, -d, -a or --dataset")
    if device != "auto":  # auto is for the workers to find out: asking torch takes a while
        resolve(device)
    registry = load_registry()
    require_sound(registry, skip_broken)
    wanted = suite_named(registry, suite or DEFAULT_SUITE)
    if _track(track) is Track.NATIVE:
        wanted = native(wanted)
    wanted = with_strangers(registry, wanted) if everything else wanted
    names, files = _split_datasets(dataset)
    wanted = selected(registry, wanted, defense, attack, names, seed)
    if files:
        wanted = wanted.model_copy(update={"datasets": _local(files, text_column, label_column)})
    wanted = with_set(wanted, options)
    plan = make_plan(registry, wanted, sources_of(registry, wanted), limit)
    opened = Store(store or default_store())
    console = Console()
    if dry_run:
        _print_plan(console, plan, opened)
        return
    if fresh:
        for cell in plan.ready:
            opened.discard(cell.key)
    execution = Execution(concurrency, example_seconds or None, device)
    result = _execute(console, registry, wanted, plan, opened, jobs, cascade, execution)
    if cascade:
        from benchmark.cli.cascade import print_worst_cases

        print_worst_cases(console, plan, opened)
    _report(console, plan, opened, result)
    if transfer:
        from benchmark.cli.transfer import run_transfer

        run_transfer(console, plan, opened, jobs or default_jobs(), execution)


def _track(text: str) -> Track:
    from benchmark.api import Track
    from benchmark.errors import UnknownName

    if text not in {track.value for track in Track}:
        raise UnknownName("track", text, [track.value for track in Track])
    return Track(text)


def _execute(
    console: Console,
    registry: Registry,
    suite: Suite,
    plan: Plan,
    store: Store,
    jobs: int,
    cascade: bool,
    execution: Execution,
) -> RunResult:
    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.choice import cheapest_first
    from benchmark.cli.messages import stopped
    from benchmark.cli.progress import RichWatcher
    from benchmark.plan import assets_for
    from benchmark.runner import Runner

    cache = cache_root()
    if not all(store.is_complete(cell.key) for cell in plan.ready):
        AssetStore(cache, progress=console.is_terminal).ensure(assets_for(registry, suite))
    try:
        with RichWatcher(console) as watcher:
            order = cheapest_first(registry, suite) if cascade else None
            return Runner(plan, store, cache, watcher, jobs or default_jobs(), order, execution).run()
    except KeyboardInterrupt:  # caught here: the command-line library would end the process without a word
        stopped()
        raise typer.Exit(130) from None


def default_jobs() -> int:
    """One worker a core this process may use, and at least 2 GB of free memory for each."""
    import os

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (ValueError, OSError, AttributeError):
        free = 2.0 * cores
    return max(1, min(cores, int(free // 2)))


def _split_datasets(given: list[str]) -> tuple[list[str], list[Path]]:
    names = [value for value in given if not value.startswith("path=")]
    return names, [Path(value.removeprefix("path=")) for value in given if value.startswith("path=")]


def _local(files: list[Path], text_column: str, label_column: str) -> dict[str, Any]:
    """Suite entries of local files, named after them."""
    from benchmark.suite import SuiteDataset

    return {
        f"local-{path.name.split('.')[0]}": SuiteDataset(
            path=str(path), text_column=text_column, label_column=label_column
        )
        for path in files
    }


def with_set(suite: Suite, given: list[str]) -> Suite:
    """The suite with ``NAME.OPTION=VALUE`` over its options, or over its table ``training`` or ``inference``."""
    from pydantic import ValidationError

    from benchmark.errors import BadOptions
    from benchmark.options import parse_value
    from benchmark.suite import Inference, Part, Training

    merged = {name: dict(values) for name, values in suite.options.items()}
    kinds: dict[str, type[Part]] = {"training": Training, "inference": Inference}
    tables = {name: getattr(suite, name).model_dump() for name in kinds}
    for text in given:
        path, equals, value = text.partition("=")
        name, dot, option = path.partition(".")
        if not equals or not dot or not name or not option:
            raise BadOptions(f"--set {text} is not NAME.OPTION=VALUE", "For example --set mvp.templates=2")
        target = tables[name] if name in tables else merged.setdefault(name, {})
        target[option] = parse_value(value)
    changed: dict[str, Part] = {}
    for name, kind in kinds.items():
        try:
            changed[name] = kind.model_validate(tables[name])
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BadOptions(
                f"--set {name}.{where}: {first['msg']}", f"Known: {', '.join(kind.model_fields)}"
            ) from None
    return suite.model_copy(update={"options": merged, **changed})


def _print_plan(console: Console, plan: Plan, store: Store) -> None:
    from rich.markup import escape
    from rich.table import Table

    from benchmark.cli.progress import title
    from benchmark.estimate import estimate

    table = Table(title=f"plan of suite {plan.suite.name} v{plan.suite.version}", box=None, header_style="bold")
    for column in ("cell", "key", "examples", "state", "about"):
        table.add_column(column)
    costs = estimate(plan, store)
    for cell in plan.cells:
        state = f"not applicable: {cell.reason}" if cell.reason else costs.state[cell.key]
        table.add_row(
            escape(title(cell)), cell.key, str(len(cell.ids) or "test part"), escape(state), costs.text(cell.key)
        )
    console.print(table)
    console.print(costs.total_text(default_jobs()), markup=False, highlight=False)


def _report(console: Console, plan: Plan, store: Store, result: RunResult) -> None:
    from benchmark.cli.summary import print_summary
    from benchmark.errors import RunFailed

    print_summary(console, plan, store)
    for cell in plan.cells:
        if cell.reason:
            console.print(f"not applicable: {cell.victim.defense}: {cell.reason}", markup=False, highlight=False)
    text = f"{result.computed} cells computed, {result.stored} from the store ({store.root})"
    console.print(text, markup=False, highlight=False)
    if result.failures:
        first, trace = next(iter(result.failures.values()))
        error = RunFailed(
            f"{len(result.failures)} of {len(plan.ready)} cells failed; the first: {first.message}", first.hint
        )
        if trace:
            error.add_note(trace)
        raise error
