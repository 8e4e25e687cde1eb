"""Page that a reverse proxy shows while the site for sources does not run, in all languages.

python -m deploy.serving.try_again_page > try-again.html
"""

import sys
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from web.languages import WRITTEN_IN, PageLanguage, known_languages, read_language


def try_again_page() -> str:
    """Return the HTML of the page. The English text comes first."""
    codes = sorted(known_languages(), key=lambda code: code != WRITTEN_IN)
    languages = [(language, _html_of(language)) for language in map(read_language, codes)]
    first, gettext = languages[0]
    pages = Environment(
        loader=PackageLoader("source_app"), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    page = pages.get_template("_try_again.html")
    return page.render(language=first, gettext=gettext, languages=languages)


def _html_of(language: PageLanguage) -> Callable[[str], Markup]:
    return lambda sentence: Markup(language.translations.gettext(sentence))  # noqa: S704  # from a catalogue


if __name__ == "__main__":
    sys.stdout.buffer.write(try_again_page().encode())
