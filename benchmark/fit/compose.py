"""A defense put together from its parts: what goes with what, its options, and why it may not be applicable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmark.api import (
    THROUGH_HEAD,
    Capability,
    CompleteDefense,
    DefensePart,
    Head,
    Objective,
    Options,
    Uses,
    Wrapper,
)
from benchmark.errors import BadOptions
from benchmark.names import PartName, split_name
from benchmark.options import parse

if TYPE_CHECKING:
    from benchmark.registry import Registry


@dataclass(frozen=True)
class Composition:
    """A defense put together: either ``head``, ``objective`` and ``wrappers`` (innermost first), or ``complete``.

    ``name`` is canonical: head, objective (the default one left out), wrappers, each with the options of its brackets,
    which are in ``inline`` by part.
    """

    name: str
    head: Head | None = None
    objective: Objective | None = None
    wrappers: tuple[Wrapper, ...] = ()
    complete: CompleteDefense | None = None
    inline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def items(self) -> tuple[DefensePart, ...]:
        """The parts in order: head, objective (the default one too) and wrappers, or the complete defense."""
        found = (self.head, self.objective, *self.wrappers, self.complete)
        return tuple(part for part in found if part is not None)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of :attr:`items`."""
        return tuple(part.name for part in self.items)

    @property
    def offers(self) -> frozenset[Capability]:
        """What an attack may ask of the fitted defense: nothing but answers once a wrapper is around it."""
        owner = self.head or self.complete
        return owner.offers if owner and not self.wrappers else frozenset()


def parse_name(name: str, registry: Registry) -> Composition:
    """``mvp``, ``mvp+pgd``, ``mlp+freelb+ranmask``, ``mvp[templates=2]`` or a complete defense; order is free.

    Raises UnknownName for a part that is not registered and BadOptions for parts that do not go together.
    """
    given = split_name(name)
    items = [registry.get("defense", part.name).item for part in given]
    _refuse_repeats(name, given)
    complete = [item for item in items if isinstance(item, CompleteDefense)]
    inline = {part.name: part.options for part in given if part.options}
    if complete:
        if len(items) > 1:
            raise BadOptions(
                f"'{complete[0].name}' in '{name}' is a complete defense and cannot be combined",
                f"Use '{complete[0].name}' alone",
            )
        return Composition(str(given[0]), complete=complete[0], inline=inline)
    heads = [item for item in items if isinstance(item, Head)]
    objectives = [item for item in items if isinstance(item, Objective)]
    wrappers = sorted((item for item in items if isinstance(item, Wrapper)), key=lambda wrapper: wrapper.stage)
    for kind, found in (("head", heads), ("objective", objectives)):
        if len(found) > 1:
            listed = ", ".join(item.name for item in found)
            raise BadOptions(f"the defense '{name}' has {len(found)} {kind}s ({listed})", f"Keep one {kind}")
    if not heads:
        other = objectives[0] if objectives else wrappers[0]
        kind = "an objective" if objectives else "a wrapper"
        known = [f"{r.name}+{other.name}" for r in registry.items("defense") if isinstance(r.item, Head)]
        raise BadOptions(
            f"the defense '{name}' has no head, '{other.name}' is {kind}",
            f"Put a head before it: {', '.join(known) or 'none registered'}",
        )
    default = registry.default_objective().item
    objective = objectives[0] if objectives else default
    written = {part.name: str(part) for part in given}
    order = [heads[0].name, objective.name, *(wrapper.name for wrapper in wrappers)]
    shown = [part for part in order if part != default.name or default.name in inline]
    canonical = "+".join(written[part] for part in shown)
    return Composition(canonical, heads[0], objective, tuple(wrappers), inline=inline)


def _refuse_repeats(name: str, given: Sequence[PartName]) -> None:
    seen: set[str] = set()
    for part in given:
        if part.name in seen:
            raise BadOptions(f"the defense '{name}' has '{part.name}' twice", "Name every part once")
        seen.add(part.name)


def parsed_options(composition: Composition, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Options]:
    """The options object of every part: defaults, over them ``options`` (by part), over them the name's brackets.

    Keys of ``options`` for other items (attacks, other defenses) are left alone. Raises BadOptions.
    """
    return {
        part.name: parse(
            part.options,
            {**options.get(part.name, {}), **composition.inline.get(part.name, {})},
            f"defense '{part.name}'",
        )
        for part in composition.items
    }


def uses(composition: Composition, options: Mapping[str, Options]) -> Uses:
    """All registered models and attacks that the parts name in their options, each once."""
    found = [part.uses(options[part.name]) for part in composition.items]
    return Uses(
        tuple(dict.fromkeys(name for use in found for name in use.models)),
        tuple(dict.fromkeys(name for use in found for name in use.attacks)),
    )


def is_randomised(composition: Composition, options: Mapping[str, Options]) -> bool:
    """Whether predictions are drawn."""
    return any(wrapper.randomised(options[wrapper.name]) for wrapper in composition.wrappers)


def not_applicable_reason(composition: Composition, offers: frozenset[Capability]) -> str | None:
    """Why the parts cannot work together on a model with ``offers``, or None."""
    through = composition.head.offers if composition.head else frozenset()
    for part in composition.items:
        inside = isinstance(part, Head | CompleteDefense)
        offered = offers if inside else (offers | through) - (THROUGH_HEAD - (offers & through))
        lacking = sorted(part.needs - offered)
        if lacking:
            return f"'{part.name}' needs {', '.join(lacking)}, which {_who(lacking, inside, offers, through)}"
    return _conflict(composition)


def _who(lacking: Sequence[str], inside: bool, offers: frozenset[str], through: frozenset[str]) -> str:
    if inside or all(name in through for name in lacking):
        return "the model does not offer"
    if all(name in offers for name in lacking):
        return "the head does not offer"
    return "neither the model nor the head offers"


def _conflict(composition: Composition) -> str | None:
    owner: dict[str, str] = {}
    for part in composition.items:
        for changed in sorted(part.changes) if isinstance(part, Objective | Wrapper) else ():
            if changed in owner:
                return f"'{owner[changed]}' and '{part.name}' both change the {changed} in training"
            owner[changed] = part.name
    return None
