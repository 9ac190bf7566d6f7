"""``temperature``: logits divided by a number when predicting (Guo et al., ICML 2017, arXiv 1706.04599).

A fitted T minimises the negative log-likelihood of z / T on the validation texts. No prediction changes: what changes
is the confidence that a score-based attack sees. As a defense that is an illusion (Raina et al., ACL 2024, arXiv
2402.17509, section 4): an attacker who divides by another number undoes it. It is here to show that, and to calibrate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from benchmark import BenchError, Classifier, Options, Stage, WrapContext, Wrapper, fit_temperature
from benchmark_plugins.defenses.wrappers.mapped import mapped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TemperatureOptions(Options):
    """Options of ``temperature``."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["fit"] = Field(
        default="fit", description="T, or fit: least negative log-likelihood on the validation texts (Guo et al.)"
    )


def fit(context: WrapContext, options: TemperatureOptions) -> dict[str, float]:
    """``{"temperature": T}``; raises BenchError when it is to be fitted and there are no validation texts."""
    if options.value != "fit":
        return {"temperature": float(options.value)}
    rows = context.fit.validation
    if not rows:
        raise BenchError(
            "'temperature' cannot be fitted without validation texts", "Give a number: temperature[value=2]"
        )
    logits = context.inner.logits([row.text for row in rows])
    return {"temperature": fit_temperature(logits, [row.label for row in rows])}


def wrap(context: WrapContext, options: TemperatureOptions) -> Classifier:
    """The classifier with its pooled logits divided by T."""
    temperature = float(context.state["temperature"])

    def scaled(logits: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        return (logits.astype(np.float64) / temperature).astype(np.float32)

    return mapped(context.inner, after=scaled)


TEMPERATURE = Wrapper(
    name="temperature",
    wrap=wrap,
    stage=Stage.SCORES,
    options=TemperatureOptions,
    fit=fit,
    about="logits divided by a temperature, given or fitted on validation; changes no prediction",
    paper="Guo et al., ICML 2017, arXiv 1706.04599; as an illusory defense: Raina et al., arXiv 2402.17509",
)
