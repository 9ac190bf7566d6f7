"""Ways of a network that last as long as it is trained: the arithmetic of its passes, and weights that stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmark.devices import arithmetic
from benchmark.errors import NotApplicable

if TYPE_CHECKING:
    from benchmark.suite import Precision


@contextmanager
def autocast(network: Any, precision: Precision) -> Iterator[None]:
    """Let the network's own methods compute in ``precision`` while the context lasts; their results are fp32.

    Only the network is cast: losses, perturbations and regularisers of an objective stay in fp32.
    """
    import torch

    if precision == "fp32":
        yield
        return
    device = next(network.parameters()).device

    def cast(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if torch.is_inference_mode_enabled():  # a prediction, for model selection
                return method(*args, **kwargs)
            with arithmetic(device, precision):
                return method(*args, **kwargs).float()

        return call

    names = [name for name in ("forward", "states", "layers", "scores") if hasattr(network, name)]
    for name in names:
        setattr(network, name, cast(getattr(network, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(network, name)


@contextmanager
def frozen(network: Any) -> Iterator[None]:
    """Keep the word embeddings of ``network`` (None: of nothing) as they are while the context lasts.

    Raises NotApplicable for a network that does not say which they are.
    """
    if network is None:
        yield
        return
    if not hasattr(network, "word_embeddings"):
        raise NotApplicable(
            "training.frozen_embeddings is set, and this head's network has no method word_embeddings",
            "Unset it, or add the method to the head (benchmark.api.EmbeddingNetwork)",
        )
    table = network.word_embeddings()
    before = table.requires_grad
    table.requires_grad_(False)
    try:
        yield
    finally:
        table.requires_grad_(before)
