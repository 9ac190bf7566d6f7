"""Pack, review, claim: an honest archive becomes claimed rows; each false one is refused with what and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from submissions import EXAMPLES, SOURCE, SUITE, TRUTH, cell, fill, honest, known

from benchmark.identity import cell_key
from benchmark.leaderboard.badges import standing
from benchmark.leaderboard.check import check
from benchmark.leaderboard.evidence import CELLS, RECORDS, read_evidence
from benchmark.leaderboard.publish import FrozenPage, publish
from benchmark.leaderboard.selection import NothingToPublish
from benchmark.records import Status
from benchmark.store import Store
from benchmark.submission.archive import MANIFEST, SUBMISSION, read_archive, write_archive
from benchmark.submission.archive import SUITE as SUITE_FILE
from benchmark.submission.content import archive_bytes, manifest_bytes, read_content
from benchmark.submission.limits import BadArchive
from benchmark.submission.pack import pack, victim_key
from benchmark.submission.review import Review, add_claimed, review

Json = dict[str, Any]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return honest(tmp_path_factory.mktemp("honest"))


def line(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def page(value: Any) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def forged(archive: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The archive with changed content, written as pack would: canonical, with a manifest that fits.

    ``change`` gets the cells, the attack records and the clean records as lists, the submission and the suite.
    """
    members = read_archive(archive)
    cells = json.loads(members[CELLS])
    data = {"cells": cells, "submission": json.loads(members[SUBMISSION]), "suite": json.loads(members[SUITE_FILE])}
    data["attacked"], data["clean"] = (
        [json.loads(text) for c in cells if (c["attack"] is not None) == wanted
         for text in members[f"{RECORDS}/{c['key']}.jsonl"].splitlines()]
        for wanted in (True, False)
    )  # fmt: skip
    change(data)
    files = {CELLS: page(data["cells"]), SUBMISSION: page(data["submission"]), SUITE_FILE: page(data["suite"])}
    for c in data["cells"]:
        rows = data["clean"] if c["attack"] is None else data["attacked"]
        files[f"{RECORDS}/{c['key']}.jsonl"] = b"".join(line(row) for row in rows)
    return write_archive({**files, MANIFEST: manifest_bytes(files)})


def respecified(data: Json, change: Callable[[Json], None]) -> None:
    """Change every specification and give it and its records the key that then belongs to it."""
    for c in data["cells"]:
        change(c["spec"])
        c["key"] = cell_key(c["spec"])
        for row in data["clean" if c["attack"] is None else "attacked"]:
            row["cell"] = c["key"]
    data["cells"].sort(key=lambda c: c["key"])


def problems(data: bytes) -> tuple[str, ...]:
    return review(data, known()).problems


def test_an_honest_archive_becomes_claimed_rows(archive: bytes, tmp_path: Path) -> None:
    found = review(archive, known())
    assert found.problems == ()
    assert found.rows == [("reviews", "mine", 0)]
    add_claimed(found, known(), tmp_path)
    evidence = read_evidence(tmp_path / "toy/v1")
    assert standing(evidence.cells) == (Status.CLAIMED, True)
    for c in evidence.cells:
        assert c.provenance["source"] == SOURCE.model_dump()
        assert c.provenance["submission"] == found.sha256
    assert check(tmp_path) == []
    assert "| toy | [1](toy/v1/leaderboard.md) | Toy | 1 | 1 |" in (tmp_path / "README.md").read_text()
    with pytest.raises(BadArchive, match=r"the row .* is on .* already"):
        add_claimed(found, known(), tmp_path)


def test_claimed_rows_join_a_published_page_and_stay_there(archive: bytes, tmp_path: Path) -> None:
    ours = Store(tmp_path / "ours")
    fill(ours, "mlp")
    publish(SUITE, ours, tmp_path / "out")
    add_claimed(review(archive, known()), known(), tmp_path / "out")
    publish(SUITE, ours, tmp_path / "out")
    cells = read_evidence(tmp_path / "out/toy/v1").cells
    assert {(c.defense, c.status, c.external) for c in cells} == {
        ("mlp", Status.RUN, False), ("mine", Status.CLAIMED, True),
    }  # fmt: skip
    assert check(tmp_path / "out") == []


def test_scripts_in_texts_stay_texts(archive: bytes, tmp_path: Path) -> None:
    """Markup in an adversarial text is evidence; no page for people carries it as markup."""
    add_claimed(review(archive, known()), known(), tmp_path)
    folder = tmp_path / "toy/v1"
    assert b"<script>" in b"".join(p.read_bytes() for p in (folder / RECORDS).iterdir())
    for path in [tmp_path / "README.md", *folder.rglob("*.md"), *folder.rglob("*.svg")]:
        assert "<script>" not in path.read_text(encoding="utf-8"), path


def test_packing_is_deterministic_and_reads_back(archive: bytes, tmp_path: Path) -> None:
    assert honest(tmp_path) == archive
    content = read_content(archive)
    assert archive_bytes(content) == archive
    assert content.suite == SUITE
    assert content.submission.source == SOURCE
    assert content.submission.environment == {"python": "3.11.9"}
    for words in (b"brave", b"dog", b"walk"):  # no sentence of the dataset, but the changed words
        assert archive.count(words) <= 1


def test_checkpoints_are_listed_by_hash(tmp_path: Path) -> None:
    import hashlib

    key = victim_key(cell("mine", None))
    sidecar = tmp_path / "victims" / key / "checkpoint.json"
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text("{}")
    data = honest(tmp_path)
    digest = hashlib.sha256(b"{}").hexdigest()
    assert read_content(data).submission.checkpoints == {key: digest}
    add_claimed(review(data, known()), known(), tmp_path / "out")
    assert {c.provenance["checkpoint"] for c in read_evidence(tmp_path / "out/toy/v1").cells} == {digest}


def test_nothing_to_pack(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store)
    with pytest.raises(NothingToPublish, match="no complete cell of other"):
        pack(SUITE, store, ["mine", "other"], SOURCE, tmp_path)


def set_in(rows: str, example: str, **values: Any) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        row = next(row for row in data[rows] if row["example_id"] == example)
        row.update(values)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_in("attacked", "e1", queries=81), "example e1 has 81 queries, its budget is 80"),
        (set_in("attacked", "e1", similarity=1.5), "example e1 has similarity 1.5, outside 0 to 1"),
        (set_in("attacked", "e1", similarity=0.65), "example e1 is broken with similarity 0.65, 0.7 is the least"),
        (set_in("attacked", "e1", similarity=None), "example e1 has a similarity without a text or a clause for it"),
        (set_in("attacked", "e1", adversarial_prediction=7), "e1 has adversarial_prediction 7, the dataset has labels"),
        (set_in("attacked", "e4", prediction=-1), "example e4 has prediction -1, the dataset has labels 0 to 1"),
        (set_in("attacked", "e1", label=5), "example e1 has label 5, the dataset has labels 0 to 1"),
        (set_in("attacked", "e1", perturbed_words=6, perturbed_share=0.375), "6 words changed, 4 are allowed"),
        (set_in("attacked", "e1", perturbed_share=0.1), "words, which is not 0.1"),
        (set_in("attacked", "e1", outcome="held"), "e1 is held, but its text has another prediction than the label"),
        (set_in("attacked", "e4", outcome="broken"), "example e4: the outcome is broken, but no text with another"),
        (set_in("attacked", "e1", outcome="invalid"), "example e1: the outcome is invalid, but the violations are []"),
        (set_in("attacked", "e0", outcome="held"), "e0: the outcome is held, but the clean prediction is wrong"),
        (set_in("attacked", "e4", outcome="skipped"), "the outcome is skipped, but the clean prediction is right"),
        (set_in("attacked", "e0", queries=3), "example e0 was skipped, but has queries or a text"),
        (set_in("attacked", "e4", error="ValueError"), "example e4 has an error, but another outcome"),
        (set_in("attacked", "e4", forwards=0), "example e4 was measured without a forward pass"),
        (set_in("attacked", "e4", outcome="error"), "example e4: the outcome is error, but no error is recorded"),
        (set_in("attacked", "e4", draws=4), "example e4 has draws, but the victim is not randomised"),
        (set_in("attacked", "e4", temperature=2.0), "example e4 has a temperature"),
        (set_in("attacked", "e1", adversarial_sha256="x"), "example e1 has a hash that is no sha256"),
        (set_in("attacked", "e1", edits=[[9, 2, "x"]]), "example e1 has edits that overlap or are not in order"),
        (set_in("attacked", "e1", edits=[]), "example e1 has an adversarial text that is the original"),
        (set_in("attacked", "e4", violations=["x"]), "example e4 has violations without a text"),
        (set_in("clean", "e1", prediction=3), "example e1 has prediction 3, the dataset has labels 0 to 1"),
    ],
)  # fmt: skip
def test_impossible_values(archive: bytes, change: Callable[[Json], None], said: str) -> None:
    found = problems(forged(archive, change))
    assert any(said in problem for problem in found), found


def drop(rows: str, example: str) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        data[rows] = [row for row in data[rows] if row["example_id"] != example]

    return change


def rename(rows: str, example: str, new: str) -> Callable[[Json], None]:
    return set_in(rows, example, example_id=new)


def double(data: Json) -> None:
    data["attacked"].insert(2, data["attacked"][1])


def without_attack(data: Json) -> None:
    data["cells"] = [c for c in data["cells"] if c["attack"] is None]


def another_suite(data: Json) -> None:
    data["suite"]["contract"]["perturbed_words"] = 0.9


def another_version(data: Json) -> None:
    data["suite"]["version"] = data["submission"]["suite_version"] = 2


def other_vectors(data: Json) -> None:
    respecified(data, lambda spec: spec.get("attack", {}).update(assets={"vectors": "b" * 64}))


def other_data(data: Json) -> None:
    respecified(data, lambda spec: spec["victim"]["dataset"].update(revision="r2"))


def other_plugin(data: Json) -> None:
    data["submission"]["source"]["version"] = "9"


def no_labels(data: Json) -> None:
    respecified(data, lambda spec: spec["victim"]["dataset"].pop("label_names"))


def short_sample(data: Json) -> None:
    respecified(data, lambda spec: spec.get("sample", []).clear())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("attacked", "e4"), "1 missing example: e4"),
        (double, "1 doubled example: e1"),
        (rename("attacked", "e5", "zz"), "1 foreign example: zz"),
        (drop("clean", "e4"), "lacks 1 examples of the test part, such as e4"),
        (rename("clean", "e5", "zz"), "has 1 unknown examples, such as zz"),
        (without_attack, "row (reviews, mine, seed 0) lacks attack swap"),
        (another_suite, "it was measured under another suite; changed: contract"),
        (another_version, "it is for suite toy v2, not toy v1"),
        (other_vectors, "was measured with attack swap: assets"),
        (other_data, "was measured with dataset reviews: revision r2, here it is r1"),
        (other_plugin, "was measured with bench-mine 1.2, not with bench-mine 9"),
        (no_labels, "its specification does not say the labels and the defense"),
        (short_sample, "it was measured under another sample than the suite's"),
        # what only the dataset and the contract can tell
        (set_in("attacked", "e4", text_sha256="0" * 64), "e4 is not what the dataset gives: the dataset's text is"),
        (set_in("attacked", "e1", adversarial_sha256="0" * 64), "e1 is not what the dataset gives: the edits do not"),
        (set_in("attacked", "e1", edits=[[0, 1, "b"]]), "e1 is not what the dataset gives: the edits do not"),
        (set_in("attacked", "e1", edits=[[0, 10**6, "b"]]), "e1 is not what the dataset gives: "),
        (set_in("attacked", "e4", words=15), "example e4 has 15 words, the dataset's text has 16"),
        (set_in("attacked", "e1", similarity=0.99), "example e1 has similarity 0.99, the encoder says"),
        (set_in("attacked", "e1", perturbed_words=1, perturbed_share=0.0625), "1 words changed, the contract counts"),
        (set_in("clean", "e1", label=0, prediction=0), "example e1: another cell has another label for it"),
        (set_in("attacked", "e2", violations=[], outcome="broken", perturbed_words=4, perturbed_share=0.25,
                similarity=0.8), "example e2 is broken, but the contract finds: "),
    ],
)  # fmt: skip
def test_false_records(archive: bytes, change: Callable[[Json], None], said: str) -> None:
    found = problems(forged(archive, change))
    assert any(said in problem for problem in found), found


def test_both_labels_changed_is_seen_by_the_dataset(archive: bytes) -> None:
    def change(data: Json) -> None:
        for rows in ("attacked", "clean"):
            set_in(rows, "e4", label=1, prediction=1)(data)

    assert any("example e4 has label 1, the dataset says 0" in problem for problem in problems(forged(archive, change)))


def on_cells(**values: Any) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        for c in data["cells"]:
            c.update(values)

    return change


def provenance(**values: Any) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        for c in data["cells"]:
            c["provenance"].update(values)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (on_cells(defense="<script>alert(1)</script>"), "its defense '<script>alert(1)</script>' has markup"),
        (on_cells(defense="mine`|x"), "its defense 'mine`|x' has markup"),
        (on_cells(defense="\x1b[2Jmine"), r"its defense '\\x1b[2Jmine' has markup"),
        (on_cells(defense="m\u200bine"), "has markup"),
        (on_cells(defense="m" * 200), "has markup, or characters outside printable ASCII, or is too long"),
        (on_cells(attack_display="[x](javascript:alert(1))<"), "its attack_display"),
        (on_cells(status="verified", external=True), "it comes with a status"),
        (on_cells(status="run", external=True), "it comes with a status"),
        (provenance(plugins={"mine": "<img src=x onerror=alert(1)>"}), "its provenance.plugins.mine has markup"),
        (provenance(plugins="all of them"), "its provenance.plugins is no table"),
        (provenance(plugins={"mine": 3}), "its provenance.plugins.mine is no text"),
        (provenance(model_revision="<b>"), "its provenance.model_revision has markup"),
        (provenance(training={"seconds": "soon"}), "its provenance.training.seconds is no number"),
        (provenance(training={"<b>": 1}), "has a field called '<b>'"),
        (provenance(probe={"accuracy": True}), "its provenance.probe.accuracy is no number"),
        (provenance(probe={"accuracy": 0.5, "temperature": 9.0}), "its provenance.probe lacks one of"),
        (provenance(training={"seconds": None}), "its provenance.training.seconds is no number"),
        (provenance(training={"seconds": -1}), "its provenance.training.seconds is no number"),
        (provenance(environment={"python": 3}), "its provenance.environment.python is no text"),
        (provenance(model_revision=[1]), "its provenance.model_revision is no text"),
        (provenance(forwards_per_prediction=0), "its forwards_per_prediction is no number of forward passes"),
        (provenance(forwards_per_prediction="many"), "its forwards_per_prediction is no number of forward passes"),
        (provenance(argv=["bench"]), "its provenance says more than a page publishes"),
        (provenance(environment={"home": "/home/them"}), "its provenance says more than a page publishes"),
        (provenance(source={"url": "https://x"}), "its provenance says more than a page publishes"),
        (lambda data: respecified(data, lambda s: s["victim"].update(x="\x1b[31m")), "has control characters"),
    ],
)  # fmt: skip
def test_names_and_provenance(archive: bytes, change: Callable[[Json], None], said: str) -> None:
    found = problems(forged(archive, change))
    assert any(said in problem for problem in found), found
    assert not any("\x1b" in problem for problem in found)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "javascript:alert(1)"}, "source.url"),
        ({"url": "http://example.org/x"}, "source.url"),
        ({"url": "https://user:secret@example.org/x"}, "source.url"),
        ({"url": "https://example.org/<script>"}, "source.url"),
        ({"commit": "main"}, "source.commit"),
        ({"distribution": "<b>"}, "source.distribution"),
        ({"distribution": "x" * 300}, "source.distribution"),
        ({"version": "1\n2"}, "source.version"),
        ({"extra": 1}, "source.extra"),
    ],
)
def test_the_source_reference(archive: bytes, values: Json, field: str) -> None:
    with pytest.raises(BadArchive, match=rf"submission\.json: field '{field}'"):
        review(forged(archive, lambda data: data["submission"]["source"].update(values)), known())


def test_a_refused_archive_adds_nothing(archive: bytes, tmp_path: Path) -> None:
    false = review(forged(archive, set_in("attacked", "e1", queries=999)), known())
    with pytest.raises(BadArchive, match=r"refused: .* 999 queries"):
        add_claimed(false, known(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_reviewers_suite_is_what_is_published(archive: bytes, tmp_path: Path) -> None:
    """Title and notes may differ between releases; a stranger's must not reach the page."""

    def change(data: Json) -> None:
        data["suite"]["title"], data["suite"]["notes"] = "Mine <script>", "Best of all"
        data["suite"]["defenses"] = ["mlp", "mine"]

    found = review(forged(archive, change), known())
    assert found.problems == ()
    add_claimed(found, known(), tmp_path)
    assert "script" not in (tmp_path / "toy/v1/leaderboard.md").read_text()
    assert json.loads((tmp_path / "toy/v1/suite.json").read_bytes())["title"] == "Toy"


def test_similarity_on_the_edge_is_not_judged_by_rounding(archive: bytes) -> None:
    """The same text under an encoder that rounds to the other side of the minimum."""
    content = read_content(archive)
    exact = next(r.similarity for rs in content.evidence.attacked.values() for r in rs if r.example_id == "e1")
    assert exact is not None

    def judge(original: str, text: str) -> Any:
        verdict = TRUTH.judge(original, text)
        low = verdict.similarity is not None and abs(verdict.similarity - exact) < 1e-9
        return verdict._replace(similarity=exact - 5e-4, violations=("similarity",)) if low else verdict

    edge = replace(known(), truths={"reviews": replace(TRUTH, judge=judge, minimum=exact)})
    assert review(archive, edge).problems == ()
    far = replace(known(), truths={"reviews": replace(TRUTH, judge=judge, minimum=0.7)})
    assert any("the contract finds: similarity" in problem for problem in review(archive, far).problems)


def test_another_row_in_the_same_place_is_refused(archive: bytes, tmp_path: Path) -> None:
    add_claimed(review(archive, known()), known(), tmp_path / "out")
    store = Store(tmp_path / "store")
    fill(store)
    publish(SUITE, store, tmp_path / "out")  # the same records: nothing changes
    assert {c.status for c in read_evidence(tmp_path / "out/toy/v1").cells} == {Status.CLAIMED}
    attacked = cell("mine", "swap")
    rows = [r.model_copy(update={"queries": 8}) if r.example_id == "e4" else r for r in store.records(attacked)]
    store.finish(attacked, rows)
    with pytest.raises(FrozenPage, match="would change: 1 of its records differ, the first is example e4"):
        publish(SUITE, store, tmp_path / "out")


def test_reviews_name_their_archive(archive: bytes) -> None:
    other = forged(archive, set_in("attacked", "e4", queries=8))
    one, two = review(archive, known()), review(other, known())
    assert isinstance(one, Review)
    assert one.sha256 != two.sha256
    assert len(EXAMPLES) == 6
