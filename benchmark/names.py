"""Names of defenses: ``head``, ``head+objective+wrapper``, options in brackets, as in ``mvp[templates=2]+pgd``.

A part's own name may end in two plus signs: ``head+name+++wrapper`` is ``head``, ``name++`` and ``wrapper``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.errors import BadOptions
from benchmark.options import parse_value

if TYPE_CHECKING:
    from collections.abc import Iterator


class PartName(NamedTuple):
    """One part of a name and the options in its brackets."""

    name: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}[{','.join(f'{key}={_shown(self.options[key])}' for key in sorted(self.options))}]"


def split_name(name: str) -> list[PartName]:
    """The parts of a defense's name in the order given; raises BadOptions for what cannot be read."""
    return [_part(text, name) for text in _outside(name, "+")]


def _part(text: str, whole: str) -> PartName:
    match = re.fullmatch(r"\s*([^\[\]\s]+)\s*(?:\[(.*)\])?\s*", text, re.DOTALL)
    if match is None:
        what = "an empty part" if not text.strip() else f"a part that cannot be read: '{text.strip()}'"
        raise BadOptions(
            f"the defense name '{whole}' has {what}", "Write HEAD, HEAD+OBJECTIVE+WRAPPER or HEAD[OPTION=VALUE]"
        )
    options: dict[str, Any] = {}
    for setting in _outside(match[2], ",") if match[2] else []:
        key, found, value = setting.partition("=")
        key = key.strip()
        if not found or not key or key in options:
            raise BadOptions(
                f"'{setting.strip()}' in '{whole}' is no option, or is given twice", "Write PART[OPTION=VALUE,...]"
            )
        options[key] = parse_value(value.strip())
    return PartName(match[1], options)


def _outside(text: str, separator: str) -> Iterator[str]:
    """``text`` cut at the separators that stand outside of brackets, braces and double quotes."""
    depth, quoted, escaped, start, last = 0, False, False, 0, -1
    for place, character in enumerate(text):
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == separator and depth == 0 and place > last:
            if separator == "+" and place > start and text[place : place + 2] == "++":
                last = place + 1  # two plus signs end a part's own name, as in NAME++
                continue
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _shown(value: Any) -> str:
    """The value as a name carries it; :func:`parse_value` reads it back."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", value) and parse_value(value) == value:
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
