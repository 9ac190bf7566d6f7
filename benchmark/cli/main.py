"""Entry point of ``bench``: registers the commands and turns errors into one clear line."""

from __future__ import annotations

import sys

import typer

from benchmark.cli import (
    attacks,
    audit,
    compare,
    curves,
    doctor,
    export,
    fetch,
    flags,
    leaderboard,
    listing,
    precision,
    profile,
    query,
    run,
    show,
    submit,
)
from benchmark.cli.messages import complain, stopped
from benchmark.errors import BenchError

EPILOG = "Add --traceback to any command for the whole story of an error. Start: bench run --all"


def make_app() -> typer.Typer:
    """The command tree (a function, so that tests and docs can walk it)."""
    app = typer.Typer(
        name="bench",
        help="Attack-and-defense benchmark suite for text classifiers: run every defense against every attack, "
        "then publish a leaderboard that anyone can verify.",
        epilog=EPILOG,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    app.command("run", epilog=run.EPILOG)(run.run)
    app.command("list")(listing.list_items)
    app.command("show")(show.show)
    app.command("compare")(compare.compare)
    app.command("attacks")(attacks.attacks)
    app.command("query", epilog=query.EPILOG)(query.query)
    app.command("export", epilog=export.EPILOG)(export.export)
    app.command("curves")(curves.curves)
    app.command("flags")(flags.flags)
    app.command("profile")(profile.profile)
    app.command("precision")(precision.precision)
    app.command("fetch")(fetch.fetch)
    app.command("doctor")(doctor.doctor)
    app.add_typer(leaderboard.app, name="leaderboard")
    app.add_typer(audit.app, name="audit")
    app.add_typer(submit.app, name="submit")
    return app


def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
    traceback: bool = typer.Option(False, "--traceback", help="Show tracebacks of errors (may stand anywhere)."),
) -> None:
    if version:
        from benchmark import __version__

        typer.echo(f"bench {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command; exit code 0, 1 (something failed), 2 (bad input) or 130 (stopped by Ctrl-C)."""
    show_traceback = "--traceback" in sys.argv[1:]
    arguments = [a for a in sys.argv[1:] if a != "--traceback"]
    try:
        make_app()(arguments, prog_name="bench")
    except BenchError as problem:
        if show_traceback:
            raise
        complain(problem.message, problem.hint)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        stopped()
        sys.exit(130)
    except OSError as problem:
        if show_traceback:
            raise
        complain(
            f"{problem.filename or 'the system'}: {problem.strerror or problem}", "bench doctor checks the machine"
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
