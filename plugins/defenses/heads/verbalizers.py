"""Verbalizers: the words that stand for a label, each exactly one token of the model, and random words instead."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from benchmark import NotApplicable, Task
from benchmark.errors import BadOptions
from benchmark_plugins.defenses.heads.tokens import pieces

VerbalizerKind = Literal["multiple", "single", "random"]


def label_words(
    tokenizer: Any,
    task: Task,
    listed: Mapping[str, Sequence[str]],
    inline: Mapping[str, Sequence[str]],
    kind: VerbalizerKind = "multiple",
    seed: int = 0,
) -> list[list[int]]:
    """Vocabulary ids of the words of each label, in label order.

    ``listed`` are the dataset's words by lower-case label. ``single`` keeps the first word of each label; ``random``
    draws one word a label that is neither a listed word nor a label. Raises BadOptions and NotApplicable.
    """
    if kind == "random":
        if inline:
            raise BadOptions(
                "option 'verbalizer_kind' is random, so 'verbalizer' has no use", "Leave one of the two out"
            )
        avoided = {word.lower() for words in listed.values() for word in words} | {n.lower() for n in task.label_names}
        drawn = random_words(tokenizer, len(task.label_names), random.Random(f"verbalizer/{seed}"), avoided)
        return word_ids(tokenizer, [(word,) for word in drawn], task)
    words = choose_words(listed, task, inline)
    if kind == "single":
        words = [each[:1] for each in words]
    refuse_shared(list(words), task)
    return word_ids(tokenizer, words, task)


def choose_words(
    listed: Mapping[str, Sequence[str]], task: Task, inline: Mapping[str, Sequence[str]]
) -> list[tuple[str, ...]]:
    """Label words for each label, in label order: inline ones first, then listed ones, then the label's own name."""
    given = {label.lower(): tuple(words) for label, words in inline.items()}
    unknown = sorted(given.keys() - {name.lower() for name in task.label_names})
    if unknown:
        raise BadOptions(
            f"option 'verbalizer' names the label '{unknown[0]}', which {task.dataset} does not have",
            f"Its labels: {', '.join(task.label_names)}",
        )
    lower = [name.lower() for name in task.label_names]
    return [given.get(name) or tuple(listed.get(name, ())) or (name,) for name in lower]


def refuse_shared(words: Sequence[Sequence[str]], task: Task) -> None:
    """Raise BadOptions where one word stands for two labels."""
    owner: dict[str, str] = {}
    for name, listed in zip(task.label_names, words, strict=True):
        for word in listed:
            if owner.setdefault(word, name) != name:
                raise BadOptions(
                    f"the word '{word}' stands for both '{owner[word]}' and '{name}' of {task.dataset}",
                    "Give each label words of its own (option 'verbalizer')",
                )


def word_ids(tokenizer: Any, words: Sequence[Sequence[str]], task: Task) -> list[list[int]]:
    """Vocabulary ids of the label words.

    Raises NotApplicable for a word that is not exactly one known token, or whose token is another label's (as for two
    words that differ in case only).
    """
    ids: list[list[int]] = []
    owner: dict[int, tuple[str, str]] = {}
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
            found = tokenizer.convert_tokens_to_ids(split[0])
            other, its_word = owner.setdefault(found, (name, word))
            if other != name:
                raise NotApplicable(
                    f"the words '{its_word}' of label '{other}' and '{word}' of label '{name}' ({task.dataset}) are "
                    "one token for this model",
                    "Give other words with option 'verbalizer'",
                )
            ids[-1].append(found)
    return ids


def word_id(tokenizer: Any, word: str) -> int:
    """The id of a word of one token, as it stands inside a sentence."""
    return int(tokenizer.convert_tokens_to_ids(pieces(tokenizer, word)[0]))


def random_words(tokenizer: Any, number: int, rng: random.Random, avoided: Collection[str] = ()) -> list[str]:
    """``number`` different words of the vocabulary, of two or more ASCII letters, each one token in a sentence.

    A function of the vocabulary, ``avoided`` (lower case) and the state of ``rng``. Raises NotApplicable where the
    vocabulary has too few.
    """
    surfaces = {token.lstrip("Ġ▁") for token in tokenizer.get_vocab()}
    candidates = sorted(s for s in surfaces if len(s) > 1 and s.isascii() and s.isalpha() and s.lower() not in avoided)
    rng.shuffle(candidates)
    found: dict[str, str] = {}
    for word in candidates:
        if len(found) == number:
            break
        split = pieces(tokenizer, word)
        if len(split) == 1 and split[0] != tokenizer.unk_token:
            found.setdefault(split[0], word)
    if len(found) < number:
        raise NotApplicable(
            f"the vocabulary has {len(found)} whole words, {number} random ones are needed",
            "Use another model, or leave the options 'template_kind' and 'verbalizer_kind' as they are",
        )
    return list(found.values())
