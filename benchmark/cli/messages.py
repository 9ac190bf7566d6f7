"""What commands say on standard error, in one form."""

from __future__ import annotations

import typer


def complain(message: str, hint: str) -> None:
    """One or two plain lines on standard error; no markup is interpreted in names that users gave."""
    typer.echo(f"error: {message}", err=True)
    if hint:
        typer.echo(f"  → {hint}", err=True)


def stopped() -> None:
    """Ctrl-C: say that nothing is lost."""
    complain("stopped", "Everything that was finished is stored; the same command goes on from there")
