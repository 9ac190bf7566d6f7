"""A published version only ever gets more rows; changed conditions are refused with what changed; every byte counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_leaderboard_page import IDS, RUNS, SUITE, add, cell_of, fill, spec_of

from benchmark.choice import suite_named
from benchmark.data.source import sources_of
from benchmark.errors import BadRecord, BadSuite, UnknownName
from benchmark.leaderboard.badges import standing
from benchmark.leaderboard.check import check, inspect
from benchmark.leaderboard.diff import diff
from benchmark.leaderboard.digests import changed_row, digests_bytes
from benchmark.leaderboard.evidence import read_evidence
from benchmark.leaderboard.index import MARK, read_index
from benchmark.leaderboard.parquet import records_frame
from benchmark.leaderboard.publish import FrozenPage, publish, render
from benchmark.leaderboard.versions import asset_conflicts, assets_of, spec_changes
from benchmark.plan import make_plan
from benchmark.records import CellFile, Status, dump
from benchmark.registry import load_registry
from benchmark.store import Store

ROOT = Path(__file__).parents[2]
FIRM = {place: letters for place, letters in RUNS.items() if place[0] == "firm"}
PLAIN = {place: letters for place, letters in RUNS.items() if place[0] == "plain"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pages with one page in it."""
    folder = tmp_path_factory.mktemp("root")
    store = Store(folder / "store")
    fill(store)
    publish(SUITE, store, folder / "boards")
    return folder / "boards"


@pytest.fixture
def boards(root: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(root, tmp_path / "boards"))


def files(page: Path) -> dict[str, bytes]:
    return {p.relative_to(page).as_posix(): p.read_bytes() for p in sorted(page.rglob("*")) if p.is_file()}


def with_assets(suite_spec: dict[str, object], **attack: object) -> dict[str, object]:
    return {**suite_spec, "attack": {**suite_spec["attack"], **attack}}  # type: ignore[dict-item]


def put(store: Store, defense: str, attack: str, letters: str, **parts: object) -> CellFile:
    """A complete attack cell whose specification also says the attack's ``parts``."""
    cell = cell_of(SUITE, defense, attack, with_assets(spec_of(SUITE, defense, attack), **parts))
    other = add(store, SUITE, defense, attack, letters)
    records = [r.model_copy(update={"cell": cell.key}) for r in store.records(other)]
    store.discard(other.key)
    store.open_cell(cell)
    store.finish(cell, records)
    return cell


def test_rows_may_be_added_and_the_others_stay_byte_for_byte(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    fill(first, runs=PLAIN)
    fill(second, runs=FIRM)
    publish(SUITE, first, tmp_path / "out")
    page = tmp_path / "out/toy/v1"
    before = files(page / "evidence/records")
    publish(SUITE, second, tmp_path / "out")  # a store that has the new row only
    after = files(page / "evidence/records")
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)
    assert {c.defense for c in read_evidence(page).cells} == {"plain", "firm"}
    assert check(tmp_path / "out") == []


def test_a_row_may_be_completed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store, runs={("firm", "swap"): RUNS["firm", "swap"]})
    publish(SUITE, store, tmp_path / "out")
    add(store, SUITE, "firm", "typo", RUNS["firm", "typo"])
    publish(SUITE, store, tmp_path / "out")
    row = json.loads((tmp_path / "out/toy/v1/leaderboard.json").read_bytes())["rows"][0]
    assert (row["defense"], row["rank"]) == ("firm", 1)
    assert check(tmp_path / "out") == []


def test_a_published_row_never_changes(boards: Path, tmp_path: Path) -> None:
    before = files(boards)
    other = Store(tmp_path / "other")
    fill(other, runs={**RUNS, ("firm", "typo"): "hhhhhhhh"})
    with pytest.raises(FrozenPage, match=r"\(reviews, firm, typo, seed 0\) would change: 1 of its records .* e7"):
        publish(SUITE, other, boards)
    newer = Store(tmp_path / "newer")
    fill(newer, runs=PLAIN)
    add(newer, SUITE, "firm", "typo", RUNS["firm", "typo"], version=2)
    with pytest.raises(FrozenPage, match=r"would change: victim\.defense\.parts\.firm\.version 1 -> 2") as refused:
        publish(SUITE, newer, boards)
    assert "only ever added" in refused.value.hint
    assert files(boards) == before


def test_the_published_provenance_stays(boards: Path, tmp_path: Path) -> None:
    before = files(boards)
    again = Store(tmp_path / "again")
    fill(again)
    for cell in again.cells():
        again.set_provenance(cell.model_copy(update={"provenance": {"training": {"seconds": 99.0}}}))
    publish(SUITE, again, boards)
    assert files(boards) == before


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"assets": {"vectors": "b" * 64}}, r'attack swap: assets, \{"vectors":"a+.* -> \{"vectors":"b+'),
        ({"assets": {"vectors": "a" * 64}, "version": 2}, "attack swap: version, 1 -> 2"),
        ({"assets": {"vectors": "a" * 64}, "models": {"lm": "2"}}, r"attack swap: models, \{.*1.*\} -> \{.*2.*\}"),
        ({"assets": {"vectors": "a" * 64}, "options": {"width": 3}}, r"attack swap: options, \{\} -> \{\"width\":3\}"),
    ],
)
def test_other_assets_need_a_new_version(tmp_path: Path, parts: dict[str, object], said: str) -> None:
    base = {"version": 1, "assets": {"vectors": "a" * 64}, "models": {"lm": "1"}, "options": {}}
    store = Store(tmp_path / "store")
    put(store, "plain", "swap", RUNS["plain", "swap"], **base)
    publish(SUITE, store, tmp_path / "out")
    other = Store(tmp_path / "other")
    put(other, "firm", "swap", RUNS["firm", "swap"], **{**base, **parts})
    with pytest.raises(FrozenPage, match=f"published with other assets; changed: {said}") as refused:
        publish(SUITE, other, tmp_path / "out")
    assert "raise the version" in refused.value.hint
    both = Store(tmp_path / "both")  # nor may one page mix them from the start
    put(both, "plain", "swap", RUNS["plain", "swap"], **base)
    put(both, "firm", "swap", RUNS["firm", "swap"], **{**base, **parts})
    with pytest.raises(BadRecord, match=r"attack swap: \w+ is .* in cell \w+, but .* in cell"):
        publish(SUITE, both, tmp_path / "mixed")


def test_another_release_of_the_same_attack_is_no_new_version() -> None:
    spec = spec_of(SUITE, "plain", "swap")
    one, two = (cell_of(SUITE, "plain", "swap", with_assets(spec, version=1, plugin=f"toy {v}")) for v in "12")
    assert assets_of(one) == assets_of(two) == {"attack swap: version": "1"}
    assert asset_conflicts([one, two]) == []


def test_another_metric_needs_a_new_version(boards: Path, tmp_path: Path) -> None:
    path = boards / "toy/v1/leaderboard.json"
    page = json.loads(path.read_bytes())
    page["method"]["level"] = 0.9
    path.write_text(json.dumps(page))
    store = Store(tmp_path / "store")
    fill(store)
    with pytest.raises(FrozenPage, match=r"published with another metric; changed: level 0\.9 -> 0\.95"):
        publish(SUITE, store, boards)


def test_a_page_of_another_metric_is_held_to_the_index(boards: Path) -> None:
    path = boards / "toy/v1/leaderboard.json"
    page = json.loads(path.read_bytes())
    page["method"]["level"] = 0.9
    path.write_text(json.dumps(page))
    report = inspect(boards)
    assert report.notes == [
        "toy/v1: it was published with another metric, so its numbers are not computed again; its evidence is sound in "
        "itself, and its files are those that index.json lists"
    ]
    assert report.problems == ["toy/v1: leaderboard.json is not the file that index.json lists"]


def test_removed_pages_cells_and_rows_are_reported(boards: Path, tmp_path: Path) -> None:
    shutil.copytree(boards / "toy/v1", boards / "toy/v7")
    assert check(boards)[0] == "toy/v7: is not in index.json"
    shutil.rmtree(boards / "toy/v7")
    # A page without the row firm, sound in itself, put in the place of the published one.
    store = Store(tmp_path / "store")
    fill(store, runs=PLAIN)
    publish(SUITE, store, tmp_path / "out")
    shutil.rmtree(boards / "toy/v1")
    assert check_words(boards, "toy/v1: was published, but is gone")
    shutil.copytree(tmp_path / "out/toy/v1", boards / "toy/v1")
    problems = check(boards)
    assert sum("was removed since it was published" in problem for problem in problems) == 3
    assert any("index.json" in problem for problem in check(boards / "toy/v1"))
    with pytest.raises(FrozenPage, match="was removed since it was published"):
        publish(SUITE, store, boards)


def check_words(boards: Path, words: str) -> bool:
    try:
        return any(words in problem for problem in check(boards))
    except BadRecord:
        return True  # no page is left


def test_index_for_people(boards: Path, tmp_path: Path) -> None:
    text = (boards / "README.md").read_text(encoding="utf-8")
    assert text.startswith(MARK)
    assert "| toy | [1](toy/v1/leaderboard.md) | Toy \\| suite | 2 | 0 |" in text
    store = Store(tmp_path / "store")
    newer = SUITE.model_copy(update={"version": 2})
    fill(store, newer)
    publish(newer, store, boards)
    text = (boards / "README.md").read_text(encoding="utf-8")
    assert text.index("| toy | [2]") < text.index("| toy | [1](toy/v1/leaderboard.md) | superseded: ")
    assert check(boards) == []
    (boards / "README.md").write_text(text.replace("| 2 | 0 |", "| 9 | 0 |"))
    assert check(boards) == ["README.md differs from what the pages give, first in line 11"]


def test_somebodys_own_readme_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My project\n")
    store = Store(tmp_path / "store")
    fill(store)
    publish(SUITE, store, tmp_path)
    assert (tmp_path / "README.md").read_text() == "# My project\n"
    index = read_index(tmp_path)
    assert index is not None
    assert list(index.pages) == ["toy/v1"]
    assert check(tmp_path / "toy/v1") == []


def evidence_names(root: Path) -> list[str]:
    page = root / "toy/v1"
    return sorted(p.relative_to(page).as_posix() for p in (page / "evidence").rglob("*") if p.is_file())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_anywhere_in_the_evidence_is_found_and_named(root: Path, data: st.DataObject) -> None:
    """Any byte of any evidence file, changed to any other: the message names the file, and the row or line."""
    page = root / "toy/v1"
    name = data.draw(st.sampled_from([*evidence_names(root), "records.parquet"]))
    path = page / name
    sound = path.read_bytes()
    position = data.draw(st.integers(0, len(sound) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != sound[position]))
    try:
        path.write_bytes(sound[:position] + bytes([value]) + sound[position + 1 :])
        problems = check(page)
    finally:
        path.write_bytes(sound)
    naming = [problem for problem in problems if name in problem]
    assert naming
    if name.endswith(".jsonl"):
        row = sound[:position].count(b"\n") + 1
        assert any(f"row {row}" in problem or f"line {row}" in problem for problem in naming), naming
    elif name.endswith(".json"):
        assert any("row" in problem or "line" in problem for problem in naming), naming


def test_a_defense_name_that_cannot_be_read_is_found_and_not_raised(root: Path) -> None:
    path = root / "toy/v1/evidence/cells.json"
    sound = path.read_bytes()
    name = json.loads(sound)[0]["defense"]
    try:
        path.write_bytes(sound.replace(f'"{name}"'.encode(), f'"[{name[1:]}"'.encode(), 1))
        problems = check(root / "toy/v1")
    finally:
        path.write_bytes(sound)
    assert any("evidence/cells.json" in problem for problem in problems), problems


def test_the_changed_row_is_the_right_one() -> None:
    lines = [f"record {n}".encode() for n in range(5)]
    name, data = "evidence/records/x.jsonl", b"\n".join(lines) + b"\n"
    entry = json.loads(digests_bytes({name: data}))[name]
    assert changed_row(name, data, entry) is None
    assert changed_row(name, data.replace(b"record 3", b"record 7"), entry) == 4
    assert changed_row(name, data.replace(b"record 2\n", b""), entry) == 3
    assert changed_row(name, data + b"record 5\n", entry) == 6
    assert changed_row(name, data, None) is None


def test_records_as_a_table(root: Path) -> None:
    import polars as pl

    frame = pl.read_parquet(root / "toy/v1/records.parquet")
    assert frame.equals(records_frame(read_evidence(root / "toy/v1")), null_equal=True)
    assert frame.height == 4 * len(IDS) + 2 * 20
    broken = frame.filter(
        (pl.col("defense") == "plain") & (pl.col("attack") == "swap") & (pl.col("outcome") == "broken")
    )
    assert broken["example_id"].to_list() == ["e1", "e2", "e3"]
    assert broken["edits"].to_list()[0] == [{"start": 4, "end": 10, "replacement": "open"}]
    clean = frame.filter(pl.col("attack").is_null())
    assert (clean["label"] == clean["prediction"]).sum() == 30
    assert clean["outcome"].is_null().all()


def test_a_table_that_is_not_the_evidence_is_reported(boards: Path) -> None:
    """Forged with the digest of its own bytes in leaderboard.json: the rows tell."""
    import hashlib

    import polars as pl

    page = boards / "toy/v1"
    path, listed = page / "records.parquet", page / "leaderboard.json"
    frame = pl.read_parquet(path)
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    forged = frame.with_columns(pl.when(pl.int_range(pl.len()) == 6).then(1).otherwise(pl.col("label")).alias("label"))
    forged = forged.with_columns(pl.when(pl.int_range(pl.len()) == 6).then(0).otherwise(pl.col("label")).alias("label"))
    forged.write_parquet(path)
    listed.write_text(listed.read_text().replace(old, hashlib.sha256(path.read_bytes()).hexdigest()))
    problems = check(page)
    assert "records.parquet differs from what the evidence gives, first in row 7" in problems
    # Written by another version (other bytes, the same rows): sound in itself, but not the file that was published.
    frame.write_parquet(path, compression="snappy")
    assert any("records.parquet" in problem for problem in check(page))
    path.unlink()
    assert "records.parquet is missing" in check(page)


def test_diff_says_why_a_row_moved(boards: Path, tmp_path: Path) -> None:
    newer = SUITE.model_copy(
        update={"version": 2, "contract": SUITE.contract.model_copy(update={"perturbed_words": 0.1})}
    )
    store = Store(tmp_path / "store")
    fill(store, newer, {**RUNS, ("plain", "typo"): "hhhhhhhh"})
    publish(newer, store, boards)
    lines = diff(boards / "toy/v1", boards / "toy/v2")
    name = "reviews, plain (tiny), seed 0"
    assert f"{name}: worst case 37.5% -> 50.0% (+12.5 points, within the intervals, n 8 and 8)" in lines
    assert [line for line in lines if "why" in line] == [f"{name}: why: contract.perturbed_words 0.3 -> 0.1"]


def test_diff_names_assets_metric_and_status(boards: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    put(store, "plain", "swap", RUNS["plain", "swap"], version=2, assets={"vectors": "b" * 64})
    put(store, "plain", "typo", RUNS["plain", "typo"], version=1)
    older = Store(tmp_path / "older")
    put(older, "plain", "swap", "shhhhhhh", version=1, assets={"vectors": "a" * 64})
    put(older, "plain", "typo", RUNS["plain", "typo"], version=1)
    a, b = tmp_path / "a", tmp_path / "b"
    publish(SUITE, older, a)
    publish(SUITE, store, b)
    listed = b / "toy/v1/leaderboard.json"
    listed.write_text(listed.read_text().replace('"level": 0.95', '"level": 0.9'))
    lines = diff(a / "toy/v1", b / "toy/v1")
    assert "metric level: 0.95 -> 0.9" in lines
    assert "attack swap: version: 1 -> 2" in lines
    assert any(line.startswith('attack swap: assets: {"vectors":"aaa') for line in lines)
    why = next(line for line in lines if line.startswith("reviews, plain (tiny), seed 0: why: "))
    assert "; attack.version 1 -> 2" in why
    cells = b / "toy/v1/evidence/cells.json"
    found = json.loads(cells.read_bytes())
    cells.write_text(json.dumps([{**cell, "status": "claimed", "external": True} for cell in found]))
    assert "reviews, plain (tiny), seed 0: run -> claimed" in diff(a / "toy/v1", b / "toy/v1")


def test_a_page_is_rendered_again_from_its_evidence(boards: Path) -> None:
    page = boards / "toy/v1"
    before = files(boards)
    (page / "leaderboard.md").write_text("stale")
    (page / "plots/clean-vs-worst.svg").unlink()
    assert check(boards) != []
    render(page)
    after = files(boards)
    assert {n: d for n, d in after.items() if "plots" not in n and n != "index.json"} == {
        n: d for n, d in before.items() if "plots" not in n and n != "index.json"
    }
    assert check(boards) == []
    cells = page / "evidence/cells.json"
    cells.write_bytes(cells.read_bytes() + b" ")
    with pytest.raises(BadRecord, match="changed by hand"):
        render(page)


def test_a_page_may_hold_more_seeds_than_its_suite_runs(tmp_path: Path) -> None:
    from boards import Size, store_of
    from typer.testing import CliRunner

    from benchmark.cli.main import make_app

    suite, store = store_of(tmp_path / "store", Size(seeds=(0, 1)))
    publish(suite.model_copy(update={"seeds": (0,)}), store, tmp_path / "one")
    assert read_evidence(tmp_path / "one/drawn/v1").cells
    common = ["leaderboard", "publish", "--suite", str(tmp_path / "one/drawn/v1"), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(make_app(), [*common, "--seed", "0", "--seed", "1", "--out", str(tmp_path / "one")])
    assert done.exit_code == 0, done.output
    page = json.loads((tmp_path / "one/drawn/v1/leaderboard.json").read_text())
    assert {tuple(entry["seeds"]) for entry in page["entries"]} == {(0, 1)}
    assert check(tmp_path / "one") == []
    other = [*common, "--seed", "0", "-d", "mlp+pgd", "--out", str(tmp_path / "more")]
    assert CliRunner().invoke(make_app(), other).exit_code == 0
    frozen = json.loads((tmp_path / "more/drawn/v1/suite.json").read_text())
    assert frozen["defenses"] == ["mlp", "mvp", "mlp+pgd"]
    wrong = CliRunner().invoke(make_app(), [*common, "-d", "mlp+pgf", "--out", str(tmp_path / "wrong")])
    assert isinstance(wrong.exception, UnknownName)
    assert "pgd" in str(wrong.exception.hint)
    assert not (tmp_path / "wrong").exists()
    one = suite.model_copy(update={"seeds": (0,)})
    with pytest.raises(FrozenPage, match="the page has 0, 1: name all of them with --seed"):
        publish(one, store, tmp_path / "one")


def test_superseded_versions_stay_runnable(boards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = load_registry()
    monkeypatch.chdir(ROOT)
    for name in ("leaderboards/mini/v1", "leaderboards/mini/v1/suite.json", "mini@v1"):
        suite = suite_named(registry, name)
        assert (suite.name, suite.version) == ("mini", 1)
        plan = make_plan(registry, suite, sources_of(registry, suite))
        assert len(plan.ready) == 2 * 2 * (1 + len(suite.attacks))
    current = registry.suite("mini")
    assert suite_named(registry, f"mini@v{current.version}") == current
    with pytest.raises(BadSuite, match=r"leaderboards/mini/v99/suite\.json is missing"):
        suite_named(registry, "mini@v99")
    (boards / "toy/v1/suite.json").write_text("[" * 100_000)
    with pytest.raises(BadSuite, match="cannot be read"):
        suite_named(registry, str(boards / "toy/v1"))
    assert check(boards / "toy/v1") != []


def test_changes_of_a_specification() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "parts": [{"name": "x", "v": 1}], "same": 0}
    new = {"a": {"b": 2, "d": None}, "parts": [{"name": "x", "v": 2}], "same": 0}
    assert list(spec_changes(old, new)) == [("a.b", 1, 2), ("a.c", [1, 2], None), ("parts.x.v", 1, 2)]


def test_status_is_written_for_submitted_cells_only() -> None:
    cell = cell_of(SUITE, "plain", "swap", spec_of(SUITE, "plain", "swap"))
    assert "status" not in json.loads(dump(cell))
    claimed = cell.model_copy(update={"status": Status.CLAIMED, "external": True})
    assert json.loads(dump(claimed)) == {**json.loads(dump(cell)), "status": "claimed", "external": True}
    verified = claimed.model_copy(update={"status": Status.VERIFIED})
    assert standing([cell, cell]) == (Status.RUN, False)
    assert standing([verified, claimed]) == (Status.CLAIMED, True)
    assert standing([verified, verified]) == (Status.VERIFIED, True)


def test_records_in_another_order_are_reported(boards: Path) -> None:
    """Nothing else would: every number is the same in any order."""
    path = sorted((boards / "toy/v1/evidence/records").iterdir())[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))
    name = f"evidence/records/{path.name}"
    assert f"{name} differs from what its records give, first in line 1" in check(boards / "toy/v1")


def test_the_commands_of_the_page_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of docs/versions.md that needs no model, on the pages of this repository."""
    import re
    import shlex

    from typer.testing import CliRunner

    from benchmark.cli.main import make_app

    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/versions.md").read_text(encoding="utf-8"), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("bench ")]
    ran = [line for line in commands if " verify " not in line]
    assert len(ran) == 4
    for line in ran:
        done = CliRunner().invoke(make_app(), shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.output, done.exception)
