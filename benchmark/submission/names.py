"""Names and provenance of submitted cells: what is printed on a page is plain, and of the type that a page expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmark.leaderboard.evidence import to_published_cell
from benchmark.records import CellFile, Status
from benchmark.submission.limits import NAME, shown

NUMBERS = frozenset(
    {
        "accuracy", "best_step", "best_validation_accuracy", "calibration_error", "confidence", "disagreement",
        "epochs", "examples", "loss", "parameters", "peak_memory_bytes", "seconds", "step", "steps", "temperature",
        "threads", "tokens", "zero_gradients",
    }
)  # fmt: skip
"""Fields of provenance that are numbers wherever they occur."""
PROBE = ("accuracy", "confidence", "calibration_error", "temperature")
"""What a probe that is not empty always holds."""
TABLES = frozenset({"environment", "libraries", "plugins", "probe", "training"})
MARKUP = frozenset("<>&\"'`|\\")
LONGEST = 400


def odd_names(cell: CellFile) -> Iterator[str]:
    """Names of a cell that no page may print, and provenance that no page could."""
    fields = ("defense", "attack", "attack_display", "dataset", "model")
    for field in fields:
        value = getattr(cell, field)
        if value is not None and not NAME.fullmatch(value):
            yield f"its {field} {shown(value)!r} has markup, or characters outside printable ASCII, or is too long"
    if cell.status is not Status.RUN or cell.external:
        yield "it comes with a status; whoever reviews an archive gives it"
    if to_published_cell(cell).provenance != cell.provenance:
        yield "its provenance says more than a page publishes (paths, hosts, addresses or unknown fields)"
    forwards = cell.provenance.get("forwards_per_prediction")
    if forwards is not None and (type(forwards) is not int or not 1 <= forwards <= 10**6):
        yield "its forwards_per_prediction is no number of forward passes"
    probe = cell.provenance.get("probe")
    if isinstance(probe, Mapping) and probe and any(probe.get(name) is None for name in PROBE):
        yield f"its provenance.probe lacks one of {', '.join(PROBE)}"
    yield from _odd(cell.provenance, "provenance")
    yield from _controls(cell.spec)


def _odd(value: Any, where: str) -> Iterator[str]:
    name = where.rpartition(".")[2]
    if name in TABLES and not isinstance(value, Mapping):
        yield f"its {where} is no table"
    elif name in NUMBERS and not (_is_number(value) or (value is None and name != "seconds")):
        yield f"its {where} is no number"
    elif isinstance(value, str) and (len(value) > LONGEST or not value.isprintable() or MARKUP & set(value)):
        yield f"its {where} has markup or is too long"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not NAME.fullmatch(str(key)):
                yield f"its {where} has a field called {shown(key)!r}"
            else:
                yield from _odd(item, f"{where}.{key}") if _fits(name, key, item) else [f"its {where}.{key} is no text"]
    elif isinstance(value, list):
        for item in value:
            yield from _odd(item, where.removesuffix(f".{name}") + ".item")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _fits(table: str, key: str, value: Any) -> bool:
    """Whether a value is text where a table holds only that."""
    if table in ("libraries", "plugins"):
        return isinstance(value, str)
    if table == "provenance" and key in ("model_revision", "attack_access"):
        return isinstance(value, str)
    return table != "environment" or key == "libraries" or value is None or isinstance(value, str)


def _controls(value: Any) -> Iterator[str]:
    """Control characters in a specification, which `bench leaderboard diff` prints."""
    if isinstance(value, str):
        if not all(character.isprintable() or character in "\n\t" for character in value):
            yield f"its specification has control characters: {shown(value)!r}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _controls(key)
            yield from _controls(item)
    elif isinstance(value, list):
        for item in value:
            yield from _controls(item)
