"""``dne``: Dirichlet neighbourhood ensemble (Zhou et al., ACL 2021, arXiv 2006.11627).

A word x with neighbours N(x), itself among them, is embedded as softmax(u) . Emb(N(x)), u = log(c + 1e-6), with c drawn
from a Dirichlet distribution of parameter alpha, and alpha * decay for neighbours of second order. Training draws once
and then moves u three times against the model,

    u <- u + step * g_u / (||g_u||_2 + 1e-6)    per word,

and descends on the loss at all four points. A prediction combines n draws, each weighted by its confidence

    w_i ~ sum_c (max_k p_ik - p_ic)^3.

Training takes the place of the objective's own loss, so objectives that change the loss or the embeddings do not go
with it; of the others, what they do to the training texts is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import (
    Capability,
    Classifier,
    Example,
    NotApplicable,
    ObjectiveContext,
    ObjectiveRun,
    Options,
    RowBatch,
    Stage,
    TrainingBatch,
    Uses,
    WrapContext,
    Wrapper,
    text_logits,
)
from benchmark_plugins.defenses.hulls import HullBatch, Hulls, simplex
from benchmark_plugins.defenses.wrappers.draws import stable_seed

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

FLOOR = 1e-6
"""Added to a drawn weight before its logarithm, and to the norm of a gradient (both from the published code)."""
POWER = 3
"""Exponent of the confidence weights (published code)."""


class DneOptions(Options):
    """Options of ``dne``."""

    synonyms: str = Field(default="counterfit-synonyms", description="registered synonym table")
    alpha: float = Field(default=1.0, gt=0, description="parameter of the Dirichlet distribution (DNE code: 1)")
    decay: float = Field(
        default=0.5,
        gt=0,
        description="factor on alpha for neighbours of second order (DNE code: 0.5 in its README, 1 in its defaults)",
    )
    vertices: int = Field(default=64, ge=1, description="most vertices of a word, itself included (DNE code: 64)")
    second_order: Literal["never", "training", "always"] = Field(
        default="training",
        description="where neighbours of neighbours take part (DNE code: in training only; TextDefender: always)",
    )
    steps: int = Field(default=3, ge=0, description="moves of u in training (DNE code: 3)")
    step: float = Field(default=10.0, ge=0, description="length of a move of u (DNE code: 10)")
    average: bool = Field(
        default=True,
        description="divide the losses after a move by their number (DNE code); false: each counts in full "
        "(TextDefender)",
    )
    draws: int = Field(
        default=16, ge=1, description="n, draws of a prediction (DNE code: 16 in its README, 13 in its defaults)"
    )


def drawn(hulls: HullBatch, alpha: float, decay: float, rng_of: Callable[[int], np.random.Generator]) -> torch.Tensor:
    """u = log(c + 1e-6) ``[W, s]``; the words of text b draw, in order, from ``rng_of(b)``."""
    import numpy as np
    import torch

    valid, second = hulls.valid.cpu().numpy(), hulls.second.cpu().numpy()
    weights = np.zeros(valid.shape)
    rngs: dict[int, np.random.Generator] = {}
    for word, text in enumerate(hulls.text.tolist()):
        if text not in rngs:
            rngs[text] = rng_of(text)
        there = valid[word]
        weights[word, there] = rngs[text].dirichlet(np.where(second[word, there], alpha * decay, alpha))
    return torch.tensor(np.log(weights + FLOOR), dtype=torch.float32, device=hulls.valid.device)


def combined(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log of the confidence-weighted mean of the softmax of ``logits [n, N, C]``, ``[N, C]``; one draw is itself.

    Draws without any preference count only where no draw has one; then all count alike.
    """
    import numpy as np
    from scipy.special import log_softmax, logsumexp

    logs = log_softmax(np.asarray(logits, dtype=np.float64), axis=-1)
    shares = np.exp(logs)
    weights = ((shares.max(axis=-1, keepdims=True) - shares) ** POWER).sum(axis=-1)
    total = weights.sum(axis=0)
    weights = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / len(logits))
    return np.asarray(logsumexp(logs, axis=0, b=weights[..., None]), dtype=np.float32)


class DneRun(ObjectiveRun):
    """The hull training, in the place of the loss of ``inner``, whose training texts are kept."""

    def __init__(self, context: ObjectiveContext, inner: ObjectiveRun, hulls: Hulls, options: DneOptions) -> None:
        self._context, self._inner, self._hulls, self._options = context, inner, hulls, options

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        return self._inner.parameters()

    def examples(self, epoch: int, train: Sequence[Example]) -> Sequence[Example]:
        return self._inner.examples(epoch, train)

    def backward(self, batch: TrainingBatch) -> float:
        """1 + ``steps`` forward and backward passes; returns the sum of the weighted losses."""
        import numpy as np
        import torch
        from torch.nn.functional import cross_entropy

        network, options = self._context.network, self._options
        hulls = self._hulls.batch(batch.rows, batch.texts, batch.owner.tolist())
        generator = self._context.generator
        seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
        rng = np.random.default_rng(int(seed))
        u = drawn(hulls, options.alpha, options.decay, lambda text: rng)
        total = 0.0
        for number in range(1 + options.steps):
            weight = 1 / options.steps if number and options.average else 1.0
            u.requires_grad_()
            embeddings = hulls.embeddings(network, batch.rows, simplex(u, hulls.valid))
            loss = weight * cross_entropy(text_logits(network, batch, embeddings), batch.labels)
            loss.backward()
            total += float(loss.detach())
            u = moved(u.detach(), u.grad, options.step)
        return total


def moved(u: torch.Tensor, gradient: torch.Tensor | None, step: float) -> torch.Tensor:
    """``u [W, s]`` after one move of length ``step`` (nearly) along the gradient of each word."""
    if gradient is None:
        return u
    return u + step * gradient / (gradient.norm(dim=-1, keepdim=True) + FLOOR)


class DneClassifier:
    """Implements :class:`benchmark.api.Classifier`. The draws of a text follow from (seed, draw, text, copy) alone."""

    def __init__(self, inner: Any, hulls: Hulls, options: DneOptions, seed: int, draw: int = 0) -> None:
        self.inner, self.hulls, self.options, self.seed, self.draw = inner, hulls, options, seed, draw
        self.forwards_per_prediction: int = options.draws * inner.forwards_per_prediction

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Log probabilities ``[N, C]`` of the combined draws."""
        import numpy as np

        draws = [self.inner.logits_with(texts, self._embedding(copy)) for copy in range(self.options.draws)]
        return combined(np.stack(draws))

    def _embedding(self, copy: int) -> Callable[[RowBatch, Sequence[str]], torch.Tensor]:
        import numpy as np

        def embed(rows: RowBatch, texts_of_rows: Sequence[str]) -> torch.Tensor:
            texts = list(dict.fromkeys(texts_of_rows))
            hulls = self.hulls.batch(rows, texts, [texts.index(text) for text in texts_of_rows])

            def rng_of(text: int) -> np.random.Generator:
                return np.random.default_rng(stable_seed("dne", self.seed, self.draw, texts[text], copy))

            u = drawn(hulls, self.options.alpha, self.options.decay, rng_of)
            return hulls.embeddings(self.inner.network, rows, simplex(u, hulls.valid))

        return embed

    def redrawn(self, draw: int) -> DneClassifier:
        """The same with other draws."""
        return DneClassifier(self.inner, self.hulls, self.options, self.seed, draw)


def begin(context: ObjectiveContext, run: ObjectiveRun, options: DneOptions) -> ObjectiveRun:
    """The hull training in the place of the loss of ``run``."""
    table = context.fit.resources.model(options.synonyms)
    hulls = Hulls(context.fit.base.tokenizer, table, options.vertices, options.second_order != "never")
    return DneRun(context, run, hulls, options)


def wrap(context: WrapContext, options: DneOptions) -> Classifier:
    """The ensemble of draws; raises NotApplicable around anything but the network's own classifier."""
    if not hasattr(context.inner, "logits_with"):
        raise NotApplicable(
            "dne changes word embeddings and must stand next to the network", "Put no other wrapper inside of 'dne'"
        )
    table = context.fit.resources.model(options.synonyms)
    hulls = Hulls(context.fit.base.tokenizer, table, options.vertices, options.second_order == "always")
    return DneClassifier(context.inner, hulls, options, context.fit.seed)


def randomised(options: Any) -> bool:
    """Always: predictions are drawn."""
    return True


def uses(options: Any) -> Uses:
    """The synonym table."""
    return Uses(models=(options.synonyms,))


DNE = Wrapper(
    name="dne",
    wrap=wrap,
    stage=Stage.EMBEDDINGS,
    options=DneOptions,
    needs=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS}),
    changes=frozenset({"embeddings", "loss"}),
    randomised=randomised,
    uses=uses,
    begin=begin,
    about="words embedded as random mixtures of their synonyms, in training and in each of n pooled draws",
    paper="Zhou et al., ACL 2021, arXiv 2006.11627",
)
