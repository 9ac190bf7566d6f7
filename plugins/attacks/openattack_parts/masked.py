"""OpenAttack's attackers with a masked language model, mended: BERT-Attack and BAE (replacement)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchmark import NotApplicable
from benchmark_plugins.attacks.openattack_env import import_openattack
from benchmark_plugins.attacks.openattack_parts.tokens import is_word

import_openattack()  # must come before the library's own import

from OpenAttack.attackers import BAEAttacker, BERTAttacker  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.api import MaskedLanguageModel
    from benchmark_plugins.attacks.openattack_parts.encoder import CosineEncoder
    from benchmark_plugins.attacks.openattack_parts.runner import Scene

PIECE = "##"


def checked(model: MaskedLanguageModel) -> MaskedLanguageModel:
    """The model, if it speaks WordPiece as both attackers take for granted; raises NotApplicable."""
    if not any(token.startswith(PIECE) for token in model.tokenizer.get_vocab()):
        raise NotApplicable(
            "OpenAttack's attacks with a masked language model tell words from pieces by the '##' of WordPiece",
            "Choose a BERT as masked_language_model",
        )
    return model


class MaskedSearch:
    """The search of both: words by importance, each replaced by the best of its candidates.

    Mended against the library: probabilities are not softmaxed once more; a candidate that does not help leaves the
    text again; every word is ranked, the last and the only one too. A subclass yields a word's candidates.
    """

    tokenizer: Any
    filter_words: set[str]
    token_unk: str
    max_share: float

    def _take(self, scene: Scene, model: MaskedLanguageModel, words: Sequence[str], k: int, max_share: float) -> None:
        self.tokenizer, self.filter_words = scene.tokenizer, set(words)
        self.token_unk, self.max_share, self._inside = scene.victim.unknown_token, max_share, scene.inside
        self.tokenizer_mlm, self.mlm_model, self.k = model.tokenizer, model.network, k
        self.device = next(model.network.parameters()).device
        self.max_length = int(getattr(model.network.config, "max_position_embeddings", 512))

    def attack(self, victim: Any, sentence: str, goal: Any) -> str | None:
        tokens = self.tokenizer.tokenize(sentence.lower(), pos_tagging=False)
        first = victim.get_prob([sentence])[0]
        left = float(first[goal.target])
        importances = self.importances(victim, tokens, first, goal.target)
        self.prepare(tokens)
        changes, current = 0, list(tokens)
        for index in sorted(range(len(tokens)), key=lambda i: -importances[i]):
            if changes > int(self.max_share * len(tokens)):
                return None
            if tokens[index] in self.filter_words or not is_word(tokens[index]):
                continue
            best: str | None = None
            for word, text in self._allowed(current, index):
                row = victim.get_prob([text])[0]
                if goal.check(text, row.argmax()):
                    return text
                if row[goal.target] < left:
                    best, left = word, float(row[goal.target])
            if best is not None:
                current[index], changes = best, changes + 1
        return None

    def importances(self, victim: Any, tokens: list[str], first: NDArray[np.float64], label: int) -> Any:
        """How much of the gold label goes with each word ``[L]``, and what another label gains that wins without it."""
        texts = [self.tokenizer.detokenize([*tokens[:i], self.token_unk, *tokens[i + 1 :]]) for i in range(len(tokens))]
        rows = victim.get_prob(texts)
        winners = rows.argmax(axis=1)
        return first[label] - rows[:, label] + (winners != label) * (rows.max(axis=1) - first[winners])

    def prepare(self, tokens: list[str]) -> None:
        """Split the words into the masked LM's pieces, as many as fit."""
        self.pieces: list[str] = []
        self.keys: list[tuple[int, int]] = []
        for token in tokens:
            found = self.tokenizer_mlm.tokenize(token)
            self.keys.append((len(self.pieces), len(self.pieces) + len(found)))
            self.pieces += found

    def candidates(self, current: list[str], index: int) -> list[str]:
        raise NotImplementedError

    def _allowed(self, current: list[str], index: int) -> Iterator[tuple[str, str]]:
        """Candidates inside the contract, each with its text; never the word itself, a stop word or a piece."""
        special = set(self.tokenizer_mlm.all_special_tokens)
        words = [
            word
            for word in dict.fromkeys(self.candidates(current, index))
            if word != current[index]
            and PIECE not in word
            and word not in special
            and word not in self.filter_words
            and all(part.isalpha() for part in word.split())
        ]
        texts = [self.tokenizer.detokenize([*current[:index], word, *current[index + 1 :]]) for word in words]
        return ((word, text) for word, text, ok in zip(words, texts, self._inside(texts), strict=True) if ok and word)


class BertAttack(MaskedSearch, BERTAttacker):  # type: ignore[misc]
    """Candidates are the library's: the most probable pieces at the unmasked word, or combinations of four each."""

    def __init__(
        self,
        scene: Scene,
        model: MaskedLanguageModel,
        words: Sequence[str],
        k: int,
        least_score: float,
        max_share: float,
    ) -> None:
        self._BERTAttacker__lang_tag = next(iter(scene.tags))
        self._take(scene, model, words, k, max_share)
        self.threshold_pred_score = least_score

    def prepare(self, tokens: list[str]) -> None:
        import torch

        super().prepare(tokens)
        text = ["[CLS]", *self.pieces[: self.max_length - 2], "[SEP]"]
        with torch.inference_mode():
            ids = torch.tensor([self.tokenizer_mlm.convert_tokens_to_ids(text)], device=self.device)
            hidden = self.mlm_model(input_ids=ids).logits[0, 1:-1]
            scores, found = hidden.topk(min(self.k, hidden.shape[-1]), dim=-1)
        self._scores, self._found = scores.float().cpu(), found.cpu()

    def candidates(self, current: list[str], index: int) -> list[str]:
        import torch

        start, stop = self.keys[index]
        if stop > len(self._found):
            return []
        with torch.inference_mode():
            words: list[str] = self.get_substitues(
                self._found[start:stop],
                self.tokenizer_mlm,
                lambda ids: self.mlm_model(input_ids=ids),
                True,
                self._scores[start:stop],
                self.threshold_pred_score,
            )
        return words


class BAE(MaskedSearch, BAEAttacker):  # type: ignore[misc]
    """Candidates are what the masked LM fills in for the word, of its part of speech, in texts like the original.

    The library masks the piece at the *word's* number, which is another word after the first one of several pieces,
    and wants the parts of speech of all words unchanged.
    """

    def __init__(
        self,
        scene: Scene,
        model: MaskedLanguageModel,
        words: Sequence[str],
        encoder: CosineEncoder,
        many: Callable[[Sequence[Sequence[str]]], list[list[str]]],
        k: int,
        threshold: float,
        max_share: float,
    ) -> None:
        self._BAEAttacker__lang_tag = next(iter(scene.tags))
        self._take(scene, model, words, k, max_share)
        self.k = min(k, len(model.tokenizer))
        self.encoder, self.threshold, self._many = encoder, threshold, many

    def candidates(self, current: list[str], index: int) -> list[str]:
        start, stop = self.keys[index]
        if stop == start or start + 2 >= self.max_length:
            return []
        # The word is one position, whatever its pieces: the mask stands for all of them.
        pieces = [*self.pieces[: start + 1], *self.pieces[stop:]][: self.max_length - 2]
        found: list[str] = self.get_substitues(
            start + 1, ["[CLS]", *pieces, "[SEP]"], self.tokenizer_mlm, self.mlm_model, "r", self.k
        )
        return found

    def _allowed(self, current: list[str], index: int) -> Iterator[tuple[str, str]]:
        pairs = list(super()._allowed(current, index))
        tags = self._many([current, *([*current[:index], word, *current[index + 1 :]] for word, _ in pairs)])
        pairs = [pair for pair, tag in zip(pairs, tags[1:], strict=True) if tag[index] == tags[0][index]]
        if not pairs:
            return iter(())
        scores = self.encoder.scores(self.tokenizer.text, [text for _, text in pairs])
        return (pair for pair, score in zip(pairs, scores, strict=True) if score >= self.threshold)
