"""What an audit is made of: the key that tells which item is what, and the result. Strict, schema-versioned, JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from benchmark.records import SCHEMA_VERSION, Strict

Share = Annotated[float, Field(ge=0, le=1)]


class Kind(StrEnum):
    """Whether an item was attacked."""

    ADVERSARIAL = "adversarial"
    """A text that broke a victim within the contract."""
    CONTROL = "control"
    """An original text of another example: how well annotators agree with the dataset where nothing was changed."""


class AuditItem(Strict):
    """One text shown to annotators. ``fingerprint`` is that of the text, which itself stays in the sheets."""

    item: str
    kind: Kind
    dataset: str
    example_id: str
    label: Annotated[int, Field(ge=0)]
    cell: str
    defense: str
    attack: str | None
    seed: int
    fingerprint: str


class AuditKey(Strict):
    """``key.json`` of an export: what annotators must not see. ``labels`` are the names of each dataset's labels."""

    schema_version: int = SCHEMA_VERSION
    suite: str
    suite_version: int
    draw_seed: int
    labels: dict[str, tuple[str, ...]]
    items: tuple[AuditItem, ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> AuditKey:
        if len({item.item for item in self.items}) != len(self.items):
            raise ValueError("an item is listed twice")
        for item in self.items:
            if item.label >= len(self.labels.get(item.dataset, ())):
                raise ValueError(f"item {item.item} has a label without a name")
        return self


class Preserved(Strict):
    """``preserved`` of ``n`` labelled items keep their label; share and Wilson interval are None for no item."""

    preserved: Annotated[int, Field(ge=0)]
    n: Annotated[int, Field(ge=0)]
    share: Share | None
    low: Share | None
    high: Share | None


class Judged(Strict):
    """One item and what annotators said: votes by label name, the majority (None for a tie or no vote)."""

    item: str
    kind: Kind
    dataset: str
    example_id: str
    cell: str
    defense: str
    attack: str | None
    gold: str
    votes: dict[str, int]
    majority: str | None
    preserved: bool | None
    """None where nobody gave a label."""


class AuditResult(Strict):
    """``audits/*.json`` of a store. ``agreement``: Krippendorff's alpha (nominal) by dataset, None where undefined."""

    schema_version: int = SCHEMA_VERSION
    suite: str
    suite_version: int
    audit: str
    annotators: Annotated[int, Field(ge=1)]
    adversarial: Preserved
    controls: Preserved
    by_attack: dict[str, Preserved]
    agreement: dict[str, float | None]
    unlabelled: Annotated[int, Field(ge=0)]
    items: tuple[Judged, ...]
