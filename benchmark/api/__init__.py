"""Contracts between the core and plugins. Importing this module imports no torch and touches no disk.

A plugin author needs the classes of this page and nothing else: an item is a frozen dataclass that names itself,
declares what it needs and offers, and carries the functions that do the work.
"""

from __future__ import annotations

from benchmark.api.attacks import Attack, AttackRun, ContractCheck, Victim
from benchmark.api.base import Capability, ModelRole, NoOptions, Options
from benchmark.api.data import Asset, AssetReader, Dataset, Example, Resources, Splits
from benchmark.api.defenses import (
    Classifier,
    CompleteDefense,
    DefensePart,
    FitContext,
    Head,
    Network,
    Objective,
    Task,
    TrainingBatch,
)
from benchmark.api.models import MaskedLanguageModel, Model, SentenceEncoder

__all__ = [
    "Asset",
    "AssetReader",
    "Attack",
    "AttackRun",
    "Capability",
    "Classifier",
    "CompleteDefense",
    "ContractCheck",
    "Dataset",
    "DefensePart",
    "Example",
    "FitContext",
    "Head",
    "MaskedLanguageModel",
    "Model",
    "ModelRole",
    "Network",
    "NoOptions",
    "Objective",
    "Options",
    "Resources",
    "SentenceEncoder",
    "Splits",
    "Task",
    "TrainingBatch",
    "Victim",
]
