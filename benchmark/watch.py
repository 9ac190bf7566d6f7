"""What a worker tells of the things it computes with, once each, when they are loaded. ``bench profile`` listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from benchmark.api import ModelRole


class Watch(Protocol):
    """Told of models, tools and networks before anything else sees them; may put its own functions around theirs."""

    def model(self, role: ModelRole, model: Any) -> None:
        """A registered model that all examples share."""

    def tool(self, part: str, tool: Any, methods: Sequence[str]) -> None:
        """What a plugin loaded by itself (:meth:`benchmark.api.Resources.tool`)."""

    def network(self, network: Any) -> None:
        """The network of a victim, fitted or loaded."""
