"""What a run leaves behind: one record an example, one cell file a cell. Schema-versioned, strict, JSON only."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from benchmark.errors import BadRecord, NewerSchema

SCHEMA_VERSION = 1

Record = TypeVar("Record", bound="Strict")


class Outcome(StrEnum):
    """How the attack on one example ended; exactly one of these."""

    SKIPPED = "skipped"
    """The clean prediction is wrong already: nothing to attack, never robust."""
    HELD = "held"
    """The attack ended without a text that flips the label."""
    BROKEN = "broken"
    """A text within the contract flips the label."""
    INVALID = "invalid"
    """The returned text flips the label but breaks the contract."""
    EXHAUSTED = "exhausted"
    """The query budget ended first."""
    ERROR = "error"
    """The attack or the model raised; never counted as robustness."""


LATER = frozenset({"draws", "clean_wrong", "final_wrong", "temperature"})
"""Fields of a record that old pages do not have."""


class Strict(BaseModel):
    """Unknown keys refused, NaN and infinity refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Timing(Strict):
    """Wall-clock facts of one example; the only fields in which two equal runs may differ.

    ``seconds``: its own, and its share of the calls that it asked together with others.
    """

    seconds: float


class ExampleRecord(Strict):
    """One attacked example (local store: full texts).

    ``queries`` are logical queries (what the attack asked), ``forwards`` the rows that its distinct texts need.
    ``perturbed_words`` is the word-level edit distance, ``perturbed_share`` that over the words of the original;
    ``similarity`` is the contract's, to the original text. The four are None where no text came back.
    """

    schema_version: int = SCHEMA_VERSION
    cell: str
    example_id: str
    label: int
    prediction: int | None
    outcome: Outcome
    adversarial_prediction: int | None = None
    text: str
    adversarial_text: str | None = None
    queries: Annotated[int, Field(ge=0)]
    forwards: Annotated[int, Field(ge=0)]
    words: Annotated[int, Field(ge=0)]
    perturbed_words: int | None = None
    perturbed_share: float | None = None
    similarity: float | None = None
    violations: tuple[str, ...] = ()
    error: str | None = None
    draws: int | None = None
    """Draws that judged the texts of a randomised victim; None for a deterministic one."""
    clean_wrong: int | None = None
    """Of those draws on the original text, the ones that miss the gold label."""
    final_wrong: int | None = None
    """The same for the final text: the adversarial one within the contract, else the original."""
    temperature: float | None = None
    """Set where the attack only broke the victim through logits divided by it."""
    timing: Timing | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came after the first published page are written only where they say something."""
        return {name: value for name, value in handler(self).items() if name not in LATER or value is not None}


class TransferRecord(Strict):
    """One adversarial text of ``source`` (an attack cell) under the victim ``target`` (a victim's key).

    ``clean`` is whether the target is right on the original; ``fooled`` whether it is wrong on the adversarial text.
    """

    source: str
    target: str
    example_id: str
    clean: bool
    fooled: bool


class CleanRecord(Strict):
    """One clean prediction of the whole test part: the evidence behind ``clean_accuracy``."""

    schema_version: int = SCHEMA_VERSION
    cell: str
    example_id: str
    label: int
    prediction: int


class Status(StrEnum):
    """Who vouches for a published cell."""

    RUN = "run"
    """Whoever published the page ran it."""
    CLAIMED = "claimed"
    """Submitted by somebody else; consistent in itself, but nobody has run it again."""
    VERIFIED = "verified"
    """Submitted, and a random part of it was run again with the same result."""


class CellFile(Strict):
    """What a cell is. ``spec`` is the canonical specification whose hash is ``key`` (see ``benchmark.identity``).

    ``attack`` is None for the clean evaluation of a victim. ``provenance`` (versions, machine, training cost) is not
    part of the identity, and neither are ``status`` and ``external`` (the records came in an archive of somebody else).
    """

    schema_version: int = SCHEMA_VERSION
    key: str
    suite: str
    suite_version: int
    dataset: str
    defense: str
    attack: str | None
    attack_display: str | None
    seed: int
    model: str
    spec: dict[str, Any]
    provenance: dict[str, Any] = Field(default_factory=dict)
    status: Status = Status.RUN
    external: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Status and origin are written for submitted cells only, so that other pages stay what they are."""
        fields: dict[str, Any] = handler(self)
        ours = self.status is Status.RUN and not self.external
        return {name: value for name, value in fields.items() if not ours or name not in ("status", "external")}


def parse(kind: type[Record], text: str | bytes, where: str) -> Record:
    """Read one strict JSON object; raises NewerSchema or BadRecord, both naming ``where``."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise BadRecord(f"{where} is not JSON ({problem})", "Remove it, or restore it from a copy") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{where} has schema version {version}, this package reads up to {SCHEMA_VERSION}",
            "Upgrade nlp-robustness-bench",
        )
    try:
        return kind.model_validate(data)
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(top)"
        raise BadRecord(f"{where}: field '{field}': {first['msg']}", "Remove it, or restore it from a copy") from None


# One for all: made anew for each record it costs as much as the writing.
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False)


def dump(record: Strict) -> str:
    """One line of canonical JSON: sorted keys, no NaN."""
    return _ENCODER.encode(record.model_dump(mode="json"))
