"""What a white-box attack sees of a network: gradients by word embedding, token ids, the embedding matrix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmark.api import TokenGradients, pad_rows, pool_rows
from benchmark.errors import NotApplicable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tokens = tuple[tuple[int, ...], tuple[tuple[int, int], ...]]


def gradients(network: Any, text: str, label: int) -> TokenGradients:
    """d cross-entropy(mean of the text's row scores, ``label``) / d word embedding of each of the text's tokens.

    One forward and one backward pass in eval mode; a token that stands in several rows has the sum of them, one that
    no row shows (past the longest row) has zeros. The parameters' ``grad`` stays as it was. Raises NotApplicable for a
    network without ``embed`` and ``text_tokens``.
    """
    import torch

    ids, spans = text_tokens(network, text)
    device = next(network.parameters()).device
    with evaluating(network), torch.inference_mode(False), torch.enable_grad():
        rows = pad_rows(network.rows(text), network.pad_id).to(device)
        embeddings = _attribute(network, "embed")(rows.ids).detach().requires_grad_(True)
        scores = network(rows, embeddings)
        pooled = pool_rows(scores, torch.zeros(len(scores), dtype=torch.long, device=device), 1)
        loss = torch.nn.functional.cross_entropy(pooled.float(), torch.tensor([label], device=device))
        (found,) = torch.autograd.grad(loss, embeddings)
    shown = rows.text >= 0
    sums = found.new_zeros(len(ids), found.shape[-1])
    sums.index_add_(0, rows.text[shown], found[shown])
    return TokenGradients(spans, ids, sums.float().cpu().numpy())


def text_tokens(network: Any, text: str) -> Tokens:
    """Ids and character spans of the text's own tokens; raises NotApplicable for a network that does not tell them."""
    found: Tokens = _attribute(network, "text_tokens")(text)
    return found


def embedding_matrix(network: Any) -> NDArray[np.float32]:
    """Word embeddings ``[V, d]`` of the network's vocabulary, a read-only copy; raises NotApplicable."""
    import torch

    ids = torch.arange(_attribute(network, "vocabulary_size"), device=next(network.parameters()).device)
    with torch.inference_mode():
        matrix: NDArray[np.float32] = _attribute(network, "embed")(ids).float().cpu().numpy()
    matrix.setflags(write=False)
    return matrix


@contextmanager
def evaluating(network: Any) -> Iterator[None]:
    """Dropout off, and the network back in the mode it was in.

    Nothing is touched where every module is in that mode: setting it takes as long as a short forward pass.
    """
    modules = network.modules() if hasattr(network, "modules") else [network]
    if not any(module.training for module in modules):
        yield
        return
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def _attribute(network: Any, name: str) -> Any:
    found = getattr(network, name, None)
    if found is None:
        raise NotApplicable(
            f"the head's network has no {name}, so its inside cannot be shown",
            "Choose an attack that needs scores only",
        )
    return found
