"""HTML version of a report: one file that loads no other file and runs no script."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from report.document import Document
from report.svg import lay_out_chart


def templates_of(package: str) -> Environment:
    """Load the HTML and SVG templates of a package.

    The templates escape every value. A template that uses a missing value raises an exception.
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(("html", "svg")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_html(document: Document) -> bytes:
    """Return a report as an HTML page in UTF-8, with inline SVG charts and a table beside each chart."""
    # WeasyPrint draws the letters of a word in a chart from left to right, also Arabic letters.
    has_charts = document.language.direction == "ltr"
    figures = [
        (table, lay_out_chart(table) if has_charts and table.most else None) for table in document.tables
    ]
    page = (
        templates_of("report")
        .get_template("report.html")
        .render(document=document, words=document.words, figures=figures)
    )
    return page.encode()
