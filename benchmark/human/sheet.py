"""The sheet annotators fill in: ``item,text,label``, safe to open in a spreadsheet, read back as it was written.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@`` (or their full-width forms, a tab, a carriage
return, also behind blanks) as a formula. Such a text gets an apostrophe in front, and so does one that begins with an
apostrophe, so that the way back is unambiguous: one leading apostrophe is taken off where one would have been put.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmark.errors import BadData
from benchmark.human.records import AuditKey

COLUMNS = ("item", "text", "label")
FORMULA = frozenset("=+-@＝＋－＠\t\r")
INVISIBLE = " \u00a0\u200b\ufeff\n\v\f\0"
"""What may stand before a formula unseen."""
GUARD = "'"
ENCODING = "utf-8-sig"
"""With the mark that makes a spreadsheet read UTF-8."""

Votes = Mapping[str, str]
"""Item to label name, of one annotator; items without a label are left out."""


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return GUARD + text if _needs_guard(text) else text


def unguarded(cell: str) -> str:
    """The text that :func:`guarded` made this cell of."""
    return cell[1:] if cell.startswith(GUARD) and _needs_guard(cell[1:]) else cell


def _needs_guard(text: str) -> bool:
    return text.startswith(GUARD) or text.lstrip(INVISIBLE)[:1] in FORMULA


def write_sheet(rows: Iterable[tuple[str, str]]) -> str:
    """The sheet of (item, text) rows with an empty label column; every cell is quoted."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows((item, guarded(text), "") for item, text in rows)
    return out.getvalue()


def fingerprint(text: str) -> str:
    """Letters and digits of a text, hashed: equal whatever a spreadsheet or a browser does to blanks and controls."""
    return hashlib.sha256("".join(c for c in text if c.isalnum()).encode()).hexdigest()[:16]


def read_sheet(path: Path, key: AuditKey) -> Votes:
    """One annotator's labels; raises BadData naming file, row (the header is row 1) and the next step.

    Comma, semicolon or tab may separate the columns. Every item must have its row exactly once, its label may be empty.
    Case and outer blanks of labels do not matter. The text column may be missing; where it is there, it must be the
    item's, or the sheet was sorted by one column alone.
    """
    known = {item.item: item for item in key.items}
    found: dict[str, str] = {}
    seen: set[str] = set()
    for number, row in _rows(path):
        where = f"{path}, row {number}"
        name = row["item"].strip()
        if name not in known:
            raise BadData(f"{where}: item '{name}' is not in the key", "Give the key.json of the same export")
        if name in seen:
            raise BadData(f"{where}: item '{name}' occurs twice", "Remove one of the rows")
        seen.add(name)
        if "text" in row and fingerprint(unguarded(row["text"])) != known[name].fingerprint:
            raise BadData(
                f"{where}: the text is not that of item '{name}'",
                "Sort whole rows only and save as CSV in UTF-8; the text column may also be left out",
            )
        if row["label"].strip():
            found[name] = _label(row["label"], key.labels[known[name].dataset], where)
    missing = sorted(known.keys() - seen)
    if missing:
        raise BadData(
            f"{path} lacks {len(missing)} of {len(known)} items, such as '{missing[0]}'",
            "Keep every row; leave the label empty where there is none",
        )
    if not found:
        raise BadData(f"{path} has no label at all", "Fill in the column 'label'")
    return found


def _label(cell: str, names: Sequence[str], where: str) -> str:
    if cell in names:
        return cell
    by_form = {_form(name): name for name in names}
    form = _form(unguarded(cell.strip()))
    if form in by_form:
        return by_form[form]
    near = [by_form[f] for f in difflib.get_close_matches(form, list(by_form), n=3, cutoff=0.5)]
    hint = f"Did you mean: {', '.join(near)}?" if near else f"Labels of this item: {', '.join(names)}"
    raise BadData(f"{where}: there is no label '{cell.strip()}'", hint)


def _form(label: str) -> str:
    return " ".join(label.casefold().split())


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by column name, with their number in a spreadsheet; wholly empty rows are passed over."""
    try:
        text = path.read_bytes().decode(ENCODING)
    except OSError as problem:
        raise BadData(f"{path} cannot be read ({problem.strerror})", "Give the filled sheet, a CSV file") from None
    except UnicodeDecodeError as problem:
        raise BadData(f"{path} is not UTF-8 ({problem.reason} at byte {problem.start})", "Save it as UTF-8") from None
    for delimiter in ",;\t":
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            header = [name.strip().casefold() for name in next(reader, [])]
            if {"item", "label"} <= set(header):
                yield from _numbered(path, reader, header)
                return
        except csv.Error as problem:
            raise BadData(f"{path}, line {reader.line_num}: {problem}", "Save it as CSV once more") from None
    raise BadData(f"{path} has no columns 'item' and 'label'", "Keep the first row of the exported sheet")


def _numbered(path: Path, reader: Iterable[list[str]], header: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, row in enumerate(reader, 2):
        if any(cell.strip() for cell in row):
            if len(row) != len(header):
                raise BadData(f"{path}, row {number} has {len(row)} cells, the header {len(header)}", "Mend that row")
            yield number, dict(zip(header, row, strict=True))
