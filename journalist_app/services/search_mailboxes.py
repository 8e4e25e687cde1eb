"""Full-text search in messages and casefiles. Every result is verified again before it is shown."""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from journalist_app.desk.casefile import Casefile
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of, open_all
from journalist_app.search.search_index import ReadingProgress
from journalist_app.search.search_worker import entry_texts
from journalist_app.search.text_index import query_words, snippet
from journalist_app.services.records import casefiles
from protocol.identifiers import Address
from web.normal_text import search_form

PAGE_ROWS: Final = 10  # each mailbox is verified and decrypted again before it is shown
_AROUND_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One search result: a mailbox that contains all words of a query, with a snippet of its text.

    `side` is the origin of the snippet: "source", "desk", or "casefile" for the desk's notes. `day` is the
    day of the entry, or None for the notes.
    """

    address: str
    label: str
    side: str
    day: date | None
    snippet: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SearchResults:
    """One page of search results. `found` is the number of mailboxes that the search index found."""

    query: str = field(repr=False)
    page: int
    hits: tuple[SearchHit, ...]
    found: int
    has_more: bool
    reading: ReadingProgress


def search(desk: OpenDesk, query: str, page: int) -> SearchResults:
    """Return one page of the mailboxes that contain all words of a query, newest first.

    `page` counts from 1. Capitals, accents and invisible characters make no difference. Similar letters, such
    as the Arabic and Persian yeh, are equal. A word is also found inside longer words.

    Raises:
        IndexMissingError: the search processes ended, or cannot read the store.
    """
    words = query_words(query)
    found = desk.index.find(words)
    first = (page - 1) * PAGE_ROWS
    hits = desk.each_mailbox("search", found[first : first + PAGE_ROWS], lambda each: _hit(desk, each, words))
    return SearchResults(
        query=query,
        page=page,
        hits=tuple(hit for hit in hits if hit is not None),
        found=len(found),
        has_more=len(found) > first + PAGE_ROWS,
        reading=desk.index.reading,
    )


def _hit(desk: OpenDesk, address: Address, words: list[str]) -> SearchHit | None:
    """Verify a mailbox that the search index found, and search it again for the words of the query.

    Return None if the mailbox no longer contains all words.
    """
    conversation = conversation_of(desk, address)
    places: list[tuple[str, date | None, tuple[str, ...]]] = []
    for each in open_all(desk, conversation):
        if each.content is not None:
            part = each.signed.envelope
            texts = tuple(entry_texts(address, each.content, desk.keyring.identities))
            places.append((part.author.name.lower(), part.day, texts))
    _, casefile = desk.casefiles.get(address, (0, Casefile()))
    places.append(("casefile", None, (casefiles.casefile_texts(casefile),)))
    folded = [search_form("\n".join(texts)) for _, _, texts in places]
    if not all(any(word in text for text in folded) for word in words):
        return None
    counted = [sum(word in text for word in words) for text in folded]
    side, day, texts = places[counted.index(max(counted))]
    return SearchHit(address.hex(), desk.label(address), side, day, snippet(texts, words, _AROUND_CHARS))
