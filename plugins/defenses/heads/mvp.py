"""``mvp``: model tuning via prompts (Raman et al., EMNLP 2023, arXiv 2303.07320).

No new weights: the text is put into templates, the pre-trained language-model head scores label words at the mask, and
all weights are fine-tuned. Scores of a class are the **max** over its words, scores of a text the **mean** over
templates (the core takes that mean over rows), both on raw logits. Where the mask stands is known by construction
(``Row.slot``), so a mask in the text changes nothing but that word. A causal model predicts one position before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Capability, Head, MaskedLanguageModel, NotApplicable, Options, Row, Task
from benchmark_plugins.defenses.heads.templates import Template, TemplateKind, make_templates, prompt_file
from benchmark_plugins.defenses.heads.tokens import Columns
from benchmark_plugins.defenses.heads.verbalizers import VerbalizerKind, label_words

if TYPE_CHECKING:
    import random


class MvpOptions(Options):
    """Options of ``mvp``."""

    templates: int | None = Field(
        default=None, ge=1, description="how many of the dataset's templates to use; None: all (the paper uses four)"
    )
    template_texts: tuple[str, ...] = Field(
        default=(),
        description="templates instead of the dataset's, each with [MASK] once and {text} once, or {first} and "
        "{second} for the columns of a pair",
    )
    template_kind: TemplateKind = Field(
        default="dataset",
        description="dataset (the paper), or its ablations: random (a random word of the vocabulary in place of every "
        "template token), empty (the mask alone, appended and prepended)",
    )
    training_templates: Literal["all", "one", "random"] = Field(
        default="all",
        description="templates a training example is shown in: all (the paper), the first, or one drawn for each "
        "example and epoch (num_template -2 of the paper's code); prediction always uses all",
    )
    verbalizer: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="label name to label words, instead of the dataset's; one token each"
    )
    verbalizer_kind: VerbalizerKind = Field(
        default="multiple",
        description="multiple (all words listed for a label), single (its first one; default of the paper's code), or "
        "random (one unrelated word of the vocabulary a label; ablation of the paper)",
    )
    seed: int = Field(default=0, ge=0, description="of the random templates and words; not of the training")


def build(base: MaskedLanguageModel, task: Task, options: MvpOptions) -> Any:
    """The network.

    Raises BadOptions for templates or words that cannot be read, and NotApplicable for a model without mask or known
    head, a label word of several tokens, a template that leaves no room for a text, and for a causal model one that
    does not end with the mask.
    """
    from benchmark_plugins.defenses.heads.network import LabelWordNetwork, is_causal

    tokenizer = base.tokenizer
    if tokenizer.mask_token_id is None:
        raise NotApplicable("mvp needs a model with a mask token", "Use a model that has one")
    file = prompt_file(task.dataset)
    templates = make_templates(
        tokenizer,
        file,
        kind=options.template_kind,
        number=options.templates,
        inline=options.template_texts,
        seed=options.seed,
        causal=is_causal(base.network.config),
    )
    _require_room(templates, Columns(tokenizer), task.max_length)
    labels = label_words(tokenizer, task, file.words, options.verbalizer, options.verbalizer_kind, options.seed)
    # The same ids in every row of a text: a column is read after a space where any template puts something before it.
    spaced = [any(template.spaced(column) for template in templates) for column in (0, 1)]

    class PromptNetwork(LabelWordNetwork):
        def rows(self, text: str, rng: random.Random | None = None) -> list[Row]:
            """A row per template; with ``rng`` those that ``training_templates`` asks for."""
            used = templates
            if rng is not None and options.training_templates != "all":
                used = templates[:1] if options.training_templates == "one" else [rng.choice(templates)]
            ids = self.columns.ids(text, spaced)
            rows = [template.row(self.columns, ids, task.max_length) for template in used]
            return [_before_the_mask(row, self.columns.filler) for row in rows] if self.causal else rows

    return PromptNetwork(base, task, labels)


def _require_room(templates: list[Template], columns: Columns, max_length: int) -> None:
    for template in templates:
        if template.length + len(columns.first) + len(columns.last) >= max_length:
            raise NotApplicable(
                f"the template '{template.text}' leaves no room for a text in {max_length} tokens",
                "Raise training.max_length, or give shorter templates with the options 'templates' or "
                "'template_texts' of mvp",
            )


def _before_the_mask(row: Row, filler: list[int]) -> Row:
    """The row read one position before its mask; where nothing stands there, ``filler`` is put before it."""
    if row.slot:
        return row._replace(slot=row.slot - 1)
    return Row([*filler, *row.ids], [-1, *row.text], 0, [0, *row.segments])


MVP = Head(
    name="mvp",
    build=build,
    options=MvpOptions,
    needs=frozenset({Capability.MASK_TOKEN}),
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    version=2,
    about="templates with a mask, label words scored by the pre-trained language-model head",
    paper="Raman et al., EMNLP 2023, arXiv 2303.07320",
)
