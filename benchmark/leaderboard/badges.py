"""Short warnings beside a row; every one follows from its cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmark.calibration import is_miscalibrated
from benchmark.leaderboard.flags import WHITE_BOX, access_of
from benchmark.records import CellFile, Status

STANDARD = "standard attacks only"
RANDOMISED = "randomised"
EXTERNAL = "external"

MEANINGS: Mapping[str, str] = {
    STANDARD: "no attack in the list reads gradients or was adapted to the defense; a stronger one may exist.",
    RANDOMISED: "predictions are drawn at random. The row is judged in fresh draws and has no rank among the others.",
    Status.CLAIMED: "somebody else sent the records in. They are consistent; nobody has run them again.",
    Status.VERIFIED: "a sample of the sent-in adversarial texts was run again, with the same outcomes.",
    EXTERNAL: "the records were made outside this project.",
    "miscalibrated": "the confidence of the model is far from its accuracy, which can mislead attacks that follow it "
    "(`calibration error`: mean gap between the two).",
    "N forward passes per prediction": "one prediction takes N rows of the network; attacks and use cost as much more.",
    "N errors": "N attacked examples ended in an error; they never count as robust.",
    "single seed": "one training run: no interval of the row covers the variation between training runs.",
}
"""What each badge means, for the legend; N stands for a number."""


def standing(cells: Iterable[CellFile]) -> tuple[Status, bool]:
    """Status and origin of a row of these cells: claimed as soon as one is, external as soon as one is."""
    found = list(cells)
    states = {cell.status for cell in found}
    order = (Status.CLAIMED, Status.VERIFIED, Status.RUN)
    return next((state for state in order if state in states), Status.RUN), any(cell.external for cell in found)


def is_randomised(cell: CellFile) -> bool:
    """Whether the cell's defense draws its predictions at random."""
    victim = cell.spec.get("victim")
    defense = victim.get("defense") if isinstance(victim, Mapping) else None
    return isinstance(defense, Mapping) and bool(defense.get("randomised"))


def badges_of(cells: Sequence[CellFile], forwards: object, errors: int, seeds: int) -> tuple[str, ...]:
    """The badges of the row (or of several seeds' rows) made of ``cells``; ``seeds`` of the suite."""
    found = [] if any(access_of(cell) in WHITE_BOX for cell in cells) else [STANDARD]
    if any(map(is_randomised, cells)):
        found.append(RANDOMISED)
    status, external = standing(cells)
    found += [status.value] if status is not Status.RUN else []
    found += [EXTERNAL] if external else []
    if isinstance(forwards, int) and forwards > 1:
        found.append(f"{forwards} forward passes per prediction")
    if errors:
        found.append(f"{errors} error{'s' if errors > 1 else ''}")
    probes: list[Any] = [cell.provenance.get("probe") for cell in cells]
    gaps = [float(p["calibration_error"]) for p in probes if isinstance(p, Mapping) and is_miscalibrated(p)]
    if gaps:
        found.append(f"miscalibrated (calibration error {max(gaps):.2f})")
    if seeds == 1:
        found.append("single seed")
    return tuple(found)
