"""A pluggable attack-and-defense benchmark suite for adversarially robust text classifiers.

The names below are the public surface for plugins. Importing this package imports no torch and touches no disk; each
name is looked up when it is first used, so that ``bench --help`` does not pay for what it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.api import (
        COLUMN_SEPARATOR,
        RUNNABLE,
        Access,
        Asset,
        Attack,
        AttackRun,
        AttackState,
        Capability,
        Classifier,
        CompleteDefense,
        ContractCheck,
        Dataset,
        Example,
        Family,
        FitContext,
        Head,
        Lexicon,
        Local,
        MaskedLanguageModel,
        Model,
        ModelRole,
        NoOptions,
        Objective,
        ObjectiveContext,
        ObjectiveRun,
        Options,
        Resources,
        Row,
        RowBatch,
        SentenceEncoder,
        Splits,
        Stage,
        SynonymTable,
        Task,
        TokenGradients,
        Track,
        TrainingBatch,
        Uses,
        Victim,
        WrapContext,
        Wrapper,
        pad_rows,
        pool_rows,
        text_logits,
    )
    from benchmark.calibration import fit_temperature
    from benchmark.errors import BadData, BadOptions, BenchError, BudgetExhausted, NotApplicable
    from benchmark.hookspecs import hookimpl
    from benchmark.resources import open_resources

__version__ = "0.1.0"

_HOME = {
    "benchmark.calibration": ("fit_temperature",),
    "benchmark.errors": ("BadData", "BadOptions", "BenchError", "BudgetExhausted", "NotApplicable"),
    "benchmark.hookspecs": ("hookimpl",),
    "benchmark.resources": ("open_resources",),
}


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in __all__:
        raise AttributeError(f"module 'benchmark' has no attribute '{name}'")
    home = next((module for module, names in _HOME.items() if name in names), "benchmark.api")
    return getattr(import_module(home), name)


__all__ = [
    "COLUMN_SEPARATOR",
    "RUNNABLE",
    "Access",
    "Asset",
    "Attack",
    "AttackRun",
    "AttackState",
    "BadData",
    "BadOptions",
    "BenchError",
    "BudgetExhausted",
    "Capability",
    "Classifier",
    "CompleteDefense",
    "ContractCheck",
    "Dataset",
    "Example",
    "Family",
    "FitContext",
    "Head",
    "Lexicon",
    "Local",
    "MaskedLanguageModel",
    "Model",
    "ModelRole",
    "NoOptions",
    "NotApplicable",
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
    "Uses",
    "Victim",
    "WrapContext",
    "Wrapper",
    "__version__",
    "fit_temperature",
    "hookimpl",
    "open_resources",
    "pad_rows",
    "pool_rows",
    "text_logits",
]
