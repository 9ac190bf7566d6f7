"""``spellcheck``: a spelling corrector before the classifier (in the place of Pruthi et al., ACL 2019, 1905.11268).

Every text is corrected before anything else sees it, with a dictionary of 82,834 English words and their frequencies
(of the package symspellpy); see :mod:`benchmark_plugins.defenses.wrappers.speller` for the rule. A prediction costs no
further forward pass.
"""

from __future__ import annotations

import random
from functools import lru_cache

from pydantic import Field

from benchmark import Classifier, FitContext, Options, Stage, WrapContext, Wrapper
from benchmark_plugins.defenses.wrappers.mapped import mapped
from benchmark_plugins.defenses.wrappers.speller import Speller


class SpellcheckOptions(Options):
    """Options of ``spellcheck``."""

    distance: int = Field(
        default=2, ge=1, le=2, description="largest edit distance of a correction (Norvig's rule: 1, then 2)"
    )
    min_length: int = Field(
        default=3,
        ge=1,
        description="shorter words are left alone (arXiv 1905.11268 attacks words of three letters and more)",
    )
    train: bool = Field(
        default=False,
        description="correct the training texts too (arXiv 1905.11268 puts the corrector before a finished model)",
    )


@lru_cache(maxsize=4)
def _speller(protected: tuple[str, ...], distance: int, min_length: int) -> Speller:
    """One speller for all texts: its index takes seconds to make."""
    return Speller(protected, distance, min_length)


def speller(context: FitContext, options: SpellcheckOptions) -> Speller:
    """The corrector, which spares the model's mask and unknown token."""
    tokenizer = context.base.tokenizer
    protected = tuple(token for token in (tokenizer.mask_token, tokenizer.unk_token) if token)
    return _speller(protected, options.distance, options.min_length)


def edit(text: str, rng: random.Random, context: FitContext, options: SpellcheckOptions) -> str:
    """A training text, corrected with option ``train``."""
    return speller(context, options).correct(text) if options.train else text


def wrap(context: WrapContext, options: SpellcheckOptions) -> Classifier:
    """The classifier behind the corrector."""
    return mapped(context.inner, before=speller(context.fit, options).correct)


SPELLCHECK = Wrapper(
    name="spellcheck",
    wrap=wrap,
    stage=Stage.TEXT,
    options=SpellcheckOptions,
    edit=edit,
    about="words that are not in a dictionary replaced by the most frequent word one or two edits away",
    paper="place in the pipeline: Pruthi et al., ACL 2019, arXiv 1905.11268; dictionary search: SymSpell",
)
