"""Whole-word substitutes from a masked language model: what BAE's authors describe, for TextAttack's search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
            "bae needs a BERT with its masked-LM head: it tells whole words from pieces by the '##' of WordPiece",
            "Choose such a model as bae's masked_language_model",
        )
    special = set(model.tokenizer.all_special_ids)
    whole = [(i, token) for token, i in vocabulary if i not in special and is_whole_word(token)]
    return Filler(
        model.network, model.tokenizer, torch.tensor([i for i, _ in whole]), tuple(token for _, token in whole)
    )


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
        texts = []
        for start in range(0, len(indices), BATCH):
            part = indices[start : start + BATCH]
            for index, words in zip(part, self._fill(current_text, part), strict=True):
                texts += [current_text.replace_word_at_index(index, word) for word in words]
        return texts

    def _fill(self, text: Any, indices: Sequence[int]) -> list[list[str]]:
        """Substitutes for each word, most probable first; none for a word past the model's longest input."""
        import torch

        network, tokenizer, ids, _ = self._source
        masked = [text.replace_word_at_index(i, tokenizer.mask_token).text for i in indices]
        device = next(network.parameters()).device
        batch = tokenizer(
            masked,
            truncation=True,
            max_length=network.config.max_position_embeddings,
            padding=True,
            return_tensors="pt",
        ).to(device)
        found: list[list[str]] = []
        with torch.inference_mode():
            hidden = network.base_model(**batch).last_hidden_state
            for row, index in enumerate(indices):
                places = (batch["input_ids"][row] == tokenizer.mask_token_id).nonzero().flatten().tolist()
                earlier = text.text_until_word_index(index).count(tokenizer.mask_token)  # a literal one in the text
                if len(places) <= earlier:
                    found.append([])
                    continue
                # The head is applied to the mask alone: over all positions it costs more than the encoder.
                logits = network.cls(hidden[row, places[earlier]].unsqueeze(0))[0]
                found.append(self._choose(logits.float().softmax(dim=0).cpu()[ids], text.words[index]))
        return found

    def _choose(self, probabilities: torch.Tensor, old: str) -> list[str]:
        # One more than asked for, because the masked word itself may be among them.
        values, order = probabilities.topk(min(self.max_candidates + 1, len(probabilities)))
        words = [
            self._source.words[i]
            for value, i in zip(values.tolist(), order.tolist(), strict=True)
            if value >= self.min_confidence and self._source.words[i].lower() != old.lower()
        ][: self.max_candidates]
        return [recover_word_case(word, old) for word in words] if self.recover_case else words
