"""``lpft``: linear probing, then fine-tuning (Kumar et al., ICLR 2022, arXiv 2202.10054; LPFT of arXiv 2303.07320).

Before training, a logistic regression is fitted on what the output layer sees of the training texts while the model is
frozen; its weights are copied into the output layer, and then all weights are trained as for any head.

* ``sparse``: the layer sees tanh(h), h the first token's last state (``projectcls``);
* ``dense``: it sees tanh(W h + b) with the untrained dense layer of ``mlp``.

For two classes the regression has one row (w, b) with p(1) = sigmoid(w x + b). The layer gets the rows -(w, b) / 2 and
(w, b) / 2, whose softmax is exactly that.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Capability, Head, MaskedLanguageModel, Options, Task, pad_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark import FitContext

BATCH_ROWS = 32


class LpftOptions(Options):
    """Options of ``lpft``."""

    variant: Literal["sparse", "dense"] = Field(
        default="sparse",
        description="what is probed: the first token's state (sparse), or the untrained dense layer on it (dense); "
        "arXiv 2303.07320 has both",
    )
    grid: int = Field(
        default=50,
        ge=1,
        description="how many values of C, evenly spaced in log from 0.1 to 100 (50: code of arXiv 2303.07320)",
    )
    max_iter: int = Field(
        default=500, ge=1, description="iterations of each fit at most (500: code of arXiv 2303.07320)"
    )


def build(base: MaskedLanguageModel, task: Task, options: LpftOptions) -> Any:
    """The network before probing: that of ``projectcls`` (sparse) or ``mlp`` (dense), its new weights random."""
    from benchmark_plugins.defenses.heads.network import FirstTokenNetwork

    return FirstTokenNetwork(base, task, dense=options.variant == "dense")


def warm_start(network: Any, context: FitContext, options: LpftOptions) -> None:
    """Fit the regression in eval mode and copy it into ``network.out``; draws no random number.

    Of the values of C the one with the highest validation accuracy is kept, the smallest of equals. Without validation
    rows it is the one nearest 1.
    """
    import numpy as np
    import torch

    context.progress(0.0, "linear probing")
    seen = _features(network, [example.text for example in context.train])
    gold = np.array([example.label for example in context.train])
    held_out = _features(network, [example.text for example in context.validation])
    held_out_gold = np.array([example.label for example in context.validation])
    weight, bias = probe(seen, gold, held_out, held_out_gold, options.grid, options.max_iter)
    with torch.no_grad():
        network.out.weight.copy_(torch.from_numpy(weight))
        network.out.bias.copy_(torch.from_numpy(bias))


def probe(
    seen: NDArray[np.float64],
    gold: NDArray[np.int64],
    held_out: NDArray[np.float64],
    held_out_gold: NDArray[np.int64],
    grid: int = 50,
    max_iter: int = 500,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows ``[C, h]`` and biases ``[C]`` of the best regression, as an output layer followed by a softmax has them."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    values = np.logspace(-1, 2, grid)
    if not len(held_out):
        values = values[[np.abs(np.log(values)).argmin()]]
    # warm_start lets each fit begin at the weights of the one before.
    model = LogisticRegression(max_iter=max_iter, warm_start=True)
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    # One thread: the last bits, and so the weights, must not depend on how many cores a worker has.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for value in values:
            model.set_params(C=float(value)).fit(seen, gold)
            accuracy = float((model.predict(held_out) == held_out_gold).mean()) if len(held_out) else 0.0
            if best is None or accuracy > best[0]:
                best = accuracy, model.coef_.copy(), model.intercept_.copy()
    assert best is not None
    _, weight, bias = best
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def _features(network: Any, texts: Sequence[str]) -> NDArray[np.float64]:
    """What the output layer sees of each text ``[N, h]``, in eval mode; rows of equal length share a batch."""
    import numpy as np
    import torch

    rows = [network.rows(text)[0] for text in texts]
    found = np.zeros((len(rows), network.out.in_features))
    device = network.out.weight.device
    was_training = network.training
    network.eval()
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ids))
    try:
        with torch.inference_mode():
            for _, group in groupby(order, key=lambda number: len(rows[number].ids)):
                same = list(group)
                for start in range(0, len(same), BATCH_ROWS):
                    chosen = same[start : start + BATCH_ROWS]
                    batch = pad_rows([rows[number] for number in chosen], network.pad_id).to(device)
                    found[chosen] = network.features(network.encode(batch), batch).cpu().double().numpy()
    finally:
        network.train(was_training)
    return found


LPFT = Head(
    name="lpft",
    build=build,
    options=LpftOptions,
    offers=frozenset({Capability.GRADIENTS, Capability.EMBEDDINGS, Capability.HIDDEN_STATES}),
    about="a logistic regression on the frozen model starts the output layer, then all weights are trained",
    paper="Kumar et al., ICLR 2022, arXiv 2202.10054; Raman et al., EMNLP 2023, arXiv 2303.07320 (LPFT)",
    warm_start=warm_start,
)
