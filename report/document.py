"""Content of the yearly report in one language: its texts and tables in order, without layout."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Final

from report.disclosure import Audience, Treated
from report.errors import WordsError
from report.tables import MAILBOX, Lists

LANGUAGES: Final = ("nl", "en")
OWN_WORDS_CHARACTERS: Final = 20_000
_FIRST_PRINTABLE = " "
_LINE_ENDS = "\n\r\t"


@dataclass(frozen=True, slots=True)
class Row:
    """Row of a table in the report.

    `count` is a rounded number, or None if the report must not show the count.
    """

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

    `own_words` is plain text of at most `OWN_WORDS_CHARACTERS`, with an empty line between paragraphs.
    """

    desk_name: str
    published: date
    own_words: str
    is_draft: bool = False  # the report says so: two drafts of one year could reveal a single mailbox


@dataclass(frozen=True, slots=True)
class Document:
    """Yearly report in one language, ready for layout.

    `words` maps keys to the sentences of the report, with values filled in.
    """

    language: str
    words: Mapping[str, str]
    tables: tuple[Table, ...]
    own_words: tuple[str, ...]
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


def read_words(language: str) -> Mapping[str, str]:
    """Return a dict from keys to the report's sentences in "nl" or "en".

    The sentences have placeholders for values.
    """
    text = (resources.files("report") / f"words_{language}.toml").read_text("utf-8")
    return {key: str(words) for key, words in tomllib.loads(text).items()}


def compose_report(treated: Treated, lists: Lists, language: str, imprint: Imprint) -> Document:
    """Return the content of one version of a report in a language ("nl" or "en").

    Raises:
        WordsError: the adviser's text is too long or has control characters.
    """
    require_plain(imprint.own_words)
    sentences = read_words(language)
    day = imprint.published
    filled = {
        "year": str(treated.year),
        "floor": str(treated.floor),
        "desk": imprint.desk_name,
        "day": f"{day.day} {sentences['months'].split()[day.month - 1]} {day.year}",
    }
    words = {
        key: sentence if key == "chart_title" else sentence.format_map(filled)
        for key, sentence in sentences.items()
    }
    named: dict[str, dict[str, str]] = {
        dimension: {line.key: line.name(language) for line in getattr(lists, dimension, ())}
        for dimension in treated.tables
    }
    tables = [
        Table(
            dimension,
            words[f"table_{dimension}"],
            words[f"about_{dimension}"],
            tuple(
                Row(named.get(dimension, {}).get(line) or words[f"line_{dimension}_{line}"], number)
                for line, number in rows.items()
            ),
            has_never_shown=dimension != MAILBOX,
        )
        for dimension, rows in ((MAILBOX, treated.mailboxes), *treated.tables.items())
    ]
    return Document(
        language,
        words,
        tuple(tables),
        _paragraphs(imprint.own_words),
        is_confidential=treated.audience is Audience.SG,
        is_draft=imprint.is_draft,
    )


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
