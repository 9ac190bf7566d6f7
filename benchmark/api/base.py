"""Options and capabilities: what every item declares."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of every options class: unknown keys are refused, values are frozen.

    Each field carries its default and, in its ``description``, its source (paper, section or code).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class NoOptions(Options):
    """For items that have nothing to set."""


class Local:
    """Marks an attack's option, ``Annotated[str, Local()]``, that says where files lie on one machine.

    The place stays out of identities, records and pages: it says nothing about content. An option beside it must hold
    the content's digest, so that two contents never share a key.
    """


class Capability(StrEnum):
    """What a part offers or needs; the plan compares both before anything trains."""

    GRADIENTS = "gradients"
    EMBEDDINGS = "embeddings"
    HIDDEN_STATES = "hidden-states"
    MASK_TOKEN = "mask-token"
    SYNONYMS = "synonyms"


THROUGH_HEAD = frozenset({Capability.EMBEDDINGS, Capability.HIDDEN_STATES})
"""What an objective or a wrapper can only have where both the model and the head offer it; of the rest, either does."""


class ModelRole(StrEnum):
    """What a registered model is used as."""

    MASKED_LM = "masked-lm"
    CAUSAL_LM = "causal-lm"
    SENTENCE_ENCODER = "sentence-encoder"
    SYNONYMS = "synonyms"
    LEXICON = "lexicon"
