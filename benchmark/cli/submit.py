"""``bench submit``: pack results for somebody else's leaderboard, and review what others have packed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.registry import Registry
    from benchmark.submission.content import Source
    from benchmark.submission.review import Known
    from benchmark.suite import Suite

app = typer.Typer(help="Send results to a leaderboard, and review what others send.", no_args_is_help=True)


@app.command("pack")
def pack_results(
    url: Annotated[str, typer.Option(help="Where the plugin's source is, https://...")],
    commit: Annotated[str, typer.Option(help="The commit that was measured.")],
    distribution: Annotated[str, typer.Option(help="The plugin's distribution.")],
    version: Annotated[str, typer.Option(help="Its version.")],
    defense: Annotated[
        list[str], typer.Option("-d", "--defense", help="Only this defense (default: all stored).")
    ] = [],  # noqa: B006
    suite: Annotated[str, typer.Option(help="A suite's name (bench list suites) or a TOML file.")] = "mini",
    store: Annotated[Path | None, typer.Option(help="Where records are kept (default: in the per-user cache).")] = None,
    out: Annotated[Path | None, typer.Option(help="The archive (default: <suite>-v<N>-<distribution>.zip).")] = None,
) -> None:
    """Pack the complete rows of some defenses into one archive: records, suite, source reference, checkpoint hashes.

    Nothing of the dataset's sentences and nothing of this machine is in it. Equal records give equal bytes.
    """
    from benchmark.assets.cache import cache_root
    from benchmark.choice import suite_named
    from benchmark.cli.leaderboard import prescribed
    from benchmark.registry import load_registry
    from benchmark.store import Store, default_store
    from benchmark.submission.pack import pack

    registry = load_registry()
    wanted = suite_named(registry, suite)
    source = _source(distribution, version, url, commit)
    records = Store(store or default_store())
    data = pack(wanted, records, defense, source, cache_root() / "victims", prescribed(registry, wanted))
    path = out or Path(f"{wanted.name}-v{wanted.version}-{distribution}.zip")
    _write(path, data)
    typer.echo(f"{path} ({len(data)} bytes, sha256 {_sha256(data)}); send both to whoever keeps the leaderboard")


@app.command("review")
def review_archive(
    archive: Annotated[Path, typer.Argument(help="An archive that bench submit pack wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of all pages.")] = Path("leaderboards"),
    sha256: Annotated[
        str | None, typer.Option(help="The digest that the author gave; another archive is refused.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is wrong; add nothing.")] = False,
) -> None:
    """Check an archive and add its rows to OUT/<suite>/v<version>/ as claimed.

    Every text is rebuilt from the dataset and judged by the contract again. Nothing is written before all of it passed.
    """
    from benchmark.submission.archive import read_file
    from benchmark.submission.content import read_content
    from benchmark.submission.limits import BadArchive
    from benchmark.submission.review import add_claimed, review, shown_whole

    data = read_file(archive)
    if sha256 is not None and sha256.lower() != _sha256(data):
        raise BadArchive(f"{archive} has another sha256 ({_sha256(data)})", "Ask its author which one was meant")
    submission = read_content(data).submission
    known = _known(submission.suite, submission.suite_version, out)
    found = review(data, known)
    for problem in found.problems[:50]:
        typer.echo(shown_whole(problem))
    for dataset, defense, seed in found.rows:
        typer.echo(shown_whole(f"row: {dataset}, {defense}, seed {seed}"))
    if found.problems:
        raise BadArchive(f"the archive is refused: {len(found.problems)} problems", "Nothing was added")
    if dry_run:
        typer.echo(f"sound (sha256 {found.sha256}); nothing was added")
        return
    files = add_claimed(found, known, out)
    page = out / known.suite.name / f"v{known.suite.version}"
    typer.echo(f"{page}: {len(files)} files; the rows are claimed (archive {found.sha256})")
    typer.echo(f"Next, with the plugin installed: bench leaderboard verify {page} --mark")


def _known(name: str, version: int, out: Path) -> Known:
    """The suite as published in ``out``, else as installed; datasets and contract as installed."""
    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.choice import suite_named
    from benchmark.data.source import sources_of
    from benchmark.leaderboard.evidence import CELLS, read_cells
    from benchmark.leaderboard.publish import SUITE, read_frozen
    from benchmark.leaderboard.versions import assets_of
    from benchmark.plan import assets_for, make_plan
    from benchmark.registry import load_registry
    from benchmark.submission.review import Known
    from benchmark.submission.texts import Truth
    from benchmark.worker import Workbench

    registry, cache = load_registry(), cache_root()
    page = out / name / f"v{version}"
    suite = read_frozen(page) if (page / SUITE).exists() else suite_named(registry, f"{name}@v{version}")
    here = _installed(registry, suite)
    assets: dict[str, str] = {}
    for cell in make_plan(registry, here, sources_of(registry, here)).cells:
        assets |= assets_of(cell.file)
    for published in read_cells(page / CELLS) if (page / CELLS).exists() else ():
        assets |= assets_of(published)
    AssetStore(cache).ensure(assets_for(registry, here))
    bench = Workbench(here, cache, registry)
    truths = {}
    for dataset, source in bench.sources.items():
        parts, clause = bench.parts(dataset), suite.contract.similarity
        truths[dataset] = Truth(
            {example.id: example for example in parts.test},
            [example.id for example in source.clean_rows(parts)],
            bench.armoury.validator(dataset).check,
            clause.minimum if clause else None,
        )
    return Known(suite, truths, assets)


def _installed(registry: Registry, suite: Suite) -> Suite:
    """The suite without the defenses that are not installed here."""
    from benchmark.errors import BenchError
    from benchmark.fit.compose import parse_name

    found = []
    for name in suite.defenses:
        try:
            parse_name(name, registry)
        except BenchError:
            continue
        found.append(name)
    return suite.model_copy(update={"defenses": tuple(found)})


def _source(distribution: str, version: str, url: str, commit: str) -> Source:
    from pydantic import ValidationError

    from benchmark.errors import BadOptions
    from benchmark.submission.content import Source

    try:
        return Source(distribution=distribution, version=version, url=url, commit=commit)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise BadOptions(
            f"--{first['loc'][0]}: {first['msg']}", "An https address without user or query, and a commit in hex"
        ) from None


def _write(path: Path, data: bytes) -> None:
    from benchmark.assets.cache import readable_errors

    with readable_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _sha256(data: bytes) -> str:
    from benchmark.leaderboard.digests import sha256

    return sha256(data)
