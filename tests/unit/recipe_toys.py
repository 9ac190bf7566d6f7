"""What tests of recipes share: a toy victim and toy assets, and the library's own attack beside ours."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import Example
from benchmark.engine import QueryCounter, VictimInfo
from benchmark_plugins.attacks.stopwords import stop_words
from benchmark_plugins.models import tiny_random

INFO = VictimInfo(2, "[MASK]", "[UNK]")
CONTENT = tuple(w for w in tiny_random.WORDS.split() if len(w) > 2 and w not in stop_words())
TAGS = ("NOUN", "ADJ", "VERB", "DET", "ADV", "NUM", "PRON")


def fraction(word: str, salt: str = "") -> float:
    """A number in [-1, 1] that a word always has."""
    return zlib.crc32(f"{salt}/{word}".encode()) / 2**31 - 1


def words_of(text: str) -> list[str]:
    return [word.strip(".,!?;") for word in text.split()]


class Toy:
    """Adds up the numbers of the words of a text."""

    forwards_per_prediction = 1

    def __init__(self, bias: float = 0.0) -> None:
        self.bias = bias
        self.calls: list[list[str]] = []

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        scores = [self.bias + sum(fraction(word) for word in words_of(text)) for text in texts]
        return np.array([(-score, score) for score in scores], dtype=np.float32).reshape(-1, 2)


class AnyText:
    """A contract that lets through what ``allow(original, text)`` says; ``once`` only at the first step."""

    def __init__(
        self, candidates: int = 1000, allow: Callable[[str, str], bool] = lambda old, new: True, once: bool = False
    ) -> None:
        self.candidates, self.allow, self.once, self.asked = candidates, allow, once, 0

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        self.asked += 1
        return [not (self.once and self.asked > 1) and self.allow(original, text) for text in candidates]


def plain_words(original: str, text: str) -> bool:
    """Only words that stand in the list above, or did before."""
    return all(word in CONTENT or word in words_of(original) for word in words_of(text))


class Encoder:
    """Unit vectors by the words of a text: one word more or less turns it a little."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.array(
            [
                np.sum([[fraction(w, str(k)) for k in range(16)] for w in words_of(t)] or [[1.0] * 16], axis=0)
                for t in texts
            ]
        )
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def tagger() -> Any:
    """Tags a word by its spelling alone."""
    return SimpleNamespace(
        tags=lambda queries: [TAGS[zlib.crc32(q.words[q.position].encode()) % 3] for q in queries],
    )


def tag(word: str) -> str:
    return TAGS[zlib.crc32(word.encode()) % 3]


def table(dimensions: int = 5) -> Any:
    """Random unit vectors of the words, with all neighbours that a recipe may ask for."""
    from benchmark_plugins.attacks.counterfit import nearest
    from benchmark_plugins.attacks.embedding import Table

    vectors = np.random.default_rng(0).normal(size=(len(CONTENT), dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Table(CONTENT, vectors, nearest(vectors, 60))


def masked_lm(sharpness: float = 60.0) -> Any:
    """A BERT without layers and positions: what it says of a token depends on that token alone."""
    import torch

    base = tiny_random.load(None)  # type: ignore[arg-type]
    network: Any = base.network
    network.bert.encoder.layer = torch.nn.ModuleList()
    with torch.no_grad():
        network.bert.embeddings.position_embeddings.weight.zero_()
        network.cls.predictions.transform.LayerNorm.weight.fill_(sharpness)
    return base


def fake(monkeypatch: Any, module: Any, dimensions: int = 5) -> tuple[Any, Any]:
    """Put toys in place of the assets of a recipe; returns the resources and the masked LM."""
    from benchmark_plugins.attacks import embedding

    model = masked_lm()
    vectors = table(dimensions)
    monkeypatch.setattr(embedding, "counter_fitted", lambda resources: vectors)
    if hasattr(module, "load_tagger"):
        monkeypatch.setattr(module, "load_tagger", lambda resources: tagger())
    return SimpleNamespace(model=lambda name: {"muse-v3": Encoder(), "minilm-mlm": model}[name]), model


def sentences(number: int, seed: int = 0, longest: int = 8) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.sample(CONTENT, rng.randint(3, longest))) for _ in range(number)]


def counter(classifier: Any, budget: int | None = None) -> QueryCounter:
    return QueryCounter(classifier, INFO, budget)


def label_of(classifier: Any, text: str) -> int:
    return int(classifier.logits([text])[0].argmax())


def ours(run: Any, classifier: Any, text: str, label: int) -> tuple[str | None, int]:
    """The text found and the logical queries."""
    victim = counter(classifier)
    return run.attack(victim, Example("x", text, label), 0), victim.queries


def library(
    parts: Callable[[Any], tuple[list[Any], Any, Any]], classifier: Any, text: str, label: int, **goal: Any
) -> tuple[str | None, int]:
    """The same from ``textattack.Attack.attack``, with the library's own goal function."""
    from textattack import Attack
    from textattack.attack_results import SuccessfulAttackResult
    from textattack.goal_functions import UntargetedClassification

    from benchmark_plugins.attacks.runner import VictimWrapper

    class Wrapper(VictimWrapper):
        """With what the library's gradient ranking asks of a wrapper."""

        def get_grad(self, asked: str) -> dict[str, Any]:
            found = self._victim.gradients(asked, label)
            return {"ids": found.ids, "gradient": found.gradients}

        def tokenize(self, texts: list[str], strip_prefix: bool = False) -> list[list[str]]:
            return [[asked[first:last] for first, last in classifier.network.text_tokens(asked)[1]] for asked in texts]

    victim = counter(classifier)
    made = UntargetedClassification(Wrapper(victim), use_cache=False, model_batch_size=1 << 20, **goal)
    result = Attack(made, *parts(victim)).attack(text, label)
    found = result.perturbed_result.attacked_text.text if isinstance(result, SuccessfulAttackResult) else None
    return found, victim.queries
