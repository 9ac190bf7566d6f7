"""Edit scripts: what changed between two texts, without the text that did not change.

A published record must not carry sentences of a dataset. It carries the changes only, against character offsets of the
original text; whoever has the dataset applies them and gets the adversarial text back, byte for byte.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from benchmark.errors import BadRecord

Edit = tuple[int, int, str]
"""``(start, end, replacement)``: characters ``start:end`` of the original become ``replacement``."""
Piece = str | tuple[str, str]
"""Part of a text: unchanged, or ``(before, after)``."""

# A word or a punctuation mark together with the blanks behind it. Blanks as tokens of their own would match each other
# everywhere and make the alignment slow and ragged.
_TOKEN = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")

_SAME_WORD = 0.75
"""Likeness (difflib ratio) from which two words, not equal but for case, are one word with changed letters."""


def edit_script(original: str, adversarial: str) -> list[Edit]:
    """The changes that turn ``original`` into ``adversarial``: sorted, not overlapping, empty for equal texts.

    Words are aligned first. A word that became another word is stored whole (readable); a word of which letters changed
    (case, typos) is stored as those letters, so that a lower-cased text does not republish its sentence.
    """
    script: list[Edit] = []
    before, after = _TOKEN.findall(original), _TOKEN.findall(adversarial)
    starts = _offsets(before)
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if i2 - i1 == j2 - j1:
            for offset in range(i2 - i1):
                script.extend(_word(before[i1 + offset], after[j1 + offset], starts[i1 + offset]))
        else:
            script.extend(_trimmed("".join(before[i1:i2]), "".join(after[j1:j2]), starts[i1]))
    return script


def apply(original: str, script: Sequence[Edit]) -> str:
    """The text that ``script`` makes of ``original``; raises BadRecord where the script does not fit the text."""
    parts: list[str] = []
    position = 0
    for start, end, replacement in script:
        if not position <= start <= end <= len(original):
            raise BadRecord(
                f"the edit [{start}, {end}] does not fit a text of {len(original)} characters read up to {position}",
                "The record belongs to another text or was changed",
            )
        parts += [original[position:start], replacement]
        position = end
    return "".join([*parts, original[position:]])


def _offsets(tokens: Sequence[str]) -> list[int]:
    """Start of every token, and the end of the last one."""
    offsets = [0]
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    return offsets


def _word(before: str, after: str, start: int) -> Iterator[Edit]:
    """Changes between two aligned tokens of which the first begins at ``start``."""
    old, new = before.rstrip(), after.rstrip()
    if old != new:
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        if old.casefold() != new.casefold() and _unlike(matcher):
            yield (start, start + len(old), new)
        else:
            for tag, i1, i2, j1, j2 in matcher.get_opcodes():
                if tag != "equal":
                    yield (start + i1, start + i2, new[j1:j2])
    if before[len(old) :] != after[len(new) :]:
        yield (start + len(old), start + len(before), after[len(new) :])


def _unlike(matcher: difflib.SequenceMatcher[str]) -> bool:
    """Whether two words are another word each; the two quick ratios are upper bounds of the ratio."""
    return any(ratio() < _SAME_WORD for ratio in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio))


def _trimmed(before: str, after: str, start: int) -> Iterator[Edit]:
    """One change without the characters both ends share."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    yield (start + head, start + len(before) - tail, after[head : len(after) - tail])


def marked(text: str, script: Sequence[Edit]) -> list[Piece]:
    """``text`` cut at its changes: unchanged parts as strings, changed words as ``(before, after)``.

    An edit of letters is widened to the words it stands in; edits of one word become one change. The strings and the
    first halves joined give ``text``, the strings and the second halves what ``script`` makes of it.

    Raises BadRecord where the script does not fit the text.
    """
    apply(text, script)
    spans: list[tuple[int, int, list[Edit]]] = []
    for edit in script:
        start, end = _word_start(text, edit), _word_end(text, edit)
        if spans and start < spans[-1][1]:
            before, after, edits = spans.pop()
            spans.append((before, max(after, end), [*edits, edit]))
        else:
            spans.append((start, end, [edit]))
    pieces: list[Piece] = []
    position = 0
    for start, end, edits in spans:
        if position < start:
            pieces.append(text[position:start])
        inner = [(first - start, last - start, replacement) for first, last, replacement in edits]
        pieces.append((text[start:end], apply(text[start:end], inner)))
        position = end
    return [*pieces, text[position:]] if position < len(text) else pieces


def _word_start(text: str, edit: Edit) -> int:
    """Where the word begins that an edit changes; the edit's own start where it begins between words."""
    start, end, replacement = edit
    old, new = text[start : start + 1], (replacement + text[end : end + 1])[:1]
    if (not old or old.isspace()) and (not new or new.isspace()):
        return start
    while start and not text[start - 1].isspace():
        start -= 1
    return start


def _word_end(text: str, edit: Edit) -> int:
    """Where the word ends that an edit changes; the edit's own end where it ends between words."""
    start, end, replacement = edit
    old, new = text[max(0, end - 1) : end], (text[max(0, start - 1) : start] + replacement)[-1:]
    if (not old or old.isspace()) and (not new or new.isspace()):
        return end
    while end < len(text) and not text[end].isspace():
        end += 1
    return end
