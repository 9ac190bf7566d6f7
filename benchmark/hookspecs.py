"""The hooks a plugin may implement. Each gets a ``register`` callback and calls it once for every item.

A plugin is a module (or object) named by an entry point of the group ``nlp_robustness_bench``::

    [project.entry-points.nlp_robustness_bench]
    my-defense = "my_package.plugin"
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from benchmark.api import Attack, Dataset, DefensePart, Model

PROJECT = "nlp_robustness_bench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HookSpecs:
    """The specification pluggy checks implementations against."""

    @hookspec
    def register_defenses(self, register: Callable[[DefensePart], None]) -> None:
        """Register heads, objectives and complete defenses."""

    @hookspec
    def register_attacks(self, register: Callable[[Attack], None]) -> None:
        """Register attacks."""

    @hookspec
    def register_datasets(self, register: Callable[[Dataset], None]) -> None:
        """Register datasets."""

    @hookspec
    def register_models(self, register: Callable[[Model], None]) -> None:
        """Register base models and sentence encoders."""

    @hookspec
    def register_suites(self, register: Callable[[Path], None]) -> None:
        """Register suite files (TOML) by path."""
