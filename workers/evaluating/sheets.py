"""CSV files (RFC 4180): what people export from a desk or a spreadsheet, as rows to send and as rows with what came out.

The header's row says which separator the file has (comma, semicolon or tab). UTF-8, with or without a byte order mark; what is
written has the mark, the separator and the columns of what was read.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.exits import UserError

_SEPARATORS = ",;\t"
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Sheet:
    """The columns and rows of a CSV file; `lines` says at which line of it each row ends."""

    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, str]]
    lines: Sequence[int]
    separator: str = ","
    marked: bool = False


def is_sheet(path: Path) -> bool:
    """Return whether the file is to be read or written as CSV, by its name."""
    return path.suffix.lower() in {".csv", ".tsv"}


def read_sheet(path: Path) -> Sheet:
    """Return a CSV file's rows. Raises UserError for a file that is none or has no rows."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): correct its path") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: is not UTF-8; save the file as CSV UTF-8") from None
    marked, text = text.startswith(_MARK), text.removeprefix(_MARK)
    head = next(iter(text.splitlines()), "")
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines = [], []
    try:
        columns = tuple(name.strip() for name in next(reader, []))
        _refuse_columns(path, columns)
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(columns):
                uneven = f"has {len(cells)} cells and the header {len(columns)}"
                raise UserError(f"{path}:{reader.line_num}: {uneven}; correct the row")
            rows.append(dict(zip(columns, cells, strict=True)))
            lines.append(reader.line_num)
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: is not CSV ({error}); correct the quotes there") from None
    if not rows:
        raise UserError(f"{path} has no rows below its header: name another file")
    return Sheet(columns, rows, lines, separator, marked)


def sheet_text(sheet: Sheet, added: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """Return these rows as CSV as the sheet is written, with the added columns behind its own."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*sheet.columns, *added], delimiter=sheet.separator, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return (_MARK if sheet.marked else "") + out.getvalue()


def _refuse_columns(path: Path, columns: Sequence[str]) -> None:
    if not any(columns):
        raise UserError(f"{path} is empty: its first line names the columns")
    if twice := next((name for place, name in enumerate(columns) if name in columns[:place]), None):
        raise UserError(f"{path}:1: has two columns {twice}; rename one of them")
