"""What a plan will cost: measured seconds of the same attack or victim in the store, else a rule of thumb."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.plan import Plan
from benchmark.store import Store

FIT_SECONDS, EXAMPLE_SECONDS = 90.0, 2.0
"""Rules of thumb for a machine like that of docs/measured.md, used only where the store knows nothing."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of one-worker work per cell key, the state of each cell, and whether all figures are measured."""

    seconds: dict[str, float]
    state: dict[str, str]
    measured: bool

    def text(self, key: str) -> str:
        seconds = self.seconds.get(key, 0.0)
        return f"{seconds:.0f} s" if seconds else ""

    def total_text(self, jobs: int) -> str:
        total = sum(self.seconds.values())
        basis = "from this store's own timings" if self.measured else "a rule of thumb until this store has timings"
        return f"about {total / jobs / 60:.1f} minutes with {jobs} worker(s), {basis}"


def estimate(plan: Plan, store: Store) -> Estimate:
    """Cost of what is not stored yet; the fit of a victim is charged to its first missing cell."""
    per_attack: dict[str, list[float]] = {}
    fits: list[float] = []
    for cell in store.cells():
        if cell.attack is None:
            fits += [float(cell.provenance.get("training", {}).get("seconds", 0.0))]
        else:
            timed = [r.timing.seconds for r in store.records(cell) if r.timing]
            per_attack.setdefault(cell.attack, []).extend(timed)
    seconds: dict[str, float] = {}
    state: dict[str, str] = {}
    charged: set[str] = set()
    measured = True
    for plan_cell in plan.ready:
        done = store.done(plan_cell.key) if plan_cell.attack else set()
        if store.is_complete(plan_cell.key):
            state[plan_cell.key] = "stored"
            continue
        state[plan_cell.key] = f"{len(done)} stored" if done else "to run"
        known = per_attack.get(plan_cell.attack or "")
        each = sum(known) / len(known) if known else EXAMPLE_SECONDS
        cost = each * (len(plan_cell.ids) - len(done))
        if plan_cell.victim.key not in charged:
            charged.add(plan_cell.victim.key)
            cost += sum(fits) / len(fits) if fits else FIT_SECONDS
        measured = measured and bool(fits) and (bool(known) or plan_cell.attack is None)
        seconds[plan_cell.key] = cost
    return Estimate(seconds, state, measured)
