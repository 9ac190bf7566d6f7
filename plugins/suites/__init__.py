"""The suites that ship: one TOML file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark import hookimpl


@hookimpl
def register_suites(register: Callable[[Path], None]) -> None:
    """Register every suite file of this folder by its stem."""
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        register(path)
