"""TextAttack constraints over the project's own assets. Made anew for every example; what they hold is read-only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.tagger import Query, SpacyTagger
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

from textattack.constraints import Constraint  # noqa: E402
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder  # noqa: E402
from textattack.shared.validators import transformation_consists_of_word_swaps  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from benchmark.api import ContractCheck
    from benchmark.api import SentenceEncoder as Encoder

DECIMALS = 5
BEFORE, AFTER = 4, 3


class MuseSimilarity(SentenceEncoder):  # type: ignore[misc]
    """Similarity of windows around the edited word. Each distinct window is encoded once per example.

    Scores are rounded to 1e-5 and computed in float64, so that the shape of a batch decides no comparison.
    """

    def __init__(
        self,
        encoder: Encoder,
        threshold: float,
        metric: str,
        compare_against_original: bool,
        window_size: int | None,
        skip_text_shorter_than_window: bool,
    ) -> None:
        if metric not in ("angular", "cosine"):
            raise ValueError(f"no metric {metric!r} here")
        super().__init__(threshold, metric, compare_against_original, window_size, skip_text_shorter_than_window)
        self._encoder = encoder
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows ``[N, D]``; only texts not met before reach the encoder."""
        import numpy as np

        new = [text for text in dict.fromkeys(sentences) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._vectors[text] for text in sentences])

    def clear_cache(self) -> None:
        self._vectors.clear()

    def _sim_score(self, starting_text: Any, transformed_text: Any) -> float:
        return float(self._score_list(starting_text, [transformed_text])[0])

    def _score_list(self, starting_text: Any, transformed_texts: Sequence[Any]) -> torch.Tensor:
        import torch

        scores = [1.0] * len(transformed_texts)
        judged = [i for i, text in enumerate(transformed_texts) if not self._is_skipped(text)]
        if judged:
            places = [self._place(transformed_texts[i]) for i in judged]
            old = [self._window(starting_text, place) for place in places]
            new = [self._window(transformed_texts[i], place) for i, place in zip(judged, places, strict=True)]
            vectors = self.encode(old + new).astype("float64")
            cosines = (vectors[: len(judged)] * vectors[len(judged) :]).sum(axis=1)
            for i, cosine in zip(judged, cosines, strict=True):
                scores[i] = round(self._similarity(min(1.0, max(-1.0, float(cosine)))), DECIMALS)
        return torch.tensor(scores, dtype=torch.float64)

    def _similarity(self, cosine: float) -> float:
        return cosine if self.metric == "cosine" else 1 - math.acos(cosine) / math.pi

    def _is_skipped(self, text: Any) -> bool:
        return bool(self.skip_text_shorter_than_window and text.num_words < self.window_size)

    def _window(self, text: Any, place: int) -> str:
        if math.isinf(self.window_size) or not text.num_words:
            return str(text.text)
        return str(text.text_window_around_index(min(place, text.num_words - 1), self.window_size))

    @staticmethod
    def _place(text: Any) -> int:
        """The first edited word; 0 where an edit left no word behind (the library stops with an error there)."""
        return min(text.attack_attrs["newly_modified_indices"], default=0)


class SpacyPOS(Constraint):  # type: ignore[misc]
    """The new word has the old one's tag, or both are nouns or verbs (Jin et al. 2020, section 2, step 2).

    Both are tagged in the context of the original text, four words before and three after, and the tag is read by
    position (the library reads that of the first equal word in its window).
    """

    def __init__(self, tagger: SpacyTagger, allow_verb_noun_swap: bool = True) -> None:
        super().__init__(compare_against_original=True)
        self._tagger = tagger
        self.allow_verb_noun_swap = allow_verb_noun_swap

    def check_compatibility(self, transformation: Any) -> bool:
        return bool(transformation_consists_of_word_swaps(transformation))

    def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
        return bool(self._check_constraint_many([transformed_text], reference_text))

    def _check_constraint_many(self, transformed_texts: Sequence[Any], reference_text: Any) -> list[Any]:
        queries: list[Query] = []
        owners: list[int] = []
        allowed = [True] * len(transformed_texts)
        old_words = reference_text.words
        for number, text in enumerate(transformed_texts):
            new_words = text.words
            for i in sorted(int(i) for i in text.attack_attrs["newly_modified_indices"]):
                if i >= len(old_words) or i >= len(new_words):
                    allowed[number] = False
                    continue
                before, after = tuple(old_words[max(0, i - BEFORE) : i]), tuple(old_words[i + 1 : i + 1 + AFTER])
                queries += [Query((*before, word, *after), len(before)) for word in (old_words[i], new_words[i])]
                owners.append(number)
        tags = self._tagger.tags(queries)
        for k, number in enumerate(owners):
            allowed[number] &= self._may_replace(tags[2 * k], tags[2 * k + 1])
        return [text for text, ok in zip(transformed_texts, allowed, strict=True) if ok]

    def _may_replace(self, old: str, new: str) -> bool:
        return old == new or (self.allow_verb_noun_swap and {old, new} <= {"NOUN", "VERB"})


class ContractConstraint(Constraint):  # type: ignore[misc]
    """Keeps the search inside the suite's contract: every candidate is judged against the original text."""

    def __init__(self, contract: ContractCheck) -> None:
        super().__init__(compare_against_original=True)
        self._contract = contract

    def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:
        return bool(self._check_constraint_many([transformed_text], reference_text))

    def _check_constraint_many(self, transformed_texts: Sequence[Any], reference_text: Any) -> list[Any]:
        if not transformed_texts:
            return []
        flags = self._contract.admissible(reference_text.text, [text.text for text in transformed_texts])
        return [text for text, ok in zip(transformed_texts, flags, strict=True) if ok]
