"""What is looked at in a victim before it is attacked: is it deterministic, calibrated, and are its gradients alive?

Kept in the cache under the victim's key (not in its checkpoint, which counts as damaged with a file it does not know),
and in the provenance of every cell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.calibration import calibration_error, fit_temperature
from benchmark.errors import NotApplicable

if TYPE_CHECKING:
    from benchmark.api import Classifier, Example

GRADIENT_TEXTS = 16
TINY = 1e-8
"""A gradient whose largest entry is below this counts as zero (float32 rounding of losses of order 1)."""
DECIMALS = 6


def probe(classifier: Classifier, validation: Sequence[Example]) -> dict[str, Any]:
    """Accuracy, mean confidence, expected calibration error, fitted temperature; share of zero gradients where the
    victim shows gradients; for a randomised victim the mean share of draws that disagree with the most frequent one.

    Empty without validation texts.
    """
    import numpy as np
    from scipy.special import softmax

    if not validation:
        return {}
    texts, labels = [row.text for row in validation], [row.label for row in validation]
    logits = classifier.logits(texts)
    found: dict[str, Any] = {
        "examples": len(texts),
        "accuracy": float((logits.argmax(axis=-1) == np.array(labels)).mean()),
        "confidence": float(softmax(logits.astype(np.float64), axis=-1).max(axis=-1).mean()),
        "calibration_error": calibration_error(logits, labels),
        "temperature": fit_temperature(logits, labels),
        "zero_gradients": zero_gradients(classifier, validation[:GRADIENT_TEXTS]),
        "disagreement": disagreement(classifier, texts[:GRADIENT_TEXTS]),
    }
    return {name: round(v, DECIMALS) if isinstance(v, float) else v for name, v in found.items() if v is not None}


def zero_gradients(classifier: Classifier, examples: Sequence[Example]) -> float | None:
    """Share of texts whose loss gradient is zero everywhere; None for a victim that shows no gradients."""
    import numpy as np

    gradients = getattr(classifier, "gradients", None)
    if gradients is None:
        return None
    try:
        found = [gradients(row.text, row.label).gradients for row in examples]
    except NotApplicable:
        return None
    return float(np.mean([not g.size or np.abs(g).max() < TINY for g in found]))


def disagreement(classifier: Classifier, texts: Sequence[str], draws: int = 5) -> float | None:
    """Mean share of draws whose prediction is not the most frequent one; None for a deterministic victim."""
    import numpy as np

    redrawn = getattr(classifier, "redrawn", None)
    if redrawn is None:
        return None
    votes = np.stack([redrawn(draw).logits(texts).argmax(axis=-1) for draw in range(draws)])
    return float(np.mean([1 - np.bincount(column).max() / draws for column in votes.T]))


def stored_probe(path: Path, classifier: Classifier, validation: Sequence[Example]) -> dict[str, Any]:
    """The probe kept in the file ``path``; made and written on first use."""
    from benchmark.store import write_atomic

    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    found = probe(classifier, validation)
    write_atomic(path, json.dumps(found, sort_keys=True) + "\n")
    return found
