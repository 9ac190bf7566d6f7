"""Which cells belong on a page: options in names, and cells that another suite of the same conditions has computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_leaderboard_page import SUITE, add, fill, rows_of

from benchmark.leaderboard.publish import publish
from benchmark.leaderboard.selection import NothingToPublish, Prescribed, cells_of, select
from benchmark.store import Store
from benchmark.suite import Scrutiny

OTHER = SUITE.model_copy(update={"name": "other", "defenses": ("plain",)})


def test_what_another_suite_computed_is_this_suites_where_the_conditions_are_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store)  # ran for SUITE
    publish(OTHER, store, tmp_path / "out")
    rows = rows_of(tmp_path / "out" / "other" / "v1")
    assert list(rows) == ["plain"], "only the defenses that the other suite lists"
    assert rows["plain"]["worst_case_accuracy"]["value"] == 0.375
    assert {cell.suite for cell in select(OTHER, store)} == {"other"}


def test_other_conditions_are_another_suites_business(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store)
    looser = OTHER.contract.model_copy(update={"perturbed_words": 0.5})
    for change in ({"contract": looser}, {"scrutiny": Scrutiny(recalibrate=True)}):
        cells = select(OTHER.model_copy(update=change), store)
        assert [cell.attack for cell in cells] == [None], "a clean evaluation knows no contract and no second attack"
    with pytest.raises(NothingToPublish):
        select(OTHER.model_copy(update={"model": "large"}), store)


@pytest.mark.parametrize(("name", "kept"), [("firm[radius=2]", True), ("firm", False), ("firm[radius=3]", False)])
def test_options_in_a_name_are_prescribed_by_the_name(tmp_path: Path, name: str, kept: bool) -> None:
    """The cell ran with radius 2; the suite's own options say 1."""
    suite = SUITE.model_copy(update={"attacks": (), "defenses": (name,), "options": {"firm": {"radius": 1}}})
    store = Store(tmp_path / "store")
    cell = add(store, suite, "firm", None, radius=2)
    renamed = cell.model_copy(update={"defense": name})
    store.set_provenance(renamed)
    prescribed = Prescribed({"defense:firm": {"radius": 1}}, {})
    found = cells_of(suite, store.cells(), suite.defenses)
    assert [c.defense for c in found] == [name]
    if kept:
        assert [c.key for c in select(suite, store, prescribed)] == [cell.key]
    else:
        with pytest.raises(NothingToPublish):
            select(suite, store, prescribed)
