"""HTML reports: self-contained, accessible, and without hidden counts."""

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from report import html
from report.disclosure import Audience
from tests.report.report_factories import LANGUAGES
from tests.report.test_document import a_document

_SVG = "{http://www.w3.org/2000/svg}"


class _Page(HTMLParser):
    """Tags and attributes of a page: the parts that could load something, run a script or set a style."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def charts(page: bytes) -> list[ET.Element]:
    text = page.decode()
    parts = [part.partition("</svg>")[0] for part in text.split("<svg")[1:]]
    return [ET.fromstring(f"<svg{part}</svg>") for part in parts]  # noqa: S314  # our own page


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("audience", Audience)
def test_a_report_loads_nothing_and_runs_nothing(language: str, audience: Audience) -> None:
    page = _Page(html.render_html(a_document(language=language, audience=audience)))
    assert not {"script", "img", "iframe", "object", "form", "a", "image", "use", "foreignobject"} & set(
        page.tags
    )
    assert [("href", "data:,")] == [
        each for each in page.attributes if each[0] in {"href", "src", "xlink:href"}
    ]
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]
    assert 1 == page.tags.count("style")
    assert b"url(" not in html.render_html(a_document(language=language))


def test_each_chart_is_named_and_has_its_figures_in_a_table_beside_it() -> None:
    document = a_document()
    found = charts(html.render_html(document))
    assert 2 == len(found)  # mailboxes and themes: the other tables show no count
    for chart, table in zip(found, document.tables[:2], strict=True):
        title, description = chart.find(f"{_SVG}title"), chart.find(f"{_SVG}desc")
        assert title is not None
        assert description is not None
        assert table.name in (title.text or "")
        assert chart.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert "img" == chart.get("role")
        written = " ".join(text.text or "" for text in chart.iter(f"{_SVG}text"))
        for row in table.rows:
            assert row.name.split()[0] in written
            assert (document.words["not_shown"] if row.count is None else str(row.count)) in written


def test_hidden_bars_differ_in_shape_and_not_only_in_colour() -> None:
    theme = charts(html.render_html(a_document()))[1]
    bars = list(theme.iter(f"{_SVG}rect"))
    assert [True, False, True] == [bar.get("stroke-dasharray") is not None for bar in bars]
    assert [True, False, True] == ["none" == bar.get("fill") for bar in bars]


def test_bars_begin_at_zero_on_one_scale() -> None:
    bars = [
        bar
        for bar in charts(html.render_html(a_document(400)))[0].iter(f"{_SVG}rect")
        if bar.get("class") == "bar"
    ]
    assert ["0"] == [bar.get("x") for bar in bars]
    assert 274 == int(bars[0].get("width") or 0)


def test_typed_text_is_escaped() -> None:
    page = html.render_html(a_document()).decode()
    assert "Steunpunt &lt;Voorbeeld&gt;" in page
    assert "<Voorbeeld>" not in page


def test_no_hidden_count_is_anywhere_in_the_page() -> None:
    page = html.render_html(a_document(7)).decode()
    assert ">7<" not in page
    assert ">3<" not in page
    assert "<svg" not in page


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_draft_says_what_it_is_and_does_not_call_its_counts_final(
    language: str, audience: Audience
) -> None:
    draft = a_document(language=language, audience=audience, is_draft=True)
    final = a_document(language=language, audience=audience)
    pages = [html.render_html(each).decode() for each in (draft, final)]
    assert [True, False] == [draft.words["draft"] in page for page in pages]
    assert [False, True] == [draft.words["how_frozen"] in page for page in pages]


def test_a_report_from_right_to_left_has_its_counts_in_tables_only() -> None:
    page = html.render_html(a_document(language="ar")).decode()
    assert [] == charts(page.encode())
    assert ">40<" in page
