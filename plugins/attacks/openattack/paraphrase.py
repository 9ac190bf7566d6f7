"""``oa-scpn`` and ``oa-gan``: attacks of OpenAttack whose trained networks are on no package index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, NotApplicable, Options
from benchmark_plugins.attacks.openattack_env import missing
from benchmark_plugins.attacks.openattack_parts import listing

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task

SCPN_FILES = ("scpn.pt", "parse_generator.pt", "parse_vocab.pkl", "bpe.codes", "vocab.txt", "ptb_tagset.pkl")
SCPN_WHY = (
    "SCPN needs its trained networks and vocabularies, which are pickles that run code when they are read, and the"
    " Stanford parser, a Java program; neither is on a package index, and neither is loaded here"
)
GAN_FILES = ("vocab.json", "a.pkl", "i.pkl", "g.pkl", "d.pkl")
GAN_WHY = (
    "the library reads its networks of SST-2 as pickles, which run code when they are read, and they are on its own"
    " server only; they are not loaded here"
)


class WeightsOptions(Options):
    """Where the trained networks are."""

    weights: str = Field("", description="folder of the trained networks, unpacked (from the library's own server)")


def absent(options: Any, files: tuple[str, ...]) -> str | None:
    """Why OpenAttack or a folder that holds the files is not there, or None."""
    if (reason := missing()) is not None:
        return reason
    if not options.weights:
        return f"no folder of weights is named; it must hold {', '.join(files)}"
    lacking = [name for name in files if not Path(options.weights, name).is_file()]
    return f"{options.weights} lacks {', '.join(lacking)}" if lacking else None


def scpn_unavailable(options: Any) -> str | None:
    """Always a reason: what is missing, or that it would not be loaded."""
    return absent(options, SCPN_FILES) or SCPN_WHY


def build_scpn(options: WeightsOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Raises NotApplicable, always."""
    raise NotApplicable(f"oa-scpn cannot run: {SCPN_WHY}", "Choose another attack")


def gan_unavailable(options: Any) -> str | None:
    """Always a reason: what is missing, or that it would not be loaded."""
    return absent(options, GAN_FILES) or GAN_WHY


def build_gan(options: WeightsOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Raises NotApplicable, always."""
    raise NotApplicable(f"oa-gan cannot run: {GAN_WHY}", "Choose another attack")


ATTACKS = (
    Attack(
        name="oa-scpn",
        display="oa-scpn",
        build=build_scpn,
        options=WeightsOptions,
        about="paraphrases with another syntax, by OpenAttack (Iyyer et al. 2018)",
        family=Family.SENTENCE,
        access=Access.DECISION,
        paper="Iyyer et al., Syntactically Controlled Paraphrase Networks, NAACL 2018, arXiv 1804.06059",
        state=listing.listed(AttackState.NEEDS_WEIGHTS),
        card=listing.card(f"{SCPN_WHY}."),
        cost=11,
        unavailable=scpn_unavailable,
        parameters={"library": listing.COMMON["library"], "templates": "the library's ten"},
    ),
    Attack(
        name="oa-gan",
        display="oa-gan[sst]",
        build=build_gan,
        options=WeightsOptions,
        about="sentences that a generative network makes from the text, by OpenAttack (Zhao et al. 2018)",
        family=Family.SENTENCE,
        access=Access.DECISION,
        paper="Zhao et al., Generating Natural Adversarial Examples, ICLR 2018, arXiv 1710.11342",
        state=listing.listed(AttackState.NEEDS_WEIGHTS),
        card=listing.card(
            f"{GAN_WHY[0].upper()}{GAN_WHY[1:]}. Only the autoencoder is used by the library's code for SST-2, once for"
            " each text."
        ),
        cost=1,
        unavailable=gan_unavailable,
        parameters={"library": listing.COMMON["library"], "networks": "SST-2"},
    ),
)
