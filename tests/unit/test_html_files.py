"""The page's files without a browser: what they hold, what they may not hold, and that every change is found."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from boards import Size, store_of
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmark.cli.leaderboard import app
from benchmark.errors import BadRecord
from benchmark.identity import cell_key
from benchmark.leaderboard.check import check
from benchmark.leaderboard.edits import apply, edit_script, marked
from benchmark.leaderboard.html.legend import BADGES, chip_of
from benchmark.leaderboard.html.script import script_json
from benchmark.leaderboard.publish import publish, render
from benchmark.leaderboard.transfers import stored_transfers, texts_digest
from benchmark.records import Outcome, TransferRecord, dump

SIZE = Size(datasets=("reviews",), examples=6, clean=8)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One store, published without and with its sentences."""
    root = tmp_path_factory.mktemp("roots")
    suite, store = store_of(root / "store", SIZE)
    for name, texts in (("plain", False), ("texts", True)):
        publish(suite, store, root / name, texts=texts)
    return {name: root / name / "drawn" / "v1" for name in ("plain", "texts")}


@pytest.fixture
def page(roots: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the page with sentences that a test may damage."""
    return Path(shutil.copytree(roots["texts"], tmp_path / "drawn" / "v1"))


def details_of(path: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    text = path.read_text(encoding="ascii")
    assert text.startswith("benchCell(")
    assert text.endswith(");\n")
    head, records = json.loads(f"[{text[len('benchCell(') : -3]}]")
    return head, records


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_detail_file_for_each_attacked_cell(roots: dict[str, Path]) -> None:
    cells = json.loads((roots["plain"] / "evidence" / "cells.json").read_bytes())
    keys = {cell["key"] for cell in cells if cell["attack"]}
    assert {path.stem for path in (roots["plain"] / "details").iterdir()} == keys
    shown = {a["data-cell"] for _, a in Tags((roots["plain"] / "index.html").read_text()).found if "data-cell" in a}
    assert shown == keys


def test_details_say_what_the_evidence_says(roots: dict[str, Path]) -> None:
    page = roots["plain"]
    for path in sorted((page / "details").iterdir()):
        head, rows = details_of(path)
        lines = (page / "evidence" / "records" / f"{head['key']}.jsonl").read_text().splitlines()
        outcomes = ["held", "invalid", "exhausted", "broken", "skipped", "error"]
        for row, line in zip(rows, map(json.loads, lines), strict=True):
            found = dict(zip(head["fields"], row, strict=False))
            assert found["id"] == line["example_id"]
            assert outcomes[found["outcome"]] == line["outcome"]
            assert (found["queries"], found["changed"]) == (line["queries"], line["perturbed_words"])
            assert found["edits"] == line["edits"]
        assert head["labels"] == ["bad", "good"]
        assert sum(head["counts"]) == len(rows) == 6


def test_sentences_are_there_only_when_asked_for(roots: dict[str, Path]) -> None:
    store = roots["plain"].parents[2] / "store"
    records = [json.loads(line) for path in store.glob("cells/*/records.jsonl") for line in path.open()]
    texts = {record["text"] for record in records if "text" in record}
    everything = {p: p.read_bytes() for p in roots["plain"].rglob("*") if p.is_file()}
    pieces = [text.encode()[:30] for text in texts]
    assert [path for path, data in everything.items() if any(piece in data for piece in pieces)] == []
    assert not (roots["plain"] / "texts.jsonl").exists()
    lines = (roots["texts"] / "texts.jsonl").read_text().splitlines()
    assert {json.loads(line)["text"] for line in lines} == texts
    by_id = {(r["cell"], r["example_id"]): r for r in records if "text" in r}
    for path in (roots["texts"] / "details").iterdir():
        head, rows = details_of(path)
        for row in rows:
            record, parts = by_id[head["key"], row[0]], row[-1]
            assert "".join(p if isinstance(p, str) else p[0] for p in parts) == record["text"]
            final = "".join(p if isinstance(p, str) else p[1] for p in parts)
            assert final == (record["adversarial_text"] or record["text"])


def test_publishing_without_sentences_removes_them(roots: dict[str, Path], tmp_path: Path) -> None:
    suite, store = store_of(tmp_path / "store", SIZE)
    publish(suite, store, tmp_path / "out", texts=True)
    publish(suite, store, tmp_path / "out")
    again = tmp_path / "out" / "drawn" / "v1"
    assert check(again) == []
    names = sorted(p.relative_to(again) for p in again.rglob("*"))
    assert names == sorted(p.relative_to(roots["plain"]) for p in roots["plain"].rglob("*"))
    for name in ("index.html", *(f"details/{p.name}" for p in (again / "details").iterdir())):
        assert (again / name).read_bytes() == (roots["plain"] / name).read_bytes()


def test_rendering_again_gives_the_same_files(page: Path, roots: dict[str, Path]) -> None:
    (page / "index.html").unlink()
    shutil.rmtree(page / "details")
    shutil.rmtree(page / "plots")
    render(page)
    for path in roots["texts"].rglob("*"):
        if path.is_file() and path.suffix != ".png":
            assert (page / path.relative_to(roots["texts"])).read_bytes() == path.read_bytes()
    found = CliRunner().invoke(app, ["render", str(page)])
    assert found.exit_code == 0
    assert check(page) == []


@pytest.mark.parametrize("name", ["index.html", "details", "texts.jsonl"])
def test_any_change_is_found(page: Path, name: str) -> None:
    assert check(page) == []
    path = page / name
    path = next(path.iterdir()) if path.is_dir() else path
    data = path.read_bytes()
    for position in range(0, len(data), max(1, len(data) // 10)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        problems = check(page)
        assert any(path.name in problem for problem in problems), f"byte {position}: {problems}"
    path.write_bytes(data)
    path.unlink()
    assert check(page)


def test_another_text_is_named(page: Path) -> None:
    path = page / "texts.jsonl"
    lines = path.read_text().splitlines()
    first = json.loads(lines[0])
    path.write_text("\n".join([json.dumps({**first, "text": "something else"}, sort_keys=True), *lines[1:], ""]))
    assert check(page) == ["texts.jsonl: example e00000 of reviews is not the text of the evidence"]
    path.write_text("\n".join([*lines[1:], ""]))
    assert check(page) == ["texts.jsonl: example e00000 of reviews is missing"]
    foreign = json.dumps({**first, "example_id": "zz"}, sort_keys=True)
    path.write_text("\n".join([*lines, foreign, ""]))
    assert check(page) == ["texts.jsonl: example zz of reviews was never attacked"]
    path.write_text("\n".join([*lines, "{"]))
    assert any("texts.jsonl, line 7 is not JSON" in problem for problem in check(page))


def test_policy_allows_what_the_page_needs_and_nothing_else(roots: dict[str, Path]) -> None:
    text = (roots["plain"] / "index.html").read_text(encoding="utf-8")
    tags = Tags(text).found
    policy = next(a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert (len(scripts), len(styles)) == (2, 1)
    for source in scripts + styles:
        assert base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() in policy
    names = {name for _, attributes in tags for name in attributes}
    assert not {name for name in names if name.startswith("on")} | ({"style"} & names)
    links = {a.get(name) for _, a in tags for name in ("src", "href", "action") if a.get(name)}
    assert not {link for link in links if link and re.match(r"[a-z]+:|//", link)}
    assert {"plots/clean-vs-worst.svg", "leaderboard.md", "leaderboard.json"} <= links
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "XMLHttpRequest"):
        assert sink not in text


def test_every_column_badge_and_outcome_is_explained(roots: dict[str, Path]) -> None:
    text = (roots["plain"] / "index.html").read_text(encoding="utf-8")
    legend = text[text.index('id="legend-title"') :]
    for word in ("Fwd/pred", "Train, s", "95 % interval", *(outcome.value for outcome in Outcome)):
        assert word in legend
    for kind in BADGES:
        assert f'data-kind="{kind.name}"' in legend


@pytest.mark.parametrize(
    ("badge", "kind", "short"),
    [
        ("standard attacks only", "standard attacks only", "standard"),
        ("4 forward passes per prediction", "forward passes", "4 fwd"),
        ("1 error", "errors", "1 err"),
        ("12 errors", "errors", "12 err"),
        ("miscalibrated (calibration error 0.21)", "miscalibrated", "miscalibrated"),
        ("single seed", "single seed", "1 seed"),
        ("claimed", "claimed", "claimed"),
        ("something new", "something new", "something new"),
    ],
)
def test_badges_have_a_short_form_and_a_kind(badge: str, kind: str, short: str) -> None:
    chip = chip_of(badge)
    assert (chip.kind, chip.short, chip.full) == (kind, short, badge)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_json_cannot_leave_its_script(value: Any) -> None:
    text = script_json(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not set("<>&") & set(text)


@given(st.text(alphabet="ab c\n.é", max_size=30), st.text(alphabet="ab c\n.é", max_size=30))
def test_marked_words_give_both_texts(before: str, after: str) -> None:
    script = edit_script(before, after)
    pieces = marked(before, script)
    assert "".join(p if isinstance(p, str) else p[0] for p in pieces) == before
    assert "".join(p if isinstance(p, str) else p[1] for p in pieces) == after == apply(before, script)
    assert all(p if isinstance(p, str) else p[0] != p[1] for p in pieces)


@pytest.mark.parametrize(
    ("text", "script", "pieces"),
    [
        ("the moving town", [(5, 6, "0"), (9, 10, "n"), (11, 15, "city")],
         ["the ", ("moving", "m0vinn"), " ", ("town", "city")]),
        ("the good town", [(4, 4, "very ")], ["the ", ("", "very "), "good town"]),
        ("the very good town", [(4, 9, "")], ["the ", ("very ", ""), "good town"]),
        ("a b", [(1, 2, "")], [("a b", "ab")]),
        ("ab", [(1, 1, " ")], [("ab", "a b")]),
        ("same", [], ["same"]),
    ],
)  # fmt: skip
def test_letters_are_widened_to_words(text: str, script: list[Any], pieces: list[Any]) -> None:
    assert marked(text, script) == pieces


def test_edits_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadRecord, match="does not fit"):
        marked("short", [(3, 99, "x")])


def test_transfers_of_these_texts_are_published_and_checked(tmp_path: Path) -> None:
    suite, store = store_of(tmp_path / "store", SIZE)
    cells = store.cells()
    source = next(c for c in cells if (c.defense, c.attack) == ("mlp", "swap"))
    reader = next(c for c in cells if c.defense == "mvp")
    records = {source.key: store.records(source)}
    broken = [r for r in records[source.key] if r.outcome is Outcome.BROKEN]
    assert broken
    target = cell_key(reader.spec["victim"])
    lines = [
        TransferRecord(source=source.key, target=target, example_id=r.example_id, clean=True, fooled=n % 2 == 0)
        for n, r in enumerate(broken)
    ]
    folder = store.root / "transfers"
    folder.mkdir()
    texts = texts_digest(records[source.key])
    (folder / f"{source.key}-{target}-{texts}.jsonl").write_text("".join(dump(line) + "\n" for line in lines))
    (folder / f"{source.key}-{target}-{'0' * 12}.jsonl").write_text("of other texts")
    (folder / f"{source.key}-{'0' * 20}-{texts}.jsonl").write_text("of another reader")
    assert stored_transfers(store, [source, reader], records) == sorted(lines, key=lambda line: line.example_id)
    publish(suite, store, tmp_path / "out")
    page = tmp_path / "out" / "drawn" / "v1"
    assert (page / "plots" / "transfer.svg").exists()
    assert "plots/transfer.svg" in (page / "index.html").read_text()
    assert check(page) == []
    path = page / "transfers.jsonl"
    data = path.read_text()
    path.write_text(data.replace('"fooled": true', '"fooled": false', 1))
    assert any("transfers.jsonl was changed" in problem for problem in check(page))
    path.write_text(data.replace(f'"{broken[0].example_id}"', '"zz"'))
    assert any("row 1: example zz" in problem and "was not broken" in problem for problem in check(page))
    path.write_text(data.replace(target, "0" * 20))
    assert any("no such victim" in problem for problem in check(page))
    path.write_text(data.split("\n")[0] + "\n" + data)
    assert any("occur twice" in problem for problem in check(page))


def test_names_of_transfer_files_are_those_of_a_run() -> None:
    """Two modules name them: the one that writes and the one that publishes, which may not import each other."""
    from benchmark import transfer
    from benchmark.leaderboard import transfers

    assert transfer.FOLDER == transfers.FOLDER
