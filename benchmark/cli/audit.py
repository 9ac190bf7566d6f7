"""``bench audit``: ask people whether adversarial texts keep their label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.human.records import AuditResult, Preserved
    from benchmark.registry import Registry
    from benchmark.suite import Suite

app = typer.Typer(help="Ask people whether adversarial texts keep their label.", no_args_is_help=True)


@app.command("export")
def export_audit(
    out: Annotated[Path, typer.Option(help="Folder for the sheet, the page and the key.")],
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    n: Annotated[int, typer.Option("--n", min=1, help="Texts in all, unchanged ones included.")] = 100,
    seed: Annotated[int, typer.Option(help="Draws other texts.")] = 0,
    controls: Annotated[float, typer.Option(min=0, max=0.9, help="Share of unchanged texts.")] = 0.2,
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
) -> None:
    """Draw a blinded sample of texts that broke a victim, evenly over datasets and attacks, with unchanged texts.

    Annotators get audit.html or audit.csv, and instructions.txt; key.json is for you.
    """
    from benchmark.choice import suite_named
    from benchmark.cli.selected import selected
    from benchmark.human.draw import draw, make_key
    from benchmark.human.export import KEY, write_audit
    from benchmark.human.records import Kind
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    registry = load_registry()
    wanted = suite_named(registry, suite)
    attacked = selected(registry, wanted, Store(store or default_store()))
    drawn = draw(attacked, n, seed, controls)
    labels = _label_names(registry, wanted, {found.item.dataset for found in drawn})
    write_audit(out, make_key(wanted.name, wanted.version, seed, labels, drawn), drawn)
    changed = sum(found.item.kind is Kind.ADVERSARIAL for found in drawn)
    typer.echo(f"{out}: {changed} adversarial texts and {len(drawn) - changed} unchanged ones")
    if len(drawn) < n:
        typer.echo(f"(not {n}: each example gives one text at most, and these are all there are in these shares)")
    typer.echo(f"Give annotators audit.html or audit.csv, with instructions.txt. Keep {out / KEY} from them.")
    typer.echo(f"Then: bench audit import --key {out / KEY} FIRST.csv SECOND.csv")


@app.command("import")
def import_audit(
    sheets: Annotated[list[Path], typer.Argument(help="Filled sheets, one an annotator.")],
    key: Annotated[Path, typer.Option(help="The key.json of the export.")],
    store: Annotated[
        Path | None, typer.Option(help="Where the result is kept (default: in the per-user cache).")
    ] = None,
) -> None:
    """Read filled sheets: how many adversarial texts keep their label, by attack, against unchanged texts.

    Agreement is Krippendorff's alpha. The result is stored; a later import of the same audit replaces it.
    """
    from benchmark.errors import BadData
    from benchmark.human.records import AuditKey
    from benchmark.human.result import evaluate, result_path
    from benchmark.human.sheet import read_sheet
    from benchmark.records import dump, parse
    from benchmark.store import default_store, write_atomic

    if not key.is_file():
        raise BadData(f"{key} does not exist", "Give the key.json that bench audit export wrote")
    read = parse(AuditKey, key.read_bytes(), str(key))
    for number, sheet in enumerate(sheets):
        if any(sheet.resolve() == other.resolve() for other in sheets[:number]):
            raise BadData(f"{sheet} is given twice", "Give one sheet an annotator")
    result = evaluate(read, [read_sheet(sheet, read) for sheet in sheets])
    place = result_path(store or default_store(), read)
    write_atomic(place, dump(result) + "\n")
    _print(result)
    typer.echo(str(place))


def _label_names(registry: Registry, suite: Suite, datasets: set[str]) -> dict[str, tuple[str, ...]]:
    from benchmark.data.source import sources_of

    return {
        name: source.dataset.label_names for name, source in sources_of(registry, suite).items() if name in datasets
    }


def _print(result: AuditResult) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(
        box=None, header_style="bold", title=f"Label kept, by majority ({result.suite} v{result.suite_version})"
    )
    for column in ("texts", "kept", "per cent (95 % interval)"):
        table.add_column(column, justify="left" if column == "texts" else "right")
    rows = [("adversarial", result.adversarial), *((f"  {name}", p) for name, p in result.by_attack.items())]
    for name, found in [*rows, ("unchanged", result.controls)]:
        table.add_row(escape(name), f"{found.preserved} of {found.n}", _percent(found))
    console.print(table)
    for dataset, alpha in result.agreement.items():
        shown = "not defined (two annotators and two labels in use are needed)" if alpha is None else f"{alpha:.3f}"
        console.print(f"Krippendorff's alpha, {dataset}: {shown}", markup=False, highlight=False)
    line = (
        f"{result.annotators} annotator(s); {result.unlabelled} item(s) without a label are left out; a tie is not kept"
    )
    console.print(line, markup=False, highlight=False)


def _percent(found: Preserved) -> str:
    if found.share is None or found.low is None or found.high is None:
        return "-"
    return f"{100 * found.share:.1f} ({100 * found.low:.1f}-{100 * found.high:.1f})"
