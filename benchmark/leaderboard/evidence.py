"""Published records: every number of a page can be recomputed from them, and they hold no sentence of a dataset.

Layout below the folder of a page::

    evidence/cells.json              every cell file, sorted by key
    evidence/records/<key>.jsonl     one line an example, sorted by example id
    evidence/digests.json            digests of the two, file by file and row by row
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from benchmark.api import Example
from benchmark.errors import BadRecord
from benchmark.leaderboard.digests import DIGESTS, digests_bytes
from benchmark.leaderboard.edits import Edit, apply, edit_script
from benchmark.records import LATER, SCHEMA_VERSION, CellFile, CleanRecord, ExampleRecord, Outcome, Strict, dump, parse

Line = TypeVar("Line", bound="EvidenceRecord | CleanRecord")

CELLS = "evidence/cells.json"
RECORDS = "evidence/records"

# What a page needs to know of a run; anything else (paths, commands, users) stays on the machine.
_PROVENANCE = (
    "attack_access",
    "environment",
    "forwards_per_prediction",
    "model_revision",
    "plugins",
    "probe",
    "training",
)
_PRIVATE_KEY = re.compile(
    r"(?i)(^|[_-])(argv|cwd|dir|executable|folder|home|host|hostname|ip|node|path|url|user|username)$"
)
_PRIVATE_VALUE = re.compile(r"""(?:^|[\s"'=:;,(\[])(?:~?/[^\s/]+/|[A-Za-z]:\\)|\w://""")


class EvidenceRecord(Strict):
    """One attacked example as published: the fields of ExampleRecord without texts and timing.

    ``text_sha256`` and ``adversarial_sha256`` are of the UTF-8 texts; ``edits`` turns the one into the other.
    ``error`` is the class of the error, its message may quote the text.
    """

    schema_version: int = SCHEMA_VERSION
    cell: str
    example_id: str
    label: int
    prediction: int | None
    outcome: Outcome
    adversarial_prediction: int | None = None
    queries: Annotated[int, Field(ge=0)]
    forwards: Annotated[int, Field(ge=0)]
    words: Annotated[int, Field(ge=0)]
    perturbed_words: int | None = None
    perturbed_share: float | None = None
    similarity: float | None = None
    violations: tuple[str, ...] = ()
    error: str | None = None
    draws: int | None = None
    clean_wrong: int | None = None
    final_wrong: int | None = None
    temperature: float | None = None
    text_sha256: str
    adversarial_sha256: str | None = None
    edits: tuple[Edit, ...] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """See :class:`benchmark.records.ExampleRecord`."""
        return {name: value for name, value in handler(self).items() if name not in LATER or value is not None}


@dataclass(frozen=True)
class Evidence:
    """The evidence of one page: cells sorted by key, and the records of each key sorted by example id."""

    cells: tuple[CellFile, ...]
    attacked: Mapping[str, tuple[EvidenceRecord, ...]]
    clean: Mapping[str, tuple[CleanRecord, ...]]


class Rebuilt(NamedTuple):
    """The texts of one record; ``adversarial_text`` is None where the attack returned none."""

    example_id: str
    text: str
    adversarial_text: str | None


def to_evidence(record: ExampleRecord) -> EvidenceRecord:
    """The publishable form of a local record."""
    shared = record.model_dump(exclude={"schema_version", "text", "adversarial_text", "error", "timing"})
    adversarial = record.adversarial_text
    return EvidenceRecord(
        **shared,
        error=None if record.error is None else _error_class(record.error),
        text_sha256=text_sha256(record.text),
        adversarial_sha256=None if adversarial is None else text_sha256(adversarial),
        edits=None if adversarial is None else tuple(edit_script(record.text, adversarial)),
    )


def to_published_cell(cell: CellFile) -> CellFile:
    """The cell file without what identifies a machine: known provenance only, no paths, no host names, no addresses."""
    kept = {key: cell.provenance[key] for key in _PROVENANCE if key in cell.provenance}
    return cell.model_copy(update={"provenance": _public(kept)})


def make_evidence(
    cells: Iterable[CellFile],
    records: Mapping[str, Iterable[ExampleRecord]],
    clean: Mapping[str, Iterable[CleanRecord]],
) -> Evidence:
    """Evidence of local records, both given by cell key."""
    return Evidence(
        cells=tuple(sorted((to_published_cell(cell) for cell in cells), key=lambda cell: cell.key)),
        attacked={
            k: tuple(sorted(map(to_evidence, v), key=lambda r: r.example_id)) for k, v in sorted(records.items())
        },
        clean={k: tuple(sorted(v, key=lambda r: r.example_id)) for k, v in sorted(clean.items())},
    )


def evidence_files(evidence: Evidence) -> dict[str, bytes]:
    """Path below the page's folder -> content; the same evidence always gives the same bytes."""
    cells = [cell.model_dump(mode="json") for cell in evidence.cells]
    files = {CELLS: json_bytes(cells)}
    for key, found in [*evidence.attacked.items(), *evidence.clean.items()]:
        files[f"{RECORDS}/{key}.jsonl"] = "".join(dump(record) + "\n" for record in found).encode()
    files[DIGESTS] = digests_bytes(files)
    return dict(sorted(files.items()))


def read_evidence(page: Path) -> Evidence:
    """Read the evidence below a page's folder, in published order; raises BadRecord naming file and line."""
    cells = tuple(sorted(read_cells(page / CELLS), key=lambda cell: cell.key))
    attacked: dict[str, tuple[EvidenceRecord, ...]] = {}
    clean: dict[str, tuple[CleanRecord, ...]] = {}
    for cell in cells:
        path = page / RECORDS / f"{cell.key}.jsonl"
        if cell.attack is None:
            clean[cell.key] = _read_lines(CleanRecord, path, cell.key)
        else:
            attacked[cell.key] = _read_lines(EvidenceRecord, path, cell.key)
    return Evidence(cells, attacked, clean)


def rebuild_texts(evidence: Iterable[EvidenceRecord], examples: Iterable[Example]) -> list[Rebuilt]:
    """The full texts of published records, for whoever has the dataset; every hash is verified.

    Raises BadRecord for an example the dataset does not hold and for a text whose hash differs.
    """
    texts = {example.id: example.text for example in examples}
    rebuilt = []
    for record in evidence:
        where = f"cell {record.cell}, example {record.example_id}"
        if record.example_id not in texts:
            raise BadRecord(f"{where}: the dataset has no such example", "Load the dataset revision of the cell")
        text = texts[record.example_id]
        if text_sha256(text) != record.text_sha256:
            raise BadRecord(f"{where}: the dataset's text is another one", "Load the dataset revision of the cell")
        adversarial = None if record.edits is None else apply(text, record.edits)
        if (None if adversarial is None else text_sha256(adversarial)) != record.adversarial_sha256:
            raise BadRecord(f"{where}: the edits do not give the recorded text", "The record was changed")
        rebuilt.append(Rebuilt(record.example_id, text, adversarial))
    return rebuilt


def text_sha256(text: str) -> str:
    """Hash of a text; half a surrogate pair, which UTF-8 cannot hold, is hashed as it stands."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_bytes(value: Any) -> bytes:
    """Canonical readable JSON: sorted keys, indent 1, no NaN, one line end at the end."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _error_class(error: str) -> str:
    found = re.match(r"[A-Za-z_][\w.]*", error)
    return found[0] if found else "Error"


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if not _PRIVATE_KEY.search(str(k)) and not _is_private(v)}
        return {key: _public(item) for key, item in sorted(kept.items())}
    if isinstance(value, list | tuple):
        return [_public(item) for item in value if not _is_private(item)]
    return value


def _is_private(value: Any) -> bool:
    return isinstance(value, str) and _PRIVATE_VALUE.search(value) is not None


def read_cells(path: Path) -> tuple[CellFile, ...]:
    """The cells of ``cells.json``; raises BadRecord."""
    try:
        data = json.loads(_read(path))
    except (ValueError, RecursionError) as problem:
        raise BadRecord(f"{path} is not JSON ({problem})", "Restore it from a copy") from None
    if not isinstance(data, list):
        raise BadRecord(f"{path} is not a list of cells", "Restore it from a copy")
    cells = tuple(parse(CellFile, json.dumps(item), f"{path}, cell {number}") for number, item in enumerate(data, 1))
    for cell in cells:
        # The key becomes a file name: nothing but letters and digits may reach the file system.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", cell.key):
            raise BadRecord(f"{path}: '{cell.key}' is not a cell key", "Restore it from a copy")
    return cells


def _read_lines(kind: type[Line], path: Path, key: str) -> tuple[Line, ...]:
    # Only "\n" ends a line: splitlines() would also cut at separators that JSON strings may contain.
    lines = _read(path).split("\n")
    found = tuple(parse(kind, line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line)
    for number, record in enumerate(found, 1):
        if record.cell != key:
            raise BadRecord(f"{path}, record {number} belongs to cell {record.cell}", "Restore it from a copy")
    return tuple(sorted(found, key=lambda record: record.example_id))


def _read(path: Path) -> str:
    data = b""
    try:
        data = path.read_bytes()
        return data.decode()
    except FileNotFoundError:
        raise BadRecord(f"{path} is missing", "Restore it from a copy, or publish the page again") from None
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise BadRecord(f"{path}, line {line} is not UTF-8", "Restore it from a copy") from None
    except OSError as problem:
        raise BadRecord(f"{path} cannot be read ({problem})", "Restore it from a copy") from None
