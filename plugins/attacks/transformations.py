"""Whole words that a masked language model fills in: what BAE's authors describe, for TextAttack's search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.attacks.textattack_env import import_textattack
from benchmark_plugins.numerics import ROWS, one_thread

import_textattack()  # must come before the library's own import

from textattack.transformations.word_swaps.word_swap import WordSwap  # noqa: E402
from textattack.transformations.word_swaps.word_swap_embedding import recover_word_case  # noqa: E402

if TYPE_CHECKING:
    import torch

    from benchmark.api import MaskedLanguageModel

BATCH = 16
CHUNK = 64
"""Texts whose probabilities are held at once, about 100 KB each."""


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

    ``earlier`` tells how many masks stand before the one that is meant: a text may hold the string itself. An answer
    does not depend on the other texts, to the last bit: a batch holds texts of one length, so none is padded.
    """
    for start in range(0, len(texts), CHUNK):
        yield from _mask_probabilities(source, texts[start : start + CHUNK], earlier[start : start + CHUNK])


def _mask_probabilities(source: Filler, texts: Sequence[str], earlier: Sequence[int]) -> list[torch.Tensor | None]:
    import torch

    longest = source.network.config.max_position_embeddings
    pieces = source.tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    lengths: dict[int, list[int]] = {}
    for i, row in enumerate(pieces):
        lengths.setdefault(len(row), []).append(i)
    found: list[torch.Tensor | None] = [None] * len(texts)
    with torch.inference_mode(), one_thread():
        for length, group in lengths.items():
            for start in range(0, len(group), BATCH):
                batch = group[start : start + BATCH]
                rows = [pieces[i] for i in batch]
                rows += rows[-1:] * (-(-ROWS // length) - len(rows))  # never fewer than ROWS tokens
                _fill_in(source, rows, batch, earlier, found)
    return found


def _fill_in(
    source: Filler, rows: list[list[int]], batch: list[int], earlier: Sequence[int], found: list[torch.Tensor | None]
) -> None:
    """One batch of equally long rows of pieces; ``batch`` are their places in ``found``."""
    import torch

    network, tokenizer, ids, _ = source
    hidden = network.base_model(input_ids=torch.tensor(rows, device=next(network.parameters()).device))[0]
    owners, states = [], []
    for number, i in enumerate(batch):
        places = [k for k, piece in enumerate(rows[number]) if piece == tokenizer.mask_token_id]
        if len(places) > earlier[i]:
            owners.append(i)
            states.append(hidden[number, places[earlier[i]]])
    if states:
        # The head is applied to the masks alone: over all positions it costs more than the encoder.
        states += states[-1:] * (ROWS - len(states))
        probabilities = network.cls(torch.stack(states)).float().softmax(dim=1).cpu()[:, ids]
        for i, row in zip(owners, probabilities, strict=False):
            found[i] = row


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
    words), never the masked word itself in another case, and pads no text (the library: all to 512 pieces).
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
