"""CSV reports: all counts, and no formulas."""

import csv
import io
from collections import Counter

from report import table_csv
from report.counts import count_year
from report.disclosure import Audience, Floors, treat
from report.document import Imprint, compose_report
from report.tables import Lists, TableLine, shapes
from tests.report.report_factories import a_language
from tests.report.test_document import IMPRINT, a_document

WORDS = a_language("nl").words


def rows(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))


def test_every_line_of_every_table_is_a_row() -> None:
    document = a_document()
    found = rows(table_csv.render_csv(document, 2026))
    assert [WORDS[f"csv_{each}"] for each in ("year", "table", "line", "count")] == found[0]
    assert ["2026", WORDS["table_mailbox"], WORDS["line_mailbox_read"], "40"] == found[1]
    assert ["2026", WORDS["table_theme"], "Pesten", "20"] in found
    assert ["2026", WORDS["table_theme"], "Belangenverstrengeling", WORDS["not_shown"]] in found
    lines = sum(len(table.rows) + table.has_never_shown for table in document.tables)
    assert 1 + lines == len(found)


def test_a_draft_says_so_above_its_figures() -> None:
    found = rows(table_csv.render_csv(a_document(is_draft=True), 2026))
    assert WORDS["csv_count_draft"] == found[0][-1]
    assert WORDS["csv_count_draft"] != WORDS["csv_count"]


def test_no_name_is_read_as_a_formula() -> None:
    lists = Lists(
        theme=(TableLine("sum", {"nl": "=SOM(A1)", "en": "=SUM(A1)"}),), route=(), outcome=(), region=()
    )
    treated = treat(count_year(Counter(), 2026, shapes(lists), "nothing"), Floors(), Audience.PUBLIC)
    document = compose_report(
        treated, lists, a_language("nl"), Imprint("Steunpunt", IMPRINT.published, "", "nl")
    )
    assert "'=SOM(A1)" in [row[2] for row in rows(table_csv.render_csv(document, 2026))]
