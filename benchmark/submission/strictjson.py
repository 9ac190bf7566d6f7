"""JSON of strangers: bounded, UTF-8, without NaN, infinity, repeated keys or deep nesting."""

from __future__ import annotations

import json
import math
from typing import Any

from benchmark.submission.limits import DEPTH, INTEGER, TEXT_CHARACTERS, refused


def load(data: bytes, where: str) -> Any:
    """Parse one JSON text; raises BadArchive naming ``where``."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise refused(where, "is not UTF-8") from None
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise refused(where, f"is nested deeper than {DEPTH} levels") from None
    except ValueError as problem:
        raise refused(where, f"is not strict JSON ({problem})") from None
    fault = _fault(value)
    if fault:
        raise refused(where, fault)
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _fault(value: Any) -> str | None:
    """What no honest archive holds; without recursion, so that no input is too deep for it."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            return f"is nested deeper than {DEPTH} levels"
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item.keys(), *item.values()]
            elif isinstance(item, list):
                below += item
            else:
                fault = _leaf(item)
                if fault:
                    return fault
        level = below
    return None


def _leaf(value: Any) -> str | None:
    if isinstance(value, str):
        if len(value) > TEXT_CHARACTERS:
            return f"has a string of {len(value)} characters (limit {TEXT_CHARACTERS})"
        if any("\ud800" <= character <= "\udfff" for character in value):
            return "has half a surrogate pair, which UTF-8 cannot hold"
    if isinstance(value, float) and not math.isfinite(value):
        return "has a number that is not finite"
    if isinstance(value, int) and abs(value) > INTEGER:
        return "has an integer beyond 2**53"
    return None
