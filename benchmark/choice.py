"""What a command line makes of a suite: narrowed, widened by what others registered, or put on the native track."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.api import RUNNABLE, Objective, Track, Wrapper
from benchmark.errors import UnknownName
from benchmark.registry import Registry
from benchmark.suite import FROZEN, Contract, Suite, load_frozen

EVERY = "all"
"""As the name of an attack: every registered attack that can run."""
NATIVE = "-native"
"""Ends the name of a suite on the native track."""


PAGES = Path("leaderboards")
"""Where the pages of superseded versions are looked for, below the working directory."""


def suite_named(registry: Registry, name: str) -> Suite:
    """A suite by name or path; ``SUITE-native`` is SUITE on the native track, ``SUITE@vN`` a version of it.

    A path is a TOML file or the folder of a published page, whose frozen suite it is. Raises UnknownName and BadSuite.
    """
    known = {entry.name for entry in registry.items("suite")}
    base, at, version = name.rpartition("@v")
    if at and name not in known and version.isdigit():
        current = registry.suite(base) if base in known else None
        if current is not None and current.version == int(version):
            return current
        return load_frozen(PAGES / base / f"v{version}" / FROZEN)
    if name.endswith(NATIVE) and name not in known and name.removesuffix(NATIVE) in known:
        return native(registry.suite(name.removesuffix(NATIVE)))
    return registry.suite(name)


def native(suite: Suite) -> Suite:
    """The suite with no clause but its query budget: attacks keep their own constraints only."""
    if suite.contract.track is Track.NATIVE:
        return suite
    contract = Contract(
        name="native",
        similarity=suite.contract.similarity,
        queries_per_word=suite.contract.queries_per_word,
        frozen_columns=suite.contract.frozen_columns,
        track=Track.NATIVE,
    )
    return suite.model_copy(
        update={"name": suite.name + NATIVE, "title": f"{suite.title}, native track", "contract": contract}
    )


def every_attack(registry: Registry) -> tuple[str, ...]:
    """Every registered attack that runs and aims at another label, cheapest first."""
    found = [entry.item for entry in registry.items("attack")]
    runs = [a for a in found if a.state in RUNNABLE and not a.diagnostic and a.unavailable(a.options()) is None]
    return tuple(attack.name for attack in sorted(runs, key=lambda attack: (attack.cost, attack.name)))


def cheapest_first(registry: Registry, suite: Suite) -> tuple[str, ...]:
    """The suite's attacks by their usual number of queries, equals by name."""
    cost = {name: registry.get("attack", name).item.cost for name in suite.attacks}
    return tuple(sorted(suite.attacks, key=lambda name: (cost[name], name)))


def with_strangers(registry: Registry, suite: Suite) -> Suite:
    """The suite plus what other distributions registered: heads and complete defenses, objectives and wrappers on every
    head of the suite, and attacks. This is what ``--all`` means: install a plugin, and it is in the run."""
    home = registry.get("suite", suite.name.removesuffix(NATIVE)).plugin.distribution
    foreign = [r for r in registry.items("defense") if r.plugin.distribution != home]
    heads = [name for name in suite.defenses if "+" not in name]
    extra = [r.name for r in foreign if not isinstance(r.item, Objective | Wrapper)]
    extra += [f"{head}+{r.name}" for r in foreign if isinstance(r.item, Objective | Wrapper) for head in heads]
    attacks = [
        r.name
        for r in registry.items("attack")
        if r.plugin.distribution != home and r.item.state in RUNNABLE and not r.item.diagnostic
    ]
    return suite.model_copy(
        update={
            "defenses": tuple(dict.fromkeys([*suite.defenses, *extra])),
            "attacks": tuple(dict.fromkeys([*suite.attacks, *attacks])),
        }
    )


def selected(
    registry: Registry,
    suite: Suite,
    defenses: Sequence[str] = (),
    attacks: Sequence[str] = (),
    datasets: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> Suite:
    """The suite narrowed (or widened by name) to what the command line asks for; empty means all of that kind.

    The attack ``all`` is every attack that can run here.
    """
    for name in datasets:
        if name not in suite.datasets:
            raise UnknownName(f"dataset of suite '{suite.name}'", name, suite.datasets)
    update: dict[str, Any] = {}
    if defenses:
        update["defenses"] = tuple(dict.fromkeys(defenses))
    if attacks:
        named = [n for given in attacks for n in (every_attack(registry) if given == EVERY else (given,))]
        update["attacks"] = tuple(dict.fromkeys(named))
    if datasets:
        update["datasets"] = {name: suite.datasets[name] for name in datasets}
    if seeds:
        update["seeds"] = tuple(dict.fromkeys(seeds))
    return suite.model_copy(update=update)
