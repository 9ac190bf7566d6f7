"""Assets and other registered models, as a plugin's functions see them; each model is loaded once per process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmark.api import Asset, AssetReader, MaskedLanguageModel
from benchmark.broker.hub import Broker
from benchmark.registry import Registry
from benchmark.watch import Watch

T = TypeVar("T")


class BenchResources:
    """The :class:`benchmark.api.Resources` of one process.

    The methods of shared models that answer item by item (``Model.batched``) are asked through ``broker``. Base models
    are put on ``device``. ``watch`` is told of what is loaded.
    """

    def __init__(
        self,
        registry: Registry,
        assets: AssetReader,
        broker: Broker | None = None,
        device: str = "cpu",
        watch: Watch | None = None,
    ) -> None:
        self._registry, self._assets, self._device, self._watch = registry, assets, device, watch
        self._broker = broker or Broker()
        self._models: dict[str, Any] = {}

    def read(self, asset: Asset, member: str) -> bytes:
        return self._assets.read(asset, member)

    def extract(self, asset: Asset) -> Path:
        return self._assets.extract(asset)

    def derived(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        return self._assets.derived(name, inputs, build)

    def model(self, name: str) -> Any:
        if name not in self._models:
            model, item = self.fresh_model(name), self._registry.get("model", name).item
            if self._watch is not None:
                self._watch.model(item.role, model)
            for method in item.batched:
                setattr(model, method, partial(self._broker.ask, getattr(model, method)))
            self._models[name] = model
        return self._models[name]

    def tool(self, part: str, tool: T, methods: Sequence[str]) -> T:
        if self._watch is not None:
            self._watch.tool(part, tool, methods)
        return tool

    def fresh_model(self, name: str) -> Any:
        """A copy of its own, for fitting: a defense changes the weights of what it is given."""
        loaded = self._registry.get("model", name).item.load(self)
        if isinstance(loaded, MaskedLanguageModel):
            loaded.network.to(self._device)
        return loaded


def open_resources(progress: bool = True) -> BenchResources:
    """Resources over all installed plugins and the per-user cache, for scripts and notebooks.

    Assets are fetched when they are first read, unless ``BENCH_OFFLINE`` is set (then AssetMissing says which).
    """
    from benchmark.assets.cache import cache_root
    from benchmark.assets.store import AssetStore
    from benchmark.registry import load_registry

    return BenchResources(load_registry(), AssetStore(cache_root(), progress=progress))
