"""Markup of the poster as HTML, from which the PDF is made, and as SVG, for designers."""

from deploy.poster.poster_content import Poster
from deploy.poster.poster_layout import lay_out_poster
from report.html import templates_of


def poster_html(poster: Poster) -> bytes:
    """Return the poster as an HTML page of size A4 that loads nothing from elsewhere."""
    page = templates_of("deploy.poster").get_template("poster.html")
    return page.render(poster=poster, words=poster.words, facts=poster.facts).encode()


def poster_svg(poster: Poster) -> bytes:
    """Return the poster as an SVG drawing of 210 by 297 millimetres, in which text can still be edited."""
    drawing = templates_of("deploy.poster").get_template("poster.svg")
    return drawing.render(poster=poster, words=poster.words, paper=lay_out_poster(poster)).encode()
