"""From an archive of a stranger to claimed rows: everything that can be told without running the defense again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.leaderboard.audit import audit
from benchmark.leaderboard.digests import sha256
from benchmark.leaderboard.evidence import Evidence, read_evidence
from benchmark.leaderboard.publish import SUITE, add
from benchmark.leaderboard.selection import Coordinates, coordinates, frozen_changes
from benchmark.leaderboard.versions import assets_of, short, words
from benchmark.records import CellFile, Status
from benchmark.submission.content import Content, read_content
from benchmark.submission.limits import BadArchive, shown
from benchmark.submission.names import odd_names
from benchmark.submission.pack import victim_key
from benchmark.submission.texts import Truth, false_texts
from benchmark.submission.values import Rules, usable
from benchmark.suite import Suite

Row = tuple[str, str, int]


@dataclass(frozen=True)
class Known:
    """What whoever reviews knows to be true: the frozen suite, the datasets, and the assets as installed."""

    suite: Suite
    truths: Mapping[str, Truth]
    assets: Mapping[str, str]
    """As of :func:`benchmark.leaderboard.versions.assets_of`; only names that both sides have are compared."""


@dataclass(frozen=True)
class Review:
    """What came of it. ``problems`` is empty for an archive that may be added."""

    content: Content
    sha256: str
    problems: tuple[str, ...]

    @property
    def rows(self) -> list[Row]:
        """The submitted rows: dataset, defense, seed."""
        return sorted({(cell.dataset, cell.defense, cell.seed) for cell in self.content.evidence.cells})


def review(data: bytes, known: Known) -> Review:
    """Check an archive against what is known; raises BadArchive for one that cannot even be read."""
    content = read_content(data)
    problems = list(_conditions(content, known))
    if not problems:  # on other conditions the rest would be noise
        problems += _contents(content, known)
    if not problems:  # texts last: they cost the most
        for cell in content.evidence.cells:
            problems += false_texts(cell, content.evidence, known.truths[cell.dataset])
    return Review(content, sha256(data), tuple(problems))


def add_claimed(found: Review, known: Known, target: Path) -> list[Path]:
    """Add a sound archive's rows to the page below ``target`` as *claimed*; returns the page's files.

    Raises BadArchive for problems and for rows that the page has already, and what publishing raises.
    """
    if found.problems:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        raise BadArchive(f"the archive is refused: {found.problems[0]}{more}", "Nothing was added")
    page = target / known.suite.name / f"v{known.suite.version}"
    evidence = found.content.evidence
    if (page / SUITE).exists():
        taken = {_row(coordinates(cell)) for cell in read_evidence(page).cells}
        for cell in evidence.cells:
            if _row(coordinates(cell)) in taken:
                raise BadArchive(
                    f"the row {words(cell)} is on {page} already",
                    "A published row never changes; a new version of a defense needs a new name",
                )
    return add(known.suite, claimed(found), target)


def claimed(found: Review) -> Evidence:
    """The archive's evidence as a page carries it."""
    evidence = found.content.evidence
    return Evidence(tuple(_claimed(cell, found) for cell in evidence.cells), evidence.attacked, evidence.clean)


def _claimed(cell: CellFile, found: Review) -> CellFile:
    submission = found.content.submission
    provenance = {**cell.provenance, "source": submission.source.model_dump(), "submission": found.sha256}
    checkpoint = submission.checkpoints.get(victim_key(cell))
    if checkpoint is not None:
        provenance["checkpoint"] = checkpoint
    return cell.model_copy(update={"status": Status.CLAIMED, "external": True, "provenance": provenance})


def _conditions(content: Content, known: Known) -> Iterator[str]:
    suite = known.suite
    given = (content.submission.suite, content.submission.suite_version)
    if given != (suite.name, suite.version) or (content.suite.name, content.suite.version) != given:
        yield f"it is for suite {shown(content.suite.name)} v{content.suite.version}, not {suite.name} v{suite.version}"
        return
    widened = content.suite.model_copy(
        update={"defenses": suite.defenses, "seeds": suite.seeds, "options": suite.options}
    )
    changed = frozen_changes(suite, widened)
    changed += [f"options.{name}" for name in suite.options if content.suite.options.get(name) != suite.options[name]]
    if changed:
        yield f"it was measured under another suite; changed: {shown(', '.join(changed))}"
    for cell in content.evidence.cells:
        for name, value in assets_of(cell).items():
            if known.assets.get(name, value) != value:
                ours = short(known.assets[name])
                yield f"{words(cell)} was measured with {shown(name)} {shown(short(value))}, here it is {ours}"


def _contents(content: Content, known: Known) -> Iterator[str]:
    cells = content.evidence.cells
    for cell in cells:
        faults = list(odd_names(cell))
        fault = usable(cell)
        yield from (f"cell {cell.key}: {found}" for found in [*faults, *([fault] if fault else [])])
        if faults or fault:
            return
    for cell in cells:
        if cell.dataset not in known.truths:
            yield f"cell {cell.key}: the suite has no dataset {shown(cell.dataset)}"
            return
    yield from (shown_whole(problem) for problem in audit(known.suite, content.evidence))
    yield from _missing(content, known.suite)
    yield from _sources(content)
    for cell in cells:
        rules = Rules(known.suite, cell)
        if cell.attack is None:
            clean = content.evidence.clean[cell.key]
            faulty = ((r.example_id, fault) for r in clean for fault in rules.impossible_clean(r))
        else:
            attacked = content.evidence.attacked[cell.key]
            faulty = ((r.example_id, fault) for r in attacked for fault in rules.impossible(r))
        yield from (f"{words(cell)}, example {shown(example)} {fault}" for example, fault in faulty)


def _missing(content: Content, suite: Suite) -> Iterator[str]:
    """A row has its clean evaluation and every attack of the suite."""
    rows: dict[Row, set[str]] = {}
    for cell in content.evidence.cells:
        rows.setdefault((cell.dataset, cell.defense, cell.seed), set()).add(cell.attack or "")
        if cell.model != suite.model:
            yield f"{words(cell)} is of model {shown(cell.model)}, the suite's is {suite.model}"
    for (dataset, defense, seed), found in sorted(rows.items()):
        for name in sorted({*suite.attacks, ""} - found):
            what = f"attack {name}" if name else "the clean evaluation"
            yield f"row ({dataset}, {defense}, seed {seed}) lacks {what}"


def _sources(content: Content) -> Iterator[str]:
    """The plugin that the archive names is one of those that the specifications name."""
    source = content.submission.source
    marked = f"{source.distribution} {source.version}"
    for cell in content.evidence.cells:
        parts = cell.spec["victim"]["defense"].get("parts", ())
        origins = [part.get("plugin") for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []
        if origins and marked not in origins:
            yield f"{words(cell)} was measured with {shown(', '.join(map(str, origins)))}, not with {marked}"


def _row(place: Coordinates) -> tuple[str, str, str, int]:
    return place[:4]


def shown_whole(problem: str) -> str:
    """A message that may quote somebody else's text: printable ASCII, of any length."""
    return ascii(problem)[1:-1]
