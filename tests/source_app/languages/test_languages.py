"""A language needs a folder and a code in the settings. What has no translation is shown in English."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from babel import localedata
from werkzeug.test import TestResponse

import source_app
from crypto.passphrase import word_lists
from deploy.poster.make_poster import poster_html
from deploy.poster.poster_content import compose_poster
from protocol.entry import open_entry
from report.html import render_html
from tests.deploy.poster.test_poster import WHOLE
from tests.pages import hooks
from tests.report.test_document import a_document
from tests.source_app.desks import MULTIPART, ADesk, SourceBrowser, make_desk, multipart
from tests.source_app.languages.made_up_language import MADE_UP, a_made_up_language, english_catalogue, longer
from tests.source_app.test_get_routes import a_full_mailbox, paths_of
from web.languages import FOLDER, known_languages, read_language, read_words

_MISSING = '<span lang="en" dir="ltr">'
_STYLE = Path(source_app.__file__).parent / "static" / "style.css"


@pytest.fixture
def made_up_desk(tmp_path: Path) -> Iterator[ADesk]:
    with a_made_up_language(tmp_path / "languages"):
        desk = make_desk(tmp_path, languages=("en", MADE_UP))
        yield desk
        desk.store.close()


def _pages(desk: ADesk, source: SourceBrowser) -> Iterator[tuple[str, TestResponse]]:
    """Yield every page that a GET request shows, in the made-up language."""
    for endpoint, path in paths_of(desk, source, MADE_UP).items():
        if endpoint in {"pages.leave", "pages.start_without_language"}:
            continue  # logs the source out; has the browser's language
        page = source.get(path)
        if page.mimetype == "text/html" and page.status_code == 200:
            yield endpoint, page


def test_the_stylesheet_names_no_left_and_no_right() -> None:
    """Fault of pages from right to left: the mark of a step covered the word "Done:" in Arabic."""
    style = _STYLE.read_text("utf-8")
    four = re.findall(r"(?:margin|padding|inset|border-width): [^\s;]+ ([^\s;]+) [^\s;]+ ([^\s;]+);", style)

    assert "padding-inline" in style
    assert re.findall(r".*\b(?:left|right)\b.*", style) == []
    assert [(right, left) for right, left in four if right != left] == []


def test_weekdays_are_listed_in_the_way_of_the_language() -> None:
    """Fault of the help page and the poster: English commas between Arabic words."""
    assert read_language("ar").weekdays((0, 1, 3)) == "الاثنين والثلاثاء والخميس"
    assert read_language("nl").weekdays((0, 1, 3)) == "maandag, dinsdag en donderdag"


@pytest.mark.parametrize("first", known_languages())
def test_weekdays_stay_in_their_language_after_a_page_in_another_one(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault of the help page: after a page in Swahili, Arabic pages had weekdays in Swahili."""
    monkeypatch.setattr(localedata, "_cache", {})  # as in a program that was just started
    read_language(first).weekdays((0,))

    assert read_language("ar").weekdays((0,)) == "الاثنين"
    assert len({read_language(code).weekdays((0,)) for code in known_languages()}) == len(known_languages())


def test_a_sentence_without_a_translation_is_english_and_says_so(tmp_path: Path) -> None:
    """Attack on readers: a screen reader would read out English with the sounds of another language."""
    with a_made_up_language(tmp_path / "languages", is_translated=False):
        desk = make_desk(tmp_path, languages=("en", MADE_UP))
        source = a_full_mailbox(desk)
        pages = dict(_pages(desk, source))
        wrong_host = source.client.get(f"/{MADE_UP}/", headers={"Host": "elsewhere.example"})
        desk.store.close()

    assert len(pages) > 15
    for endpoint, page in pages.items():
        assert _MISSING in page.text, endpoint
        assert re.search(r"<h1[^>]*>" + re.escape(_MISSING), page.text) or "signpost" in endpoint, endpoint
        assert "&lt;span" not in page.text, endpoint
        assert not re.search(r'="[^">]*<', page.text), endpoint  # no tag in the value of an attribute
        assert "<" not in re.findall(r"<title>(.*?)</title>", page.text, re.DOTALL)[0], endpoint
    assert "<" not in wrong_host.text


def test_texts_that_the_letterhead_lacks_are_english_and_say_so(made_up_desk: ADesk) -> None:
    browser = made_up_desk.browser()

    for page in (browser.get(f"/{MADE_UP}/"), browser.get(f"/{MADE_UP}/help")):
        assert '<bdi lang="en">Support point</bdi>' in page.text
    assert (
        '<li><span dir="auto" lang="en">Very serious crimes.</span></li>' in browser.get(f"/{MADE_UP}/").text
    )
    only_dutch = msgspec.structs.replace(
        made_up_desk.letterhead, desk_name={"nl": "N"}, talk={"nl": "Bel."}, secrecy_limits={"nl": ("G.",)}
    )
    made_up_desk.app.extensions["newest_letterhead"] = lambda: only_dutch
    assert '<bdi lang="nl">N</bdi>' in browser.get(f"/{MADE_UP}/").text


def test_a_language_without_a_word_list_gets_english_words_and_says_so(made_up_desk: ADesk) -> None:
    browser = made_up_desk.browser()
    page = browser.get(f"/{MADE_UP}/begin")
    words = re.findall(r"<span>([a-z]+)</span>", page.text)

    assert set(words) <= set(word_lists()["en"])
    assert "foreign_words" in hooks(page.text, "notice")
    assert "الإنجليزية" in page.text  # English, in the locale of the made-up language
    assert "foreign_words" not in hooks(browser.get("/en/begin").text, "notice")


def test_the_desk_learns_in_which_language_a_source_wrote(made_up_desk: ADesk) -> None:
    browser = made_up_desk.browser()
    browser.start()
    path = f"/{MADE_UP}/mailbox/write"
    form = browser.hidden(browser.get(path), path)
    body = multipart({**form, "text": "hello"}, [])
    assert browser.client.post(path, data=body, content_type=MULTIPART).status_code == 303

    keys = made_up_desk.keys_of(browser)
    (entry,) = made_up_desk.transcript(keys).authentic.values()
    assert open_entry(entry, [made_up_desk.identity]).language == MADE_UP


def test_a_browser_gets_its_language_or_the_first_of_the_settings(made_up_desk: ADesk) -> None:
    for asked, shown in ((f"{MADE_UP}, en;q=0.5", MADE_UP), ("sw", "en"), ("", "en")):
        page = made_up_desk.app.test_client().get("/", headers={"Accept-Language": asked})
        assert re.findall(r'<html lang="(\w+)"', page.text) == [shown]
    assert made_up_desk.browser().get("/nl/").status_code == 404  # a language that the settings do not name


def test_a_poster_and_a_report_in_the_made_up_language(made_up_desk: ADesk) -> None:
    assert made_up_desk.config.languages == ("en", MADE_UP)
    for page in (
        poster_html(compose_poster(WHOLE, MADE_UP)).decode(),
        render_html(a_document(language=MADE_UP)).decode(),
    ):
        assert f'<html lang="{MADE_UP}" dir="rtl">' in page
    poster = poster_html(compose_poster(WHOLE, MADE_UP)).decode()
    assert longer(read_words("en", "poster")["steps"][0]) in poster.replace("&#39;", "'")
    assert '<bdi lang="en">Bullying</bdi>' in render_html(a_document(language=MADE_UP)).decode()


def test_the_made_up_text_is_40_percent_longer_and_keeps_its_placeholders() -> None:
    pages = " ".join(str(message.id) for message in english_catalogue(FOLDER / "messages.pot"))
    english = "We are away from %(since)s, and come back on {day}."

    assert re.findall(r"%\(\w+\)s|\{\w+\}", longer(english)) == ["%(since)s", "{day}"]
    assert len(longer(pages)) >= 1.4 * len(pages)


def test_a_catalogue_says_whether_a_native_reader_has_read_it() -> None:
    for code in set(known_languages()) - {"en", "nl"}:
        head = (Path("languages") / code / "LC_MESSAGES" / "messages.po").read_text("utf-8")[:600].lower()
        assert "native reader" in head, code
