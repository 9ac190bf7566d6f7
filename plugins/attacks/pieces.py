"""BERT-Attack's substitutes by the rule of its authors (Li et al. 2020, section 3.2 and their program).

The text itself, without a mask, is read by a masked language model once. A word that is one piece is replaced by the
model's ``single`` best pieces at its place; one of several pieces by combinations of the best ``each`` pieces of its
first ``pieces`` ones, of which the first ``combinations`` are ordered by the model's own loss on them. TextAttack
instead reads the text anew at every step, takes K of every piece, and keeps the first K combinations unordered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, product
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.attacks.spans import Span, tokens_of_words, word_spans
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.shared.utils import words_from_text  # noqa: E402
from textattack.transformations.word_swaps.word_swap import WordSwap  # noqa: E402

if TYPE_CHECKING:
    from benchmark_plugins.attacks.transformations import Filler

DECIMALS = 5


class PieceRule(NamedTuple):
    """How many pieces and combinations are considered (authors' program: 48, 12, 4, 24)."""

    single: int = 48
    pieces: int = 12
    each: int = 4
    combinations: int = 24


class Reading(NamedTuple):
    """What the model proposes for one text: for each token its span and its best pieces, most probable first."""

    text: str
    spans: list[Span]
    best: list[list[int]]


class PieceSwap(WordSwap):  # type: ignore[misc]
    """Substitutes read off the original text; never a stop word, a continuation piece or the old word in another case.

    Made anew for every example: it remembers the one reading of the original text.
    """

    def __init__(self, source: Filler, stop_words: Sequence[str], rule: PieceRule, max_candidates: int) -> None:
        super().__init__()
        self._network, self._tokenizer = source.network, source.tokenizer
        self._stop_words = frozenset(stop_words)
        self.rule = rule
        self.max_candidates = max_candidates
        self._reading: Reading | None = None

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        indices = sorted(int(i) for i in indices_to_modify)
        proposed = self.substitutes(_first(current_text), indices)
        return [current_text.replace_word_at_index(i, word) for i in indices for word in proposed[i]]

    def substitutes(self, original: Any, indices: Sequence[int]) -> dict[int, list[str]]:
        """For each word of the original text its substitutes; none past the model's longest input."""
        if self._reading is None or self._reading.text != original.text:
            self._reading = self._read(original.text)
        reading = self._reading
        end = max((stop for _, stop in reading.spans), default=0)
        words = word_spans(original.text, original.words)
        tokens = tokens_of_words(words, reading.spans)
        found = {}
        for i in indices:
            best = [reading.best[t] for t in tokens[i]] if words[i][1] <= end else []
            found[i] = self._words(best, original.words[i])[: self.max_candidates]
        return found

    def _words(self, best: list[list[int]], old: str) -> list[str]:
        if not best:
            return []
        if len(best) == 1:
            proposed = [self._tokenizer.convert_ids_to_tokens(piece) for piece in best[0]]
        else:
            proposed = self._combined([row[: self.rule.each] for row in best[: self.rule.pieces]])
        words = dict.fromkeys(word for word in proposed if words_from_text(word) == [word] and "##" not in word)
        return [word for word in words if word not in self._stop_words and word.lower() != old.lower()]

    def _combined(self, best: list[list[int]]) -> list[str]:
        """Words of several pieces, by rising loss of the model on these pieces alone (ties: in order of making)."""
        import torch

        combinations = list(islice(product(*best), self.rule.combinations))
        ids = torch.tensor(combinations, device=next(self._network.parameters()).device)
        with torch.inference_mode():
            logits = self._network(input_ids=ids).logits.float()
            losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none")
        means = losses.view(ids.shape).mean(dim=1).tolist()
        order = sorted(range(len(combinations)), key=lambda n: round(means[n], DECIMALS))
        spelled = [self._tokenizer.convert_ids_to_tokens(list(combinations[n])) for n in order]
        return [" ".join(tokens).replace(" ##", "") for tokens in spelled]

    def _read(self, text: str) -> Reading:
        import torch

        batch = self._tokenizer(
            text,
            truncation=True,
            max_length=self._network.config.max_position_embeddings,
            return_offsets_mapping=True,
            return_tensors="pt",
        )
        spans = [(int(first), int(last)) for first, last in batch.pop("offset_mapping")[0].tolist()]
        with torch.inference_mode():
            logits = self._network(**batch.to(next(self._network.parameters()).device)).logits[0].float().cpu()
        best = logits.topk(min(self.rule.single, logits.shape[-1]), dim=-1).indices.tolist()
        own = [t for t, (first, last) in enumerate(spans) if last > first]  # without [CLS] and [SEP]
        return Reading(text, [spans[t] for t in own], [best[t] for t in own])


def _first(text: Any) -> Any:
    """The text that an attack began with; swaps keep the positions of words."""
    while "previous_attacked_text" in text.attack_attrs:
        text = text.attack_attrs["previous_attacked_text"]
    return text
