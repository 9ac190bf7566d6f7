"""Whole words that a masked language model fills in: what BAE's authors describe, for TextAttack's search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.transformations.word_swaps.word_swap import WordSwap  # noqa: E402
from textattack.transformations.word_swaps.word_swap_embedding import recover_word_case  # noqa: E402

if TYPE_CHECKING:
    import torch

    from benchmark.api import MaskedLanguageModel

BATCH = 16


class Filler(NamedTuple):
    """A masked LM with the ids that are whole words; shared by all examples, read-only."""

    network: Any
    tokenizer: Any
    ids: torch.Tensor
    words: tuple[str, ...]


def is_whole_word(token: str) -> bool:
    """Letters only: no continuation piece (``##ing``), no ``[unused3]`` or ``[MASK]``, no number, no punctuation."""
    return token.isascii() and token.isalpha()


def filler(model: MaskedLanguageModel) -> Filler:
    """Prepare a model; raises NotApplicable unless it is a BERT with WordPiece's ``##`` pieces."""
    import torch

    from benchmark import NotApplicable

    vocabulary = sorted(model.tokenizer.get_vocab().items(), key=lambda item: item[1])
    if not hasattr(model.network, "cls") or not any(token.startswith("##") for token, _ in vocabulary):
        raise NotApplicable(
            "this attack needs a BERT with its masked-LM head: it tells whole words from pieces by WordPiece's '##'",
            "Choose such a model with the option 'masked_language_model'",
        )
    special = set(model.tokenizer.all_special_ids)
    whole = [(i, token) for token, i in vocabulary if i not in special and is_whole_word(token)]
    return Filler(
        model.network, model.tokenizer, torch.tensor([i for i, _ in whole]), tuple(token for _, token in whole)
    )


def mask_probabilities(source: Filler, texts: Sequence[str], earlier: Sequence[int]) -> Iterator[torch.Tensor | None]:
    """For each text the probabilities of ``source.words`` at one of its masks; None past the model's longest input.

    ``earlier`` tells how many masks stand before the one that is meant: a text may hold the string itself. A batch is
    padded to its longest text.
    """
    import torch

    network, tokenizer, ids, _ = source
    device = next(network.parameters()).device
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[start : start + BATCH]),
            truncation=True,
            max_length=network.config.max_position_embeddings,
            padding=True,
            return_tensors="pt",
        ).to(device)
        found: list[torch.Tensor | None] = []
        with torch.inference_mode():
            hidden = network.base_model(**batch).last_hidden_state
            for row, before in enumerate(earlier[start : start + BATCH]):
                places = (batch["input_ids"][row] == tokenizer.mask_token_id).nonzero().flatten().tolist()
                if len(places) <= before:
                    found.append(None)
                    continue
                # The head is applied to the mask alone: over all positions it costs more than the encoder.
                logits = network.cls(hidden[row, places[before]].unsqueeze(0))[0]
                found.append(logits.float().softmax(dim=0).cpu()[ids])
        yield from found


def likely_words(
    source: Filler, probabilities: torch.Tensor | None, count: int, min_confidence: float, old: str
) -> list[str]:
    """The ``count`` most probable words, without ``old`` in any case; none where there are no probabilities."""
    if probabilities is None:
        return []
    # One more than asked for, because the old word itself may be among them.
    values, order = probabilities.topk(min(count + 1, len(probabilities)))
    return [
        source.words[i]
        for value, i in zip(values.tolist(), order.tolist(), strict=True)
        if value >= min_confidence and source.words[i].lower() != old.lower()
    ][:count]


class WholeWordMLMSwap(WordSwap):  # type: ignore[misc]
    """Stands in for the library's ``WordSwapMaskedLM(method="bae")``.

    It proposes the ``max_candidates`` most probable *whole words* (the library turns pieces such as ``##ing`` into
    words), never the masked word itself in another case, and pads a batch to its longest text instead of to 512.
    """

    def __init__(
        self, source: Filler, max_candidates: int, min_confidence: float = 0.0, recover_case: bool = False
    ) -> None:
        super().__init__()
        self._source = source
        self.max_candidates = max_candidates
        self.min_confidence = min_confidence
        self.recover_case = recover_case

    def _get_transformations(self, current_text: Any, indices_to_modify: Iterable[int]) -> list[Any]:
        indices = sorted(int(i) for i in indices_to_modify)
        return [
            current_text.replace_word_at_index(index, word)
            for index, words in zip(indices, self._fill(current_text, indices), strict=True)
            for word in words
        ]

    def _fill(self, text: Any, indices: Sequence[int]) -> list[list[str]]:
        """Substitutes for each word, most probable first; none for a word past the model's longest input."""
        mask = self._source.tokenizer.mask_token
        masked = [text.replace_word_at_index(i, mask).text for i in indices]
        earlier = [text.text_until_word_index(i).count(mask) for i in indices]
        found = []
        for index, probabilities in zip(indices, mask_probabilities(self._source, masked, earlier), strict=True):
            old = text.words[index]
            words = likely_words(self._source, probabilities, self.max_candidates, self.min_confidence, old)
            found.append([recover_word_case(word, old) for word in words] if self.recover_case else words)
        return found
