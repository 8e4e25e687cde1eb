"""Languages of the pages, the poster and the report. Each language is a folder in `languages/`.

The folder's name is the language's code. `docs/translating.md` describes the files in the folder.
"""

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from gettext import NullTranslations
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.lists import format_list
from babel.support import Translations

FOLDER: Final = Path(__file__).parents[1] / "languages"
# The language of the sentences in the code, which are shown if a translation is missing.
WRITTEN_IN: Final[str] = tomllib.loads((FOLDER / "languages.toml").read_text("utf-8"))["written_in"]
_DIRECTION: Final = Locale.parse(WRITTEN_IN).text_direction


@dataclass(frozen=True)
class PageLanguage:
    """Language of the pages.

    `name` is the language's name in the language itself. `locale` decides how dates and numbers are written,
    and the direction of the text. `trial` has the words that mark a trial desk.
    """

    code: str
    name: str
    locale: Locale
    trial: str

    @cached_property
    def translations(self) -> NullTranslations:
        """Return the translated texts. A text without a translation becomes HTML that marks its language.

        The translations are loaded when a page first needs them. Each language takes 0.2 MB in each process.
        """
        found: NullTranslations = Translations.load(FOLDER, [self.code])
        if self.code != WRITTEN_IN:
            found.add_fallback(_Untranslated())
        return found

    @property
    def direction(self) -> str:
        """Return the value of the attribute `dir` for this language: "ltr" or "rtl"."""
        return str(self.locale.text_direction)

    def weekdays(self, numbers: Iterable[int]) -> str:
        """Return the names of weekdays, such as "Monday, Tuesday and Thursday". 0 is Monday."""
        # Babel would return "stand-alone" names in the language for which they were last asked.
        names = self.locale.days["format"]["wide"]
        return format_list([names[number] for number in numbers], locale=self.locale)


def known_languages() -> tuple[str, ...]:
    """Return the codes of all languages of the pages, sorted."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/language.toml")))


def read_language(code: str) -> PageLanguage:
    """Return the language with this code, one of `known_languages`."""
    said = read_words(code, "language")
    return PageLanguage(code, said["name"], Locale.parse(said["locale"]), said["trial"])


def read_words(code: str, kind: str) -> Mapping[str, Any]:
    """Return the sentences of one kind in a language: "language", "poster", "report" or "signpost"."""
    return tomllib.loads((FOLDER / code / f"{kind}.toml").read_text("utf-8"))


def languages_with(kind: str, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the languages in `wanted` that have sentences of this kind, or only `WRITTEN_IN` if none has.

    `kind` is "poster" or "report".
    """
    found = tuple(code for code in wanted if (FOLDER / code / f"{kind}.toml").is_file())
    return found or (WRITTEN_IN,)


def language_name(code: str, locale: Locale) -> str:
    """Return the name of any language in the language of `locale`, or the code of an unknown language."""
    return str(locale.languages.get(code, code))


def closest(wanted: str, offered: Collection[str]) -> str:
    """Return `wanted` if it is in `offered`. Otherwise return another offered language.

    The other language is `WRITTEN_IN` if it is in `offered`, or else the first of `offered`.
    """
    return next((code for code in (wanted, WRITTEN_IN) if code in offered), next(iter(offered)))


class _Untranslated(NullTranslations):
    def gettext(self, message: str) -> str:
        return f'<span lang="{WRITTEN_IN}" dir="{_DIRECTION}">{message}</span>'

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(super().ngettext(msgid1, msgid2, n))
