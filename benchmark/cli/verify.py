"""``bench leaderboard verify``: run a random part of a published page again; the one command there that needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.leaderboard.evidence import Evidence
    from benchmark.suite import Suite
    from benchmark.verification import Agreement, Row, Verifier


def verify_page(
    page: Annotated[Path, typer.Argument(help="Folder of a published page.")],
    sample: Annotated[int, typer.Option(min=1, help="Records that are run again (with --mark: of each row).")] = 20,
    seed: Annotated[int, typer.Option(help="Draws another sample.")] = 0,
    defense: Annotated[list[str], typer.Option("-d", "--defense", help="Only rows of this defense.")] = [],  # noqa: B006
    dataset: Annotated[list[str], typer.Option("--dataset", help="Only rows of this dataset.")] = [],  # noqa: B006
    fit_seed: Annotated[list[int], typer.Option("--fit-seed", help="Only rows of this training seed.")] = [],  # noqa: B006
    checkpoint: Annotated[
        Path | None, typer.Option(help="Ask this checkpoint's folder; default: the cache's, else train again.")
    ] = None,
    mark: Annotated[
        bool,
        typer.Option("--mark", help="Attack a sample of each claimed row again, mark equal ones."),
    ] = False,
    at_least: Annotated[float, typer.Option(min=0, max=1, help="Share of equal outcomes that --mark asks for.")] = 0.95,
) -> None:
    """Run a random sample of a page's records again and report how many come out as published.

    Without --mark the stored adversarial texts are asked anew and predictions compared. With --mark the attacks run
    again on the sampled examples and outcomes are compared, because a row's claim is what held, too. Exit code 1
    where a row that was to be marked does not agree.
    """
    from benchmark.errors import BenchError
    from benchmark.leaderboard.evidence import read_evidence
    from benchmark.leaderboard.publish import read_frozen
    from benchmark.records import Status
    from benchmark.verification import draw, row_of, verified

    suite, evidence = read_frozen(page), read_evidence(page)
    rows = sorted(
        {
            row_of(cell)
            for cell in evidence.cells
            if (not defense or cell.defense in defense)
            and (not dataset or cell.dataset in dataset)
            and (not fit_seed or cell.seed in fit_seed)
            and (not mark or cell.status is Status.CLAIMED)
        }
    )
    if not rows:
        what = "claimed rows" if mark else "rows"
        raise BenchError(f"{page} has no such {what}", "The page's leaderboard.md lists its rows")
    verifier = _verifier(suite, rows, checkpoint)
    if not mark:
        drawn = draw(evidence, rows, sample, seed, texts_only=True)
        for difference in verifier.differences(drawn):
            typer.echo(f"not as published: {difference}")
        _report(f"{page}: predictions on stored adversarial texts", verifier.rescore(drawn))
        return
    failed = 0
    for row in rows:
        drawn = draw(evidence, [row], sample, seed, texts_only=False)
        for difference in verifier.differences(drawn):
            typer.echo(f"not as published: {difference}")
        found = verifier.reattack(drawn)
        _report(f"{row[0]}, {row[1]}, seed {row[2]}: outcomes of repeated attacks", found)
        if found.n and found.same >= at_least * found.n:
            evidence = _marked(page, suite, verified(evidence, row, found, seed))
            typer.echo("verified")
        else:
            failed += 1
            typer.echo(f"stays claimed: fewer than {at_least:.0%} agree")
    if failed:
        raise typer.Exit(1)


def _marked(page: Path, suite: Suite, evidence: Evidence) -> Evidence:
    from benchmark.leaderboard.publish import rewrite

    rewrite(page, suite, evidence)
    return evidence


def _verifier(suite: Suite, rows: list[Row], checkpoint: Path | None) -> Verifier:
    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.data.source import sources_of
    from benchmark.plan import assets_for, make_plan
    from benchmark.registry import load_registry
    from benchmark.verification import Verifier, narrowed
    from benchmark.worker import Workbench

    registry, cache = load_registry(), cache_root()
    wanted = narrowed(suite, rows)
    plan = make_plan(registry, wanted, sources_of(registry, wanted))
    AssetStore(cache).ensure(assets_for(registry, wanted))
    bench = Workbench(wanted, cache, registry)
    return Verifier(plan, cache, lambda dataset: bench.parts(dataset).test, checkpoint)


def _report(what: str, found: Agreement) -> None:
    share = found.share
    if share is None:
        typer.echo(f"{what}: nothing to run again")
        return
    interval = f"{share.value:.1%}, 95 % interval {share.low:.1%} to {share.high:.1%}"
    typer.echo(f"{what}: {found.same} of {found.n} the same ({interval})")
    for line in found.disagreements:
        typer.echo(f"  {line}")
