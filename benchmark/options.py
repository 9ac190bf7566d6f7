"""Options given by name (suite tables, ``--set``) checked against an item's options class."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from benchmark.api import Local, Options
from benchmark.errors import BadOptions


def resolve(kind: type[Options], given: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """All options with their values (defaults filled in), as plain JSON values; raises BadOptions."""
    return parse(kind, given, owner).model_dump(mode="json")


def identifying(kind: type[Options], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that belong in an identity: all but the places of files on this machine (:class:`Local`)."""
    places = {
        name for name, field in kind.model_fields.items() if any(isinstance(mark, Local) for mark in field.metadata)
    }
    return {name: value for name, value in values.items() if name not in places}


def parse(kind: type[Options], given: Mapping[str, Any], owner: str) -> Options:
    """The options object; raises BadOptions naming the option, what is wrong and near names."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as problem:
        first = problem.errors()[0]
        name = ".".join(map(str, first["loc"])) or "(all)"
        known = sorted(kind.model_fields)
        near = difflib.get_close_matches(name, known, n=3)
        hint = (
            f"Did you mean: {', '.join(near)}?" if near and near[0] != name else f"Known: {', '.join(known) or 'none'}"
        )
        raise BadOptions(f"{owner}: option '{name}': {first['msg']}", hint) from None


def parse_value(text: str) -> Any:
    """A value as it is typed (``--set``, brackets of a defense's name): JSON where it parses, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
