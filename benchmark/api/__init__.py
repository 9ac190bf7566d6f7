"""Contracts between the core and plugins. Importing this module imports no torch and touches no disk.

A plugin author needs the classes of this page and nothing else: an item is a frozen dataclass that names itself,
declares what it needs and offers, and carries the functions that do the work.
"""

from __future__ import annotations

from benchmark.api.attacks import (
    RUNNABLE,
    Access,
    Attack,
    AttackRun,
    AttackState,
    ContractCheck,
    Family,
    TokenGradients,
    Track,
    Victim,
)
from benchmark.api.base import THROUGH_HEAD, Capability, Local, ModelRole, NoOptions, Options
from benchmark.api.data import Asset, AssetReader, Dataset, Example, Resources, Splits
from benchmark.api.defenses import (
    Adversary,
    Classifier,
    CompleteDefense,
    DefensePart,
    FitContext,
    Head,
    Objective,
    ObjectiveContext,
    ObjectiveRun,
    Stage,
    Task,
    Uses,
    WrapContext,
    Wrapper,
)
from benchmark.api.models import Lexicon, MaskedLanguageModel, Model, SentenceEncoder, SynonymTable
from benchmark.api.network import EmbeddingNetwork, LayeredNetwork, Network, UnpaddedNetwork, pool_rows, text_logits
from benchmark.api.rows import COLUMN_SEPARATOR, Row, RowBatch, TrainingBatch, pad_rows

__all__ = [
    "COLUMN_SEPARATOR",
    "RUNNABLE",
    "THROUGH_HEAD",
    "Access",
    "Adversary",
    "Asset",
    "AssetReader",
    "Attack",
    "AttackRun",
    "AttackState",
    "Capability",
    "Classifier",
    "CompleteDefense",
    "ContractCheck",
    "Dataset",
    "DefensePart",
    "EmbeddingNetwork",
    "Example",
    "Family",
    "FitContext",
    "Head",
    "LayeredNetwork",
    "Lexicon",
    "Local",
    "MaskedLanguageModel",
    "Model",
    "ModelRole",
    "Network",
    "NoOptions",
    "Objective",
    "ObjectiveContext",
    "ObjectiveRun",
    "Options",
    "Resources",
    "Row",
    "RowBatch",
    "SentenceEncoder",
    "Splits",
    "Stage",
    "SynonymTable",
    "Task",
    "TokenGradients",
    "Track",
    "TrainingBatch",
    "UnpaddedNetwork",
    "Uses",
    "Victim",
    "WrapContext",
    "Wrapper",
    "pad_rows",
    "pool_rows",
    "text_logits",
]
