"""``ada``: training on adversarial examples of the network as it is (iterative form of Si et al., arXiv 2012.15699).

Before every epoch from ``start_epoch`` on, a registered attack turns some training texts against the current network;
those it could turn are kept with their gold labels and stay in the training texts for good. The loss is plain
cross-entropy over originals and adversarial texts alike.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from benchmark import Example, Objective, ObjectiveContext, ObjectiveRun, Options, TrainingBatch, Uses, text_logits

SEEDS = 2**31 - 1


class AdaOptions(Options):
    """Options of ``ada``."""

    attack: str = Field(default="textfooler", description="registered attack that makes the texts (arXiv 2012.15699)")
    number: int = Field(
        default=100,
        ge=0,
        description="training texts attacked before an epoch (MixADA code: 500 by default, 300 for its PWWS and 1500 "
        "for its TextFooler run; fewer here for the time it takes)",
    )
    start_epoch: int = Field(
        default=1, ge=0, description="first epoch, from 0, that is preceded by an attack (MixADA code: the second)"
    )
    equal_updates: bool = Field(
        default=True,
        description="as many texts in an epoch as without adversarial ones, originals drawn at random make way "
        "(compared at equal updates as in arXiv 2402.17509, F.9); false: the epoch grows (MixADA code)",
    )


class AdaRun(ObjectiveRun):
    """One training under ``ada``."""

    def __init__(self, context: ObjectiveContext, options: AdaOptions) -> None:
        self._context, self._options = context, options
        self.rng = random.Random(_seed_of(context))
        self.added: list[Example] = []
        """Adversarial texts so far, in the order in which they were found."""

    def examples(self, epoch: int, train: Sequence[Example]) -> Sequence[Example]:
        """Attack if it is time, then the texts of this epoch: originals and all adversarial texts found so far."""
        options = self._options
        if epoch >= options.start_epoch and options.number:
            chosen = self.rng.sample(list(train), min(options.number, len(train)))
            seed = self.rng.randrange(SEEDS)
            classifier = self._context.classifier()
            self.added += self._context.fit.adversary(options.attack, classifier, chosen, seed)
        if not self.added:
            return train
        if not options.equal_updates:
            return [*train, *self.added]
        added = self.rng.sample(self.added, min(len(self.added), len(train)))
        return [*self.rng.sample(list(train), len(train) - len(added)), *added]

    def backward(self, batch: TrainingBatch) -> float:
        """One forward and one backward pass of cross-entropy."""
        from torch.nn.functional import cross_entropy

        loss = cross_entropy(text_logits(self._context.network, batch), batch.labels)
        loss.backward()
        return float(loss.detach())


def _seed_of(context: ObjectiveContext) -> int:
    """A seed for Python's generator, which samples texts without a detour over tensors, from the training's own."""
    import torch

    generator = context.generator
    return int(torch.randint(SEEDS, (1,), generator=generator, device=generator.device))


def uses(options: Any) -> Uses:
    """The attack, which is fetched before the training and whose identity is part of the cell's."""
    return Uses(attacks=(options.attack,))


ADA = Objective(
    name="ada",
    begin=AdaRun,
    options=AdaOptions,
    uses=uses,
    about="cross-entropy on training texts and on those that an attack turned against the network as it was",
    paper="Si et al., Findings of ACL 2021, arXiv 2012.15699 (iterative ADA); offline form: Li et al., EMNLP 2021",
)
