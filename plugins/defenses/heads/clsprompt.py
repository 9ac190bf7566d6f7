"""``clsprompt``: the pre-trained masked-LM head scores one label word a class at the first token (arXiv 2303.07320).

CLSPrompt of the paper: candidate answers as in ``mvp``, but no template and no mask to fill. The score of a class is
the raw logit of its word; there is no pooling, over words or templates. All weights are trained.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from benchmark import Capability, Head, MaskedLanguageModel, Options, Task
from benchmark_plugins.defenses.heads.templates import prompt_file
from benchmark_plugins.defenses.heads.verbalizers import label_words


class ClsPromptOptions(Options):
    """Options of ``clsprompt``."""

    verbalizer: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="label name to label words, instead of the dataset's; the first word of a label counts (the "
        "paper's code takes exactly one)",
    )
    verbalizer_kind: Literal["single", "random"] = Field(
        default="single",
        description="single (the first word listed for a label; the paper), or random (an unrelated word of the "
        "vocabulary a label)",
    )
    seed: int = Field(default=0, ge=0, description="of the random words; not of the training")


def build(base: MaskedLanguageModel, task: Task, options: ClsPromptOptions) -> Any:
    """The network. Raises BadOptions for a bad verbalizer, NotApplicable for an unknown head or a longer word."""
    from benchmark_plugins.defenses.heads.network import LabelWordNetwork

    listed = prompt_file(task.dataset).words
    words = label_words(base.tokenizer, task, listed, options.verbalizer, options.verbalizer_kind, options.seed)
    return LabelWordNetwork(base, task, words)


CLSPROMPT = Head(
    name="clsprompt",
    build=build,
    options=ClsPromptOptions,
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    about="the masked-LM head scores one label word a class at the first token, without template or mask",
    paper="Raman et al., EMNLP 2023, arXiv 2303.07320 (CLSPrompt)",
)
