"""CSV version of a report (RFC 4180).

The file begins with a byte order mark, so that spreadsheets read UTF-8.
"""

import csv
import io

from report.document import Document

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render_csv(document: Document, year: int) -> bytes:
    """Return the counts of a report as a CSV file, with one row for each line of each table.

    A hidden count is written as "not shown", in the report's language.
    """
    words = document.words
    text = io.StringIO()
    rows = csv.writer(text)
    count = "csv_count_draft" if document.is_draft else "csv_count"
    rows.writerow(words[key] for key in ("csv_year", "csv_table", "csv_line", count))
    for table in document.tables:
        for row in table.rows:
            number = words["not_shown"] if row.count is None else row.count
            rows.writerow((year, _plain(table.name), _plain(row.name), number))
        if table.has_never_shown:
            rows.writerow((year, _plain(table.name), words["never_line"], words["never_shown"]))
    return text.getvalue().encode("utf-8-sig")


def _plain(text: str) -> str:
    """Return the text for a CSV cell.

    Put an apostrophe first if a spreadsheet would execute the text as a formula.
    """
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text
