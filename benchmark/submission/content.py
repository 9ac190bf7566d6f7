"""What is in an archive, as typed data: the manifest of digests, the submission, the suite and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from benchmark.errors import BenchError
from benchmark.leaderboard.digests import DIGESTS, sha256
from benchmark.leaderboard.evidence import CELLS, RECORDS, Evidence, EvidenceRecord, evidence_files, json_bytes
from benchmark.leaderboard.publish import suite_bytes
from benchmark.records import SCHEMA_VERSION, CellFile, CleanRecord, Strict
from benchmark.submission import strictjson
from benchmark.submission.archive import MANIFEST, SUBMISSION, SUITE, read_archive, write_archive
from benchmark.submission.limits import LINE_BYTES, NAME_CHARACTERS, refused, shown
from benchmark.suite import Suite

FORMAT = 1
Model = TypeVar("Model", Suite, CellFile, "Submission", "Manifest", EvidenceRecord, CleanRecord)

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=NAME_CHARACTERS)]


class Source(Strict):
    """Where the plugin that was measured can be had. The address must be https, without a user or a query."""

    distribution: Name
    version: Name
    url: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/@+-]*)?$", max_length=200)]
    commit: Annotated[str, Field(pattern="^[0-9a-f]{7,64}$")]


class Submission(Strict):
    """``submission.json``. ``checkpoints`` are digests of checkpoint sidecars, by the key of the victim."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = FORMAT
    suite: Name
    suite_version: Annotated[int, Field(ge=1)]
    source: Source
    checkpoints: dict[Annotated[str, Field(pattern="^[0-9a-f]{20}$")], Sha256]
    environment: dict[str, Any]


class Entry(Strict):
    """One line of the manifest."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class Manifest(Strict):
    """``MANIFEST.json``: every other member."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)] = FORMAT
    members: dict[str, Entry]


@dataclass(frozen=True)
class Content:
    """A whole archive."""

    submission: Submission
    suite: Suite
    evidence: Evidence


def archive_bytes(content: Content) -> bytes:
    """The archive of this content."""
    files = evidence_files(content.evidence)
    del files[DIGESTS]
    files[SUBMISSION] = json_bytes(content.submission.model_dump(mode="json"))
    files[SUITE] = suite_bytes(content.suite)
    return write_archive({**files, MANIFEST: manifest_bytes(files)})


def manifest_bytes(files: Mapping[str, bytes]) -> bytes:
    """``MANIFEST.json`` for these members."""
    entries = {name: Entry(sha256=sha256(data), size=len(data)) for name, data in files.items()}
    return json_bytes(Manifest(members=entries).model_dump(mode="json"))


def read_content(data: bytes) -> Content:
    """Everything in an archive; raises BadArchive naming the member. Equal contents have equal bytes, and no others."""
    members = read_archive(data)
    _check_manifest(members)
    submission = _model(Submission, strictjson.load(members[SUBMISSION], SUBMISSION), SUBMISSION)
    suite = _model(Suite, strictjson.load(members[SUITE], SUITE), SUITE)
    evidence = _evidence(members)
    content = Content(submission, suite, evidence)
    try:
        again = read_archive(archive_bytes(content))
    except (ValueError, UnicodeError) as problem:
        raise refused("the archive", f"cannot be written again ({shown(problem)})") from None
    for name in sorted(members.keys() | again.keys(), key=lambda name: (name == MANIFEST, name)):
        if members.get(name) != again.get(name):
            raise refused(name, "is not written in the one form that pack writes")
    return content


def _check_manifest(members: Mapping[str, bytes]) -> None:
    manifest = _model(Manifest, strictjson.load(members[MANIFEST], MANIFEST), MANIFEST)
    rest = members.keys() - {MANIFEST}
    for name in sorted(rest ^ manifest.members.keys()):
        raise refused(name, "is not in the manifest" if name in rest else "is in the manifest, but not in the archive")
    for name, entry in sorted(manifest.members.items()):
        if (entry.size, entry.sha256) != (len(members[name]), sha256(members[name])):
            raise refused(name, "is not the file whose size and sha256 the manifest gives")


def _evidence(members: Mapping[str, bytes]) -> Evidence:
    """The evidence in published order; other orders fail when it is written again."""
    listed = strictjson.load(members[CELLS], CELLS)
    if not isinstance(listed, list) or not listed:
        raise refused(CELLS, "is not a list of cells")
    found = (_model(CellFile, item, f"{CELLS}, cell {number}") for number, item in enumerate(listed, 1))
    cells = tuple(sorted(found, key=lambda cell: cell.key))
    keys = {f"{RECORDS}/{cell.key}.jsonl": cell for cell in cells}
    for name in sorted(keys.keys() ^ {name for name in members if name.startswith(RECORDS)}):
        raise refused(name, "has no cell" if name in members else "is missing")
    attacked, clean = {}, {}
    for name, cell in sorted(keys.items()):
        if cell.attack is None:
            lines = _lines(CleanRecord, members[name], name, cell.key)
            clean[cell.key] = tuple(sorted(lines, key=lambda record: record.example_id))
        else:
            rows = _lines(EvidenceRecord, members[name], name, cell.key)
            attacked[cell.key] = tuple(sorted(rows, key=lambda record: record.example_id))
    return Evidence(cells, attacked, clean)


Line = TypeVar("Line", EvidenceRecord, CleanRecord)


def _lines(kind: type[Line], data: bytes, name: str, key: str) -> Iterable[Line]:
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        where = f"{name}, line {number}"
        if len(line) > LINE_BYTES:
            raise refused(where, f"has {len(line)} bytes (limit {LINE_BYTES})")
        record = _model(kind, strictjson.load(line, where), where)
        if record.cell != key:
            raise refused(where, f"belongs to cell {shown(record.cell)}")
        yield record


def _model(kind: type[Model], value: Any, where: str) -> Model:
    if isinstance(value, dict) and value.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise refused(where, f"has schema version {shown(value['schema_version'])}, this bench reads {SCHEMA_VERSION}")
    try:
        return kind.model_validate(value)
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "(top)"
        raise refused(where, f"field '{shown(field)}': {shown(first['msg'])}") from None
    except BenchError as problem:
        raise refused(where, shown(problem.message)) from None
