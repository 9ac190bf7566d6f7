"""``mvp``: model tuning via prompts (Raman et al., EMNLP 2023, arXiv 2303.07320).

No new weights: the text is put into templates, the pre-trained masked-LM head scores label words at the mask, and all
weights are fine-tuned. Scores of a class are the **max** over its words, scores of a text the **mean** over templates
(the core takes that mean over rows), both on raw logits. Where the mask stands is known by construction (``Row.slot``),
so a mask in the text changes nothing but that word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Capability, Head, MaskedLanguageModel, NotApplicable, Options, Row, RowBatch, Task
from benchmark_plugins.defenses.heads.templates import Template, choose_templates, choose_words, prompt_file, word_ids

if TYPE_CHECKING:
    import random

    import torch


class MvpOptions(Options):
    """Options of ``mvp``."""

    templates: int | None = Field(
        default=None, ge=1, description="how many of the dataset's templates to use; None: all (the paper uses four)"
    )
    template_texts: tuple[str, ...] = Field(
        default=(), description="templates instead of the dataset's, each with {text} and [MASK] once"
    )
    verbalizer: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="label name to label words, instead of the dataset's; one token each"
    )
    training_templates: Literal["all", "one", "random"] = Field(
        default="all",
        description="templates a training example is shown in: all (the paper), the first, or one drawn for each "
        "example and epoch (num_template -2 of the paper's code); prediction always uses all",
    )


def build(base: MaskedLanguageModel, task: Task, options: MvpOptions) -> Any:
    """The network. Raises NotApplicable for a model without mask or head, BadOptions for a bad template."""
    import torch
    from torch import nn

    from benchmark_plugins.defenses.heads.network import EncoderNetwork, at_slot

    tokenizer = base.tokenizer
    if tokenizer.mask_token_id is None:
        raise NotApplicable("mvp needs a model with a mask token", "Use a masked language model")
    file = prompt_file(task.dataset)
    texts = choose_templates(file, options.templates, options.template_texts)
    templates = [Template(text, tokenizer) for text in texts]
    for template in templates:
        if template.length + 3 > task.max_length:
            raise NotApplicable(
                f"the template '{template.text}' leaves no room for a text in {task.max_length} tokens",
                "Raise training.max_length, or use a shorter template",
            )
    labels = word_ids(tokenizer, choose_words(file, task, options.verbalizer), task)
    words = sorted({word for listed in labels for word in listed})
    widest = max(map(len, labels))
    # A class with fewer words repeats its first one: the maximum stays the same.
    table = [[words.index(word) for word in [*listed, *listed[:1] * (widest - len(listed))]] for listed in labels]

    class PromptClassifier(EncoderNetwork):
        def __init__(self) -> None:
            super().__init__(base, task)
            self.model = base.network
            self.register_buffer("words", torch.tensor(words), persistent=False)
            self.register_buffer("table", torch.tensor(table), persistent=False)
            _transform(self.model)

        def rows(self, text: str, rng: random.Random | None = None) -> list[Row]:
            """A row per template; with ``rng`` those that ``training_templates`` asks for."""
            used = templates
            if rng is not None and options.training_templates != "all":
                used = templates[:1] if options.training_templates == "one" else [rng.choice(templates)]
            return [self._row(template, text) for template in used]

        def _row(self, template: Template, text: str) -> Row:
            columns = self.columns
            room = task.max_length - template.length - len(columns.first) - len(columns.last)
            ids, index, segments = columns.joined(columns.ids(text, leading_space=bool(template.before)), room)
            before = [*columns.first, *template.before]
            after = [*template.after, *columns.last]
            closing = segments[-1] if segments else 0
            slot = len(before) - len(template.before) + template.mask
            return Row(
                ids=[*before, *ids, *after],
                text=[-1] * len(before) + index + [-1] * len(after),
                slot=slot if template.mask < len(template.before) else slot + len(ids),
                segments=[0] * len(before) + segments + [closing] * len(after),
            )

        def scores(self, states: torch.Tensor, rows: RowBatch) -> torch.Tensor:
            at_mask = _transform(self.model)(at_slot(states, rows))
            decoder = self.model.get_output_embeddings()
            found = nn.functional.linear(at_mask, decoder.weight[self.words], decoder.bias[self.words])
            return found[:, self.table].amax(dim=-1)

    return PromptClassifier()


def _transform(model: Any) -> Any:
    """What the masked-LM head does before its decoder; raises NotApplicable for a head of another shape."""
    from torch.nn.functional import gelu

    if hasattr(model, "cls") and hasattr(model.cls, "predictions"):  # BERT
        return model.cls.predictions.transform
    if hasattr(model, "lm_head") and hasattr(model.lm_head, "layer_norm"):  # RoBERTa
        head = model.lm_head
        return lambda hidden: head.layer_norm(gelu(head.dense(hidden)))
    raise NotApplicable(
        f"mvp does not know the masked-LM head of {type(model).__name__}", "Use a model of BERT's or RoBERTa's kind"
    )


MVP = Head(
    name="mvp",
    build=build,
    options=MvpOptions,
    needs=frozenset({Capability.MASK_TOKEN}),
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    version=2,
    paper="arXiv 2303.07320",
    about="templates with a mask, label words scored by the pre-trained masked-LM head (arXiv 2303.07320)",
)
