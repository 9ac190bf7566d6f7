"""``python tests/benchmarks/table.py RESULTS.json... [--page PAGE.md] [--previous OLD.json]``: figures as tables.

Reads what ``--benchmark-json`` wrote; every run is a section, and no figure is of two. With ``--page`` the tables are
put between the page's two markers; without, they are printed. ``--previous`` adds the medians of an older run beside
those of start-up and registry (the only figures that are compared over two runs). Every number is read from the file;
targets are those of this project.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SHORT_STOCK = {"textfooler": 25.0}
OTHER_STOCK, LONG_STOCK, REPAIRED = 10.0, 8.0, 3.0
SCALE_TARGET = 10.5
LABELS = {"short": "about 20 words", "long": "about 170 words"}

Bench = dict[str, Any]


def median(bench: Bench) -> float:
    """Seconds of the median round."""
    return float(bench["stats"]["median"])


def target_of(recipe: str, length: str, contender: str) -> float | None:
    """The ratio that is asked for, or None."""
    if contender == "repaired":
        return REPAIRED if (recipe, length) == ("textfooler", "short") else None
    return LONG_STOCK if length == "long" else SHORT_STOCK.get(recipe, OTHER_STOCK)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table, none without rows."""
    body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body, ""] if body else []


def ratio(slow: float, fast: float, target: float | None) -> str:
    """``12.3x (target 10)``."""
    shown = f"{slow / fast:.1f}x"
    return shown if target is None else f"{shown} (target {target:g}: {'met' if slow / fast >= target else 'missed'})"


def of_kind(found: Sequence[Bench], kind: str) -> list[Bench]:
    """The measurements of one kind, in the order of the run."""
    return [bench for bench in found if bench["extra_info"].get("kind") == kind]


def attack_tables(found: Sequence[Bench]) -> list[str]:
    """Engine against stock, and whether they agree."""
    by_case: dict[tuple[str, str], dict[str, Bench]] = {}
    for bench in of_kind(found, "attack"):
        info = bench["extra_info"]
        by_case.setdefault((info["length"], info["recipe"]), {})[info["contender"]] = bench
    speed, agree, inside = [], [], []
    for (length, recipe), case in by_case.items():
        info = next(iter(case.values()))["extra_info"]
        cells: dict[str, Any] = {name: f"{median(b) / info['examples']:.2f}" for name, b in case.items()}
        row: list[object] = [f"`{recipe}`", LABELS[length], info["examples"], info["rounds"]]
        row += [cells.get(name, "") for name in ("stock", "repaired", "engine-1", "engine")]
        for slow in ("stock", "repaired"):
            both = slow in case and "engine" in case
            row.append(
                ratio(median(case[slow]), median(case["engine"]), target_of(recipe, length, slow)) if both else ""
            )
        speed.append(row)
        if "stock" in case:
            spent = case["stock"]["extra_info"]["inside"]
            times = [spent["victim"], spent["encoder"]]
            total = case["stock"]["stats"]["data"][-1]
            rest = total - sum(times)
            shares = [f"{100 * part / total:.0f} %" for part in (*times, rest)]
            queries = case["stock"]["extra_info"]["queries"] / info["examples"]
            inside.append([f"`{recipe}`", LABELS[length], f"{queries:.0f}", *shares])
        if "engine" in case and "identity" in case["engine"]["extra_info"]:
            identity = case["engine"]["extra_info"]["identity"]
            kinds = [line["reason"] for line in identity["explained"]]
            reasons = "; ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
            left = identity["different"] - len(kinds)
            reasons += f"; {left} not examined" if left else ""
            repaired = case.get("repaired", {}).get("extra_info", {}).get("same_as_stock", "")
            same = f"{identity['compared'] - identity['different']} of {identity['compared']}"
            agree.append([f"`{recipe}`", LABELS[length], same, reasons or "none", repaired])
    lines = ["### Engine against stock", ""] if speed else []
    head = ["recipe", "texts", "examples", "rounds", "stock s/example", "repaired s/example", "engine, 1 worker",
            "engine, all cores", "stock / engine", "repaired / engine"]  # fmt: skip
    lines += table(head, speed)
    head = ["recipe", "texts", "outcome, text and queries the same", "differences", "repaired loop the same"]
    lines += table(head, agree)
    head = ["recipe", "texts", "queries an example", "stock: victim", "stock: sentence encoder", "stock: rest"]
    return lines + table(head, inside)


def scale_table(found: Sequence[Bench]) -> list[str]:
    """Time and memory by number of examples."""
    rows, base = [], {}
    for bench in of_kind(found, "scale"):
        info = bench["extra_info"]
        before = base.get(info["attack"])
        base[info["attack"]] = info
        times = ""
        if before is not None:
            grown = info["examples"] / before["examples"]
            cost = info["attack_seconds"] / before["attack_seconds"]
            limit = SCALE_TARGET if (before["examples"], info["examples"]) == (20, 200) else None
            verdict = "" if limit is None else f" (target {limit:g}: {'met' if cost <= limit else 'missed'})"
            times = f"{cost:.2f}x the time of {before['examples']} for {grown:g}x the examples{verdict}"
        rows.append(
            [f"`{info['attack']}`", info["examples"], f"{info['attack_seconds']:.1f}", times,
             f"{info['worker_mb_ready']:,}", f"{info['worker_mb']:,}", f"{info['main_mb']:,}"]
        )  # fmt: skip
    head = ["attack", "examples", "s", "growth", "worker's peak before, MB", "worker's peak after, MB",
            "main process's peak, MB"]  # fmt: skip
    return ["### More examples", "", *table(head, rows)] if rows else []


def rest_tables(found: Sequence[Bench], previous: dict[str, float]) -> list[str]:
    """Training, leaderboard, registry, start-up."""
    lines: list[str] = []
    rows = [
        [f"`{b['extra_info']['head']}`", f"{b['extra_info']['train_rows']:,}", b["extra_info"]["precision"],
         b["extra_info"]["threads"], f"{b['extra_info']['tokens']:,}", f"{b['extra_info']['tokens_per_second']:,}",
         f"{median(b):.0f}"]
        for b in of_kind(found, "training")
    ]  # fmt: skip
    if rows:
        head = ["head", "rows", "precision", "threads", "tokens", "tokens/s", "s with start-up"]
        lines += ["### Training", "", *table(head, rows)]
    rows = [
        [b["name"].removeprefix("test_"), f"{b['extra_info']['records']:,}", f"{median(b):.1f}"]
        for b in of_kind(found, "leaderboard")
    ]
    if rows:
        lines += ["### Leaderboard", "", *table(["what", "records", "s"], rows)]
    rows = []
    for bench in [*of_kind(found, "registry"), *of_kind(found, "start-up")]:
        info = bench["extra_info"]
        what = f"`{info['command']}`" if "command" in info else f"registry with {info['plugins']} foreign plugins"
        old = previous.get(bench["fullname"])
        rows.append([what, len(bench["stats"]["data"]), f"{median(bench):.2f}", "" if old is None else f"{old:.2f}"])
    if rows:
        head = ["what", "rounds", "s, a process of its own", "s in the run before"]
        lines += ["### Registry and start-up", "", *table(head, rows)]
    return lines


def figures(run: dict[str, Any], previous: dict[str, Any] | None = None) -> str:
    """All tables of a run."""
    found = run["benchmarks"]
    machine = run["machine_info"]
    old = {b["fullname"]: median(b) for b in (previous or {}).get("benchmarks", ())}
    settings = " ".join(f"{name}={value}" for name, value in machine["settings"].items())
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    cpu = machine["cpu"].get("brand_raw") or machine["machine"]
    command = f"{settings} tox -e bench".strip()
    lines = [
        f"Measured {run['datetime'][:10]} at revision `{run['commit_info']['id'][:10]}` by `{command}` on {cpu} "
        f"({machine['cpu'].get('count', '?')} cores, Python {machine['python_version']}, {libraries}). Medians; all "
        "figures of this section are of one run.",
        "",
        *attack_tables(found),
        *scale_table(found),
        *rest_tables(found, old),
    ]
    return "\n".join(lines).rstrip() + "\n"


def short_of_rounds(run: dict[str, Any], least: int = 3) -> list[str]:
    """Measurements with fewer rounds than a median needs; one round is enough at the largest scale."""
    scale = max((b["extra_info"]["examples"] for b in of_kind(run["benchmarks"], "scale")), default=0)
    few = [b for b in run["benchmarks"] if len(b["stats"]["data"]) < least]
    return [b["name"] for b in few if not (b["extra_info"].get("kind") == "scale" and
                                           b["extra_info"]["examples"] == scale)]  # fmt: skip


def put(page: str, text: str) -> str:
    """``page`` with ``text`` between its markers. Raises ValueError without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks '{BEGIN}' or '{END}'")
    return f"{before}{begin}\n\n{text}\n{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Figures of a benchmark run, as tables.")
    parser.add_argument("results", type=Path, nargs="+", help="what --benchmark-json wrote, a file a run")
    parser.add_argument("--page", type=Path, help="page to write them to")
    parser.add_argument("--previous", type=Path, help="an older run, for start-up and registry")
    given = parser.parse_args()
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in given.results]
    previous = json.loads(given.previous.read_text(encoding="utf-8")) if given.previous else None
    text = "\n".join(figures(run, previous) for run in runs)
    if given.page is None:
        sys.stdout.write(text)
        return 0
    few = [name for run in runs for name in short_of_rounds(run)]
    if few:
        sys.stderr.write(f"the page takes medians of three rounds at least, not: {', '.join(few[:5])}\n")
        return 1
    given.page.write_text(put(given.page.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
