"""A page from a small store: published, verified, tampered with, compared, and refused where it must be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmark.cli.leaderboard import app
from benchmark.errors import BadRecord, BenchError
from benchmark.identity import cell_key
from benchmark.leaderboard.check import check
from benchmark.leaderboard.diff import diff
from benchmark.leaderboard.publish import FrozenPage, publish
from benchmark.leaderboard.selection import NothingToPublish, Prescribed
from benchmark.records import CellFile, CleanRecord, ExampleRecord, Outcome
from benchmark.store import Store
from benchmark.suite import Contract, Suite, SuiteDataset

O = Outcome  # noqa: E741
IDS = tuple(f"e{i}" for i in range(8))
SUITE = Suite(
    name="toy",
    version=1,
    title="Toy | suite",
    model="tiny",
    defenses=("plain", "firm"),
    attacks=("swap", "typo"),
    contract=Contract(name="toy-contract", perturbed_words=0.3, queries_per_word=50),
    datasets={"reviews": SuiteDataset(sample=IDS)},
    notes="Shows nothing, tests everything.",
)
LETTERS = {"s": O.SKIPPED, "h": O.HELD, "b": O.BROKEN, "i": O.INVALID, "x": O.EXHAUSTED, "e": O.ERROR}
RUNS = {("plain", "swap"): "sbbbhhhx", ("plain", "typo"): "shhbbihh", ("firm", "swap"): "hhhhhhhh"}
RUNS |= {("firm", "typo"): "hhhhhhhb"}


def spec_of(suite: Suite, defense: str, attack: str | None, version: int = 1, **options: Any) -> dict[str, Any]:
    """The parts of a specification that the leaderboard looks at, shaped as the plan writes them."""
    part = {"name": defense, "version": version, "plugin": "toy 1.0", "options": options}
    victim = {"dataset": {"name": "reviews"}, "defense": {"name": defense, "parts": [part]}, "seed": 0}
    if attack is None:
        return {"kind": "clean", "victim": victim, "test_rows": None}
    contract = suite.contract_for("reviews").model_dump(mode="json")
    sample = list(suite.datasets["reviews"].sample)
    return {"kind": "attack", "victim": victim, "contract": contract, "sample": sample, "attack": {"name": attack}}


def cell_of(suite: Suite, defense: str, attack: str | None, spec: dict[str, Any]) -> CellFile:
    return CellFile(
        key=cell_key(spec), suite=suite.name, suite_version=suite.version, dataset="reviews", defense=defense,
        attack=attack, attack_display=attack and f"{attack}[toy]", seed=0, model="tiny", spec=spec,
        provenance={"training": {"seconds": 12.0, "steps": 3}, "model_revision": "r1", "plugins": {defense: "toy 1.0"},
                    "environment": {"python": "3.11"}, "forwards_per_prediction": 1 if defense == "plain" else 4},
    )  # fmt: skip


def record_of(cell: CellFile, example: str, outcome: Outcome) -> ExampleRecord:
    text = f"the secret sentence number {example}"
    flipped = outcome in (O.BROKEN, O.INVALID)
    return ExampleRecord(
        cell=cell.key, example_id=example, label=1, outcome=outcome, text=text, queries=10, forwards=6, words=5,
        prediction={O.SKIPPED: 0, O.ERROR: None}.get(outcome, 1),
        adversarial_prediction=0 if flipped else None,
        adversarial_text=text.replace("secret", "open") if flipped else None,
        perturbed_words=1 if flipped else None, perturbed_share=0.2 if flipped else None,
        similarity=0.9 if flipped else None, violations=("similarity",) if outcome is O.INVALID else (),
        error="ValueError: the secret sentence" if outcome is O.ERROR else None,
    )  # fmt: skip


def add(store: Store, suite: Suite, defense: str, attack: str | None, letters: str = "", **spec: Any) -> CellFile:
    cell = cell_of(suite, defense, attack, spec_of(suite, defense, attack, **spec))
    store.open_cell(cell)
    ids = suite.datasets["reviews"].sample
    if attack is None:
        # 15 of 20 right.
        rows = [
            CleanRecord(cell=cell.key, example_id=f"t{i:02}", label=1, prediction=int(i % 4 > 0)) for i in range(20)
        ]
        store.finish(cell, rows)
    else:
        store.finish(cell, [record_of(cell, i, LETTERS[x]) for i, x in zip(ids, letters, strict=True)])
    return cell


def fill(store: Store, suite: Suite = SUITE, runs: dict[tuple[str, str], str] = RUNS) -> None:
    for defense in sorted({defense for defense, _ in runs}):
        add(store, suite, defense, None)
    for (defense, attack), letters in runs.items():
        add(store, suite, defense, attack, letters)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    filled = Store(tmp_path / "store")
    fill(filled)
    return filled


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("published")
    store = Store(root / "store")
    fill(store)
    publish(SUITE, store, root / "out")
    return root / "out" / "toy" / "v1"


@pytest.fixture
def page(published: Path, tmp_path: Path) -> Path:
    """A copy of the published page that a test may damage."""
    return Path(shutil.copytree(published, tmp_path / "toy" / "v1"))


def rows_of(page: Path) -> dict[str, dict[str, Any]]:
    return {row["defense"]: row for row in json.loads((page / "leaderboard.json").read_bytes())["rows"]}


def test_numbers_by_hand(published: Path) -> None:
    rows = rows_of(published)
    plain = rows["plain"]
    # swap "sbbbhhhx", typo "shhbbihh": robust under both are e5, e6 and e7.
    assert plain["worst_case_accuracy"]["value"] == 0.375
    assert plain["worst_case_accuracy"]["n"] == 8
    assert plain["clean_accuracy"]["value"] == 0.75
    assert plain["clean_accuracy"]["n"] == 20
    swap = plain["attacks"]["swap"]
    assert swap["display"] == "swap[toy]"
    assert swap["accuracy_under_attack"]["value"] == 0.5
    assert swap["success_rate"] == {"value": 0.428571, "broken": 3, "attacked": 7}
    assert swap["counts"] == {"skipped": 1, "held": 3, "broken": 3, "invalid": 0, "exhausted": 1, "error": 0}
    assert (swap["queries_mean"], swap["forwards_mean"], swap["perturbed_share_mean"]) == (10.0, 6.0, 0.2)
    assert swap["similarity_mean"] == 0.9
    assert rows["firm"]["worst_case_accuracy"]["value"] == 0.875
    # Of eight examples six differ, five in favour of firm: exact McNemar 2 * (1 + 6) / 2^6 = 0.21875, one rank.
    assert (rows["firm"]["rank"], plain["rank"]) == (1, 1)
    assert rows["firm"]["forwards_per_prediction"] == 4
    assert plain["training"] == {"seconds": 12.0, "steps": 3}
    assert "standard attacks only" in plain["badges"]
    for field in ("seed", "model", "dataset", "suite", "suite_version", "unranked_reason"):
        assert field in plain


def test_page_for_people(published: Path) -> None:
    text = (published / "leaderboard.md").read_text(encoding="utf-8")
    assert text.startswith("# Toy \\| suite\n")
    assert "| 1 | `firm` | 1 | **87.5%** (50.0–100.0) | 75.0% (53.1–88.8, n 20) | 100.0% | 87.5% |" in text
    assert "| `plain` | 50.0 (-10.0 to 90.0) | 0.2188 | 0.2188 |" in text
    assert "| `plain` | 0 | `swap[toy]` | 1 | 3 | 3 | 0 | 1 | 0 | 8 |" in text
    assert "42.9% (3/7)" in text
    assert "bench run --all --suite toy" in text
    # sqrt(0.75) * (1.959964 * sqrt(8) + 0.841621 * sqrt(8 - 3.841459 + 0.708326)) / 8.708326 = 0.7360
    assert "Minimum detectable difference 73.6 points for one pair of rows on 8 examples, with discordance 0.75" in text
    assert "at most 30.0% of the words" in text
    assert "Shows nothing, tests everything." in text
    widths = {line.count(" | ") for line in text.splitlines() if line.startswith("| ") and "**" in line}
    assert widths == {6, 7}  # the dataset's table of seven columns, the summary of eight


def test_published_files_are_small_plain_and_hold_no_sentence(published: Path) -> None:
    files = {p.relative_to(published).as_posix(): p.read_bytes() for p in published.rglob("*") if p.is_file()}
    assert {"leaderboard.md", "leaderboard.json", "suite.json", "evidence/cells.json"} <= files.keys()
    assert files["plots/clean-vs-worst.svg"].lstrip().startswith(b"<?xml")
    assert files["plots/clean-vs-worst.png"].startswith(b"\x89PNG")
    for name, data in files.items():
        assert b"secret" not in data, name
        assert len(data) < 200_000, name
    assert list(published.parent.glob(".*")) == []


def test_sound_page_passes_and_same_records_give_the_same_bytes(page: Path, store: Store, tmp_path: Path) -> None:
    assert check(page) == []
    assert check(page.parents[1]) == []
    written = publish(SUITE, store, tmp_path / "again")
    assert written == sorted(written)
    for path in written:
        name = path.relative_to(tmp_path / "again" / "toy" / "v1")
        if name.suffix != ".png":
            assert path.read_bytes() == (page / name).read_bytes(), name


def test_publishing_twice_is_allowed(store: Store, tmp_path: Path) -> None:
    assert publish(SUITE, store, tmp_path) == publish(SUITE, store, tmp_path)
    assert check(tmp_path / "toy" / "v1") == []


def record_file(page: Path, attack: str | None = "swap", defense: str = "plain") -> Path:
    cells = json.loads((page / "evidence/cells.json").read_bytes())
    key = next(c["key"] for c in cells if c["attack"] == attack and c["defense"] == defense)
    return page / "evidence" / "records" / f"{key}.jsonl"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def positions(data: bytes) -> Iterator[int]:
    yield from range(0, len(data), max(1, len(data) // 25))


def test_any_flipped_byte_of_the_evidence_is_reported(page: Path) -> None:
    for path in (record_file(page), record_file(page, None)):
        data = path.read_bytes()
        for position in positions(data):
            path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            assert check(page), f"byte {position} of {path.name}"
        path.write_bytes(data)
    assert check(page) == []


@pytest.mark.parametrize("name", ["leaderboard.md", "leaderboard.json", "suite.json", "evidence/cells.json"])
def test_any_changed_file_is_reported(page: Path, name: str) -> None:
    data = (page / name).read_bytes()
    (page / name).write_bytes(data + b" ")
    assert any(name in problem for problem in check(page))
    (page / name).unlink()
    assert any(name in problem for problem in check(page))


def test_a_deleted_doubled_or_foreign_record_is_reported(page: Path) -> None:
    path = record_file(page)
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:2], *lines[3:]]))
    assert any("1 missing example: e2" in problem for problem in check(page))
    path.write_text("\n".join([lines[0], *lines]))
    assert any("1 doubled example: e0" in problem for problem in check(page))
    path.write_text("\n".join(lines).replace('"example_id": "e3"', '"example_id": "zz"'))
    problems = check(page)
    assert any("1 missing example: e3" in problem for problem in problems)
    assert any("1 foreign example: zz" in problem for problem in problems)
    path.unlink()
    assert any("is missing" in problem for problem in check(page))


def test_a_forged_outcome_is_reported_even_with_new_digests(page: Path) -> None:
    path = record_file(page)
    edit(path, '"outcome": "broken"', '"outcome": "held"')
    problems = check(page)
    assert any("changed after the page was published" in problem for problem in problems)
    assert any("leaderboard.json differs" in problem for problem in problems)
    edit(path, '"outcome": "skipped"', '"outcome": "held"')
    assert any("the outcome is held, but the clean prediction is wrong" in problem for problem in check(page))


def test_a_specification_that_is_not_its_key_is_reported(page: Path) -> None:
    edit(page / "evidence" / "cells.json", '"version": 1', '"version": 2')
    assert any("key does not belong to the specification" in problem for problem in check(page))


def test_a_renamed_row_is_reported(page: Path) -> None:
    edit(page / "evidence" / "cells.json", '"defense": "firm"', '"defense": "better"')
    assert any("the specification says 'firm'" in problem for problem in check(page))


def test_stray_files_are_reported(page: Path) -> None:
    (page / "evidence" / "records" / "notes.txt").write_text("hello")
    assert check(page) == ["stray file evidence/records/notes.txt"]


def test_no_page_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="no published page"):
        check(tmp_path)


def test_errors_leave_a_row_unranked_and_are_never_robust(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store, runs=RUNS | {("firm", "typo"): "hhhhhhhe"})
    publish(SUITE, store, tmp_path)
    firm = rows_of(tmp_path / "toy" / "v1")["firm"]
    assert firm["rank"] is None
    assert "typo: 12.5% of the examples ended in an error (limit 1%)" in firm["unranked_reason"]
    assert firm["attacks"]["typo"]["counts"]["error"] == 1
    assert firm["attacks"]["typo"]["accuracy_under_attack"]["value"] == 0.875
    assert firm["worst_case_accuracy"]["value"] == 0.875
    assert "1 error" in firm["badges"]
    assert rows_of(tmp_path / "toy" / "v1")["plain"]["rank"] == 1
    assert "Without a rank:" in (tmp_path / "toy" / "v1" / "leaderboard.md").read_text()
    assert check(tmp_path / "toy" / "v1") == []


def test_a_missing_cell_leaves_a_row_unranked(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store, runs={place: letters for place, letters in RUNS.items() if place != ("firm", "typo")})
    store.open_cell(cell_of(SUITE, "firm", "typo", spec_of(SUITE, "firm", "typo")))  # begun, not complete
    publish(SUITE, store, tmp_path)
    firm = rows_of(tmp_path / "toy" / "v1")["firm"]
    assert (firm["rank"], firm["worst_case_accuracy"]) == (None, None)
    assert firm["unranked_reason"] == "typo was not measured"
    assert list(firm["attacks"]) == ["swap"]
    assert check(tmp_path / "toy" / "v1") == []


def test_rows_that_nobody_ran_are_listed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store, runs={place: letters for place, letters in RUNS.items() if place[0] == "firm"})
    publish(SUITE, store, tmp_path)
    data = json.loads((tmp_path / "toy" / "v1" / "leaderboard.json").read_bytes())
    assert data["not_measured"] == [{"dataset": "reviews", "defense": "plain", "seed": 0}]
    assert "- `plain` on reviews, seed 0" in (tmp_path / "toy" / "v1" / "leaderboard.md").read_text()


def test_nothing_to_publish_says_bench_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(NothingToPublish) as empty:
        publish(SUITE, store, tmp_path)
    assert "bench run --all --suite toy" in empty.value.hint
    store.open_cell(cell_of(SUITE, "plain", "swap", spec_of(SUITE, "plain", "swap")))
    with pytest.raises(NothingToPublish, match="none is complete"):
        publish(SUITE, store, tmp_path)
    assert not (tmp_path / "toy").exists()


def test_a_frozen_page_is_not_overwritten_under_other_conditions(store: Store, tmp_path: Path) -> None:
    publish(SUITE, store, tmp_path)
    before = (tmp_path / "toy" / "v1" / "leaderboard.json").read_bytes()
    fewer = SUITE.model_copy(update={"attacks": ("swap",)})
    with pytest.raises(FrozenPage, match="changed: attacks") as refused:
        publish(fewer, store, tmp_path)
    assert "raise the version" in refused.value.hint
    other = Store(tmp_path / "other")
    strict = SUITE.model_copy(update={"contract": Contract(name="toy-contract", perturbed_words=0.1)})
    fill(other, strict)
    with pytest.raises(FrozenPage, match="changed: contract"):
        publish(strict, other, tmp_path)
    third = Store(tmp_path / "third")
    short = SUITE.model_copy(update={"datasets": {"reviews": SuiteDataset(sample=IDS[:4])}})
    fill(third, short, {place: letters[:4] for place, letters in RUNS.items()})
    with pytest.raises(FrozenPage, match=r"changed: datasets\.reviews\.sample"):
        publish(short, third, tmp_path)
    assert (tmp_path / "toy" / "v1" / "leaderboard.json").read_bytes() == before


def test_publishing_never_drops_published_cells(store: Store, tmp_path: Path) -> None:
    publish(SUITE, store, tmp_path)
    partial = Store(tmp_path / "partial")
    fill(partial, runs={place: letters for place, letters in RUNS.items() if place[0] == "firm"})
    before = (tmp_path / "toy/v1/leaderboard.json").read_bytes()
    publish(SUITE, partial, tmp_path)
    assert (tmp_path / "toy/v1/leaderboard.json").read_bytes() == before


def test_somebody_elses_defense_joins_the_page(store: Store, tmp_path: Path) -> None:
    publish(SUITE, store, tmp_path)
    fill(store, runs={("theirs", "swap"): "hhhhbbbb", ("theirs", "typo"): "hhhhbbbb"})
    publish(SUITE, store, tmp_path)
    assert rows_of(tmp_path / "toy" / "v1")["theirs"]["rank"] == 1
    assert check(tmp_path / "toy" / "v1") == []


def test_cells_measured_differently_stay_out(store: Store, tmp_path: Path) -> None:
    limited = SUITE.model_copy(update={"datasets": {"reviews": SuiteDataset(sample=IDS[:2])}})
    add(store, limited, "plain", "swap", "bb")  # as `bench run --limit 2` stores it
    publish(SUITE, store, tmp_path)
    assert rows_of(tmp_path / "toy" / "v1")["plain"]["attacks"]["swap"]["accuracy_under_attack"]["n"] == 8


def test_two_cells_for_one_place(store: Store, tmp_path: Path) -> None:
    add(store, SUITE, "plain", "swap", "bbbbbbbb", version=2)
    with pytest.raises(BadRecord, match="two cells"):
        publish(SUITE, store, tmp_path)
    installed = Prescribed({}, {"defense:plain": {"version": 1, "plugin": "toy 1.0"}})
    publish(SUITE, store, tmp_path, installed)
    assert rows_of(tmp_path / "toy" / "v1")["plain"]["attacks"]["swap"]["counts"]["broken"] == 3


def test_cells_with_other_options_stay_out(store: Store, tmp_path: Path) -> None:
    add(store, SUITE, "plain", "swap", "bbbbbbbb", width=9)  # as `bench run --set plain.width=9` stores it
    publish(SUITE, store, tmp_path, Prescribed({"defense:plain": {}}, {}))
    assert rows_of(tmp_path / "toy" / "v1")["plain"]["attacks"]["swap"]["counts"]["broken"] == 3


def test_a_missing_permission_is_one_clear_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    with pytest.raises(BenchError, match="cannot write the page"):
        publish(SUITE, store, tmp_path / "blocked")


def test_diff_explains_what_moved(published: Path, tmp_path: Path) -> None:
    assert diff(published, published) == []
    newer = SUITE.model_copy(
        update={
            "version": 2,
            "contract": Contract(name="toy-contract", perturbed_words=0.1, queries_per_word=50),
            "datasets": {"reviews": SuiteDataset(sample=(*IDS[1:], "e8"))},
        }
    )
    store = Store(tmp_path / "store")
    fill(store, newer, {**RUNS, ("plain", "typo"): "hhhhhhhh", ("firm", "swap"): "bbbbbbbb"})
    publish(newer, store, tmp_path)
    lines = diff(published, tmp_path / "toy" / "v2")
    assert "suite: toy v1 -> toy v2" in lines
    assert "contract.perturbed_words: 0.3 -> 0.1" in lines
    assert any(line.startswith("sample of reviews: ") and line.endswith("(8), 7 kept") for line in lines)
    assert (
        "reviews, firm (tiny), seed 0: worst case 87.5% -> 0.0% (-87.5 points, beyond the intervals, n 8 and 8)"
        in lines
    )
    assert any("plain (tiny), seed 0: worst case 37.5% -> 50.0% (+12.5 points, within" in line for line in lines)


def test_commands(page: Path) -> None:
    runner = CliRunner()
    sound = runner.invoke(app, ["check", str(page)])
    assert (sound.exit_code, "follows from the evidence" in sound.output) == (0, True)
    (page / "extra.txt").write_text("x")
    damaged = runner.invoke(app, ["check", str(page)])
    assert (damaged.exit_code, "stray file extra.txt" in damaged.output) == (1, True)
    same = runner.invoke(app, ["diff", str(page), str(page)])
    assert (same.exit_code, "nothing moved" in same.output) == (0, True)


def test_the_leaderboard_half_needs_no_torch(published: Path) -> None:
    code = """
import importlib, pkgutil, sys
import benchmark.leaderboard as package
from pathlib import Path
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module("benchmark.leaderboard." + module.name)
from benchmark.leaderboard.check import check
import benchmark.cli.leaderboard
problems = check(Path(sys.argv[1]))
heavy = [name for name in ("torch", "transformers", "textattack") if name in sys.modules]
print(problems, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code, str(published)], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.returncode) == ("[] []", 0), done.stderr


def test_a_page_says_which_clauses_bind_and_that_none_does_on_the_native_track() -> None:
    from benchmark.choice import native
    from benchmark.leaderboard.prose import contract_words
    from benchmark.registry import load_registry

    registry = load_registry()
    strict = contract_words(registry.suite("mini-strict"))
    for part in ("1.2 times the characters", "stop word", "antonym", "beside an equal one", "model's window"):
        assert part in strict
    plain = registry.suite("mini")
    assert "stop word" not in contract_words(plain)
    free = contract_words(native(plain))
    assert "at least" not in free
    assert "at most" not in free
    assert "50 for each word" in free
