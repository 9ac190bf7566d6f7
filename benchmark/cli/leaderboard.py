"""``bench leaderboard``: publish a page, verify one, compare two. Only ``verify`` needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.verify import verify_page

if TYPE_CHECKING:
    from benchmark.leaderboard.selection import Prescribed
    from benchmark.registry import Registry
    from benchmark.suite import Suite

app = typer.Typer(help="Publish a leaderboard, verify one, compare two.", no_args_is_help=True)
app.command("verify")(verify_page)


@app.command("publish")
def publish_page(
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    out: Annotated[Path, typer.Option(help="Folder of all pages.")] = Path("leaderboards"),
    seed: Annotated[
        list[int] | None, typer.Option("--seed", help="Training seeds of the page instead of the suite's.")
    ] = None,
    defense: Annotated[
        list[str] | None, typer.Option("-d", "--defense", help="A further defense of the page; the suite's stay.")
    ] = None,
    texts: Annotated[
        bool, typer.Option("--texts", help="Publish the sentences too, where their licence allows.")
    ] = False,
) -> None:
    """Turn stored records into OUT/<suite>/v<version>/: index.html, leaderboard.md and .json, plots and evidence.

    The evidence holds every outcome and each adversarial text as an edit script, but no sentence of a dataset. With
    --texts the sentences lie beside it and the page shows them with the changed words marked.
    """
    from benchmark.choice import selected, suite_named
    from benchmark.fit.compose import parse_name
    from benchmark.leaderboard.publish import publish
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store

    registry = load_registry()
    wanted = suite_named(registry, suite)
    for name in defense or ():
        parse_name(name, registry)  # a name that nobody registered would stand on the page as not measured
    wanted = selected(registry, wanted, (*wanted.defenses, *(defense or ())), seeds=seed or ())
    written = publish(wanted, Store(store or default_store()), out, prescribed(registry, wanted), texts)
    page = out / wanted.name / f"v{wanted.version}"
    typer.echo(f"{page / 'leaderboard.md'} ({len(written)} files; verify with: bench leaderboard check {page})")


@app.command("check")
def check_page(
    path: Annotated[Path, typer.Argument(help="A page's folder, or one that holds pages.")] = Path("leaderboards"),
) -> None:
    """Recompute a published page from its evidence; exit code 1 when anything differs."""
    from benchmark.leaderboard.check import inspect

    report = inspect(path)
    problems = report.problems
    for problem in problems:
        typer.echo(problem)
    for note in report.notes:
        typer.echo(f"note: {note}")
    if problems:
        typer.echo(f"{len(problems)} difference{'s' if len(problems) > 1 else ''} in {path}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{path}: " + ("sound" if report.notes else "every number follows from the evidence"))


@app.command("diff")
def diff_pages(
    a: Annotated[Path, typer.Argument(help="Folder of the older page.")],
    b: Annotated[Path, typer.Argument(help="Folder of the newer page.")],
) -> None:
    """Explain what moved between two pages: conditions first, then rows, within or beyond their intervals, and why."""
    from benchmark.leaderboard.diff import diff

    for line in diff(a, b) or ["nothing moved"]:
        typer.echo(line)


@app.command("render")
def render_page(
    page: Annotated[Path, typer.Argument(help="Folder of a published page.")],
) -> None:
    """Write the page's derived files again (markdown, JSON, plots, index) from its evidence, which stays as it is."""
    from benchmark.leaderboard.publish import render

    typer.echo(f"{page}: {len(render(page))} files")


@app.command("schema")
def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
) -> None:
    """Print the JSON Schema of leaderboard.json."""
    from benchmark.leaderboard.schema import schema_bytes
    from benchmark.store import write_atomic

    if out is None:
        typer.echo(schema_bytes().decode(), nl=False)
    else:
        write_atomic(out, schema_bytes().decode())


def prescribed(registry: Registry, suite: Suite) -> Prescribed:
    """Options, versions and origins of what is installed, so that cells run with ``--set`` stay off the page."""
    from benchmark.leaderboard.selection import Prescribed
    from benchmark.options import identifying, resolve

    options = {
        f"{kind}:{entry.name}": identifying(
            entry.item.options,
            resolve(entry.item.options, suite.options.get(entry.name, {}), f"{kind} '{entry.name}'"),
        )
        for kind in ("defense", "attack")
        for entry in registry.items(kind)
    }
    marks = {
        f"{kind}:{entry.name}": {
            "plugin": f"{entry.plugin.distribution} {entry.plugin.version}",
            **{field: getattr(entry.item, field) for field in ("version", "revision") if hasattr(entry.item, field)},
        }
        for kind in ("defense", "attack", "model", "dataset")
        for entry in registry.items(kind)
    }
    return Prescribed(options, marks)
