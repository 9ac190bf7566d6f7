"""How many substitutes for one word a recipe without a number of its own may consider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark import Track

if TYPE_CHECKING:
    from benchmark.api import ContractCheck


def most_substitutes(contract: ContractCheck) -> int | None:
    """The contract's number; None on the native track, where only the attack's own constraints bind it."""
    return None if contract.track is Track.NATIVE else contract.candidates
