"""Calibration of a classifier: expected calibration error, and the temperature that mends it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOWEST, HIGHEST = 1e-3, 1e4
"""Where a fitted temperature is looked for. A model without any error on the validation texts has no best one: the
search ends at a low one where the loss is zero in float64."""
GAP = 0.1
"""Largest difference of mean confidence and accuracy of a calibrated victim."""
TEMPERATURES = (0.5, 2.0)
"""Range of fitted temperatures of a calibrated victim."""
BINS = 15
"""Guo et al. 2017, section 5."""


def fit_temperature(logits: NDArray[np.floating[Any]], labels: Sequence[int]) -> float:
    """The T that minimises the mean of -log softmax(z / T)_y over ``logits [N, C]`` and ``labels``, in float64.

    The loss is convex in 1 / T, so it has one valley in log T, which a bounded Brent search finds.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    scores, gold = np.asarray(logits, dtype=np.float64), np.asarray(labels)[:, None]

    def loss(log_temperature: float) -> float:
        found = log_softmax(scores / math.exp(log_temperature), axis=-1)
        return -float(np.take_along_axis(found, gold, axis=-1).mean())

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x)


def calibration_error(logits: NDArray[np.floating[Any]], labels: Sequence[int], bins: int = BINS) -> float:
    """Expected calibration error (Guo et al., ICML 2017, equation 3): the mean over examples of the gap between
    confidence and accuracy in the example's bin, of ``bins`` equal ones over (0, 1]."""
    import numpy as np
    from scipy.special import softmax

    probabilities = softmax(np.asarray(logits, dtype=np.float64), axis=-1)
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == np.asarray(labels)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = [
        abs(confidence[place == b].mean() - right[place == b].mean()) * (place == b).sum()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps) / len(confidence))


def is_miscalibrated(found: Mapping[str, Any]) -> bool:
    """Whether a victim is over- or under-confident, by its probe (see ``benchmark.probe``); not without one."""
    if not {"confidence", "accuracy", "temperature"} <= found.keys():
        return False
    low, high = TEMPERATURES
    return abs(found["confidence"] - found["accuracy"]) > GAP or not low <= found["temperature"] <= high
