"""Rows of local files, format by format; every failure is a BadData that names the file and the row."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from benchmark.errors import BadData

DELIMITERS = {".csv": ",", ".tsv": "\t"}
FORMATS = ".jsonl, .jsonl.gz, .csv, .tsv or .parquet"


class Row(NamedTuple):
    """One data row: its 1-based number (blank lines and the header do not count) and the two cells, as they stand."""

    number: int
    text: Any
    label: Any


def read_rows(path: Path, text_column: str, label_column: str) -> Iterator[Row]:
    """The rows of a file, by its suffix. A UTF-8 byte order mark is skipped; any other encoding is refused."""
    name = path.name.lower()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise BadData(f"{path} {what}", f"Give the path of a {FORMATS} file")
    if text_column == label_column:
        raise BadData(f"{path}: text and label are both column '{text_column}'", "Set text_column and label_column")
    if name.endswith((".jsonl", ".jsonl.gz")):
        return _json_lines(path, text_column, label_column)
    if path.suffix.lower() in DELIMITERS:
        return _delimited(path, text_column, label_column)
    if name.endswith(".parquet"):
        return _parquet(path, text_column, label_column)
    raise BadData(f"{path}: unknown file format '{path.suffix}'", f"Convert it to {FORMATS}")


def _open(path: Path) -> IO[str]:
    # newline="" keeps line ends inside quoted CSV cells; utf-8-sig drops the mark that spreadsheet programs write.
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _json_lines(path: Path, text_column: str, label_column: str) -> Iterator[Row]:
    number = 0
    try:
        with _open(path) as handle:
            for line in handle:
                if not line.strip():
                    continue
                number += 1
                yield _json_row(line, number, path, text_column, label_column)
    except UnicodeDecodeError as problem:
        raise _unreadable(path, number + 1, f"not UTF-8 ({problem.reason})", "Save the file as UTF-8") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise _unreadable(path, number + 1, f"damaged gzip data ({problem})", "Copy the file again") from None
    except OSError as problem:
        raise _cannot_read(path, problem) from None


def _json_row(line: str, number: int, path: Path, text_column: str, label_column: str) -> Row:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise _unreadable(path, number, f"not JSON ({problem})", "Each line is one JSON object") from None
    if not isinstance(data, dict):
        raise _unreadable(path, number, f"a JSON {type(data).__name__}, not an object", "Each line is one JSON object")
    for column in (text_column, label_column):
        if column not in data:
            raise _no_column(path, column, [str(key) for key in data], f", row {number}")
    return Row(number, data[text_column], data[label_column])


def _delimited(path: Path, text_column: str, label_column: str) -> Iterator[Row]:
    number = 0
    try:
        with _open(path) as handle:
            reader = csv.reader(handle, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
            header = next(reader, [])
            for column in (text_column, label_column):
                if header.count(column) != 1:
                    raise _no_column(path, column, header, ", header")
            text_at, label_at = header.index(text_column), header.index(label_column)
            for cells in reader:
                if not cells:
                    continue
                number += 1
                if len(cells) != len(header):
                    what = f"{len(cells)} cells, the header has {len(header)} (line {reader.line_num})"
                    raise _unreadable(path, number, what, "Quote cells that hold the delimiter")
                yield Row(number, cells[text_at], cells[label_at])
    except csv.Error as problem:
        raise _unreadable(path, number + 1, f"malformed ({problem})", "Check the quotes of that row") from None
    except UnicodeDecodeError as problem:
        raise _unreadable(path, number + 1, f"not UTF-8 ({problem.reason})", "Save the file as UTF-8") from None
    except OSError as problem:
        raise _cannot_read(path, problem) from None


def _parquet(path: Path, text_column: str, label_column: str) -> Iterator[Row]:
    import polars

    try:
        names = list(polars.read_parquet_schema(path))
        for column in (text_column, label_column):
            if column not in names:
                raise _no_column(path, column, names, "")
        frame = polars.read_parquet(path, columns=[text_column, label_column])
    except (polars.exceptions.PolarsError, OSError) as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise BadData(f"{path} cannot be read as parquet ({reason})", "Write the file again") from None
    pairs = zip(frame[text_column].to_list(), frame[label_column].to_list(), strict=True)
    for number, (text, label) in enumerate(pairs, 1):
        yield Row(number, text, label)


def _no_column(path: Path, column: str, known: list[str], where: str) -> BadData:
    repeated = "more than one" if known.count(column) > 1 else "no"
    shown = ", ".join(known[:20]) or "none"
    hint = f"Set text_column or label_column; columns here: {shown}"
    return BadData(f"{path}{where}: there is {repeated} column '{column}'", hint)


def _unreadable(path: Path, number: int, what: str, hint: str) -> BadData:
    return BadData(f"{path}, row {number}: {what}", hint)


def _cannot_read(path: Path, problem: OSError) -> BadData:
    return BadData(f"{path} cannot be read ({problem.strerror or problem})", "Check the file and its permissions")
