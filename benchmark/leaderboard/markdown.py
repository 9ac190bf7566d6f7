"""``leaderboard.md``: the table for people, rendered by GitHub. Percentages with one decimal, stable order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.leaderboard.metrics import LEVEL, Proportion, detectable_difference
from benchmark.leaderboard.prose import columns_section, limits_section, method_section
from benchmark.leaderboard.table import AttackResult, Row, Table
from benchmark.records import Outcome

NONE = "–"


def markdown_page(table: Table, evidence_sha256: str) -> str:
    """The page. ``evidence_sha256`` is one digest over all evidence files, printed so that a copy can be recognised."""
    suite = table.suite
    lines = [f"# {text(suite.title)}", ""]
    lines += [f"Suite `{suite.name}`, version {suite.version}, base model `{suite.model}`.", ""]
    if suite.notes.strip():
        lines += [suite.notes.strip(), ""]
    for dataset in sorted({row.dataset for row in table.rows}):
        lines += _dataset(table, dataset)
    if table.not_measured:
        lines += ["## Not measured", "", "The suite lists these rows; no complete cell of them was published.", ""]
        lines += [f"- `{p.defense}` on {text(p.dataset)}, seed {p.seed}" for p in table.not_measured] + [""]
    lines += ["![Clean against worst-case accuracy](plots/clean-vs-worst.svg)", ""]
    lines += columns_section()
    lines += method_section(suite)
    lines += limits_section(suite, detectable_difference)
    lines += ["## Reproduce", "", *_commands(table), ""]
    lines += [f"Evidence digest: `{evidence_sha256}`"]
    return "\n".join(lines) + "\n"


def _dataset(table: Table, dataset: str) -> list[str]:
    rows = table.of(dataset)
    attacks = table.suite.attacks
    sample = len(table.suite.datasets[dataset].sample)
    head = ["Rank", "Defense", "Seed", f"Worst case ({LEVEL:.0%} interval)", "Clean"]
    head += [f"`{name}`" for name in attacks] + ["Forwards / prediction", "Training", "Badges"]
    lines = [f"## {text(dataset)}", "", f"{sample} attacked examples, the same for every row.", ""]
    lines += grid(head, (_summary(row, attacks) for row in rows), left={1, len(head) - 1})
    reasons = [row for row in rows if row.unranked_reason]
    if reasons:
        lines += ["Without a rank:", ""]
        lines += [f"- `{row.defense}`, seed {row.seed}: {text(row.unranked_reason or '')}" for row in reasons] + [""]
    lines += _randomised(rows, attacks)
    lines += _seeds(table, rows)
    lines += [f"### {text(dataset)}: attack by attack", ""]
    head = ["Defense", "Seed", "Attack", "Accuracy under attack", "Success rate", "Queries", "Forwards"]
    head += ["Words changed", "Similarity"]
    found = [(row, row.attacks[name]) for row in rows for name in attacks if name in row.attacks]
    lines += grid(head, (_detail(row, result) for row, result in found), left={0, 2})
    lines += [f"### {text(dataset)}: outcome counts", ""]
    head = ["Defense", "Seed", "Attack", *(outcome.value for outcome in Outcome), "all"]
    return lines + grid(head, (_counts(row, result) for row, result in found), left={0, 2})


def _summary(row: Row, attacks: Sequence[str]) -> list[str]:
    per_attack = [percent(row.attacks[name].accuracy.value) if name in row.attacks else NONE for name in attacks]
    return [
        NONE if row.rank is None else str(row.rank),
        f"`{row.defense}`",
        str(row.seed),
        f"**{percent(row.worst_case.value)}** ({_bounds(row.worst_case)})" if row.worst_case else NONE,
        interval(row.clean),
        *per_attack,
        NONE if row.forwards_per_prediction is None else str(row.forwards_per_prediction),
        _training(row),
        text(", ".join(row.badges)),
    ]


def _detail(row: Row, result: AttackResult) -> list[str]:
    success = result.success
    return [
        f"`{row.defense}`",
        str(row.seed),
        f"`{result.display}`",
        interval(result.accuracy),
        f"{percent(success.value)} ({success.broken}/{success.attacked})",
        number(result.queries_mean, 1),
        number(result.forwards_mean, 1),
        percent(result.perturbed_share_mean),
        number(result.similarity_mean, 3),
    ]


def _counts(row: Row, result: AttackResult) -> list[str]:
    counts = [result.counts[outcome] for outcome in Outcome]
    return [f"`{row.defense}`", str(row.seed), f"`{result.display}`", *map(str, counts), str(sum(counts))]


def _seeds(table: Table, rows: Sequence[Row]) -> list[str]:
    """Mean and spread over seeds, only for defenses of which every seed is ranked; nothing for a single seed."""
    wanted = set(table.suite.seeds)
    if len(wanted) < 2:
        return []
    body = []
    for place in sorted({(row.defense, row.model) for row in rows}):
        values = {
            row.seed: row.worst_case.value
            for row in rows
            if (row.defense, row.model) == place and row.rank is not None and row.worst_case is not None
        }
        whole = wanted <= values.keys()
        used = [values[seed] for seed in sorted(wanted)] if whole else []
        shown = [percent(sum(used) / len(used)), percent(min(used)), percent(max(used))] if used else [NONE] * 3
        body.append([f"`{place[0]}`", str(len(wanted & values.keys())), *shown])
    head = ["Defense", "Ranked seeds", "Mean worst case", "Lowest", "Highest"]
    return [f"### {text(rows[0].dataset)}: over seeds", "", *grid(head, body, left={0})]


def _randomised(rows: Sequence[Row], attacks: Sequence[str]) -> list[str]:
    """The track of defenses whose predictions are drawn; nothing without one."""
    found = [(row, row.attacks[n]) for row in rows for n in attacks if n in row.attacks]
    drawn = [(row, result) for row, result in found if result.expected is not None]
    if not drawn:
        return []
    head = ["Defense", "Seed", "Attack", "Expected accuracy", "Right in every draw", "Right in most draws"]
    body = [
        [
            f"`{row.defense}`",
            str(row.seed),
            f"`{result.display}`",
            percent(result.expected),
            interval(result.any_fail),
            interval(result.accuracy),
        ]
        for row, result in drawn
    ]
    about = "Attacked through the mean over draws; final texts judged in fresh draws. Not ranked against other rows."
    return [f"### {text(drawn[0][0].dataset)}: randomised track", "", about, "", *grid(head, body, left={0, 2})]


def _training(row: Row) -> str:
    seconds = (row.training or {}).get("seconds")
    return f"{seconds:.0f} s" if isinstance(seconds, int | float) else NONE


def _commands(table: Table) -> list[str]:
    name, version = table.suite.name, table.suite.version
    return [
        "```console",
        f"bench run --all --suite {name}",
        f"bench leaderboard publish --suite {name} --out leaderboards",
        f"bench leaderboard check leaderboards/{name}/v{version}",
        "```",
        "",
        "`check` needs neither a model nor a dataset: it recomputes every number above from `evidence/`.",
    ]


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], left: set[int]) -> list[str]:
    """A Markdown table and an empty line; columns outside ``left`` are aligned to the right."""
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "|".join(":---" if index in left else "---:" for index in range(len(head))) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return [*lines, ""]


def interval(value: Proportion | None) -> str:
    """A share with its interval and sample size, such as ``81.2% (78.0–84.1, n 640)``."""
    return NONE if value is None else f"{percent(value.value)} ({_bounds(value)}, n {value.n})"


def percent(value: float | None) -> str:
    """A share in 0..1 as a percentage with one decimal; a dash for None."""
    return NONE if value is None else f"{100 * value:.1f}%"


def number(value: float | None, decimals: int) -> str:
    """A number; a dash for None."""
    return NONE if value is None else f"{value:.{decimals}f}"


def text(value: str) -> str:
    """Text on one line that cannot break out of a table cell."""
    return " ".join(value.replace("|", "\\|").split())


def _bounds(value: Proportion) -> str:
    return f"{100 * value.low:.1f}–{100 * value.high:.1f}"
