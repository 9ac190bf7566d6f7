"""Greedy word attackers of OpenAttack: PWWS and HotFlip inside the contract, and TextFooler with our own encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmark_plugins.attacks.openattack_env import import_openattack

import_openattack()  # must come before the library's own import

from OpenAttack.attackers import HotFlipAttacker, PWWSAttacker, TextFoolerAttacker  # noqa: E402

from benchmark_plugins.attacks.openattack_parts.substitutes import Substitutes  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark_plugins.attacks.openattack_parts.encoder import CosineEncoder
    from benchmark_plugins.attacks.openattack_parts.runner import Scene

POS_CONTEXT = 4
"""Tokens on each side of a substitute among which its part of speech is read, in texts longer than POS_WHOLE."""
POS_WHOLE = 10
SHORT_TEXT_SIMILARITY = 0.1


def swapped(tokens: Sequence[str], index: int, word: str) -> list[str]:
    """A copy of the tokens with one replaced."""
    return [*tokens[:index], word, *tokens[index + 1 :]]


class PWWS(PWWSAttacker):  # type: ignore[misc]
    """The library's, whose choice of a word's best substitute is among those inside the contract."""

    def __init__(self, scene: Scene, substitute: Substitutes, words: Sequence[str]) -> None:
        super().__init__(scene.tokenizer, substitute, scene.victim.unknown_token, list(words))
        self._inside, self._all = scene.inside, substitute

    def get_wstar(self, clsf: Any, sent: list[str], idx: int, pos: str, goal: Any) -> Any:
        found = self._all(sent[idx], pos)
        flags = self._inside([self.tokenizer.detokenize(swapped(sent, idx, word)) for word, _ in found])
        kept = [pair for pair, ok in zip(found, flags, strict=True) if ok]
        self.substitute = lambda _word, _pos: kept
        return super().get_wstar(clsf, sent, idx, pos, goal)


class HotFlip(HotFlipAttacker):  # type: ignore[misc]
    """Every substitute of every word alone, in the order of the text.

    The library edits its list of words in place, so a later candidate carries the last failed substitute of every
    word before it.
    """

    def __init__(self, scene: Scene, substitute: Substitutes, words: Sequence[str]) -> None:
        super().__init__(substitute, scene.tokenizer, list(words))
        self._inside = scene.inside

    def do_replace(self, x_cur: Sequence[str], word: str, index: int) -> list[str]:
        return swapped(x_cur, index, word)

    def attack(self, victim: Any, sentence: str, goal: Any) -> str | None:
        pairs = self.tokenizer.tokenize(sentence.lower())
        tokens = [token for token, _ in pairs]
        for index, (token, part) in enumerate(pairs):
            if token in self.filter_words:
                continue
            texts: list[str] = [
                self.tokenizer.detokenize(self.do_replace(tokens, word, index))
                for word in self.get_neighbours(token, part)
            ]
            for text, ok in zip(texts, self._inside(texts), strict=True):
                if ok and goal.check(text, victim.get_pred([text])[0]):
                    return text
        return None


class TextFooler(TextFoolerAttacker):  # type: ignore[misc]
    """The library's loop, from the gold label, with candidates tagged and encoded in one batch.

    The library's constructor loads an encoder of TensorFlow Hub, and its ``attack`` lowers the threshold of the
    *object* at the first short text, for all texts after it. Near the end of a text shorter than the window it compares
    the last tokens only, which need not hold the edited word.
    """

    def __init__(
        self,
        scene: Scene,
        substitute: Substitutes,
        words: Sequence[str],
        encoder: CosineEncoder,
        many: Callable[[Sequence[Sequence[str]]], list[list[str]]],
        threshold: float = 0.5,
        window: int = 15,
        least_importance: float = -1,
    ) -> None:
        self._TextFoolerAttacker__lang_tag = next(iter(scene.tags))
        self.tokenizer, self.substitute, self.sim_predictor = scene.tokenizer, substitute, encoder
        self.filter_words, self.token_unk = set(words), scene.victim.unknown_token
        self.import_score_threshold = least_importance
        self.sim_score_threshold, self.sim_score_window = threshold, window
        self._inside, self._many = scene.inside, many

    def attack(self, victim: Any, sentence: str, goal: Any) -> str | None:
        import numpy as np

        pairs = self.tokenizer.tokenize(sentence.lower())
        tokens, parts = [token for token, _ in pairs], [part for _, part in pairs]
        threshold = SHORT_TEXT_SIMILARITY if len(tokens) < self.sim_score_window else self.sim_score_threshold
        first = victim.get_prob([sentence])[0]
        current = list(tokens)
        for index in self._ranking(victim, tokens, first, goal.target):
            words = self.get_neighbours(tokens[index], parts[index])
            lists = [swapped(current, index, word) for word in words]
            texts = [self.tokenizer.detokenize(candidate) for candidate in lists]
            kept = [i for i, ok in enumerate(self._inside(texts)) if ok]
            if not kept:
                continue
            lists, texts = [lists[i] for i in kept], [texts[i] for i in kept]
            rows = victim.get_prob(texts)
            similar = self._similarities(current, lists, index)
            same_part = np.array(self.pos_filter(parts[index], self._parts_at(lists, index)))
            wins = (rows.argmax(axis=1) != goal.target) & (similar >= threshold) & same_part
            if wins.any():
                best = int((wins * similar).argmax())
                current = lists[best]
                if goal.check(texts[best], victim.get_pred([texts[best]])[0]):
                    return texts[best]
                continue
            # Candidates that are too unlike the text or of another part of speech cannot come first.
            left = rows[:, goal.target] + (similar < threshold) + ~same_part
            if left.min() < first[goal.target]:
                current = lists[int(left.argmin())]
        return None

    def _ranking(self, victim: Any, tokens: list[str], first: NDArray[np.float64], label: int) -> list[int]:
        """Positions by falling importance: the drop without the word, and the gain of another label that wins then."""
        texts = [self.tokenizer.detokenize(swapped(tokens, i, self.token_unk)) for i in range(len(tokens))]
        rows = victim.get_prob(texts)
        winners = rows.argmax(axis=1)
        scores = first[label] - rows[:, label] + (winners != label) * (rows.max(axis=1) - first[winners])
        order = sorted(range(len(tokens)), key=lambda i: -scores[i])
        return [i for i in order if scores[i] > self.import_score_threshold and tokens[i] not in self.filter_words]

    def _similarities(self, tokens: list[str], lists: list[list[str]], index: int) -> NDArray[np.float64]:
        """Of a window of words around the edited one, with the same window before the edit."""
        half, length = (self.sim_score_window - 1) // 2, len(tokens)
        early, late = index < half, length - index - 1 < half
        if early and late:
            start, stop = 0, length
        elif early:
            start, stop = 0, self.sim_score_window
        elif late:
            start, stop = max(0, length - self.sim_score_window), length
        else:
            start, stop = index - half, index + half + 1
        texts = [self.tokenizer.detokenize(candidate[start:stop]) for candidate in lists]
        scores: NDArray[np.float64] = self.sim_predictor.scores(self.tokenizer.detokenize(tokens[start:stop]), texts)
        return scores

    def _parts_at(self, lists: list[list[str]], index: int) -> list[str]:
        """The part of speech of the edited word in each candidate."""
        start = max(index - POS_CONTEXT, 0) if lists and len(lists[0]) > POS_WHOLE else 0
        stop = index + POS_CONTEXT + 1 if lists and len(lists[0]) > POS_WHOLE else None
        return [found[index - start] for found in self._many([candidate[start:stop] for candidate in lists])]
