"""The plan: what runs, under which keys, and what cannot run and why."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from benchmark.api import Attack, Capability, CompleteDefense, Head, Objective
from benchmark.choice import selected, with_strangers
from benchmark.data.source import sources_of
from benchmark.errors import UnknownName
from benchmark.hookspecs import hookimpl
from benchmark.plan import Plan, make_plan
from benchmark.registry import Registry, load_registry

# Must NOT be changed without a new version of what changed (plugin, suite, head, key format): a stored cell of another
# meaning would be taken for this one, or every stored cell would be lost.
SMOKE_KEYS = {
    ("mlp", None): "5d64a56b2c7147a48c1e",
    ("mlp", "deepwordbug"): "9bbb9c26e310ddbeffd5",
    ("mvp", None): "ecdf3dd23c9bfc543fda",
    ("mvp", "deepwordbug"): "6baefca79f4501da8b34",
}


def nothing(*arguments: object) -> None:
    raise AssertionError("planning must not run this")


@hookimpl
def register_defenses(register: Callable[[object], None]) -> None:
    register(Objective(name="noisy", backward=nothing))  # type: ignore[arg-type]
    register(Head(name="needy", build=nothing, needs=frozenset({Capability.SYNONYMS})))
    register(CompleteDefense(name="whole", fit=nothing, save=nothing, load=nothing))  # type: ignore[arg-type]


@hookimpl
def register_attacks(register: Callable[[object], None]) -> None:
    register(
        Attack(name="white", display="white", build=nothing, needs=frozenset({Capability.GRADIENTS}))  # type: ignore[arg-type]
    )


@pytest.fixture
def registry() -> Registry:
    stranger = SimpleNamespace(register_defenses=register_defenses, register_attacks=register_attacks)
    return load_registry({"stranger": stranger})


def smoke(registry: Registry, **choice: tuple[str, ...]) -> Plan:
    suite = selected(registry, registry.suite("smoke"), **choice)  # type: ignore[arg-type]
    return make_plan(registry, suite, sources_of(registry, suite))


def test_the_keys_of_the_smoke_suite_are_frozen(registry: Registry) -> None:
    assert {(c.victim.defense, c.attack): c.key for c in smoke(registry).cells} == SMOKE_KEYS


def test_strangers_join_the_run_as_heads_objectives_and_attacks(registry: Registry) -> None:
    suite = with_strangers(registry, registry.suite("smoke"))
    assert suite.defenses == ("mlp", "mvp", "needy", "whole", "mlp+noisy", "mvp+noisy")
    assert suite.attacks == ("deepwordbug", "white")


def test_what_cannot_work_is_said_before_anything_trains(registry: Registry) -> None:
    plan = smoke(registry, defenses=("needy", "whole", "mlp"), attacks=("white",))
    reasons = {(c.victim.defense, c.attack): c.reason for c in plan.cells}
    assert "'needy' needs synonyms" in str(reasons["needy", None])
    assert "needs gradients" in str(reasons["whole", "white"])
    assert reasons["whole", None] is None
    assert reasons["mlp", "white"] is None
    assert [c.victim.defense for c in plan.ready] == ["whole", "mlp", "mlp"]


def test_default_objective_and_order_do_not_change_the_key(registry: Registry) -> None:
    keys = {
        name: [c.key for c in smoke(registry, defenses=(name,)).cells] for name in ("mvp", "mvp+clean", "clean+mvp")
    }
    assert keys["mvp"] == keys["mvp+clean"] == keys["clean+mvp"]


def test_limit_and_options_are_other_cells(registry: Registry) -> None:
    suite = registry.suite("smoke")
    sources = sources_of(registry, suite)
    keys = {c.key for c in make_plan(registry, suite, sources).cells}
    limited = make_plan(registry, suite, sources, limit=2)
    assert {len(c.ids) for c in limited.cells} == {0, 2}
    assert keys & {c.key for c in limited.cells} == {c.key for c in limited.cells if c.attack is None}
    changed = suite.model_copy(update={"options": {"mvp": {"templates": 1}}})
    mvp = {c.key for c in make_plan(registry, changed, sources).cells if c.victim.defense == "mvp"}
    assert not keys & mvp


def test_unknown_names_are_refused(registry: Registry) -> None:
    suite = registry.suite("smoke")
    with pytest.raises(UnknownName, match="toy-reviews"):
        selected(registry, suite, datasets=("toy-review",))
    with pytest.raises(UnknownName, match="mvp"):
        make_plan(registry, suite.model_copy(update={"options": {"mpv": {}}}), sources_of(registry, suite))


def test_options_that_are_not_the_defaults_are_part_of_what_a_page_calls_an_attack(registry: Registry) -> None:
    suite = selected(registry, registry.suite("smoke"), attacks=("deepwordbug",))
    changed = suite.model_copy(update={"options": {"deepwordbug": {"max_edit_distance": 5}}})
    shown = []
    for chosen in (suite, changed):
        cells = make_plan(registry, chosen, sources_of(registry, chosen)).cells
        shown.append({cell.file.attack_display for cell in cells if cell.attack})
    assert shown == [{"deepwordbug"}, {"deepwordbug (max_edit_distance=5)"}]
