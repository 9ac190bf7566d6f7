"""Prompt templates: read from the TOML files beside this module or from options, checked, and filled with a text.

A template is a sentence with ``[MASK]`` once and ``{text}`` once, such as ``{text} it was [MASK] .``. ``{text}`` is all
columns of the text joined by the model's separators; ``{first}`` and ``{second}`` instead place the two columns of a
pair (``{first} ? [MASK] , {second}``), without separators.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark import NotApplicable, Row
from benchmark.errors import BadOptions
from benchmark_plugins.defenses.heads.tokens import Columns, Span, TextTokenizer, shortened
from benchmark_plugins.defenses.heads.verbalizers import random_words, word_id

FOLDER = Path(__file__).with_name("prompts")
TEXT, FIRST, SECOND, MASK = "{text}", "{first}", "{second}", "[MASK]"
EMPTY = ("{text} [MASK]", "[MASK] {text}")
"""The templates without words: the mask appended, the mask prepended."""

TemplateKind = Literal["dataset", "random", "empty"]


@dataclass(frozen=True)
class PromptFile:
    """Templates and label words of one dataset; label names are compared without regard to case."""

    templates: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]


def prompt_file(dataset: str) -> PromptFile:
    """The file of ``dataset``, or ``default.toml`` for a dataset without one."""
    known = {path.stem: path for path in FOLDER.glob("*.toml")}
    data = tomllib.loads(known.get(dataset, known["default"]).read_text(encoding="utf-8"))
    words = {label.lower(): tuple(listed) for label, listed in data["verbalizer"].items()}
    return PromptFile(tuple(data["templates"]), words)


def choose_templates(available: Sequence[str], number: int | None) -> tuple[str, ...]:
    """The first ``number`` templates (None: all of them); raises BadOptions where there are fewer."""
    if number is not None and number > len(available):
        raise BadOptions(
            f"option 'templates' asks for {number} templates, there are {len(available)}",
            "Ask for fewer, or give them with option 'template_texts'",
        )
    return tuple(available[:number])


def make_templates(
    tokenizer: Any,
    file: PromptFile,
    *,
    kind: TemplateKind = "dataset",
    number: int | None = None,
    inline: Sequence[str] = (),
    seed: int = 0,
    causal: bool = False,
) -> list[Template]:
    """The templates to use: the inline ones, else those of ``file``; the first ``number`` of them.

    ``random`` keeps where the mask and the text stand and puts a random word in place of every other token; ``empty``
    is :data:`EMPTY`. Raises BadOptions for templates that cannot be read and NotApplicable for one that a ``causal``
    model cannot use.
    """
    if kind == "empty":
        if inline:
            raise BadOptions(
                "option 'template_kind' is empty, so 'template_texts' has no use", "Leave one of the two out"
            )
        texts = choose_templates(EMPTY[:1] if causal else EMPTY, number)
    else:
        texts = choose_templates(tuple(inline) or file.templates, number)
    templates = [Template(text, tokenizer) for text in texts]
    for place, template in enumerate(templates):
        if causal and not template.ends_with_mask:
            raise NotApplicable(
                f"the template '{template.text}' does not end with {MASK}, and a causal model reads only what stands "
                "before it",
                "Give templates such as '{text} it was [MASK]' with option 'template_texts'",
            )
        if kind == "random":
            template.replace_words(tokenizer, random.Random(f"template/{seed}/{place}"))
    return templates


class Template:
    """A checked template: token ids of its words, and between them the places of the text's columns."""

    def __init__(self, text: str, tokenizer: Any) -> None:
        self.text = text
        parts = re.split(f"({re.escape(TEXT)}|{re.escape(FIRST)}|{re.escape(SECOND)})", text)
        self.places: list[str] = parts[1::2]
        """Placeholders of the text in the order in which they stand."""
        self._check()
        words = [part.split(MASK) for part in parts[::2]]
        self._masked_part = next(number for number, part in enumerate(words) if len(part) == 2)
        self._mask = len(_fixed(words[self._masked_part][:1], tokenizer, inside=self._masked_part > 0))
        self.fixed: list[list[int]] = [_fixed(part, tokenizer, inside=number > 0) for number, part in enumerate(words)]
        """Ids of what stands before, between and after the placeholders."""
        self._spaced = [
            part[-1:].isspace() and bool(n or self.fixed[0]) for n, part in enumerate(parts[: 2 * len(self.places) : 2])
        ]

    def _check(self) -> None:
        counts = {MASK: self.text.count(MASK)}
        if not {FIRST, SECOND} & set(self.places):
            counts[TEXT] = self.places.count(TEXT)
        else:
            counts |= {FIRST: self.places.count(FIRST), SECOND: self.places.count(SECOND)}
            if TEXT in self.places:
                raise BadOptions(
                    f"the template '{self.text}' has {TEXT} beside {FIRST} or {SECOND}", "Use one or the other"
                )
        for placeholder, count in counts.items():
            if count != 1:
                raise BadOptions(
                    f"the template '{self.text}' has {placeholder} {count} times, it must be there once",
                    "A template looks like: {text} it was [MASK] . or: {first} ? [MASK] , {second}",
                )

    @property
    def length(self) -> int:
        """Tokens of the template, the mask included."""
        return sum(map(len, self.fixed))

    @property
    def ends_with_mask(self) -> bool:
        """Whether the mask is the last token of a filled template."""
        return self._masked_part == len(self.fixed) - 1 and self._mask == len(self.fixed[-1]) - 1

    def spaced(self, column: int) -> bool:
        """Whether a space, with something before it, stands before a column of the text."""
        names = {0: (TEXT, FIRST), 1: (SECOND,)}.get(column, ())
        return any(place in names and space for place, space in zip(self.places, self._spaced, strict=True))

    def replace_words(self, tokenizer: Any, rng: random.Random) -> None:
        """Put a random whole word in place of every token but the mask, each another one."""
        words = iter(random_words(tokenizer, self.length - 1, rng))
        for number, part in enumerate(self.fixed):
            for place in range(len(part)):
                if (number, place) != (self._masked_part, self._mask):
                    part[place] = word_id(tokenizer, next(words))

    def row(self, columns: Columns, ids: Sequence[Sequence[int]], max_length: int) -> Row:
        """The template filled with the columns ``ids``, between special tokens, at most ``max_length`` tokens.

        The text is cut, never the template. ``slot`` is the place of the mask. Words of the template belong to the
        segment of what stands before them.
        """
        room = max_length - self.length - len(columns.first) - len(columns.last)
        spans = self._spans(columns, ids, room)
        row_ids = list(columns.first)
        index, segments, slot = [-1] * len(row_ids), [0] * len(row_ids), 0
        for number, fixed in enumerate([*self.fixed[:-1], [*self.fixed[-1], *columns.last]]):
            if number == self._masked_part:
                slot = len(row_ids) + self._mask
            row_ids += fixed
            index += [-1] * len(fixed)
            segments += [segments[-1] if segments else 0] * len(fixed)
            if number < len(spans):
                row_ids += spans[number].ids
                index += spans[number].index
                segments += spans[number].segments
        return Row(row_ids, index, slot, segments)

    def _spans(self, columns: Columns, ids: Sequence[Sequence[int]], room: int) -> list[Span]:
        """What goes into each placeholder. ``{second}`` takes all columns but the first."""
        if self.places == [TEXT]:
            return [columns.joined(ids, room)]
        both = {FIRST: list(ids[0]), SECOND: [token for column in ids[1:] for token in column]}
        start = {FIRST: 0, SECOND: len(both[FIRST])}
        lengths = dict(zip(both, shortened([len(column) for column in both.values()], room), strict=True))
        return [
            Span(both[p][: lengths[p]], list(range(start[p], start[p] + lengths[p])), [0] * lengths[p])
            for p in self.places
        ]


def _fixed(parts: Sequence[str], tokenizer: Any, inside: bool) -> list[int]:
    """Ids of the words between two placeholders, with the mask's id between ``parts``. ``inside``: words precede."""
    tokens = TextTokenizer(tokenizer)
    ids: list[int] = []
    for number, words in enumerate(parts):
        if number:
            ids.append(tokenizer.mask_token_id)
        spaced = inside or number > 0
        ids += tokens(words.strip(), leading_space=spaced and words[:1].isspace()) if words.strip() else []
    return ids
