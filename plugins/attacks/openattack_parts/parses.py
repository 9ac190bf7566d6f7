"""Constituency parses that were made beforehand, one a text, for SCPN.

The library runs the Stanford parser (Java) inside the attack. A file can be read, hashed and published instead, and
says the same on every machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmark import NotApplicable
from benchmark_plugins.attacks.openattack_parts.folder import fault, read_text

PIECE = re.compile(r"[()]|[^\s()]+")
KEYS = frozenset({"text", "parse"})


@dataclass(frozen=True)
class Parse:
    """The parse of one text: the parser and the tokenizer that SCPN asks about that text, and about no other."""

    tree: str
    tokens: tuple[str, ...]
    """The leaves: Treebank tokens, as the paper's networks were trained on."""
    labels: frozenset[str]

    def __call__(self, sentence: str) -> str:
        return self.tree

    def tokenize(self, x: str, pos_tagging: bool = True) -> list[str]:
        return list(self.tokens)


def parsed(tree: str) -> Parse:
    """Reads a tree such as ``(ROOT (S (NP (PRP it)) (VP (VBZ works))))``. Raises ValueError that says what is wrong."""
    pieces = PIECE.findall(tree)
    depth, labels, tokens = 0, set(), []
    for number, (before, piece) in enumerate(pairwise(["", *pieces])):
        if number and not depth:
            raise ValueError("goes on after its last bracket")
        if before == "(" and piece in "()":
            raise ValueError("has a bracket without a label")
        depth += (piece == "(") - (piece == ")")
        if piece not in "()":
            if before == "(":
                labels.add(piece)
            elif depth:
                tokens.append(piece)
            else:
                raise ValueError("does not begin with a bracket")
    if depth or not labels:
        raise ValueError("has brackets that do not match" if pieces else "is empty")
    if not tokens:
        raise ValueError("has no words")
    return Parse(tree, tuple(tokens), frozenset(labels))


def read_parses(path: Path) -> Mapping[str, Parse]:
    """Parses by text, of a JSON Lines file with ``text`` and ``parse`` in each line. Raises BadOptions by line."""
    found: dict[str, Parse] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except ValueError:
            raise fault(path, f"line {number} is not JSON") from None
        if not isinstance(row, dict) or set(row) != KEYS or not all(isinstance(v, str) for v in row.values()):
            raise fault(path, f"line {number} is not an object of the texts 'text' and 'parse'")
        try:
            parse = parsed(row["parse"])
        except ValueError as problem:
            raise fault(path, f"line {number}: the parse {problem}") from None
        if found.setdefault(row["text"], parse) != parse:
            raise fault(path, f"line {number}: the text has another parse in an earlier line")
    return found


def parse_of(parses: Mapping[str, Parse], text: str, tags: Collection[str]) -> Parse:
    """The parse of one text. Raises NotApplicable where there is none, or one with a label that is not in ``tags``.

    The library answers None for both, which would count as a text that held.
    """
    parse = parses.get(text)
    if parse is None:
        raise NotApplicable("the file of parses has none for this text", "Add a line with exactly this text")
    if unknown := sorted(parse.labels - set(tags)):
        raise NotApplicable(
            f"the parse of this text has the label '{unknown[0]}', which is not in ptb_tagset.txt",
            "Parse it with the labels of the Penn Treebank",
        )
    return parse
