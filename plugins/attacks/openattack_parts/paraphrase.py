"""SCPN and the GAN of OpenAttack with networks from a checked folder: no download, no pickle.

Their ``__init__`` downloads and unpickles, so it is not called; the same attributes are set from what is handed in.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark_plugins.attacks.openattack_env import import_openattack
from benchmark_plugins.attacks.openattack_parts.folder import (
    fault,
    fill,
    read_object,
    read_sizes,
    read_text,
    read_vocabulary,
)
from benchmark_plugins.attacks.runner import seeded

import_openattack()  # must come before the library's own import

import torch  # noqa: E402
from OpenAttack.attackers import GANAttacker, SCPNAttacker  # noqa: E402
from OpenAttack.attackers.scpn import DEFAULT_TEMPLATES, models, subword  # noqa: E402
from OpenAttack.data.sgan import Seq2SeqCAE  # noqa: E402

if TYPE_CHECKING:
    from benchmark_plugins.attacks.openattack_parts.parses import Parse
    from benchmark_plugins.attacks.openattack_parts.runner import Scene

BPE_VERSIONS = ((0, 1), (0, 2))
LEAST_COUNT = 50
"""Pieces seen less often are split further (library)."""
CONV_OUT = 1000
"""Channels of the last convolution, written into the library's network."""
MAX_LENGTH = 100
"""Tokens of a text, with its end marks, that the GAN for SST-2 reads (library)."""


class NoParses(Exception):
    """No template led to a parse that the paraphraser can read."""


class ParseGenerator(models.ParseNet):  # type: ignore[misc]
    """The library's, without the parses that end it.

    A template may yield an empty parse, which torch refuses to pack, or one with EOP inside, for which the paraphraser
    has no vector: both end the library's attack with an error whatever the other templates gave. They are left out.
    """

    def batch_beam_search(
        self, inputs: Any, out_trimmed: Any, in_trans_lens: Any, out_trimmed_lens: Any, eos_idx: int, **limits: int
    ) -> dict[int, Any]:
        found = super().batch_beam_search(inputs, out_trimmed, in_trans_lens, out_trimmed_lens, eos_idx, **limits)
        usable = [beams for beams in found.values() if (parse := beams[0][3][:-1]) and eos_idx not in parse]
        if not usable:
            raise NoParses
        return dict(enumerate(usable))


class ScpnParts(NamedTuple):
    """What all texts share; read only."""

    words: Mapping[str, int]
    tags: Mapping[str, int]
    bpe: Any
    paraphraser: Any
    generator: Any


def read_scpn(folder: Path) -> ScpnParts:
    """The folder's networks and vocabularies. Raises BadOptions that names the file and what is wrong."""
    config = folder / "config.json"
    given = read_object(config)
    for key in ("scpn", "parse_generator"):
        if key not in given:
            raise fault(config, f"lacks '{key}'")
    if unknown := sorted(set(given) - {"scpn", "parse_generator"}):
        raise fault(config, f"has the unknown key '{unknown[0]}'")
    sizes = read_sizes(config, given["scpn"], ("d_word", "d_hid", "d_nt", "d_trans"), "scpn.")
    generator_sizes = read_sizes(config, given["parse_generator"], ("d_nt", "d_hid"), "parse_generator.")
    words = read_vocabulary(folder / "parse_vocab.json", ("EOS",))
    tags = read_tags(folder / "ptb_tagset.txt")
    with seeded(0):  # the values drawn here are all replaced
        paraphraser = models.SCPN(**sizes, len_voc=len(words), len_trans_voc=len(tags) - 1, use_input_parse=False)
        generator = ParseGenerator(**generator_sizes, len_voc=len(tags))
    fill(paraphraser, folder / "scpn.safetensors")
    fill(generator, folder / "parse_generator.safetensors")
    return ScpnParts(words, tags, read_bpe(folder), paraphraser, generator)


def read_tags(path: Path) -> dict[str, int]:
    """Tags by number, one a line; EOP is the last, for which the paraphraser has no vector. Raises BadOptions."""
    tags = [line.strip() for line in read_text(path).rstrip("\n").split("\n")]
    found = {tag: number for number, tag in enumerate(tags)}
    if len(found) < len(tags) or "" in found:
        raise fault(path, "has a tag twice, or an empty line")
    if missing := sorted({tag for template in DEFAULT_TEMPLATES for tag in template.split()} - set(found)):
        raise fault(path, f"lacks the tag '{missing[0]}'")
    if tags[-1] != "EOP":
        raise fault(path, "does not end with the tag 'EOP'")
    return found


def read_bpe(folder: Path) -> Any:
    """The library's segmenter. Raises BadOptions."""
    counts, codes = folder / "vocab.txt", folder / "bpe.codes"
    try:
        known = subword.read_vocabulary(io.StringIO(read_text(counts)), LEAST_COUNT)
    except ValueError:
        raise fault(counts, "has a line that is not a piece and its count") from None
    try:
        bpe = subword.BPE(io.StringIO(read_text(codes)), "@@", known, None)
    except (ValueError, IndexError):
        raise fault(codes, "is not a file of merges") from None
    if bpe.version not in BPE_VERSIONS or any(len(pair) != 2 for pair in bpe.bpe_codes):
        raise fault(codes, "has a line that is not a merge of two, or a version other than 0.1 and 0.2")
    return bpe


class SCPN(SCPNAttacker):  # type: ignore[misc]
    """One text's attacker. Mended: a word or label that is in no vocabulary is an error, not a text that held."""

    def __init__(self, scene: Scene, parts: ScpnParts, parse: Parse) -> None:
        self.device = torch.device("cpu")
        self.tokenizer = self.parser = parse
        self.templates = DEFAULT_TEMPLATES
        self.pp_vocab, self.parse_gen_voc = parts.words, parts.tags
        self.rev_pp_vocab = {number: word for word, number in parts.words.items()}
        self.rev_label_voc = {number: tag for tag, number in parts.tags.items()}
        self.net, self.parse_net, self.bpe = parts.paraphraser, parts.generator, parts.bpe
        self._inside = scene.inside

    def attack(self, victim: Any, sent: str, goal: Any) -> str | None:
        """All paraphrases that have words and are inside the contract are asked in one list, each once."""
        try:
            found = [text for text in self.gen_paraphrase(sent, self.templates) if text.strip()]
        except NoParses:
            return None
        asked = list(dict.fromkeys(found))
        asked = [text for text, inside in zip(asked, self._inside(asked), strict=True) if inside]
        if not asked:
            return None
        answers = zip(asked, victim.get_pred(asked), strict=True)
        return next((text for text, answer in answers if goal.check(text, answer)), None)


class GanParts(NamedTuple):
    """What all texts share; read only."""

    words: Mapping[str, int]
    autoencoder: Any


def read_gan(folder: Path) -> GanParts:
    """The folder's autoencoder and vocabulary. Raises BadOptions that names the file and what is wrong."""
    config = folder / "config.json"
    given = read_object(config)
    layers = given.pop("conv_layer", None)
    if not isinstance(layers, list) or len(layers) != 3 or any(type(n) is not int or n < 1 for n in layers):
        raise fault(config, "lacks 'conv_layer', a list of three whole numbers from 1 up")
    sizes = read_sizes(config, given, ("emsize", "nhidden"))
    if layers[-1] != CONV_OUT:
        raise fault(config, f"the last number of 'conv_layer' is not {CONV_OUT}, as the library's network has it")
    if sizes["emsize"] != sizes["nhidden"]:
        raise fault(config, "'emsize' is not 'nhidden'; the library's network takes one for the other")
    words = read_vocabulary(folder / "vocab.json", ("<sos>", "<eos>", "<oov>"))
    with seeded(0):  # the values drawn here are all replaced
        autoencoder = Seq2SeqCAE(
            **sizes, ntokens=len(words), nlayers=1, noise_radius=0.2, hidden_init=False, dropout=0.0,
            conv_layer="-".join(map(str, layers)), conv_windows="3-3-3", conv_strides="1-2-2", gpu=False,
        )  # fmt: skip
    fill(autoencoder, folder / "autoencoder.safetensors")
    return GanParts(words, autoencoder)


class GAN(GANAttacker):  # type: ignore[misc]
    """One text's attacker, for SST-2: the autoencoder once, with its noise. Mended: a text without words is none."""

    def __init__(self, parts: GanParts) -> None:
        self.gan_dataset, self.maxlen, self.lowercase = "sst", MAX_LENGTH, True
        self.word2idx = parts.words
        self.idx2word = {number: word for word, number in parts.words.items()}
        self.autoencoder = parts.autoencoder
        self.inverter = self.gan_gen = self.gan_disc = None  # the library loads them and does not use them for SST-2

    def attack(self, victim: Any, sentence: str, goal: Any) -> str | None:
        found: str | None = super().attack(victim, sentence, goal)
        return found if found and found.strip() else None
