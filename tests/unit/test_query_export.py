"""SQL over records and files for papers, through the commands; hostile statements and texts among them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from test_leaderboard_page import SUITE, fill
from typer.testing import CliRunner

from benchmark.cli.main import make_app
from benchmark.cli.query import Form, render, visible
from benchmark.errors import BenchError
from benchmark.leaderboard.frames import RECORDS, page_frames, store_frames
from benchmark.leaderboard.latex import escaped, latex
from benchmark.leaderboard.publish import publish, read_frozen
from benchmark.leaderboard.query import Result, run_query
from benchmark.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("queried")
    filled = Store(root / "store")
    fill(filled)
    publish(SUITE, filled, root / "out")
    return root / "store"


@pytest.fixture(scope="module")
def page(store: Path) -> Path:
    return store.parent / "out" / "toy" / "v1"


def bench(*arguments: str) -> str:
    result = CliRunner().invoke(make_app(), list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_counts_by_hand(store: Path) -> None:
    """plain under swap is ``sbbbhhhx``: three broken, three held, one skipped, one exhausted."""
    sql = (
        "SELECT outcome, count(*) AS n FROM records WHERE defense = 'plain' AND attack = 'swap' GROUP BY ALL "
        "ORDER BY n DESC, outcome"
    )
    rows = json.loads(bench("query", sql, "--store", str(store), "--format", "json"))
    assert [(row["outcome"], row["n"]) for row in rows] == [
        ("broken", 3),
        ("held", 3),
        ("exhausted", 1),
        ("skipped", 1),
    ]


def test_the_three_tables_join_and_page_and_store_agree(store: Path, page: Path) -> None:
    sql = (
        "SELECT r.defense, avg(r.robust::INT) AS robust, any_value(c.complete) AS complete, "
        "(SELECT avg(correct::INT) FROM clean k WHERE k.defense = r.defense) AS clean "
        "FROM records r JOIN cells c USING (cell) GROUP BY ALL ORDER BY ALL"
    )
    found = run_query(sql, store_frames(Store(store)))
    assert found == run_query(sql, page_frames(page))
    assert found.columns == ("defense", "robust", "complete", "clean")
    assert found.rows == [("firm", 15 / 16, True, 0.75), ("plain", 9 / 16, True, 0.75)]


def test_texts_are_those_of_the_store_and_null_on_a_page(store: Path, page: Path) -> None:
    sql = "SELECT count(text), count(adversarial_text), count(violations) FROM records"
    assert run_query(sql, store_frames(Store(store))).rows == [(32, 7, 32)]
    assert run_query(sql, page_frames(page)).rows == [(0, 0, 32)]


def test_one_suite_only(store: Path) -> None:
    assert len(store_frames(Store(store), "other").cells) == 0
    with pytest.raises(BenchError, match="other"):
        bench("query", "SELECT 1", "--store", str(store), "--suite", "other")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "refused: Permission Error"),
        ("SELECT * FROM read_text('/etc/passwd')", "refused: Permission Error"),
        ("SELECT * FROM glob('/*')", "refused: Permission Error"),
        ("COPY records TO '/tmp/stolen.csv'", "refused: Permission Error"),
        ("ATTACH '/tmp/other.db'", "refused: Permission Error"),
        ("INSTALL httpfs", "refused: Permission Error"),
        ("LOAD httpfs", "refused: Permission Error"),
        ("SET enable_external_access = true", "refused: Invalid Input Error: Cannot change configuration"),
        ("SELECT * FROM frames", "refused: Catalog Error"),
        ("SELECT nothing FROM records", "refused: Binder Error"),
        ("SELEC 1", "refused: Parser Error"),
        ("SELECT 1; SELECT 2", "has 2 statements"),
        ("", "has 0 statements"),
    ],
)
def test_a_query_reaches_nothing_but_its_tables_and_fails_in_one_line(store: Path, sql: str, message: str) -> None:
    frames = store_frames(Store(store))
    with pytest.raises(BenchError, match=message) as refused:
        run_query(sql, frames)
    assert "\n" not in refused.value.message
    assert not Path("/tmp/stolen.csv").exists()


def test_formats(store: Path) -> None:
    sql = "SELECT 'a|b' AS name, 2 AS n, [1, 2] AS list, NULL AS empty"
    assert bench("query", sql, "--store", str(store), "--format", "csv") == 'name,n,list,empty\na|b,2,"[1, 2]",\n'
    assert bench("query", sql, "--store", str(store), "--format", "markdown") == (
        "| name | n | list | empty |\n|:---|---:|:---|---:|\n| a\\|b | 2 | [1, 2] |  |\n"
    )
    assert json.loads(bench("query", sql, "--store", str(store), "--format", "json")) == [
        {"name": "a|b", "n": 2, "list": [1, 2], "empty": None}
    ]
    assert "1 row" in bench("query", sql, "--store", str(store))


def test_hostile_texts_stay_texts() -> None:
    evil = "\x1b[2Jx\u202e<script>"
    assert visible(evil) == "\\u001b[2Jx\\u202e<script>"
    shown = render(Result((evil,), [(evil,)]), Form.MARKDOWN)
    assert "\x1b" not in shown
    assert "<script" not in shown
    assert escaped("a_b & 50% #1 {x} \\input{/etc/passwd} ~^$\n%") == (
        r"a\_b \& 50\% \#1 \{x\} \textbackslash{}input\{/etc/passwd\} \textasciitilde{}\textasciicircum{}\$ \%"
    )


def test_a_text_that_is_no_unicode_is_queried_all_the_same(tmp_path: Path) -> None:
    from test_leaderboard_page import add, record_of

    from benchmark.records import Outcome

    store = Store(tmp_path)
    cell = add(store, SUITE, "plain", "swap", "bbbbbbbb")
    broken = record_of(cell, "e0", Outcome.BROKEN)
    half = broken.model_copy(update={"adversarial_text": "half \ud83d of a pair"})
    frame = store_frames(_Fixed(store, half))  # type: ignore[arg-type]
    found = run_query("SELECT adversarial_text FROM records", frame).rows
    assert found == [("half ? of a pair",)]


class _Fixed:
    """A store whose attacked cells hold one given record."""

    def __init__(self, store: Store, record: object) -> None:
        self._store, self._record = store, record

    def cells(self) -> object:
        return self._store.cells()

    def records(self, cell: object) -> object:
        return [self._record]

    def clean_records(self, cell: object) -> object:
        return []

    def complete(self, cell: object) -> bool:
        return True


def test_export_of_the_leaderboard(page: Path, tmp_path: Path) -> None:
    out = tmp_path / "toy.csv"
    bench("export", "--format", "csv", "--page", str(page), "--out", str(out))
    frame = pl.read_csv(out)
    row = frame.row(0, named=True)
    assert (row["defense"], row["rank"], row["worst_case"], row["worst_case_low"]) == ("firm", 1, 0.875, 0.5)
    bench("export", "--format", "parquet", "--page", str(page), "--out", str(tmp_path / "toy.parquet"))
    assert pl.read_parquet(tmp_path / "toy.parquet")["defense"].to_list() == frame["defense"].to_list()


def test_export_of_records(store: Path, tmp_path: Path) -> None:
    printed = bench("export", "--format", "csv", "--what", "records", "--store", str(store))
    frame = pl.read_csv(io.StringIO(printed))
    assert frame.shape == (32, len(RECORDS))
    bench("export", "--format", "parquet", "--what", "records", "--store", str(store), "--out", str(tmp_path / "r"))
    assert pl.read_parquet(tmp_path / "r")["violations"].dtype == pl.List(pl.String)


def test_latex_by_hand(page: Path) -> None:
    from benchmark.leaderboard.evidence import read_evidence
    from benchmark.leaderboard.table import build_table

    found = latex(build_table(read_frozen(page), read_evidence(page)))
    assert r"1 & \texttt{firm} & 1 & 87.5 & 75.0 & 100.0 & 87.5 \\" in found
    assert r"\toprule" in found
    assert found.count(r"\begin{tabular}{rlrrrrr}") == 1
    assert r"Toy \textbar{} suite, reviews" in found
    assert found == bench("export", "--format", "latex", "--page", str(page))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "parquet"), "parquet is not for a terminal"),
        (("--format", "latex", "--what", "records"), "latex cannot hold records"),
        (("--format", "csv", "--page", "x", "--suite", "mini"), "--page takes neither"),
        (("--format", "csv", "--page", "nowhere"), "nowhere/suite.json is missing"),
    ],
)
def test_exports_that_make_no_sense_are_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        bench("export", *arguments)
