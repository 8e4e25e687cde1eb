"""HTML version of a report: one file that loads no other file and runs no script."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from report.document import Document
from report.svg import lay_out_chart


def render_html(document: Document) -> bytes:
    """Return a report as an HTML page in UTF-8, with inline SVG charts and a table beside each chart."""
    pages = Environment(
        loader=PackageLoader("report"),
        autoescape=select_autoescape(("html", "svg")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures = [(table, lay_out_chart(table) if table.most else None) for table in document.tables]
    page = pages.get_template("report.html").render(document=document, words=document.words, figures=figures)
    return page.encode()
