"""How the attacks of OpenAttack are listed: with their own state where the package is, unavailable where it is not."""

from __future__ import annotations

from benchmark import AttackState
from benchmark_plugins.attacks.openattack_env import VERSION, missing
from benchmark_plugins.attacks.stopwords import SHA256

LIBRARY = f"OpenAttack {VERSION}"
COMMON = {
    "library": f"{LIBRARY}; its victims, metrics, evaluation and downloads are not used",
    "tokens": "words with inner apostrophes and hyphens, and punctuation; unedited ones keep their spelling and place",
    "goal": "away from the gold label (the library's: away from the victim's own answer)",
    "stop words": f"266 words, sha256 {SHA256}",
    "contract": "candidates outside the suite's contract are not considered",
}
WORDNET_PARAMETER = {
    "substitutes": "WordNet 3.0, single-word lemmas of the word's part of speech, frequent senses first"
}
TAGGER_PARAMETER = {"part of speech": "spaCy en_core_web_sm 3.8.0, of the whole text"}
VECTORS_PARAMETER = {"word vectors": "cf-glove50: GloVe 6B 50d, 40,000 words, counter-fitted with WordNet 3.0"}
ENCODER_PARAMETER = {"sentence encoder": "Universal Sentence Encoder multilingual v3, cosine"}


def listed(state: AttackState) -> AttackState:
    """The state, or UNAVAILABLE on a machine that cannot import OpenAttack."""
    return state if missing() is None else AttackState.UNAVAILABLE


def card(text: str) -> str:
    """What to say of an attack: that OpenAttack is missing, or the text."""
    return missing() or text
