"""``leaderboard.md``: the table for people, rendered by GitHub. Percentages with one decimal, stable order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.leaderboard.entries import Entry, Overall
from benchmark.leaderboard.metrics import Proportion
from benchmark.leaderboard.prose import detectable_words, legend_section, limits_section, method_section
from benchmark.leaderboard.statistics import LEVEL
from benchmark.leaderboard.statistics.bootstrap import Estimate
from benchmark.leaderboard.table import AttackResult, Environment, Pair, Row, Table
from benchmark.records import Outcome

NONE = "–"
Share = Proportion | Estimate


def markdown_page(table: Table, evidence_sha256: str) -> str:
    """The page. ``evidence_sha256`` is one digest over all evidence files, printed so that a copy can be recognised."""
    suite = table.suite
    datasets = sorted({row.dataset for row in table.rows})
    lines = [f"# {text(suite.title)}", ""]
    lines += [f"Suite `{suite.name}`, version {suite.version}, base model `{suite.model}`.", ""]
    if suite.notes.strip():
        lines += [suite.notes.strip(), ""]
    lines += _summary(table)
    for dataset in datasets:
        lines += _dataset(table, dataset)
    for dataset in datasets:
        lines += _details(table, dataset)
    if table.not_measured:
        lines += ["## Not measured", "", "The suite lists these rows; no complete cell of them was published.", ""]
        lines += [f"- {code(p.defense)} on {text(p.dataset)}, seed {p.seed}" for p in table.not_measured] + [""]
    lines += ["![Clean against worst-case accuracy](plots/clean-vs-worst.svg)", ""]
    lines += legend_section()
    lines += method_section(suite)
    lines += limits_section(table)
    lines += ["## Reproduce", "", *_commands(table), ""]
    lines += _environments(table.environments)
    lines += [f"Evidence digest: `{evidence_sha256}`"]
    return "\n".join(lines) + "\n"


def _summary(table: Table) -> list[str]:
    """One line a defense, eight columns: it must fit the width of a repository's page."""
    datasets = sorted({*table.suite.datasets, *(row.dataset for row in table.rows)})
    head = ["Defense", "Seeds", f"Mean worst case ({LEVEL:.0%})", "Mean clean"]
    head += [f"Rank: {' · '.join(map(text, datasets))}", "Fwd/pred", "Training", "Badges"]
    lines = ["## Summary", ""]
    lines += grid(head, (_line(line) for line in table.overall), left={0, 7})
    return [
        *lines,
        "Ordered by mean worst case; ranks are per dataset. Terms are in the [legend](#legend).",
        "",
    ]


def _line(line: Overall) -> list[str]:
    return [
        code(line.defense),
        str(line.seeds),
        _headline(line.worst_case),
        percent(line.clean.value if line.clean else None),
        " · ".join(NONE if rank is None else str(rank) for rank in line.ranks),
        NONE if line.forwards_per_prediction is None else str(line.forwards_per_prediction),
        _seconds(line.training_seconds),
        text(", ".join(line.badges)),
    ]


def _dataset(table: Table, dataset: str) -> list[str]:
    """The ranked table of one dataset, what it can show, and the pairs behind the ranks."""
    entries, attacks = table.entries_of(dataset), table.suite.attacks
    lines = [f"## {text(dataset)}", "", f"{len(table.suite.datasets[dataset].sample)} attacked examples, the same for "
             "every row.", ""]  # fmt: skip
    head = ["Rank", "Defense", "Seeds", f"Worst case ({LEVEL:.0%})", "Clean", *map(code, attacks)]
    lines += grid(head, (_entry(entry, attacks) for entry in entries), left={1})
    found = (table.detectable or {}).get(dataset)
    if found is not None and found.n:
        words = detectable_words(found)
        lines += [f"{words[0].upper()}{words[1:]}", ""]
    reasons = [entry for entry in entries if entry.unranked_reason]
    if reasons:
        lines += ["Without a rank:", ""]
        lines += [f"- {code(entry.defense)}: {text(entry.unranked_reason or '')}" for entry in reasons] + [""]
    return [*lines, *_behind_the_first(table.pairs_of(dataset), entries), *_randomised(table.of(dataset), attacks)]


def _entry(entry: Entry, attacks: Sequence[str]) -> list[str]:
    shares = [entry.attacks.get(name) for name in attacks]
    return [
        NONE if entry.rank is None else str(entry.rank),
        code(entry.defense),
        str(len(entry.seeds)),
        _headline(entry.worst_case),
        interval(entry.clean),
        *(percent(share.value if share else None) for share in shares),
    ]


def _behind_the_first(pairs: Sequence[Pair], entries: Sequence[Entry]) -> list[str]:
    """How every other ranked row compares with the first one; all pairs are in leaderboard.json."""
    first = entries[0].name if entries else None
    found = [(pair, pair.worse if pair.better == first else pair.better) for pair in pairs if first in
             (pair.better, pair.worse)]  # fmt: skip
    if not found:
        return []
    order = {entry.name: place for place, entry in enumerate(entries)}
    body = []
    for pair, other in sorted(found, key=lambda item: order[item[1]]):
        sign = 1 if pair.better == first else -1
        low, high = sorted((sign * pair.difference.low, sign * pair.difference.high))
        gap = f"{100 * sign * pair.difference.value + 0.0:.1f} ({100 * low:.1f} to {100 * high:.1f})"
        body.append([code(other[1]), gap, p_value(pair.p_value), p_value(pair.p_adjusted)])
    about = f"Points behind {code(entries[0].defense)} in the worst case"
    about += "; the other pairs are in `leaderboard.json`." if len(found) < len(pairs) else "."
    return [about, "", *grid(["Defense", "Behind", "p", "p (Holm)"], body, left={0})]


def _details(table: Table, dataset: str) -> list[str]:
    """Seed by seed and attack by attack."""
    rows, attacks = table.of(dataset), table.suite.attacks
    lines = _by_seed(rows, attacks, dataset) if len(table.suite.seeds) > 1 else []
    lines += [f"### {text(dataset)}: attack by attack", ""]
    head = ["Defense", "Seed", "Attack", "Accuracy under attack", "Success rate", "Queries", "Forwards"]
    head += ["Words changed", "Similarity"]
    found = [(row, row.attacks[name]) for row in rows for name in attacks if name in row.attacks]
    lines += grid(head, (_detail(row, result) for row, result in found), left={0, 2})
    lines += [f"### {text(dataset)}: outcome counts", ""]
    head = ["Defense", "Seed", "Attack", *(outcome.value for outcome in Outcome), "all"]
    return lines + grid(head, (_counts(row, result) for row, result in found), left={0, 2})


def _by_seed(rows: Sequence[Row], attacks: Sequence[str], dataset: str) -> list[str]:
    head = ["Defense", "Seed", f"Worst case ({LEVEL:.0%})", "Clean", *map(code, attacks), "Training"]
    body = [
        [
            code(row.defense),
            str(row.seed),
            interval(row.worst_case),
            percent(row.clean.value if row.clean else None),
            *(percent(row.attacks[name].accuracy.value) if name in row.attacks else NONE for name in attacks),
            _seconds((row.training or {}).get("seconds")),
        ]
        for row in rows
    ]
    return [f"### {text(dataset)}: seed by seed", "", *grid(head, body, left={0})]


def _detail(row: Row, result: AttackResult) -> list[str]:
    success = result.success
    return [
        code(row.defense),
        str(row.seed),
        code(result.display),
        interval(result.accuracy),
        f"{percent(success.value)} ({success.broken}/{success.attacked})",
        number(result.queries_mean, 1),
        number(result.forwards_mean, 1),
        percent(result.perturbed_share_mean),
        number(result.similarity_mean, 3),
    ]


def _counts(row: Row, result: AttackResult) -> list[str]:
    counts = [result.counts[outcome] for outcome in Outcome]
    return [code(row.defense), str(row.seed), code(result.display), *map(str, counts), str(sum(counts))]


def _randomised(rows: Sequence[Row], attacks: Sequence[str]) -> list[str]:
    """The track of defenses whose predictions are drawn; nothing without one."""
    found = [(row, row.attacks[n]) for row in rows for n in attacks if n in row.attacks]
    drawn = [(row, result) for row, result in found if result.expected is not None]
    if not drawn:
        return []
    head = ["Defense", "Seed", "Attack", "Expected accuracy", "Right in every draw", "Right in most draws"]
    body = [
        [
            code(row.defense),
            str(row.seed),
            code(result.display),
            percent(result.expected),
            interval(result.any_fail),
            interval(result.accuracy),
        ]
        for row, result in drawn
    ]
    about = "Attacked through the mean over draws; final texts judged in fresh draws. Not ranked against other rows."
    return [f"### {text(drawn[0][0].dataset)}: randomised track", "", about, "", *grid(head, body, left={0, 2})]


def _environments(found: Sequence[Environment]) -> list[str]:
    """The versions that made the records, as the runs wrote them down."""
    if not found:
        return []
    lines = ["Environment of the records:", ""]
    for environment in found:
        facts = dict(environment.facts)
        libraries = facts.pop("libraries", {})
        libraries = libraries if isinstance(libraries, dict) else {}
        words = [f"{name} {value}" for name, value in sorted({**facts, **libraries}.items()) if value is not None]
        lines.append(f"- {text(', '.join(words))} ({environment.cells} cells)")
    return [*lines, ""]


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


def interval(value: Share | None) -> str:
    """A share with its interval and sample size, such as ``81.2% (78.0–84.1, n 640)``."""
    return NONE if value is None else f"{percent(value.value)} ({_bounds(value)}, n {value.n})"


def percent(value: float | None) -> str:
    """A share in 0..1 as a percentage with one decimal; a dash for None."""
    return NONE if value is None else f"{100 * value:.1f}%"


def number(value: float | None, decimals: int) -> str:
    """A number; a dash for None."""
    return NONE if value is None else f"{value:.{decimals}f}"


def text(value: str) -> str:
    """Text on one line that cannot break out of a table cell or become a tag."""
    return " ".join(value.replace("|", "\\|").replace("<", "&lt;").split())


def code(name: str) -> str:
    """A name in a code span that it cannot end; in a table a bar needs its backslash there too."""
    return f"`{' '.join(name.replace('`', chr(39)).replace('|', chr(92) + '|').split())}`"


def p_value(value: float) -> str:
    """A p-value with four decimals."""
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _headline(value: Share | None) -> str:
    return f"**{percent(value.value)}** ({_bounds(value)})" if value else NONE


def _seconds(value: object) -> str:
    return f"{value:.0f} s" if isinstance(value, int | float) else NONE


def _bounds(value: Share) -> str:
    return f"{100 * value.low:.1f}–{100 * value.high:.1f}"
