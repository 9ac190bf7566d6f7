"""The published JSON Schema of ``leaderboard.json``, generated from typed models of it.

The file ``docs/schema/leaderboard-v2.json`` is what :func:`schema_bytes` gives; a test compares them, and validates
pages with it. A new field is a new property of the same version; a field that goes or changes its meaning is a new
version. Pages of version 1 are described by the file of that version.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from benchmark.leaderboard.evidence import json_bytes
from benchmark.records import Strict
from benchmark.suite import Contract

ADDRESS = "leaderboard-v2.json"

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ProportionJson(Strict):
    """A share of `n` examples with its 95 % interval."""

    value: Share
    low: Share
    high: Share
    n: Count


class EstimateJson(ProportionJson):
    """The same over one seed or several."""

    seeds: Annotated[int, Field(ge=1)]


class DifferenceJson(Strict):
    """A difference of two shares of the same `n` examples, with its 95 % interval."""

    value: Annotated[float, Field(ge=-1, le=1)]
    low: float
    high: float
    n: Count
    seeds: Annotated[int, Field(ge=1)]


class SuccessJson(Strict):
    """`broken / attacked`; `value` is null where nothing could be attacked."""

    value: Share | None
    broken: Count
    attacked: Count


class CountsJson(Strict):
    """How often each outcome occurred."""

    skipped: Count
    held: Count
    broken: Count
    invalid: Count
    exhausted: Count
    error: Count


class AttackJson(Strict):
    """One row under one attack; means are null where they are taken over no example."""

    display: str
    accuracy_under_attack: ProportionJson
    success_rate: SuccessJson
    queries_mean: float | None
    forwards_mean: float | None
    perturbed_share_mean: float | None
    similarity_mean: float | None
    counts: CountsJson
    expected_accuracy: Share = Field(default=0.0, description="Randomised victims only: mean share of right draws.")
    any_fail_accuracy: ProportionJson | None = Field(
        default=None, description="Randomised victims only: examples that are right in every draw."
    )


class RowJson(Strict):
    """One defense, fitted on one dataset with one seed. A row without a rank says why in `unranked_reason`."""

    suite: str
    suite_version: int
    dataset: str
    model: str
    model_revision: str | None
    defense: str
    seed: int
    rank: Annotated[int, Field(ge=1)] | None
    unranked_reason: str | None
    clean_accuracy: ProportionJson | None
    worst_case_accuracy: ProportionJson | None
    attacks: dict[str, AttackJson]
    forwards_per_prediction: int | None
    training: dict[str, Any] | None
    plugins: dict[str, str]
    badges: list[str]
    status: Literal["run", "claimed", "verified"]
    external: bool


class EntryJson(Strict):
    """One defense on one dataset over all its seeds: the unit that is ranked."""

    dataset: str
    model: str
    defense: str
    seeds: list[int]
    rank: Annotated[int, Field(ge=1)] | None
    unranked_reason: str | None
    worst_case_accuracy: EstimateJson | None
    clean_accuracy: EstimateJson | None
    attacks: dict[str, EstimateJson | None]
    forwards_per_prediction: int | None
    training_seconds: float | None
    badges: list[str]


class OverallJson(Strict):
    """One defense over all datasets; accuracies are null unless every cell is there."""

    model: str
    defense: str
    seeds: Count
    worst_case_accuracy: EstimateJson | None
    clean_accuracy: EstimateJson | None
    ranks: dict[str, Annotated[int, Field(ge=1)] | None]
    forwards_per_prediction: int | None
    training_seconds: float | None
    badges: list[str]


class NamedJson(Strict):
    """A defense on a base model."""

    model: str
    defense: str


class PairJson(Strict):
    """Two defenses on one dataset, tested on their common examples."""

    dataset: str
    better: NamedJson
    worse: NamedJson
    difference: DifferenceJson | None
    p_exact: Share
    p_value: Share
    p_adjusted: Share
    discordance: Share
    separated: bool


class DetectableJson(Strict):
    """The smallest difference that the test finds with the stated power, for one pair and after correction."""

    n: Count
    pairs: Count
    discordance: Share
    observed: bool
    single: float
    corrected: float


class SampleJson(Strict):
    """The attacked examples of one dataset: how many, and a digest of their ids."""

    n: Count
    sha256: Sha256


class MethodJson(Strict):
    """How the numbers are computed; another method is another version of the page."""

    level: Share
    proportion: str
    worst_case: str
    over_seeds: str
    paired_test: str
    correction: str
    significance: Share
    rank: str
    power: Share
    error_limit: Share


class NotMeasuredJson(Strict):
    """A row that the suite lists and nobody published."""

    dataset: str
    defense: str
    seed: int


class PageJson(Strict):
    """A published leaderboard: every row of one version of one suite, and the digests of the evidence behind it."""

    schema_version: Literal[2]
    suite: str
    suite_version: Annotated[int, Field(ge=1)]
    title: str
    attacks: list[str]
    contract: Contract
    samples: dict[str, SampleJson]
    method: MethodJson
    overall: list[OverallJson]
    entries: list[EntryJson]
    pairs: list[PairJson]
    detectable: dict[str, DetectableJson]
    rows: list[RowJson]
    not_measured: list[NotMeasuredJson]
    evidence: dict[str, Sha256]


def page_schema() -> dict[str, Any]:
    """The schema as plain data (JSON Schema 2020-12)."""
    schema = PageJson.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ADDRESS, **schema}


def schema_bytes() -> bytes:
    """The published file."""
    return json_bytes(page_schema())
