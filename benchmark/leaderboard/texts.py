"""The sentences of the attacked examples, beside a page whose publisher may share them (``publish --texts``).

``texts.jsonl`` holds each original text once, sorted by dataset and example. The adversarial ones follow from the
evidence's edits, and every text must have the hash that the evidence gives it, so a changed sentence is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmark.errors import BadRecord
from benchmark.leaderboard.evidence import Evidence, text_sha256
from benchmark.records import ExampleRecord, Strict, dump, parse

TEXTS = "texts.jsonl"

Texts = Mapping[tuple[str, str], str]
"""Dataset and example id to the original text."""


class TextLine(Strict):
    """One line of ``texts.jsonl``."""

    dataset: str
    example_id: str
    text: str


def texts_of(evidence: Evidence, records: Mapping[str, Iterable[ExampleRecord]]) -> Texts:
    """The originals of local records, both given by cell key; raises BadRecord where two cells attack two texts."""
    found: dict[tuple[str, str], str] = {}
    for cell in evidence.cells:
        for record in records.get(cell.key, ()):
            place = (cell.dataset, record.example_id)
            if found.setdefault(place, record.text) != record.text:
                raise BadRecord(
                    f"example {record.example_id} of {cell.dataset} has another text in cell {cell.key}",
                    "Run that cell again",
                )
    return dict(sorted(found.items()))


def texts_bytes(texts: Texts) -> bytes:
    """The content of ``texts.jsonl``."""
    lines = (TextLine(dataset=place[0], example_id=place[1], text=text) for place, text in sorted(texts.items()))
    return "".join(dump(line) + "\n" for line in lines).encode()


def read_texts(page: Path) -> Texts | None:
    """The texts beside a page, None where it has none; raises BadRecord naming file and line."""
    path = page / TEXTS
    try:
        lines = path.read_bytes().decode().split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as problem:
        raise BadRecord(f"{path} cannot be read ({problem})", "Restore it from a copy") from None
    found: dict[tuple[str, str], str] = {}
    for number, line in enumerate(lines, 1):
        if line:
            read = parse(TextLine, line, f"{path}, line {number}")
            found[read.dataset, read.example_id] = read.text
    return found


def text_problems(evidence: Evidence, texts: Texts) -> list[str]:
    """Texts that are not the evidence's: missing, foreign, or with another hash."""
    hashes: dict[tuple[str, str], str] = {}
    for cell in evidence.cells:
        for record in evidence.attacked.get(cell.key, ()):
            hashes.setdefault((cell.dataset, record.example_id), record.text_sha256)
    where = {place: f"{TEXTS}: example {place[1]} of {place[0]}" for place in {*hashes, *texts}}
    problems = [f"{where[place]} is missing" for place in sorted(hashes.keys() - texts.keys())]
    problems += [f"{where[place]} was never attacked" for place in sorted(texts.keys() - hashes.keys())]
    changed = (place for place in sorted(hashes.keys() & texts.keys()) if text_sha256(texts[place]) != hashes[place])
    return problems + [f"{where[place]} is not the text of the evidence" for place in changed]
