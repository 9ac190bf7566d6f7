"""Prompt templates and verbalizers: read from the TOML files beside this module or from options, then checked and
turned into token ids.

A template is a sentence with ``{text}`` and ``[MASK]`` once each, such as ``{text} it was [MASK] .``. A verbalizer
gives every label one or more words of a single token; the mask is scored on these words only.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark import NotApplicable, Task
from benchmark.errors import BadOptions
from benchmark_plugins.defenses.heads.tokens import TextTokenizer, pieces

FOLDER = Path(__file__).with_name("prompts")
TEXT, MASK = "{text}", "[MASK]"


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


def choose_templates(file: PromptFile, number: int | None, inline: Sequence[str]) -> tuple[str, ...]:
    """The templates to use: the inline ones, else the first ``number`` of the file (None: all of them)."""
    available = tuple(inline) or file.templates
    if number is not None and number > len(available):
        raise BadOptions(
            f"option 'templates' asks for {number} templates, there are {len(available)}",
            "Ask for fewer, or give them with option 'template_texts'",
        )
    return available[:number]


def choose_words(file: PromptFile, task: Task, inline: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Label words for each label, in label order: inline ones first, then the file's, then the label's own name."""
    given = {label.lower(): tuple(words) for label, words in inline.items()}
    unknown = sorted(given.keys() - {name.lower() for name in task.label_names})
    if unknown:
        raise BadOptions(
            f"option 'verbalizer' names the label '{unknown[0]}', which {task.dataset} does not have",
            f"Its labels: {', '.join(task.label_names)}",
        )
    chosen = [given.get(n.lower()) or file.words.get(n.lower()) or (n.lower(),) for n in task.label_names]
    owner: dict[str, str] = {}
    for name, words in zip(task.label_names, chosen, strict=True):
        for word in words:
            if owner.setdefault(word, name) != name:
                raise BadOptions(
                    f"the word '{word}' stands for both '{owner[word]}' and '{name}' of {task.dataset}",
                    "Give each label words of its own (option 'verbalizer')",
                )
    return chosen


def word_ids(tokenizer: Any, words: Sequence[tuple[str, ...]], task: Task) -> list[list[int]]:
    """Vocabulary ids of the label words; raises NotApplicable for a word that is not exactly one known token."""
    ids: list[list[int]] = []
    for name, listed in zip(task.label_names, words, strict=True):
        ids.append([])
        for word in listed:
            split = pieces(tokenizer, word)
            if len(split) != 1 or split[0] == tokenizer.unk_token:
                told = f"is {len(split)} tokens ({' '.join(split)})" if len(split) != 1 else "is unknown"
                raise NotApplicable(
                    f"the word '{word}' of label '{name}' ({task.dataset}) {told} for this model, it must be one token",
                    "Give other words with option 'verbalizer'",
                )
            ids[-1].append(tokenizer.convert_tokens_to_ids(split[0]))
    return ids


class Template:
    """A checked template as token ids: what stands before the text and what stands after it."""

    def __init__(self, text: str, tokenizer: Any) -> None:
        for placeholder in (TEXT, MASK):
            if text.count(placeholder) != 1:
                raise BadOptions(
                    f"the template '{text}' has {placeholder} {text.count(placeholder)} times, it must be there once",
                    "A template looks like: {text} it was [MASK] .",
                )
        before, after = text.split(TEXT)
        self.text = text
        self.before = _fixed(before, tokenizer, inside=False)
        self.after = _fixed(after, tokenizer, inside=True)

        self.mask = [*self.before, *self.after].index(tokenizer.mask_token_id)
        """Index of the mask within ``before`` and ``after`` put together."""

    @cached_property
    def length(self) -> int:
        """Tokens of the template, the mask included."""
        return len(self.before) + len(self.after)


def _fixed(part: str, tokenizer: Any, inside: bool) -> list[int]:
    """Ids of the words on one side of the text, with the mask's id at the placeholder. ``inside``: words precede it."""
    tokens = TextTokenizer(tokenizer)
    ids: list[int] = []
    for number, words in enumerate(part.split(MASK)):
        if number:
            ids.append(tokenizer.mask_token_id)
        spaced = inside or number > 0
        ids += tokens(words.strip(), leading_space=spaced and words[:1].isspace()) if words.strip() else []
    return ids
