"""What stands in one report, in one language: texts and tables in order, before anything is laid out."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Final

from report.disclosure import Audience, Treated
from report.errors import WordsError
from report.tables import MAILBOX, Lists, TableLine

LANGUAGES: Final = ("nl", "en")
OWN_WORDS_CHARACTERS: Final = 20_000
_FIRST_PRINTABLE = " "
_LINE_ENDS = "\n\r\t"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table; `count` is a rounded number, or None where none is shown."""

    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """One table with its heading and its explanation."""

    dimension: str
    name: str
    about: str
    rows: tuple[Row, ...]
    has_never_shown: bool

    @property
    def most(self) -> int:
        """Return the largest count that is shown, 0 when none is."""
        return max((row.count or 0 for row in self.rows), default=0)


@dataclass(frozen=True, slots=True)
class Imprint:
    """Whose report it is, in one language, and what the adviser says in it.

    A draft is one whose counts are not frozen: two of one year could be compared, so it says what it is.
    `own_words` is plain text of at most `OWN_WORDS_CHARACTERS`; an empty line begins a new paragraph.
    """

    desk_name: str
    published: date
    own_words: str
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One report in one language. `words` are the sentences by key, with this report's values filled in."""

    language: str
    words: Mapping[str, str]
    tables: tuple[Table, ...]
    own_words: tuple[str, ...]
    is_confidential: bool
    is_draft: bool = False

    @property
    def title(self) -> str:
        """Return the report's title."""
        return self.words["title_sg" if self.is_confidential else "title"]

    @property
    def shows_nothing(self) -> bool:
        """Tell whether not one count is shown."""
        return not any(table.most for table in self.tables)


def read_words(language: str) -> Mapping[str, str]:
    """Return the sentences of "nl" or "en", with their named places still open."""
    text = (resources.files("report") / f"words_{language}.toml").read_text("utf-8")
    return {key: str(words) for key, words in tomllib.loads(text).items()}


def compose_report(treated: Treated, lists: Lists, language: str, imprint: Imprint) -> Document:
    """Put one version of a report together in "nl" or "en".

    Raises:
        WordsError: the adviser's words are too long or hold control characters, which no document may carry.
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
    named = {
        dimension: {choice.key: choice.name(language) for choice in _choices(lists, dimension)}
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
    """Refuse own words that cannot stand in a document.

    Raises:
        WordsError: more than `OWN_WORDS_CHARACTERS`, or a control character.
    """
    if len(own_words) > OWN_WORDS_CHARACTERS:
        raise WordsError("the text is too long")
    if any(
        (sign < _FIRST_PRINTABLE or "\x7f" <= sign < "\xa0") and sign not in _LINE_ENDS for sign in own_words
    ):
        raise WordsError("the text holds control characters")


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = text.replace("\r\n", "\n").split("\n\n")
    return tuple(" ".join(part.split()) for part in parts if part.strip())


def _choices(lists: Lists, dimension: str) -> tuple[TableLine, ...]:
    choices: tuple[TableLine, ...] = getattr(lists, dimension, ())
    return choices
