"""Content of the yearly report in one language: its texts and tables in order, without layout."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from babel import Locale
from babel.dates import format_date

from report.disclosure import Audience, Treated
from report.errors import WordsError
from report.tables import MAILBOX, Lists

OWN_WORDS_CHARACTERS: Final = 20_000
_FIRST_PRINTABLE = " "
_LINE_ENDS = "\n\r\t"


@dataclass(frozen=True, slots=True)
class ReportLanguage:
    """Language of a report. `words` maps keys to sentences, with placeholders for values.

    Names that do not exist in this language are shown in the language with the code `fallback`.
    """

    code: str
    locale: Locale
    words: Mapping[str, str]
    fallback: str

    @property
    def direction(self) -> str:
        """Return the value of the attribute `dir` for this language: "ltr" or "rtl"."""
        return str(self.locale.text_direction)


@dataclass(frozen=True, slots=True)
class Row:
    """Row of a table in the report, with its name and the code of the language of this name.

    `count` is a rounded number, or None if the report must not show the count.
    """

    language: str
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """Table of the report, with its heading (`name`) and its explanation (`about`).

    `has_never_shown` is True if the report must say that the table also has lines whose count is never shown.
    """

    dimension: str
    name: str
    about: str
    rows: tuple[Row, ...]
    has_never_shown: bool

    @property
    def most(self) -> int:
        """Return the largest count that the table shows, or 0 if the table shows no count."""
        return max((row.count or 0 for row in self.rows), default=0)


@dataclass(frozen=True, slots=True)
class Imprint:
    """Name of the desk, date of publication and the adviser's text, for a report in one language.

    `own_words` is plain text of at most `OWN_WORDS_CHARACTERS`, with an empty line between paragraphs. This
    text is in `own_language`.
    """

    desk_name: str
    published: date
    own_words: str
    own_language: str
    is_draft: bool = False  # the report says so: two drafts of one year could reveal a single mailbox


@dataclass(frozen=True, slots=True)
class Document:
    """Yearly report in one language, ready for layout.

    `words` maps keys to the sentences of the report, with values filled in.
    """

    language: ReportLanguage
    words: Mapping[str, str]
    tables: tuple[Table, ...]
    own_words: tuple[str, ...]
    own_language: str
    is_confidential: bool
    is_draft: bool = False

    @property
    def title(self) -> str:
        """Return the title of the report.

        The confidential version for the Secretary-General (SG) has another title than the public version.
        """
        return self.words["title_sg" if self.is_confidential else "title"]

    @property
    def shows_nothing(self) -> bool:
        """Return True if no table of the report shows a count."""
        return not any(table.most for table in self.tables)


def compose_report(treated: Treated, lists: Lists, language: ReportLanguage, imprint: Imprint) -> Document:
    """Return the content of one version of a report in a language.

    Raises:
        WordsError: the adviser's text is too long or has control characters.
    """
    require_plain(imprint.own_words)
    filled = {
        "year": str(treated.year),
        "floor": str(treated.floor),
        "desk": imprint.desk_name,
        "day": format_date(imprint.published, "long", language.locale),
    }
    words = {
        key: sentence if key == "chart_title" else sentence.format_map(filled)
        for key, sentence in language.words.items()
    }
    tables = [
        Table(
            dimension,
            words[f"table_{dimension}"],
            words[f"about_{dimension}"],
            tuple(_rows(dimension, rows, lists, language)),
            has_never_shown=dimension != MAILBOX,
        )
        for dimension, rows in ((MAILBOX, treated.mailboxes), *treated.tables.items())
    ]
    return Document(
        language,
        words,
        tuple(tables),
        _paragraphs(imprint.own_words),
        imprint.own_language,
        is_confidential=treated.audience is Audience.SG,
        is_draft=imprint.is_draft,
    )


def _rows(
    dimension: str, counts: Mapping[str, int | None], lists: Lists, language: ReportLanguage
) -> Iterator[Row]:
    listed = {line.key: line for line in getattr(lists, dimension, ())}
    for key, count in counts.items():
        if key in listed:
            code, name = listed[key].named(language.code, language.fallback)
        else:
            code, name = language.code, language.words[f"line_{dimension}_{key}"]
        yield Row(code, name, count)


def require_plain(own_words: str) -> None:
    """Check that the adviser's text for the report is short enough and has no control characters.

    Raises:
        WordsError: the text has more than `OWN_WORDS_CHARACTERS`, or a control character.
    """
    if len(own_words) > OWN_WORDS_CHARACTERS:
        raise WordsError("the text is too long")
    if any(
        (sign < _FIRST_PRINTABLE or "\x7f" <= sign < "\xa0") and sign not in _LINE_ENDS for sign in own_words
    ):
        raise WordsError("the text has control characters")


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = text.replace("\r\n", "\n").split("\n\n")
    return tuple(" ".join(part.split()) for part in parts if part.strip())
