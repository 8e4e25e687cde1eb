"""Open a new mailbox, log in and log out: passphrases, practice tickets and sessions."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from crypto import passphrase
from crypto.errors import UnreadableError
from crypto.passphrase import Language, RootKey
from protocol import session
from protocol.mailbox_keys import derive_mailbox_keys
from source_app.errors import (
    NoMailboxError,
    NotOpenError,
    OtherWordsError,
    TicketExpiredError,
    WordsUsedError,
)
from source_app.public_desk import PublicDesk
from store import mailboxes
from store.errors import MailboxEndedError

_TICKET_HALF_HOURS = 4  # to find a pen and a hiding place


@dataclass(frozen=True, slots=True)
class MailboxSession:
    """A mailbox that is open in one browser: the cookie's token and the mailbox's root key."""

    token: bytes = field(repr=False)
    root: RootKey = field(repr=False)


def draw_passphrase(desk: PublicDesk, language: Language, *, now: int) -> tuple[list[str], str]:
    """Draw a passphrase and return its words and the ticket that remembers it; nothing is stored.

    `now` is the half hour since 1970, here and everywhere below.
    """
    drawn = passphrase.generate_passphrase(language)
    return drawn.split(), session.seal_ticket(drawn, desk.server_secret, now + _TICKET_HALF_HOURS)


def ticket_words(desk: PublicDesk, ticket: str, *, now: int) -> list[str]:
    """Return the words of a ticket, to show them again.

    Raises:
        TicketExpiredError: too old, or not one of this server since its start.
        WordsUsedError: a mailbox was opened with them.
    """
    words = _words_in(desk, ticket, now=now)
    if _is_spent(desk, words, now=now):
        raise WordsUsedError
    return words


def open_mailbox(desk: PublicDesk, ticket: str, typed: str, *, today: date, now: int) -> MailboxSession:
    """Open a new mailbox for somebody who typed back the words they were shown.

    A slip opens nothing: otherwise it would make a second mailbox that the paper does not open.

    Raises:
        OtherWordsError: with the places of the words that differ.
        TicketExpiredError: draw new words.
        WordsUsedError: other words, after a mailbox was opened with those shown; or that mailbox has ended.
        LineFullError: come back in a moment.
    """
    shown = _words_in(desk, ticket, now=now)
    given = passphrase.normalise_passphrase(typed)
    if not hmac.compare_digest(given.encode(), " ".join(shown).encode()):
        if _is_spent(desk, shown, now=now):  # which word differs would be told to somebody else
            raise WordsUsedError
        raise OtherWordsError(_differing(shown, given.split()), _places(passphrase.unknown_words(typed)))
    root = _root(desk, given)
    keys = derive_mailbox_keys(root)
    with desk.store.writing() as writing:
        try:
            mailboxes.create_mailbox(
                writing,
                address=keys.address,
                recipient=keys.recipient,
                verify_key=keys.verify_key,
                day=today,
            )
        except MailboxEndedError as why:  # the practise page was still there after its mailbox had ended
            raise WordsUsedError from why
    _spend(desk, shown, now=now)
    return _open_session(desk, root, now=now)


def log_in(desk: PublicDesk, typed: str, *, now: int) -> MailboxSession:
    """Open the mailbox of a passphrase. Argon2id runs first, whatever was typed.

    Raises:
        NoMailboxError: whatever the reason; with the places of words that are on no list.
        LineFullError: come back in a moment.
    """
    root = _root(desk, typed)
    keys = derive_mailbox_keys(root)
    with desk.store.reading() as reading:
        mailbox = mailboxes.find(reading, keys.address)
    if mailbox is None:
        raise NoMailboxError(_places(passphrase.unknown_words(typed)))
    return _open_session(desk, root, now=now)


def opened_with(desk: PublicDesk, token: bytes, *, now: int) -> MailboxSession:
    """Return what a cookie's token opens, and let the session last from now on.

    Raises:
        NotOpenError: nothing, or nothing any more.
    """
    name = session.token_hash(token)
    box = desk.sessions.get(name, now)
    if box is None:
        raise NotOpenError
    try:
        root = session.open_session(box, token, desk.server_secret)
    except UnreadableError as why:  # the server was started anew
        raise NotOpenError from why
    expires = now + desk.session_half_hours
    if desk.sessions.get(name, expires - 1) is None:  # once in a half hour: reading is cheaper than writing
        desk.sessions.put(name, box, expires)
    return MailboxSession(token, root)


def log_out(desk: PublicDesk, token: bytes) -> None:
    """Forget a session."""
    desk.sessions.drop(session.token_hash(token))


def _words_in(desk: PublicDesk, ticket: str, *, now: int) -> list[str]:
    try:
        return session.open_ticket(ticket, desk.server_secret, now).split()
    except UnreadableError as why:
        raise TicketExpiredError from why


def _spend(desk: PublicDesk, words: Sequence[str], *, now: int) -> None:
    """Never show these words again, now that they open a mailbox.

    A browser keeps the form with the ticket in its history: with its back button whoever sits down at the
    device next would be shown the passphrase, though its owner had logged out.
    """
    desk.sessions.put(_spent_name(desk, words), b"", now + _TICKET_HALF_HOURS + 1)


def _is_spent(desk: PublicDesk, words: Sequence[str], *, now: int) -> bool:
    return desk.sessions.get(_spent_name(desk, words), now) is not None


def _spent_name(desk: PublicDesk, words: Sequence[str]) -> bytes:
    return session.spent_ticket_name(" ".join(words), desk.server_secret)


def _root(desk: PublicDesk, typed: str) -> RootKey:
    salt, params = desk.letterhead.site_salt, desk.letterhead.argon2.params
    return desk.line.run(lambda: passphrase.derive_root_key(typed, salt, params))


def _open_session(desk: PublicDesk, root: RootKey, *, now: int) -> MailboxSession:
    token = secrets.token_bytes(session.TOKEN_BYTES)
    box = session.seal_session(root, token, desk.server_secret)
    desk.sessions.put(session.token_hash(token), box, now + desk.session_half_hours)
    return MailboxSession(token, root)


def _differing(shown: Sequence[str], given: Sequence[str]) -> list[int]:
    count = max(len(shown), len(given))
    return [place + 1 for place in range(count) if shown[place : place + 1] != given[place : place + 1]]


def _places(positions: Sequence[int]) -> list[int]:
    return [position + 1 for position in positions]
