"""Signs of gradient masking in stored records (Athalye et al. 2018, arXiv 1802.00420, section 3.1).

A flag is a reason to look closer, never a verdict: an attack that reads gradients may simply search another, poorer
space than the one that reads scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.leaderboard.curves import BUDGETS, Attacked, Searched, broken_within, by_victim, own_budget
from benchmark.records import CellFile, Outcome

BLACK_BOX_STRONGER = "black-box-stronger"
ZERO_GRADIENTS = "zero-gradients"
FLAT_CURVE = "flat-curve"

SIGNIFICANCE = 0.05
ZERO_SHARE = 0.5
"""Share of zero gradients above which they are flagged."""
UNDECIDED = 20
"""Least number of broken or exhausted examples that a curve is judged by."""
STEPS = 3
"""Last steps between budgets over which a flat curve is flagged."""

WHITE_BOX = frozenset({"gradient"})
BLACK_BOX = frozenset({"score", "decision"})


@dataclass(frozen=True)
class Flag:
    """One sign on one victim: a name, a sentence, and the numbers behind it."""

    name: str
    dataset: str
    model: str
    defense: str
    seed: int
    sentence: str
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)


def access_of(cell: CellFile) -> str | None:
    """What the cell's attack asks of the victim (score, decision, gradient); None where the cell does not say."""
    attack = cell.spec.get("attack")
    found = cell.provenance.get("attack_access") or (attack.get("access") if isinstance(attack, Mapping) else None)
    return found if isinstance(found, str) else None


def flags_of(attacked: Sequence[Attacked]) -> list[Flag]:
    """Every sign of gradient masking, victim by victim."""
    found: list[Flag] = []
    for cells in by_victim(attacked).values():
        found += [*_black_box_stronger(cells), *_zero_gradients(cells)]
        found += [flag for cell, records in cells for flag in _flat_curve(cell, records)]
    return found


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided exact McNemar p-value of the two counts of discordant pairs; 1.0 without any."""
    from statsmodels.stats.contingency_tables import mcnemar as test

    return float(test([[0, first_only], [second_only, 0]], exact=True).pvalue) if first_only + second_only else 1.0


def _black_box_stronger(cells: Sequence[Attacked]) -> list[Flag]:
    """Black-box attacks that break significantly more than the strongest white-box one, Holm over the attacks.

    The strongest one: a weak white-box attack beside a strong one is no sign of anything.
    """
    from statsmodels.stats.multitest import multipletests

    black = [pair for pair in cells if access_of(pair[0]) in BLACK_BOX]
    white = [pair for pair in cells if access_of(pair[0]) in WHITE_BOX]
    compared = [(mine[0], *max((_pair(mine, other) for other in white), key=_strength)) for mine in black if white]
    if not compared:
        return []
    adjusted = multipletests([mcnemar(mine, theirs) for *_, mine, theirs, _ in compared], method="holm")[1]
    return [
        _flag(
            BLACK_BOX_STRONGER,
            cell,
            f"{cell.attack}, which sees no gradients, breaks {mine} examples that {other.attack} does not, against "
            f"{theirs} the other way round (exact McNemar, Holm-adjusted p = {p:.2g}): the gradients may be masked",
            black_box=str(cell.attack),
            white_box=str(other.attack),
            black_box_only=mine,
            white_box_only=theirs,
            examples=shared,
            p_value=round(float(p), 6),
        )
        for (cell, other, mine, theirs, shared), p in zip(compared, adjusted, strict=True)
        if mine > theirs and p < SIGNIFICANCE
    ]


def _pair(black: Attacked, white: Attacked) -> tuple[CellFile, int, int, int]:
    """The white-box cell, what only the one and only the other broke, and the examples that both attacked."""
    one, other = _broken(black[1]), _broken(white[1])
    shared = one.keys() & other.keys()
    mine, theirs = (sum(a[i] and not b[i] for i in shared) for a, b in ((one, other), (other, one)))
    return white[0], mine, theirs, len(shared)


def _strength(pair: tuple[CellFile, int, int, int]) -> int:
    """How well the white-box attack does against the black-box one."""
    _, mine, theirs, _ = pair
    return theirs - mine


def _broken(records: Sequence[Searched]) -> dict[str, bool]:
    """Example to whether it was broken; without skipped ones and errors, which say nothing of an attack's strength."""
    silent = (Outcome.SKIPPED, Outcome.ERROR)
    return {r.example_id: r.outcome is Outcome.BROKEN for r in records if r.outcome not in silent}


def _zero_gradients(cells: Sequence[Attacked]) -> list[Flag]:
    """More than half of the probed gradients are zero."""
    shares = []
    for cell, _ in cells:
        probe = cell.provenance.get("probe")
        share = probe.get("zero_gradients") if isinstance(probe, Mapping) else None
        if isinstance(share, int | float) and not isinstance(share, bool):
            shares.append((float(share), cell))
    if not shares:
        return []
    share, cell = max(shares, key=lambda pair: pair[0])
    if share <= ZERO_SHARE:
        return []
    sentence = f"{100 * share:.0f} % of the probed gradients are zero: attacks that follow them are blind here"
    return [_flag(ZERO_GRADIENTS, cell, sentence, zero_gradients=share)]


def _flat_curve(cell: CellFile, records: Sequence[Searched]) -> list[Flag]:
    """Success does not grow with the budget although most examples end for want of queries.

    Judged over the last steps between budgets that at least half of the exhausted examples could still use: beyond its
    own budget nothing is asked, and a curve is flat for that reason alone.
    """
    exhausted = [r for r in records if r.outcome is Outcome.EXHAUSTED]
    broken = sum(r.outcome is Outcome.BROKEN for r in records)
    if broken + len(exhausted) < UNDECIDED or len(exhausted) < broken:
        return []
    own = [own_budget(cell, record) for record in exhausted]
    usable = [b for b in BUDGETS if 2 * sum(limit is None or limit >= b for limit in own) >= len(own)]
    if len(usable) <= STEPS:
        return []
    first, last = usable[-STEPS - 1], usable[-1]
    before, after = broken_within(records, first), broken_within(records, last)
    if after > before:
        return []
    return [
        _flag(
            FLAT_CURVE,
            cell,
            f"{cell.attack} breaks {before} examples with {first} queries and no other with {last}, while "
            f"{len(exhausted)} of {broken + len(exhausted)} end for want of queries: its search may get no signal",
            attack=str(cell.attack),
            broken=broken,
            exhausted=len(exhausted),
            first_budget=first,
            last_budget=last,
            broken_at_first=before,
            broken_at_last=after,
        )
    ]


def _flag(name: str, cell: CellFile, sentence: str, **numbers: float | int | str) -> Flag:
    return Flag(name, cell.dataset, cell.model, cell.defense, cell.seed, sentence, numbers)
