"""The page in a real browser, opened from the disk: sorting, filters, examples, keys, themes, and strangers' texts.

Every request, console message and dialog is recorded; a test fails on anything but the page's own files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from boards import Size, store_of
from browser import browser, executable

from benchmark.leaderboard.evidence import Evidence, make_evidence, read_evidence
from benchmark.leaderboard.html import html_files
from benchmark.leaderboard.plots import known_files
from benchmark.leaderboard.publish import publish, read_frozen
from benchmark.leaderboard.table import build_table
from benchmark.leaderboard.texts import texts_of
from benchmark.records import ExampleRecord, Outcome
from benchmark.store import Store
from benchmark.suite import Suite

pytest.importorskip("playwright")
pytestmark = pytest.mark.skipif(executable() is None, reason="no Chromium on this machine")

SIZE = Size(defenses=("mlp", "mvp", "mlp+pgd"), examples=60, seeds=(0, 1))
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'


@dataclass
class Seen:
    """A page, and all that it did."""

    page: Any
    folder: Path
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def names(self, column: str = "defense") -> list[str]:
        """The shown rows' values of a column, from top to bottom."""
        rows = self.page.locator("#board tbody tr:not([hidden])")
        return [
            str(text).strip() for text in rows.locator(f".{column}").evaluate_all("all => all.map(e => e.dataset.v)")
        ]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A published page without and one with its sentences."""
    root = tmp_path_factory.mktemp("pages")
    suite, store = store_of(root / "store", SIZE)
    for name, texts in (("plain", False), ("texts", True)):
        publish(suite, store, root / name, texts=texts)
    return {name: root / name / "drawn" / "v1" for name in ("plain", "texts")}


def opened(chromium: Any, folder: Path, **context: Any) -> Seen:
    page = chromium.new_context(**context).new_page()
    page.set_default_timeout(60_000)
    seen = Seen(page, folder)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.faults.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: seen.faults.append(str(error)))
    page.on("dialog", lambda dialog: (seen.faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.goto((folder / "index.html").as_uri())
    return seen


def closed(seen: Seen) -> None:
    """What every test ends with: no fault, and no request for anything but files of the page."""
    seen.page.context.close()
    assert seen.faults == []
    foreign = [url for url in seen.requests if not url.startswith(seen.folder.as_uri())]
    assert foreign == []


@pytest.fixture
def plain(chromium: Any, folders: dict[str, Path]) -> Iterator[Seen]:
    seen = opened(chromium, folders["plain"])
    yield seen
    closed(seen)


@pytest.fixture
def texts(chromium: Any, folders: dict[str, Path]) -> Iterator[Seen]:
    seen = opened(chromium, folders["texts"])
    yield seen
    closed(seen)


def head(seen: Seen, column: str) -> Any:
    return seen.page.locator("#board thead th", has_text=column)


def test_sorting_by_a_click_and_back(plain: Seen) -> None:
    before = [float(v) for v in plain.names("worst")]
    assert len(before) == 6
    head(plain, "Worst case").get_by_role("button").click()
    values = [float(v) for v in plain.names("worst")]
    assert values == sorted(before, reverse=True)
    assert head(plain, "Worst case").get_attribute("aria-sort") == "descending"
    head(plain, "Worst case").get_by_role("button").click()
    assert [float(v) for v in plain.names("worst")] == sorted(before)
    assert head(plain, "Worst case").get_attribute("aria-sort") == "ascending"
    head(plain, "Defense").get_by_role("button").click()
    assert plain.names() == sorted(plain.names())
    assert head(plain, "Worst case").get_attribute("aria-sort") == "none"
    assert head(plain, "Defense").get_attribute("aria-sort") == "ascending"
    head(plain, "Train, s").get_by_role("button").click()
    seconds = [float(v) for v in plain.names("training")]
    assert seconds == sorted(seconds)


def test_filters(plain: Seen) -> None:
    page = plain.page
    page.get_by_label("Defense", exact=True).fill("PGD")
    assert set(plain.names()) == {"mlp+pgd"}
    assert page.locator("#count").inner_text() == "2 of 6 rows"
    page.get_by_label("Dataset", exact=True).select_option("reviews")
    assert plain.names("dataset") == ["reviews"]
    page.get_by_role("button", name="Reset").click()
    page.get_by_text("6 of 6 rows").wait_for()
    page.get_by_label("Badge", exact=True).select_option("forward passes")
    assert set(plain.names()) == {"mvp", "mlp+pgd"}
    page.get_by_label("Defense", exact=True).fill("nothing like it")
    assert plain.names() == []
    assert page.locator("#count").inner_text() == "0 of 6 rows"


def test_a_value_opens_its_examples_without_sentences(plain: Seen) -> None:
    page = plain.page
    page.locator("button[data-cell]").first.click()
    items = page.locator(".examples > li")
    items.first.wait_for()
    assert page.locator("dialog h2").inner_text() == f"swap against {plain.names()[0]}"
    assert items.count() == 50
    page.get_by_role("button", name="Show 10 more of 10").click()
    assert items.count() == 60
    page.get_by_role("radio", name="broken").check()
    assert set(items.locator(".outcome").evaluate_all("all => all.map(e => e.dataset.outcome)")) == {"broken"}
    assert "not published" in page.locator(".note").inner_text()
    edit = items.first.locator(".edits li").first
    assert set(edit.locator("del").inner_text().rstrip("…")) == {"█"}
    assert edit.locator("ins").inner_text() in ("calm", "stirring", "picture", "0f", "persons")
    assert [url for url in plain.requests if url.endswith(".js")] == [
        (plain.folder / "details" / f"{page.locator('button[data-cell]').first.get_attribute('data-cell')}.js").as_uri()
    ]


def test_the_seeds_behind_a_row_can_be_chosen(plain: Seen) -> None:
    from playwright.sync_api import expect

    page = plain.page
    button = page.locator("button[data-cell]").first
    button.click()
    page.locator(".examples > li").first.wait_for()
    choice = page.get_by_label("Seed", exact=True)
    assert choice.locator("option").all_inner_texts() == ["seed 0", "seed 1"]
    first = page.locator("#drawer-body").inner_text()
    keys = str(button.get_attribute("data-cells")).split()
    choice.select_option("seed 1")
    expect(page.locator("#drawer-body")).not_to_have_text(first, use_inner_text=True)
    assert choice.input_value() == keys[1]
    assert choice.evaluate("select => select === document.activeElement")
    assert [url.rsplit("/", 1)[1] for url in plain.requests if url.endswith(".js")] == [f"{key}.js" for key in keys]


def test_changed_words_are_marked_in_their_sentence(texts: Seen) -> None:
    page = texts.page
    key = page.locator("button[data-cell]").first.get_attribute("data-cell")
    store = Store(texts.folder.parents[2] / "store")
    cell = next(cell for cell in store.cells() if cell.key == key)
    record = next(r for r in store.records(cell) if r.outcome is Outcome.BROKEN)
    page.locator("button[data-cell]").first.click()
    item = page.locator(".examples > li", has=page.locator(f"code:text-is('{record.example_id}')"))
    item.wait_for()
    read = "p => [...p.children].filter(n => n.nodeName !== '{}').map(n => n.textContent).join('')"
    assert item.locator(".text").evaluate(read.format("INS")) == record.text
    assert item.locator(".text").evaluate(read.format("DEL")) == record.adversarial_text
    assert "similarity" in item.locator(".numbers").inner_text()
    assert "good → bad" in item.locator(".numbers").inner_text()


def test_keys_alone_are_enough(plain: Seen) -> None:
    page = plain.page
    stops = [page.evaluate("(document.activeElement || {}).outerHTML || ''")]
    for _ in range(60):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.dataset.cell || ''"))
        if stops[-1]:
            break
    assert stops[-1], "the tab key reaches the values"
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert "per cent, swap against" in first
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("ArrowRight")
    assert "typo against" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.dataset.cell")
    assert second == page.locator("#board tbody tr").nth(1).locator("button[data-cell]").nth(1).get_attribute(
        "data-cell"
    )
    page.keyboard.press("Enter")
    page.locator(".examples > li").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "drawer-title"
    for _ in range(70):  # the focus stays in the open dialog, or in the browser's own bars
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").evaluate("dialog => dialog.open")
    assert page.evaluate("document.activeElement.dataset.cell") == second
    head(plain, "Clean").get_by_role("button").focus()
    page.keyboard.press("Space")
    assert head(plain, "Clean").get_attribute("aria-sort") == "descending"


def test_the_dialog_closes_by_its_button_and_beside_it(plain: Seen) -> None:
    page = plain.page
    for close in (lambda: page.get_by_role("button", name="Close").click(), lambda: page.mouse.click(20, 400)):
        page.locator("button[data-cell]").first.click()
        page.locator(".examples > li").first.wait_for()
        close()
        assert not page.locator("dialog").evaluate("dialog => dialog.open")


def test_themes(chromium: Any, folders: dict[str, Path]) -> None:
    for scheme, expected in (("light", "rgb(251, 251, 250)"), ("dark", "rgb(21, 23, 26)")):
        seen = opened(chromium, folders["plain"], color_scheme=scheme)
        color = "getComputedStyle(document.body).backgroundColor"
        assert seen.page.evaluate(color) == expected
        button = seen.page.locator("#theme")
        found = {button.inner_text(): seen.page.evaluate(color)}
        for _ in range(2):
            button.click()
            found[button.inner_text()] = seen.page.evaluate(color)
        light, dark = "rgb(251, 251, 250)", "rgb(21, 23, 26)"
        assert found == {"Theme: system": expected, "Theme: light": light, "Theme: dark": dark}
        seen.page.reload()
        assert seen.page.evaluate(color) == dark
        assert button.inner_text() == "Theme: dark"
        closed(seen)


@pytest.mark.parametrize("width", [420, 1280])
def test_the_page_itself_never_scrolls_sideways(chromium: Any, folders: dict[str, Path], width: int) -> None:
    seen = opened(chromium, folders["texts"], viewport={"width": width, "height": 800})
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not seen.page.evaluate(wide)
    seen.page.locator("button[data-cell]").first.click()
    seen.page.locator(".examples > li").first.wait_for()
    assert not seen.page.evaluate(wide)
    assert not seen.page.locator("#drawer-body").evaluate("body => body.scrollWidth > body.clientWidth")
    closed(seen)


def test_head_and_first_column_stay_in_sight(chromium: Any, folders: dict[str, Path]) -> None:
    seen = opened(chromium, folders["plain"], viewport={"width": 420, "height": 500})
    box = seen.page.locator(".scroll").first
    box.scroll_into_view_if_needed()
    before = [
        seen.page.locator(f"#board {place}").first.bounding_box() for place in ("thead .defense", "tbody .defense")
    ]
    box.evaluate("box => box.scrollTo(200, 150)")
    after = [
        seen.page.locator(f"#board {place}").first.bounding_box() for place in ("thead .defense", "tbody .defense")
    ]
    assert after[0]["y"] == before[0]["y"]  # the head stays above
    assert after[1]["x"] == box.bounding_box()["x"] + 1  # the name at the left edge
    assert after[1]["y"] < before[1]["y"]
    closed(seen)


def test_a_missing_detail_file_is_said(chromium: Any, folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes((folders["plain"] / "index.html").read_bytes())
    seen = opened(chromium, tmp_path)
    seen.page.locator("button[data-cell]").first.click()
    seen.page.get_by_text("cannot be loaded").wait_for()
    assert seen.page.locator("dialog h2").inner_text() == "Not found"
    seen.page.context.close()


def hostile(root: Path) -> tuple[Suite, Evidence, list[ExampleRecord]]:
    """Names and texts of somebody who means harm, past every check of a store."""
    suite, store = store_of(
        root / "store", Size(defenses=("mlp",), attacks=("swap",), datasets=("reviews",), examples=4)
    )
    cells = [
        cell.model_copy(update={"defense": SCRIPT, "attack_display": cell.attack and IMAGE}) for cell in store.cells()
    ]
    victim = {"dataset": {"label_names": [SCRIPT, IMAGE]}}
    cells = [cell.model_copy(update={"spec": {**cell.spec, "victim": victim}}) for cell in cells]
    records = {cell.key: store.records(cell) for cell in cells if cell.attack}
    key = next(iter(records))
    changed = [
        record.model_copy(
            update={
                "outcome": Outcome.BROKEN, "adversarial_prediction": 0, "text": f"a {SCRIPT} and {IMAGE} here",
                "adversarial_text": f"a {IMAGE} and \u202e{SCRIPT}\u200b</script><!-- here", "perturbed_words": 2,
                "violations": (SCRIPT,), "similarity": 0.9,
            }
        )
        for record in records[key]
    ]  # fmt: skip
    clean = {cell.key: store.clean_records(cell) for cell in cells if not cell.attack}
    return suite, make_evidence(cells, {key: changed}, clean), changed


@pytest.mark.parametrize("with_texts", [False, True])
def test_what_strangers_send_stays_text(chromium: Any, tmp_path: Path, with_texts: bool) -> None:
    suite, evidence, changed = hostile(tmp_path)
    suite = suite.model_copy(update={"title": SCRIPT, "notes": f"{SCRIPT} ![x](http://example.org/x.png) {IMAGE}"})
    table = build_table(suite, evidence)
    lines = (replace(entry, badges=(SCRIPT, IMAGE), rank=None, unranked_reason=IMAGE) for entry in table.entries)
    table = replace(table, entries=tuple(lines))
    key = next(iter(evidence.attacked))
    texts = texts_of(evidence, {key: changed}) if with_texts else None
    for name, data in html_files(table, evidence, {"evidence": SCRIPT}, texts).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    for name in known_files():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    seen = opened(chromium, tmp_path)
    page = seen.page
    assert page.locator("h1").inner_text() == SCRIPT
    assert page.locator("#board tbody .defense bdi").first.inner_text().replace("\u200b", "") == SCRIPT
    assert page.locator(".chip", has_text=SCRIPT).count() >= 1
    assert page.locator("#badge option", has_text=IMAGE).count() == 1
    page.locator("button[data-cell]").click()
    page.locator(".examples > li").first.wait_for()
    assert page.locator("dialog h2").inner_text() == f"{IMAGE} against {SCRIPT}"
    shown = page.locator(".examples > li").first.inner_text()
    assert "alert(1)" in shown
    assert "U+202E" in shown
    assert "U+200B" in shown
    assert SCRIPT in page.locator(".examples .warn").first.inner_text()
    assert page.locator("dialog img, dialog script, h1 script, .prose img, img[src='x']").count() == 0
    page.wait_for_timeout(200)
    closed(seen)


def test_policy_stops_what_would_get_past(plain: Seen) -> None:
    """The second wall: even markup that reached a sink, or a script from elsewhere, would not run."""
    thrown = plain.page.evaluate("() => { try { document.body.innerHTML = '<b>x</b>' } catch (e) { return e.name } }")
    assert thrown == "TypeError"
    blocked = plain.page.evaluate("fetch('http://127.0.0.1:9/x').then(() => 'sent', () => 'blocked')")
    assert blocked == "blocked"
    assert len(plain.faults) >= 2
    plain.faults.clear()
    plain.requests[:] = [url for url in plain.requests if "127.0.0.1" not in url]


def test_the_evidence_of_a_published_page_reads_back(folders: dict[str, Path]) -> None:
    """The page in these tests is what ``publish`` writes for exactly this evidence."""
    table = build_table(read_frozen(folders["plain"]), read_evidence(folders["plain"]))
    assert (len(table.rows), len(table.entries)) == (12, 6)
