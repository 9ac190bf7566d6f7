"""Measure the head that is in use: masked WikiText-2 validation, `mvp` without fine-tuning, ten predictions.

``python -m benchmark_plugins.models.minilm_mlm.measure`` prints the figures of docs/models/minilm-mlm.md as JSON.
"""

from __future__ import annotations

import json
from typing import Any

from benchmark import Resources, Task, open_resources, pad_rows
from benchmark_plugins.models.minilm_mlm import corpus, load, masking

CLOZES = (
    "the capital of france is [MASK] .",
    "she plays the [MASK] in an orchestra .",
    "he was born in new [MASK] in 1950 .",
    "the movie was so [MASK] that i fell asleep .",
    "an excellent film with a [MASK] cast .",
    "i hated it , the acting was [MASK] .",
    "a touching and [MASK] story about friendship .",
    "who [MASK] the telephone ?",
    "how many [MASK] are there in a year ?",
    "the river flows into the [MASK] .",
)


def masked_wikitext(
    resources: Resources, network: Any, tokenizer: Any, bert: bool, window: int
) -> dict[str, float | int]:
    """Loss and top-1 accuracy on 15 % of the tokens of WikiText-2 validation, in windows of ``window`` ids.

    ``bert`` chooses BERT's corruption instead of ``[MASK]`` for every chosen token (see ``masking.masked_accuracy``).
    """
    import torch

    rows = corpus.windows(corpus.wikitext(resources, "valid"), tokenizer.backend_tokenizer, window, True)
    special = torch.zeros(len(tokenizer), dtype=torch.bool)
    special[tokenizer.all_special_ids] = True
    loss, accuracy, count = masking.masked_accuracy(network, rows, special, tokenizer.mask_token_id, bert=bert)
    network.eval()
    return {"loss": round(loss, 4), "accuracy": round(accuracy, 4), "masked_tokens": count}


def zero_shot(resources: Resources, seed: int = 0) -> dict[str, float | int]:
    """Accuracy of `mvp` on the rotten_tomatoes validation part without any training, all templates of its file."""
    import torch

    from benchmark_plugins.datasets.rotten_tomatoes import ROTTEN_TOMATOES
    from benchmark_plugins.defenses.heads.mvp import MVP

    validation = ROTTEN_TOMATOES.load(resources).validation
    base = load.model().load(resources)
    network = MVP.build(base, Task(ROTTEN_TOMATOES.name, ROTTEN_TOMATOES.label_names, 128), MVP.options())
    network.eval()
    right, positive = 0, 0
    with torch.inference_mode():
        for example in validation:
            scores = network(pad_rows(network.rows(example.text), network.pad_id))
            prediction = int(scores.mean(0).argmax())
            right += prediction == example.label
            positive += prediction == 1
    share = round(positive / len(validation), 4)
    return {"accuracy": round(right / len(validation), 4), "n": len(validation), "predicted_positive": share}


def predictions(network: Any, tokenizer: Any) -> dict[str, list[str]]:
    """The five likeliest words at the mask of each example sentence."""
    import torch

    found = {}
    for text in CLOZES:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logits = network(input_ids=ids).logits[0, int((ids[0] == tokenizer.mask_token_id).nonzero()[0])]
        found[text] = tokenizer.convert_ids_to_tokens(logits.topk(5).indices.tolist())
    return found


def main() -> None:
    resources = open_resources()
    base = load.model().load(resources)
    figures = {
        "head": load.model().revision,
        "wikitext2_validation": {
            f"{'bert_corruption' if bert else 'all_masked'}_windows_of_{window}": masked_wikitext(
                resources, base.network, base.tokenizer, bert, window
            )
            for window in (128, 64)
            for bert in (True, False)
        },
        "mvp_rotten_tomatoes_validation": zero_shot(resources),
        "predictions": predictions(base.network, base.tokenizer),
    }
    print(json.dumps(figures, indent=1))  # noqa: T201 - a report is what this module is for


if __name__ == "__main__":
    main()
