"""Human audit: a blinded, stratified draw; sheets that survive; results by hand."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmark.errors import BadData, BadRecord, BenchError, NewerSchema, StoreError
from benchmark.human.draw import Drawn, draw, make_key
from benchmark.human.export import write_audit
from benchmark.human.page import render
from benchmark.human.records import AuditItem, AuditKey, AuditResult, Kind
from benchmark.human.result import alpha, evaluate, result_path
from benchmark.human.sheet import FORMULA, fingerprint, guarded, read_sheet, unguarded, write_sheet
from benchmark.leaderboard.metrics import proportion
from benchmark.records import CellFile, ExampleRecord, Outcome, parse
from benchmark.registry import load_registry

LABELS = {"reviews": ("negative", "positive"), "topics": ("World", "Sports", "Sci/Tech")}
Attacked = list[tuple[CellFile, Sequence[ExampleRecord]]]


def cell(dataset: str, attack: str, defense: str = "plain") -> CellFile:
    return CellFile(
        key=f"{dataset}-{defense}-{attack}", suite="toy", suite_version=1, dataset=dataset, defense=defense,
        attack=attack, attack_display=attack, seed=0, model="tiny", spec={},
    )  # fmt: skip


def record(found: CellFile, number: int, broken: bool) -> ExampleRecord:
    text = f"original {found.dataset} {number}"
    return ExampleRecord(
        cell=found.key, example_id=f"e{number:03}", label=number % 2, prediction=number % 2, text=text,
        outcome=Outcome.BROKEN if broken else Outcome.HELD, queries=1, forwards=1, words=3,
        adversarial_text=f"changed {found.key} {number}" if broken else None,
    )  # fmt: skip


def store(examples: int = 50, every: int = 1, defenses: Sequence[str] = ("plain",)) -> Attacked:
    """Two datasets, two attacks; the first one of `every` examples is broken."""
    cells = [cell(d, a, f) for d in LABELS for a in ("swap", "typo") for f in defenses]
    return [(c, [record(c, n, n % every == 0) for n in range(examples)]) for c in cells]


def items(*rows: tuple[str, Kind, int], dataset: str = "reviews", attack: str = "swap") -> AuditKey:
    made = [
        AuditItem(
            item=name, kind=kind, dataset=dataset, example_id=name, label=label, cell="c", defense="plain", seed=0,
            attack=attack if kind is Kind.ADVERSARIAL else None, fingerprint=fingerprint(f"text {name}"),
        )
        for name, kind, label in rows
    ]  # fmt: skip
    return AuditKey(suite="toy", suite_version=1, draw_seed=0, labels=LABELS, items=tuple(made))


ADV, CONTROL = Kind.ADVERSARIAL, Kind.CONTROL
KEY = items(("t1", ADV, 1), ("t2", ADV, 0), ("t3", CONTROL, 1))


def sheet(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    (tmp_path / name).write_bytes(text.encode())
    return tmp_path / name


# The draw


def test_draw_is_stratified_with_controls_of_other_examples() -> None:
    drawn = draw(store(), 40, 0, 0.2)
    counts = Counter((d.item.kind, d.item.dataset, d.item.attack) for d in drawn)
    assert counts == {
        **{(ADV, d, a): 8 for d in LABELS for a in ("swap", "typo")},
        **{(CONTROL, d, None): 4 for d in LABELS},
    }
    assert len({(d.item.dataset, d.item.example_id) for d in drawn}) == 40
    for found in drawn:
        assert found.text.startswith("changed" if found.item.kind is ADV else "original")
        assert found.item.label == int(found.item.example_id[1:]) % 2


def test_draw_depends_on_seed_and_store_alone_not_on_order() -> None:
    attacked = store()
    backwards = [(c, list(reversed(records))) for c, records in reversed(attacked)]
    assert draw(attacked, 30) == draw(backwards, 30)
    assert {d.text for d in draw(attacked, 30)} != {d.text for d in draw(attacked, 30, seed=1)}


def test_order_and_names_tell_nothing() -> None:
    drawn = draw(store(), 80)
    for dataset in LABELS:
        names = [d.item.item for d in drawn if d.item.dataset == dataset]
        assert names == sorted(names)
        assert all(name[0] == "t" and len(name) == 13 for name in names)
        kinds = [d.item.kind for d in drawn if d.item.dataset == dataset]
        assert sorted(kinds) not in (kinds, kinds[::-1])  # mixed


def test_few_successes_are_filled_up_from_other_strata_and_keep_the_controls_share() -> None:
    cells = store(examples=40)
    cells[0] = (cells[0][0], [record(cells[0][0], n, n < 2) for n in range(40)])
    counts = Counter((d.item.dataset, d.item.attack) for d in draw(cells, 40) if d.item.kind is ADV)
    assert counts == {("reviews", "swap"): 2, ("reviews", "typo"): 10, ("topics", "swap"): 10, ("topics", "typo"): 10}
    rare = Counter(d.item.kind for d in draw(store(examples=40, every=10), 100))
    assert rare == {ADV: 8, CONTROL: 2}  # four examples a dataset were broken


def test_a_small_store_still_leaves_controls() -> None:
    assert Counter(d.item.kind for d in draw(store(examples=5), 100)) == {ADV: 8, CONTROL: 2}


def test_several_victims_give_an_example_one_item() -> None:
    drawn = draw(store(examples=6, defenses=("plain", "firm")), 100, 0, 0.0)
    assert len(drawn) == 12 == len({(d.item.dataset, d.item.example_id) for d in drawn})


def test_nothing_broken_is_an_error() -> None:
    held = cell("reviews", "swap")
    with pytest.raises(BenchError, match="nothing to audit"):
        draw([(held, [record(held, 1, False)])], 10)


# The sheet

WILD = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\0\r\n\t\"',;=+-@'\u202e\u05d0 "))


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(WILD, min_size=1, max_size=5))
def test_any_text_comes_back(texts: list[str]) -> None:
    rows = list(csv.reader(io.StringIO(write_sheet((f"t{n}", t) for n, t in enumerate(texts)), newline="")))
    assert rows[0] == ["item", "text", "label"]
    assert [unguarded(row[1]) for row in rows[1:]] == texts
    assert all(row[1].lstrip(" \n\0")[:1] not in FORMULA for row in rows[1:])


@settings(max_examples=100, deadline=None)
@given(text=WILD)
def test_a_sheet_of_any_text_is_read(text: str) -> None:
    import tempfile

    key = items(("t1", ADV, 1))
    key = key.model_copy(update={"items": (key.items[0].model_copy(update={"fingerprint": fingerprint(text)}),)})
    with tempfile.TemporaryDirectory() as folder:
        filled = write_sheet([("t1", text)]).removesuffix('""\r\n') + '"positive"\r\n'
        assert read_sheet(sheet(Path(folder), "\ufeff" + filled), key) == {"t1": "positive"}


@pytest.mark.parametrize(
    ("text", "cell_text"),
    [
        ("=1+1", "'=1+1"), ("@a", "'@a"), ("-5", "'-5"), ("+x", "'+x"), ("\t=1", "'\t=1"), ("\r=1", "'\r=1"),
        ("  =1", "'  =1"), ("＝1", "'＝1"), ("'tis", "''tis"), ("a=1", "a=1"), ("", ""), ("\n", "\n"),
    ],
)  # fmt: skip
def test_formulas_get_an_apostrophe(text: str, cell_text: str) -> None:
    assert guarded(text) == cell_text
    assert unguarded(cell_text) == text


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_labels_are_read_whatever_a_spreadsheet_made_of_the_file(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ("Label", "ITEM", "text"),
        (" POSITIVE ", "t1", "text  t1"),
        ("", "t2", "text t2"),
        ("negative", "t3", "text\nt3"),
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([*rows, ("", "", "")])
    assert read_sheet(sheet(tmp_path, out.getvalue()), KEY) == {"t1": "positive", "t3": "negative"}


@pytest.mark.parametrize(
    ("rows", "message", "hint"),
    [
        ("t1,positive\nt2,postive\nt3,", "a.csv, row 3: there is no label 'postive'", "Did you mean: positive"),
        ("t1,xyz\nt2,\nt3,", "row 2: there is no label 'xyz'", "negative, positive"),
        ("t1,positive\nt9,\nt3,", "row 3: item 't9' is not in the key", "same export"),
        ("t1,positive\nt1,positive\nt3,", "row 3: item 't1' occurs twice", "Remove"),
        ("t1,positive\nt3,", "lacks 1 of 3 items, such as 't2'", "Keep every row"),
        ("t1,\nt2,\nt3,", "no label at all", "Fill in"),
        ("t1,positive,more\nt2,\nt3,", "row 2 has 3 cells", "Mend"),
    ],
)
def test_faults_name_file_and_row(tmp_path: Path, rows: str, message: str, hint: str) -> None:
    with pytest.raises(BadData) as fault:
        read_sheet(sheet(tmp_path, f"item,label\n{rows}\n"), KEY)
    assert message in fault.value.message
    assert "a.csv" in fault.value.message
    assert hint in fault.value.hint


def test_rows_are_counted_as_in_a_spreadsheet_though_texts_have_lines(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"row 3: there is no label 'x'"):
        read_sheet(sheet(tmp_path, 'item,text,label\nt1,"text\n\n\nt1",positive\nt2,text t2,x\nt3,text t3,\n'), KEY)


def test_a_column_sorted_alone_is_seen(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="row 2: the text is not that of item 't1'"):
        read_sheet(sheet(tmp_path, "item,text,label\nt1,text t2,positive\nt2,text t1,\nt3,text t3,\n"), KEY)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a,b\n1,2\n", "no columns"), (b"", "no columns"), ("item,label\nt1,é".encode("latin-1"), "not UTF-8")],
)
def test_files_of_another_kind(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(BadData, match=message):
        read_sheet(tmp_path / "a.csv", KEY)
    with pytest.raises(BadData, match="cannot be read"):
        read_sheet(tmp_path / "none.csv", KEY)


# The result


def test_shares_by_hand() -> None:
    key = items(("t1", ADV, 1), ("t2", ADV, 0), ("t3", ADV, 1), ("t4", ADV, 1), ("t5", CONTROL, 0))
    first = {"t1": "positive", "t2": "positive", "t3": "positive", "t5": "negative"}
    second = {"t1": "positive", "t2": "positive", "t3": "negative"}
    third = {"t1": "negative", "t2": "negative"}
    result = evaluate(key, [first, second, third])
    assert (result.adversarial.preserved, result.adversarial.n) == (1, 3)  # a majority, a lost majority, a tie
    wilson = proportion(1, 3)
    assert wilson is not None
    assert (result.adversarial.share, result.adversarial.low, result.adversarial.high) == wilson_of(wilson)
    assert (result.controls.preserved, result.controls.n) == (1, 1)
    assert (result.unlabelled, result.annotators) == (1, 3)
    assert [j.majority for j in result.items] == ["positive", "positive", None, None, "negative"]
    assert [j.preserved for j in result.items] == [True, False, False, None, True]
    assert result.items[0].votes == {"negative": 1, "positive": 2}
    assert result.by_attack.keys() == {"swap"}


def wilson_of(found: Any) -> tuple[float, float, float]:
    return (found.value, found.low, found.high)


def test_nothing_labelled_has_no_share() -> None:
    assert evaluate(KEY, [{"t1": "positive"}]).controls.share is None


def test_alpha_of_krippendorffs_own_example() -> None:
    """Krippendorff, Computing Krippendorff's alpha-reliability (2011), section C: four observers, nominal, 0.743."""
    rows = ["123321412---", "1233224125-3", "-3332342251-", "12332441251-"]
    votes = [{f"u{n:02}": mark for n, mark in enumerate(row) if mark != "-"} for row in rows]
    assert alpha(votes, list("12345")) == pytest.approx(0.743, abs=5e-4)


def test_alpha_by_hand() -> None:
    """Two raters, four items, one disagreement. Coincidences: aa 4, bb 2, ab and ba 1; n = 8, a 5, b 3.

    Observed disagreement 2/8, expected 2*5*3/(8*7), alpha = 1 - (2/8)/(30/56) = 8/15.
    """
    first, second = dict(zip("wxyz", "aaab", strict=True)), dict(zip("wxyz", "aabb", strict=True))
    assert alpha([first, second], ["a", "b"]) == pytest.approx(8 / 15, abs=1e-6)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([{"x": "a", "y": "b"}], None),
        ([{"x": "a"}, {"y": "b"}], None),
        ([{"x": "a", "y": "a"}, {"x": "a", "y": "a"}], None),
        ([], None),
        ([{"x": "a", "y": "b"}, {"x": "a", "y": "b"}], 1.0),
    ],
)
def test_alpha_where_it_is_not_defined(votes: list[dict[str, str]], expected: float | None) -> None:
    assert alpha(votes, ["a", "b"]) == expected


def test_agreement_is_by_dataset() -> None:
    """Pooled, labels of two datasets would raise alpha: nobody confuses a topic with a sentiment."""
    one, two = items(("t1", ADV, 1), ("t2", ADV, 0)), items(("t3", ADV, 1), ("t4", ADV, 0), dataset="topics")
    key = one.model_copy(update={"items": (*one.items, *two.items)})
    first = {"t1": "positive", "t2": "negative", "t3": "World", "t4": "Sports"}
    second = {"t1": "negative", "t2": "positive", "t3": "World", "t4": "Sports"}
    assert evaluate(key, [first, second]).agreement == {"reviews": -0.5, "topics": 1.0}


# Key, page, files


def test_a_key_is_strict() -> None:
    data = KEY.model_dump(mode="json")
    assert parse(AuditKey, json.dumps(data), "key.json") == KEY
    with pytest.raises(NewerSchema, match=r"key\.json"):
        parse(AuditKey, json.dumps({**data, "schema_version": 99}), "key.json")
    with pytest.raises(BadRecord, match="listed twice"):
        parse(AuditKey, json.dumps({**data, "items": data["items"] * 2}), "key.json")
    with pytest.raises(BadRecord, match="label without a name"):
        parse(AuditKey, json.dumps({**data, "labels": {"reviews": ["negative"]}}), "key.json")


class Page(HTMLParser):
    """Texts, radio values and scripts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.radios: list[tuple[str, str]] = []
        self.urls: list[str] = []
        self._in_text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.urls += [name for name in ("src", "href", "action") if name in given]
        if tag == "p" and "dir" in given:
            self._in_text = True
            self.texts.append("")
        if given.get("type") == "radio":
            self.radios.append((str(given["name"]), str(given["value"])))

    def handle_endtag(self, tag: str) -> None:
        self._in_text = self._in_text and tag != "p"

    def handle_data(self, data: str) -> None:
        if self._in_text:
            self.texts[-1] += data


NASTY = [
    "<script>alert(1)</script>",
    "a & b &lt; </p></script>",
    "שלום\u202eabc",
    '"><img src=x onerror=1>',
    "$style ${x}",
]


def nasty() -> tuple[AuditKey, list[Drawn]]:
    key = items(*[(f"t{n}", ADV, 0) for n in range(len(NASTY))])
    key = key.model_copy(update={"labels": {"reviews": ('"><b>bad', "Good & <i>")}})
    drawn = [
        Drawn(item.model_copy(update={"fingerprint": fingerprint(t)}), t)
        for item, t in zip(key.items, NASTY, strict=True)
    ]
    return key.model_copy(update={"items": tuple(d.item for d in drawn)}), drawn


def test_page_shows_texts_and_never_runs_them() -> None:
    page = Page()
    page.feed(render(*nasty()))
    assert page.texts == NASTY
    assert page.radios[:2] == [("t0", '"><b>bad'), ("t0", "Good & <i>")]
    assert (page.tags.count("script"), page.tags.count("img"), page.tags.count("b")) == (1, 0, 0)
    assert page.urls == []  # nothing is fetched from anywhere


def test_sheet_and_page_are_blind(tmp_path: Path) -> None:
    drawn = draw(store(), 40)
    folder = tmp_path / "audit"
    write_audit(folder, make_key("toy", 1, 0, LABELS, drawn), drawn)
    for name in ("audit.csv", "audit.html", "instructions.txt"):
        shown = (folder / name).read_text(encoding="utf-8")
        for found in drawn:
            shown = shown.replace(found.text, "")  # texts of this toy store name their cell
        for secret in ("swap", "typo", "plain", "adversarial", "control", "e001", "reviews", "fingerprint"):
            assert secret not in shown, f"{secret} in {name}"
    assert "Rows 2 to 21: negative | positive" in (folder / "instructions.txt").read_text()


def test_a_filled_sheet_is_never_overwritten(tmp_path: Path) -> None:
    key, drawn = nasty()
    (tmp_path / "audit.csv").write_text("labels of an afternoon")
    with pytest.raises(StoreError, match="may hold labels"):
        write_audit(tmp_path, key, drawn)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audit.csv"]


DOM = """
const fs = require("fs");
const given = JSON.parse(fs.readFileSync(0, "utf-8"));
const blobs = [], done = {}, link = { click() {} };
const button = { addEventListener: (kind, act) => { button.act = act; } };
const fakes = given.texts.map((text, n) => ({
  dataset: { item: "t" + n },
  querySelector: (what) => what === "p" ? { textContent: text } : (given.labels[n] ? { value: given.labels[n] } : null),
  querySelectorAll: () => [],
}));
globalThis.document = {
  body: { dataset: { audit: "x" } }, addEventListener() {}, createElement: () => link,
  querySelectorAll: () => fakes, getElementById: (id) => id === "done" ? done : button,
};
globalThis.Blob = class { constructor(parts) { blobs.push(parts.join("")); } };
globalThis.URL = { createObjectURL: () => "", revokeObjectURL() {} };
globalThis.localStorage = { getItem: () => null, setItem() {} };
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node to run the page's script")
def test_the_page_writes_a_sheet_that_is_read(tmp_path: Path) -> None:
    texts = [*NASTY, "=1+1", "  =x", "'tis", 'a\n"b"', "＝1"]
    key = items(*[(f"t{n}", ADV, 0) for n in range(len(texts))])
    made = tuple(i.model_copy(update={"fingerprint": fingerprint(t)}) for i, t in zip(key.items, texts, strict=True))
    key = key.model_copy(update={"items": made})
    drawn = [Drawn(item, text) for item, text in zip(made, texts, strict=True)]
    script = render(key, drawn).split("<script>")[1].split("</script>")[0]
    script = script.replace('"use strict";', "") + "button.act(); process.stdout.write(blobs[0]);"
    labels = ["positive", "", *["negative"] * (len(texts) - 2)]
    given = json.dumps({"texts": texts, "labels": labels})
    run = subprocess.run(
        ["node", "-e", DOM + script], input=given, capture_output=True, text=True, encoding="utf-8", check=True
    )
    expected = {f"t{n}": label for n, label in enumerate(labels) if label}
    path = tmp_path / "a.csv"
    path.write_bytes(run.stdout.encode())
    assert read_sheet(path, key) == expected
    rows = list(csv.reader(io.StringIO(run.stdout.removeprefix("\ufeff"), newline="")))
    assert [row[1] for row in rows[1:]] == [guarded(text) for text in texts]


# The command line


def test_export_fill_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.cli import audit, selected
    from benchmark.cli.main import make_app

    monkeypatch.setattr(selected, "selected", lambda *args: store())
    monkeypatch.setattr(audit, "_label_names", lambda *args: LABELS)
    folder, kept = tmp_path / "out", tmp_path / "store"
    out = CliRunner().invoke(make_app(), ["audit", "export", "--out", str(folder), "--n", "20"])
    assert out.exit_code == 0, out.output
    assert "16 adversarial texts and 4 unchanged ones" in out.output
    key = parse(AuditKey, (folder / "key.json").read_bytes(), "key.json")
    gold = {item.item: key.labels[item.dataset][item.label] for item in key.items}
    rows = list(csv.DictReader(io.StringIO((folder / "audit.csv").read_text(encoding="utf-8-sig"), newline="")))
    for name, wrong in (("a.csv", 0), ("b.csv", 5)):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, ["item", "text", "label"])
            writer.writeheader()
            for number, row in enumerate(rows):
                names = key.labels["reviews" if gold[row["item"]] in LABELS["reviews"] else "topics"]
                label = gold[row["item"]] if number >= wrong else next(x for x in names if x != gold[row["item"]])
                writer.writerow({**row, "label": label})
    sheets = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    command = ["audit", "import", "--key", str(folder / "key.json"), "--store", str(kept)]
    out = CliRunner().invoke(make_app(), [*command, *sheets])
    assert out.exit_code == 0, out.output
    path = result_path(kept, key)
    assert path.parent == kept / "audits"
    assert path.name.startswith(f"mini-v{load_registry().suite('mini').version}-")
    result = parse(AuditResult, path.read_bytes(), str(path))
    assert result.adversarial.preserved + result.controls.preserved == 15
    assert result.agreement["topics"] == 1.0
    twice = CliRunner().invoke(make_app(), [*command, sheets[0], sheets[0]])
    assert isinstance(twice.exception, BadData)
    assert "given twice" in twice.exception.message


def test_no_torch() -> None:
    code = (
        "import sys\n"
        "import benchmark.leaderboard.curves, benchmark.leaderboard.flags, benchmark.human.export\n"
        "from benchmark.human.result import alpha\n"
        "from benchmark.leaderboard.flags import mcnemar\n"
        "alpha([{'x': 'a', 'y': 'b'}] * 2, ['a', 'b']); mcnemar(3, 1)\n"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
