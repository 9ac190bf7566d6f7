"""The end of ``bench run --transfer``: the matrix, printed and written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.attacking import Execution
    from benchmark.plan import Plan
    from benchmark.store import Store


def run_transfer(console: Console, plan: Plan, store: Store, jobs: int, execution: Execution) -> None:
    """Score, print, and write ``reports/<suite>-vN-transfer.md`` and ``.json`` in the store."""
    import json

    from benchmark.assets.cache import cache_root
    from benchmark.store import write_atomic
    from benchmark.transfer import as_json, as_markdown, measure

    with store.lock():
        shares = measure(plan, store, cache_root(), jobs, lambda text: console.print(text, markup=False), execution)
    if not shares:
        console.print("no transfer matrix: it needs two defenses on one dataset, one of them broken", markup=False)
        return
    text = as_markdown(plan, shares)
    base = store.root / "reports" / f"{plan.suite.name}-v{plan.suite.version}-transfer"
    write_atomic(base.with_name(base.name + ".md"), text)
    write_atomic(base.with_name(base.name + ".json"), json.dumps(as_json(plan, shares), indent=1) + "\n")
    console.print(text, markup=False, highlight=False)
    console.print(f"written: {base}.md and .json", markup=False, highlight=False)
