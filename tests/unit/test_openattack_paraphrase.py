"""``oa-scpn`` and ``oa-gan`` on tiny random networks: folders that fit run, others are refused, content is the key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark import AttackState, BadOptions, BudgetExhausted, Example, NotApplicable, Track
from benchmark.choice import every_attack, selected
from benchmark.cli.leaderboard import prescribed
from benchmark.data.source import sources_of
from benchmark.engine import QueryCounter, VictimInfo
from benchmark.evaluate import Target, attack_example
from benchmark.options import resolve
from benchmark.plan import CellPlan, make_plan
from benchmark.records import Outcome
from benchmark.registry import load_registry
from benchmark.suite import Contract
from benchmark.validate import Validator
from benchmark_plugins.attacks import openattack_env
from benchmark_plugins.attacks.openattack import paraphrase
from benchmark_plugins.attacks.openattack_parts import parses

ABSENT = openattack_env.missing()
pytestmark = pytest.mark.skipif(ABSENT is not None, reason=ABSENT or "")

SCPN, GAN = paraphrase.ATTACKS
WORDS = [
    "PAD", "UNK", "EOS", "the", "movie", "is", "good", "bad", "plot", "a", "film", "it", "was", "n't", "fine", ".",
]  # fmt: skip
TAGS = [
    "PAD", "ROOT", "S", "NP", "VP", ".", "SBAR", "FRAG", ",", "CC", "LST", "SBARQ", "WHADVP", "SQ", "PP", "ADVP", "DT",
    "NN", "VBZ", "JJ", "RB", "(", ")", "EOP",
]  # fmt: skip
TEXT = "The movie isn't good."
TREE = "(ROOT (S (NP (DT The) (NN movie)) (VP (VBZ is) (RB n't) (JJ good)) (. .)))"
GAN_WORDS = [
    "<pad>", "<sos>", "<eos>", "<oov>", "the", "movie", "is", "good", "bad", "plot", "film", "fine", ".",
]  # fmt: skip


class Letters:
    """A victim that reads the sum of the letters: nearly every other text is misread half of the time."""

    forwards_per_prediction = 1

    def __init__(self, turns: bool = True) -> None:
        self.turns, self.asked = turns, []  # type: ignore[var-annotated]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        wrong = [self.turns and text != TEXT and sum(map(ord, text)) % 2 for text in texts]
        return np.array([(1.0, 0.0) if w else (0.0, 1.0) for w in wrong], dtype=np.float32)


class Gate:
    """A contract that admits what ``allow`` does."""

    track, candidates = Track.NATIVE, 50

    def __init__(self, allow: Callable[[str], bool] = lambda text: True) -> None:
        self.allow = allow

    def admissible(self, original: str, candidates: Sequence[str]) -> list[bool]:
        return [self.allow(text) for text in candidates]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the workers; many tiny products wait for each other otherwise."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


LOUD = {
    "scpn": {"copy": 0, "decoder": 4, "trans_embs": 3, "att_parse_proj": 3, "out_dense": 4},
    "parse_generator": {"copy": 0, "decoder": 3, "trans_embs": 3, "att": 3, "out_dense_2": 3},
}
"""Factors by the beginning of a tensor's name: without them a random network says one word, or stops at once."""
ENDS = {"scpn": (WORDS.index("EOS"), -4.0), "parse_generator": (TAGS.index("EOP"), 12.0)}


def save(module: Any, path: Path, seed: int) -> None:
    """Seeded normal numbers, with factors and a bias of the end mark that make the networks talk."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.randn(old.shape, generator=generator).abs() if name.endswith("running_var")
        else torch.randn(old.shape, generator=generator) * 0.7
        for name, old in module.state_dict().items() if not name.endswith("num_batches_tracked")
    }  # fmt: skip
    for name, tensor in tensors.items():
        for start, factor in LOUD.get(path.stem, {}).items():
            if name.startswith(start):
                tensor.mul_(factor)
    if path.stem in ENDS:
        word, bias = ENDS[path.stem]
        tensors["out_dense_2.bias"][word] += bias
    save_file(tensors, path)


def merges(word: str) -> str:
    """Lines that put a word together from left to right: ``a b``, ``ab c</w>``."""
    return "".join(f"{word[:n]} {word[n]}{'</w>' if n == len(word) - 1 else ''}\n" for n in range(1, len(word)))


def scpn_folder(folder: Path, seed: int = 3) -> Path:
    openattack_env.import_openattack()
    from OpenAttack.attackers.scpn import models

    folder.mkdir(parents=True)
    sizes = {"scpn": {"d_word": 6, "d_hid": 8, "d_nt": 5, "d_trans": 4}, "parse_generator": {"d_nt": 5, "d_hid": 7}}
    (folder / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    (folder / "parse_vocab.json").write_text(json.dumps({w: n for n, w in enumerate(WORDS)}), encoding="utf-8")
    (folder / "ptb_tagset.txt").write_text("\n".join(TAGS), encoding="utf-8")
    (folder / "bpe.codes").write_text("#version: 0.2\n" + "".join(map(merges, WORDS)), encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{word} 100\n" for word in WORDS), encoding="utf-8")
    save(models.SCPN(6, 8, 5, 4, len(WORDS), len(TAGS) - 1, False), folder / "scpn.safetensors", seed)
    save(models.ParseNet(5, 7, len(TAGS)), folder / "parse_generator.safetensors", seed + 1)
    return folder


def gan_folder(folder: Path, seed: int = 4) -> Path:
    openattack_env.import_openattack()
    from OpenAttack.data.sgan import Seq2SeqCAE

    folder.mkdir(parents=True)
    sizes = {"emsize": 6, "nhidden": 6, "conv_layer": [4, 5, 1000]}
    (folder / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps({w: n for n, w in enumerate(GAN_WORDS)}), encoding="utf-8")
    network = Seq2SeqCAE(
        6, 6, len(GAN_WORDS), 1, conv_layer="4-5-1000", conv_windows="3-3-3", conv_strides="1-2-2", gpu=False
    )
    save(network, folder / "autoencoder.safetensors", seed)
    return folder


def parses_file(path: Path, **more: str) -> Path:
    rows = {TEXT: TREE, **more}
    path.write_text("".join(json.dumps({"text": t, "parse": p}) + "\n" for t, p in rows.items()), encoding="utf-8")
    return path


def built(attack: Any, tmp_path: Path, gate: Gate | None = None, folder: str = "weights", **more: str) -> Any:
    weights = tmp_path / attack.name / folder
    if not weights.exists():
        scpn_folder(weights) if attack is SCPN else gan_folder(weights)
    given = {"weights": str(weights)}
    if attack is SCPN:
        given["parses"] = str(parses_file(tmp_path / "parses.jsonl", **more))
    options = attack.options.model_validate(given)
    assert attack.unavailable(options) is None
    return attack.build(options, None, gate or Gate(), None)


def ask(run: Any, text: str = TEXT, seed: int = 5, turns: bool = True) -> tuple[str | None, list[str]]:
    victim = Letters(turns)
    return run.attack(QueryCounter(victim, VictimInfo(2, "[MASK]", "[UNK]")), Example("x", text, 1), seed), victim.asked


both = pytest.mark.parametrize("attack", [SCPN, GAN], ids=["scpn", "gan"])


# --- what runs ------------------------------------------------------------------------------------------------------


@both
def test_a_folder_enables_it_and_the_same_seed_gives_the_same(attack: Any, tmp_path: Path) -> None:
    run = built(attack, tmp_path)
    first, asked = ask(run)
    assert len(asked) == (10 if attack is SCPN else 1)
    assert first in [None, *asked]
    assert ask(run) == (first, asked) == ask(built(attack, tmp_path))
    (scpn_folder if attack is SCPN else gan_folder)(tmp_path / attack.name / "other", seed=30)
    _, others = ask(built(attack, tmp_path, folder="other"))
    assert others != asked, "other weights must not give the same texts"


def test_something_is_found(tmp_path: Path) -> None:
    for attack, seeds in ((SCPN, range(1)), (GAN, range(8))):
        run = built(attack, tmp_path)
        found = [ask(run, seed=seed)[0] for seed in seeds]
        assert any(text is not None and sum(map(ord, text)) % 2 for text in found), attack.name


@both
def test_a_victim_that_is_never_fooled_holds(attack: Any, tmp_path: Path) -> None:
    assert ask(built(attack, tmp_path), turns=False)[0] is None


@both
def test_the_budget_passes_through(attack: Any, tmp_path: Path) -> None:
    victim = Letters(False)
    counter = QueryCounter(victim, VictimInfo(2, "[MASK]", "[UNK]"), 0)
    with pytest.raises(BudgetExhausted):
        built(attack, tmp_path).attack(counter, Example("x", TEXT, 1), 5)
    assert not victim.asked


def test_scpn_says_what_the_library_says(tmp_path: Path) -> None:
    """The library's own ``gen_paraphrase`` and networks, without our subclasses, on the same tensors."""
    from OpenAttack.attackers import SCPNAttacker
    from OpenAttack.attackers.scpn import DEFAULT_TEMPLATES, models
    from safetensors.torch import load_file

    from benchmark_plugins.attacks.openattack_parts.paraphrase import read_scpn

    run = built(SCPN, tmp_path)
    folder = tmp_path / "oa-scpn" / "weights"
    parts = read_scpn(folder)
    their = object.__new__(SCPNAttacker)
    net = models.SCPN(6, 8, 5, 4, len(WORDS), len(TAGS) - 1, False)
    parse_net = models.ParseNet(5, 7, len(TAGS))
    net.load_state_dict(load_file(folder / "scpn.safetensors"))
    parse_net.load_state_dict(load_file(folder / "parse_generator.safetensors"))
    parse = parses.parsed(TREE)
    their.__dict__.update(
        device="cpu", tokenizer=parse, parser=parse, pp_vocab=parts.words, parse_gen_voc=parts.tags, bpe=parts.bpe,
        rev_pp_vocab=dict(enumerate(WORDS)), rev_label_voc=dict(enumerate(TAGS)), net=net.eval(),
        parse_net=parse_net.eval(),
    )  # fmt: skip
    texts = their.gen_paraphrase(TEXT, DEFAULT_TEMPLATES)
    assert len(texts) == 10
    assert ask(run, turns=False)[1] == list(dict.fromkeys(texts))


def test_gan_says_what_the_library_says(tmp_path: Path) -> None:
    from OpenAttack.attackers import GANAttacker
    from OpenAttack.data.sgan import Seq2SeqCAE
    from safetensors.torch import load_file

    from benchmark_plugins.attacks.openattack_parts.victim import ContractGoal, VictimClassifier
    from benchmark_plugins.attacks.runner import seeded

    run = built(GAN, tmp_path)
    network = Seq2SeqCAE(
        6, 6, len(GAN_WORDS), 1, conv_layer="4-5-1000", conv_windows="3-3-3", conv_strides="1-2-2", gpu=False
    )
    network.load_state_dict(load_file(tmp_path / "oa-gan" / "weights" / "autoencoder.safetensors"), strict=False)
    their = object.__new__(GANAttacker)
    vocab = {w: n for n, w in enumerate(GAN_WORDS)}
    their.__dict__.update(
        gan_dataset="sst", maxlen=100, lowercase=True, word2idx=vocab, idx2word=dict(enumerate(GAN_WORDS)),
        autoencoder=network.eval(),
    )  # fmt: skip
    for seed in range(5):
        victim = Letters()
        with seeded(seed):
            goal = ContractGoal(1, lambda texts: [True] * len(texts))
            found = their.attack(VictimClassifier(victim, TEXT), TEXT, goal)
        assert ask(run, seed=seed) == (found, victim.asked)


def test_scpn_does_not_ask_about_texts_outside_the_contract(tmp_path: Path) -> None:
    _, asked = ask(built(SCPN, tmp_path), turns=False)
    kept = asked[1]
    assert ask(built(SCPN, tmp_path, Gate(lambda text: text == kept)), turns=False)[1] == [kept]
    assert ask(built(SCPN, tmp_path, Gate(lambda text: False))) == (None, [])


def test_scpn_leaves_out_templates_without_a_usable_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty parse ends the library's attack with torch's error; here the other templates are used."""
    from OpenAttack.attackers.scpn import models

    run, search = built(SCPN, tmp_path), models.ParseNet.batch_beam_search
    _, whole = ask(run, turns=False)
    end = TAGS.index("EOP")

    def spoiled(bad: range) -> Any:
        def changed(self: Any, *given: Any, **limits: Any) -> Any:
            found = search(self, *given, **limits)
            for number in bad:
                found[number] = [(0.0, None, None, [[end], [1, end, 2, end]][number % 2])]
            return found

        return changed

    monkeypatch.setattr(models.ParseNet, "batch_beam_search", spoiled(range(9)))
    _, rest = ask(run, turns=False)
    assert len(rest) == 1
    assert rest[0] in whole
    monkeypatch.setattr(models.ParseNet, "batch_beam_search", spoiled(range(10)))
    assert ask(run) == (None, [])


def test_a_text_without_words_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark_plugins.attacks.openattack_parts import paraphrase as parts

    monkeypatch.setattr(parts.GANAttacker, "attack", lambda self, victim, text, goal: "  ")
    assert ask(built(GAN, tmp_path))[0] is None


def test_a_text_without_a_parse_is_an_error_and_never_held(tmp_path: Path) -> None:
    run = built(SCPN, tmp_path, **{"An odd one.": "(ROOT (S (HYPH odd)))"})
    target = Target(Letters(), VictimInfo(2, "[MASK]", "[UNK]"))
    for text, why in (("No parse of this.", "has none for this text"), ("An odd one.", "label 'HYPH'")):
        label = int(Letters().logits([text])[0].argmax())
        record = attack_example(run, target, Validator(Contract(name="c"), None), Example("x", text, label), "cell")
        assert record.outcome is Outcome.ERROR
        assert why in str(record.error)


# --- parses ---------------------------------------------------------------------------------------------------------


def test_a_parse_gives_labels_and_leaves() -> None:
    found = parses.parsed(TREE)
    assert found.tokens == ("The", "movie", "is", "n't", "good", ".")
    assert found.labels == {"ROOT", "S", "NP", "DT", "NN", "VP", "VBZ", "RB", "JJ", "."}


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ("", "empty"),
        ("(ROOT (NN a)", "do not match"),
        ("(ROOT (NN a)))", "goes on"),
        ("(ROOT (NN a)) b", "goes on"),
        ("a (ROOT (NN a))", "does not begin"),
        ("(ROOT (NP))", "no words"),
        ("( (S (NN a)))", "without a label"),
    ],
)
def test_what_is_no_parse_is_refused(tree: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BadOptions, match=f"line 2.*{why}"):
        parses.read_parses(parses_file(tmp_path / "p", other=tree))


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "a"}', '{"text": "a", "parse": 1}'])
def test_a_line_that_is_no_pair_is_refused(line: str, tmp_path: Path) -> None:
    path = parses_file(tmp_path / "p")
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")
    with pytest.raises(BadOptions, match="line 2"):
        parses.read_parses(path)


def test_two_parses_of_a_text_are_refused(tmp_path: Path) -> None:
    path = parses_file(tmp_path / "p")
    path.write_text(path.read_text(encoding="utf-8") + json.dumps({"text": TEXT, "parse": "(A (B c))"}), "utf-8")
    with pytest.raises(BadOptions, match="another parse"):
        parses.read_parses(path)


# --- folders that do not fit ----------------------------------------------------------------------------------------


def tensors(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        from safetensors.torch import load_file, save_file

        found = load_file(path)
        change(found)
        save_file(found, path)

    return edit


def content(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        found = json.loads(path.read_text(encoding="utf-8"))
        change(found)
        path.write_text(json.dumps(found), encoding="utf-8")

    return edit


def text(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda path: path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8") and None


def shorter(found: dict[str, Any]) -> None:
    found["embedding.weight"] = found["embedding.weight"][1:].clone()


def double(found: dict[str, Any]) -> None:
    found["att_W"] = found["att_W"].double()


def broken(found: dict[str, Any]) -> None:
    found["linear.bias"][0] = float("nan")


FAULTS = [
    (SCPN, "scpn.safetensors", tensors(lambda t: t.pop("att_W")), "lacks the tensor 'att_W'"),
    (SCPN, "scpn.safetensors", tensors(lambda t: t.update(more=t["att_W"] + 1)), "unknown tensor 'more'"),
    (SCPN, "scpn.safetensors", tensors(lambda t: t.update(att_W=t["att_W"][:3].clone())), r"shape \[3, 8\], not \[8"),
    (SCPN, "scpn.safetensors", tensors(double), "'att_W' is torch.float64"),
    (SCPN, "parse_generator.safetensors", lambda p: p.write_bytes(b"\x80\x04."),
     "not a safetensors file"),
    (SCPN, "config.json", content(lambda c: c["scpn"].pop("d_nt")), "lacks 'scpn.d_nt'"),
    (SCPN, "config.json", content(lambda c: c["scpn"].update(d_nt="5")), "'scpn.d_nt' is not a whole number"),
    (SCPN, "config.json", content(lambda c: c["scpn"].update(use_input_parse=1)), "unknown key 'scpn.use_input_parse'"),
    (SCPN, "config.json", content(lambda c: c.update(more=1)), "unknown key 'more'"),
    (SCPN, "config.json", content(lambda c: c.pop("scpn")), "lacks 'scpn'"),
    (SCPN, "parse_vocab.json", content(lambda v: v.pop("film")), "each number from 0"),
    (SCPN, "parse_vocab.json", text(lambda v: v.replace("EOS", "eos")), "lacks the word 'EOS'"),
    (SCPN, "parse_vocab.json", text(lambda v: "[]"), "not a JSON object"),
    (SCPN, "ptb_tagset.txt", text(lambda t: t.replace("SBARQ\n", "")), "lacks the tag 'SBARQ'"),
    (SCPN, "ptb_tagset.txt", text(lambda t: t.replace("DT\n", "S\n")), "twice"),
    (SCPN, "ptb_tagset.txt", text(lambda t: t + "\nX"), "does not end with the tag 'EOP'"),
    (SCPN, "bpe.codes", text(lambda t: t.replace("0.2", "0.3")), "version"),
    (SCPN, "vocab.txt", text(lambda t: t + "alone\n"), "a piece and its count"),
    (GAN, "config.json", content(lambda c: c.pop("conv_layer")), "lacks 'conv_layer'"),
    (GAN, "config.json", content(lambda c: c.update(conv_layer=[4, 5, 6])), "1000"),
    (GAN, "config.json", content(lambda c: c.update(emsize=5)), "'emsize' is not 'nhidden'"),
    (GAN, "config.json", text(lambda t: t[:-2]), "not JSON"),
    (GAN, "vocab.json", lambda p: p.write_bytes(b"\xff"), "not UTF-8"),
    (GAN, "vocab.json", content(lambda v: v.update(more=1)), "each number from 0"),
    (GAN, "autoencoder.safetensors", tensors(shorter), r"'embedding.weight' has shape \[12"),
    (GAN, "autoencoder.safetensors", tensors(broken), "'linear.bias' has numbers that are not finite"),
    (GAN, "autoencoder.safetensors", tensors(lambda t: t.pop("linear_cnn.bias")), "lacks the tensor 'linear_cnn.bias'"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "file", "spoil", "why"), FAULTS, ids=[why for *_, why in FAULTS])
def test_a_folder_that_does_not_fit_is_refused(attack: Any, file: str, spoil: Any, why: str, tmp_path: Path) -> None:
    built(attack, tmp_path)
    folder = tmp_path / attack.name / "weights"
    spoil(folder / file)
    with pytest.raises(BadOptions, match=why) as caught:
        built(attack, tmp_path)
    assert str(folder / file) in caught.value.message
    assert "\n" not in str(caught.value)


@both
def test_what_is_missing_is_said_without_loading(attack: Any, tmp_path: Path) -> None:
    assert attack.state is AttackState.NEEDS_WEIGHTS
    assert "no folder of weights" in attack.unavailable(attack.options())
    assert "config.json" in attack.unavailable(attack.options(weights=str(tmp_path)))
    with pytest.raises(NotApplicable):
        attack.build(attack.options(weights=str(tmp_path)), None, Gate(), None)


def test_scpn_without_parses_is_not_available(tmp_path: Path) -> None:
    folder = str(scpn_folder(tmp_path / "s"))
    assert "no file of parses" in str(SCPN.unavailable(SCPN.options(weights=folder)))
    assert "is not a file" in str(SCPN.unavailable(SCPN.options(weights=folder, parses=str(tmp_path))))


# --- identity -------------------------------------------------------------------------------------------------------


def cell(attack: str, **options: str) -> CellPlan:
    registry = load_registry()
    suite = selected(registry, registry.suite("smoke"), defenses=("mlp",), attacks=(attack,))
    suite = suite.model_copy(update={"options": {**suite.options, attack: options}})
    return make_plan(registry, suite, sources_of(registry, suite)).cells[-1]


def test_the_content_is_the_key_and_the_place_is_not(tmp_path: Path) -> None:
    here, there = gan_folder(tmp_path / "here"), gan_folder(tmp_path / "there")
    first, same = cell("oa-gan", weights=str(here)), cell("oa-gan", weights=str(there))
    assert first.reason is None
    assert first.key == same.key
    assert first.attack_options["weights"] == str(here), "the worker needs the place"
    assert str(tmp_path) not in json.dumps(first.spec) + str(first.file.attack_display)
    keys = {first.key}
    for file in GAN.options.files:  # type: ignore[attr-defined]
        (there / file).write_bytes((there / file).read_bytes() + b" ")
        keys.add(cell("oa-gan", weights=str(there)).key)
    assert len(keys) == 1 + len(GAN.options.files)  # type: ignore[attr-defined]


def test_each_file_of_scpn_is_in_its_key(tmp_path: Path) -> None:
    folder, trees = scpn_folder(tmp_path / "s"), parses_file(tmp_path / "p")

    def key() -> str:
        found = cell("oa-scpn", weights=str(folder), parses=str(trees))
        assert found.reason is None
        return found.key

    keys = {key()}
    for path in [*(folder / file for file in SCPN.options.files), trees]:  # type: ignore[attr-defined]
        path.write_bytes(path.read_bytes() + b" ")
        keys.add(key())
    assert len(keys) == 2 + len(SCPN.options.files)  # type: ignore[attr-defined]


def test_a_pinned_digest_refuses_other_content(tmp_path: Path) -> None:
    folder = gan_folder(tmp_path / "g")
    sha = resolve(GAN.options, {"weights": str(folder)}, "it")["weights_sha256"]
    assert resolve(GAN.options, {"weights": str(folder), "weights_sha256": sha}, "it")["weights_sha256"] == sha
    shutil.copy(folder / "config.json", folder / "vocab.json")
    with pytest.raises(BadOptions, match="has the sha256"):
        resolve(GAN.options, {"weights": str(folder), "weights_sha256": sha}, "it")


def test_without_weights_it_neither_runs_nor_ranks(tmp_path: Path) -> None:
    registry = load_registry()
    assert not {"oa-scpn", "oa-gan"} & set(every_attack(registry))
    assert "needs local weights" in str(cell("oa-gan").reason)
    ran = cell("oa-gan", weights=str(gan_folder(tmp_path / "g"))).spec["attack"]["options"]
    suite = registry.suite("smoke")
    assert prescribed(registry, suite).options["attack:oa-gan"] != ran, "no page of a suite that names no weights"
    pinned = suite.model_copy(update={"options": {"oa-gan": {"weights_sha256": ran["weights_sha256"]}}})
    assert prescribed(registry, pinned).options["attack:oa-gan"] == ran
