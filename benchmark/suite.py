"""A suite: what is measured, frozen. One TOML file, strict; the same object is stored beside a published page."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from benchmark.api.attacks import Track
from benchmark.errors import BadSuite

Precision = Literal["fp32", "bf16"]

CONTRACT_ADDITIONS = frozenset(
    {
        "track",
        "frozen_columns",
        "longest",
        "lexicon",
        "keep_stop_words",
        "forbid_antonyms",
        "forbid_repeats",
        "forbid_truncation",
    }
)


def without_defaults(model: type[BaseModel], fields: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """``fields`` of a serialised model, without those of ``names`` that hold their default.

    Pages and keys of suites that never heard of such a field stay what they are.
    """
    defaults: dict[str, tuple[Any, Any]] = {name: (model.model_fields[name].default, []) for name in names}
    return {name: value for name, value in fields.items() if name not in names or value not in defaults[name]}


class Part(BaseModel):
    """Base of the suite's tables: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Similarity(Part):
    """Least similarity of the adversarial to the original text, over whole texts.

    ``angular`` is 1 - arccos(cosine) / pi; both lie in [-1, 1] and 1 means equal.
    """

    encoder: str
    minimum: Annotated[float, Field(ge=-1, le=1)]
    metric: Literal["angular", "cosine"] = "angular"


class Contract(Part):
    """The threat model, one versioned object a suite; enforced after the attack, whatever the attack library did."""

    name: str
    version: Annotated[int, Field(ge=1)] = 1
    candidates: Annotated[int, Field(ge=1)] = 50
    """K, substitutes considered for one word."""
    similarity: Similarity | None = None
    perturbed_words: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Largest word-level edit distance, as a share of the words of the original (at least one word is allowed)."""
    queries_per_word: Annotated[int, Field(ge=1)] | None = None
    """Query budget per word of the original; None means unlimited."""
    track: Track = Track.CONTRACT
    """On the native track no clause binds an attack: only its own constraints do. Measures are taken all the same."""
    frozen_columns: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Columns of the text, counted from 0, that no edit may touch."""
    longest: Annotated[float, Field(ge=1)] | None = None
    """Most characters of the adversarial text, as a multiple of the original's."""
    lexicon: str | None = None
    """Registered model that knows antonyms and stop words; the next two clauses need it."""
    keep_stop_words: bool = False
    """No stop word of the original is replaced or removed."""
    forbid_antonyms: bool = False
    """No word is replaced by an antonym of it."""
    forbid_repeats: bool = False
    """No edit puts a word beside an equal one."""
    forbid_truncation: bool = False
    """No edit pushes words of the original out of the victim's window, and none hides behind its end."""

    @model_validator(mode="after")
    def _lexicon_given(self) -> Contract:
        if self.lexicon is None and (self.keep_stop_words or self.forbid_antonyms):
            raise ValueError("keep_stop_words and forbid_antonyms need a lexicon")
        return self

    @model_serializer(mode="wrap")
    def _as_published(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came after the first published page are written only where they are not at their defaults."""
        return without_defaults(type(self), handler(self), CONTRACT_ADDITIONS)


class Training(Part):
    """Fine-tuning of every victim of the suite (sources in docs/concepts.md)."""

    epochs: Annotated[int, Field(ge=0)] = 3
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    batch_size: Annotated[int, Field(ge=1)] = 16
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.06
    clip: Annotated[float, Field(gt=0)] = 1.0
    max_length: Annotated[int, Field(ge=8)] = 128
    evaluations_per_epoch: Annotated[int, Field(ge=1)] = 2
    patience: Annotated[int, Field(ge=1)] = 4
    """Evaluations without a better clean validation accuracy before training stops."""
    precision: Precision = "fp32"
    """Arithmetic of the passes in training; weights, optimiser and model selection are fp32 in any case."""
    frozen_embeddings: bool = False
    """The base model's word embeddings keep the values they come with; everything else is trained."""

    @model_serializer(mode="wrap")
    def _as_published(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came after the first published page are written only where they are not at their defaults."""
        return without_defaults(type(self), handler(self), frozenset({"precision", "frozen_embeddings"}))


class Inference(Part):
    """How fitted victims compute when they are asked (docs/performance.md)."""

    precision: Precision = "fp32"
    """Arithmetic of the forward passes that answer the harness and the attacks. Fitting, the victims' weights and
    white-box gradients stay fp32 in any case."""

    def identity(self) -> dict[str, Any]:
        """What of it belongs to a cell's identity; nothing at the defaults, so that older keys stay."""
        return {} if self == Inference() else {"precision": self.precision}


class Scrutiny(Part):
    """How victims are treated that would mislead an attack (docs/decisions/0005)."""

    query_draws: Annotated[int, Field(ge=1)] = 4
    """Draws of a randomised victim whose mean probability answers one query."""
    final_draws: Annotated[int, Field(ge=1)] = 16
    """Fresh draws that judge the final text of a randomised victim."""
    recalibrate: bool = False
    """Attack what held once more through a fitted temperature, where the victim is over- or under-confident."""

    def for_victim(self, randomised: bool) -> dict[str, Any]:
        """What of it changes the records of one victim, for the cell's identity; usually nothing."""
        draws = {"query_draws": self.query_draws, "final_draws": self.final_draws} if randomised else {}
        return draws | ({"recalibrate": True} if self.recalibrate and not randomised else {})


class SuiteDataset(Part):
    """One dataset of a suite: how much of it is used, and which test examples are attacked."""

    train_rows: Annotated[int, Field(ge=1)] | None = None
    """Training rows, drawn evenly over labels by hash of the id; None means all."""
    validation_rows: Annotated[int, Field(ge=1)] | None = None
    test_rows: Annotated[int, Field(ge=1)] | None = None
    """Test rows for the clean accuracy; None means all."""
    perturbed_words: Annotated[float, Field(gt=0, le=1)] | None = None
    """Overrides the contract's share for this dataset (TextDefender uses 0.3 or 0.1 by dataset)."""
    sample: tuple[str, ...] = ()
    """Ids of the attacked test examples, stored, stratified over labels."""
    path: str | None = None
    """A local file instead of a registered dataset (``bench run --dataset path=...``)."""
    text_column: str = "text"
    label_column: str = "label"
    sample_size: Annotated[int, Field(ge=1)] | None = None
    """Only for local files, which have no stored sample: ids drawn evenly over labels by hash."""


class Suite(Part):
    """A frozen suite. ``defenses`` and ``attacks`` are names; ``options`` holds their options by name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    version: Annotated[int, Field(ge=1)]
    title: str
    model: str
    defenses: tuple[str, ...]
    attacks: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    contract: Contract
    training: Training = Training()
    inference: Inference = Inference()
    scrutiny: Scrutiny = Scrutiny()
    datasets: dict[str, SuiteDataset]
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    notes: str = ""
    """Printed on the page: what this suite can and cannot show."""

    @model_validator(mode="after")
    def _no_repeats(self) -> Suite:
        for field in ("defenses", "attacks", "seeds"):
            values = getattr(self, field)
            if len(set(values)) != len(values):
                raise ValueError(f"{field} lists a value twice")
        return self

    @model_serializer(mode="wrap")
    def _as_published(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Tables that came after the first published page are written only where something is set in them."""
        fields: dict[str, Any] = handler(self)
        unset = {"scrutiny": self.scrutiny == Scrutiny(), "inference": self.inference == Inference()}
        return {name: value for name, value in fields.items() if not unset.get(name, False)}

    def contract_for(self, dataset: str) -> Contract:
        """The contract with the dataset's own share of perturbed words."""
        share = self.datasets[dataset].perturbed_words
        return self.contract if share is None else self.contract.model_copy(update={"perturbed_words": share})


FROZEN = "suite.json"
"""The suite beside a published page."""


def load_suite(path: Path) -> Suite:
    """Read a suite file, or the frozen suite of a page's folder; raises BadSuite naming file, line and field."""
    if path.is_dir() or path.name == FROZEN:
        return load_frozen(path / FROZEN if path.is_dir() else path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadSuite(f"{path} does not exist", "Give the path of a suite file, or a name from `bench list`") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise BadSuite(f"{path} cannot be read ({problem})", "A suite is a TOML file in UTF-8") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise BadSuite(f"{path} is not TOML: {problem}", "Mend that line") from None
    try:
        return Suite.model_validate(data)
    except ValidationError as problem:
        first = problem.errors()[0]
        loc = [str(part) for part in first["loc"]]
        line = line_of(text, loc)
        where = f"{path}, line {line}" if line else str(path)
        raise BadSuite(f"{where}: field '{'.'.join(loc) or '(top)'}': {first['msg']}", "See docs/suites.md") from None


def load_frozen(path: Path) -> Suite:
    """The suite that a published page was frozen to; raises BadSuite."""
    try:
        return Suite.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise BadSuite(f"{path} is missing", "Give the folder of a page, such as leaderboards/<suite>/v1") from None
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(map(str, first["loc"])) or "(top)"
        raise BadSuite(f"{path}: field '{field}': {first['msg']}", "Restore it from a copy") from None
    except (OSError, ValueError, RecursionError) as problem:
        raise BadSuite(f"{path} cannot be read ({problem})", "Restore it from a copy") from None


def line_of(text: str, loc: list[str]) -> int | None:
    """The line on which the deepest findable part of a field's path stands (None when it is missing from the file)."""
    import re

    table: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(#.*)?$", line)
        key = re.match(r"\s*([A-Za-z0-9_\-\"'.]+)\s*=", line)
        if header:
            table = [part.strip("\"' ") for part in header[1].split(".")]
            path = table
        elif key:
            path = table + [part.strip("\"' ") for part in key[1].split(".")]
        else:
            continue
        depth = next((i for i, (a, b) in enumerate(zip(path, loc, strict=False)) if a != b), min(len(path), len(loc)))
        if depth == len(path) and (best is None or depth > best[0]):
            best = (depth, number)
    return best[1] if best else None
