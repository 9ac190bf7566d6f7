"""``oa-scpn`` and ``oa-gan``: attacks of OpenAttack whose trained networks a user has to name, as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from benchmark import Access, Attack, AttackState, Family, Local, NotApplicable, Options
from benchmark_plugins.attacks.openattack_env import import_openattack, missing
from benchmark_plugins.attacks.openattack_parts import listing
from benchmark_plugins.attacks.openattack_parts.folder import digest, file_digest, lacking

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task
    from benchmark_plugins.attacks.openattack_parts.runner import Scene

PICKLES = "pickles, which run code when they are read"


def pinned(given: str, found: str, what: str) -> str:
    """The digest of what is there, or the given one where nothing is; ValueError where they are not the same."""
    if given and found and given != found:
        raise ValueError(f"{what} has the sha256 {found}, not {given}")
    return found or given


class GanOptions(Options):
    """Where the trained networks are, and what they are."""

    files: ClassVar[tuple[str, ...]] = ("config.json", "vocab.json", "autoencoder.safetensors")
    weights: Annotated[str, Local()] = Field("", description="folder of the trained networks, converted (see the docs)")
    weights_sha256: str = Field(
        "", validate_default=True, description="digest of the folder's files, filled in; give it to insist on one"
    )

    @field_validator("weights_sha256")
    @classmethod
    def _content(cls, given: str, info: ValidationInfo) -> str:
        folder = info.data.get("weights", "")
        whole = folder and not lacking(folder, cls.files)
        return pinned(given, digest(folder, cls.files) if whole else "", folder)


class ScpnOptions(GanOptions):
    """Networks, and parses made beforehand."""

    files: ClassVar[tuple[str, ...]] = (
        "config.json", "scpn.safetensors", "parse_generator.safetensors", "parse_vocab.json", "ptb_tagset.txt",
        "bpe.codes", "vocab.txt",
    )  # fmt: skip
    parses: Annotated[str, Local()] = Field("", description='JSON Lines of {"text": ..., "parse": ...}, Penn Treebank')
    parses_sha256: str = Field(
        "", validate_default=True, description="digest of the file of parses, filled in; give it to insist on one"
    )

    @field_validator("parses_sha256")
    @classmethod
    def _parses(cls, given: str, info: ValidationInfo) -> str:
        path = info.data.get("parses", "")
        return pinned(given, file_digest(Path(path)) if path and Path(path).is_file() else "", path)


def gan_unavailable(options: Any) -> str | None:
    """Why OpenAttack or a file of the folder is not there, or None. Imports nothing."""
    if (reason := missing()) is not None:
        return reason
    if not options.weights:
        return f"no folder of weights is named; it must hold {', '.join(options.files)}"
    absent = lacking(options.weights, options.files)
    return f"{options.weights} lacks {', '.join(absent)}" if absent else None


def scpn_unavailable(options: Any) -> str | None:
    """The same, and for the file of parses."""
    if (reason := gan_unavailable(options)) is not None:
        return reason
    if not options.parses:
        return "no file of parses is named"
    return None if Path(options.parses).is_file() else f"{options.parses} is not a file"


def build_scpn(options: ScpnOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Read networks and parses once; shared by all examples. Raises NotApplicable and BadOptions."""
    if (reason := scpn_unavailable(options)) is not None:
        raise NotApplicable(f"oa-scpn cannot run: {reason}", "Name weights and parses, or choose another attack")
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.paraphrase import SCPN, read_scpn
    from benchmark_plugins.attacks.openattack_parts.parses import parse_of, read_parses
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun

    parts, parses = read_scpn(Path(options.weights)), read_parses(Path(options.parses))

    def assemble(scene: Scene) -> Any:
        return SCPN(scene, parts, parse_of(parses, scene.text, parts.tags))

    return OpenAttackRun(assemble, contract)


def build_gan(options: GanOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Read the autoencoder once; shared by all examples. Raises NotApplicable and BadOptions."""
    if (reason := gan_unavailable(options)) is not None:
        raise NotApplicable(f"oa-gan cannot run: {reason}", "Name weights, or choose another attack")
    import_openattack()
    from benchmark_plugins.attacks.openattack_parts.paraphrase import GAN, read_gan
    from benchmark_plugins.attacks.openattack_parts.runner import OpenAttackRun

    parts = read_gan(Path(options.weights))
    return OpenAttackRun(lambda scene: GAN(parts), contract)


ATTACKS = (
    Attack(
        name="oa-scpn",
        display="oa-scpn",
        build=build_scpn,
        options=ScpnOptions,
        about="paraphrases with another syntax, by OpenAttack (Iyyer et al. 2018)",
        family=Family.SENTENCE,
        access=Access.DECISION,
        paper="Iyyer et al., Syntactically Controlled Paraphrase Networks, NAACL 2018, arXiv 1804.06059",
        state=listing.listed(AttackState.NEEDS_WEIGHTS),
        card=listing.card(
            f"The library's networks are on no package index and are {PICKLES}: it runs with a folder of safetensors"
            " and a file of parses (the library calls a Java parser). Unknown labels are errors, not texts that held,"
            " and templates without a usable parse are left out: both mended."
        ),
        cost=10,
        unavailable=scpn_unavailable,
        parameters={
            "library": listing.COMMON["library"],
            "goal": listing.COMMON["goal"],
            "contract": listing.COMMON["contract"],
            "templates": "the library's ten",
            "beam": "3; 150 steps for a parse, 40 for a paraphrase (library)",
            "tokens": "the leaves of the parse (paper; the library's: its own tokenizer)",
            "result": "lower case, tokens joined by blanks (library)",
        },
    ),
    Attack(
        name="oa-gan",
        display="oa-gan[sst]",
        build=build_gan,
        options=GanOptions,
        about="sentences that a generative network makes from the text, by OpenAttack (Zhao et al. 2018)",
        family=Family.SENTENCE,
        access=Access.DECISION,
        paper="Zhao et al., Generating Natural Adversarial Examples, ICLR 2018, arXiv 1710.11342",
        state=listing.listed(AttackState.NEEDS_WEIGHTS),
        card=listing.card(
            f"The library's networks for SST-2 are on its own server only and are {PICKLES}: it runs with a folder of"
            " safetensors. As in the library, only the autoencoder is used for SST-2, once for each text; a text"
            " without words is no success."
        ),
        cost=1,
        unavailable=gan_unavailable,
        parameters={
            "library": listing.COMMON["library"],
            "goal": listing.COMMON["goal"],
            "networks": "the autoencoder of SST-2, 100 tokens, noise 0.2 (library)",
            "contract": "a text outside the suite's contract is no success",
        },
    ),
)
