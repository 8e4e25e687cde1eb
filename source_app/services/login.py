"""Log-in: start a mailbox, log in and log out, with passphrases, practice tickets and sessions.

A practice ticket is a form field with the encrypted passphrase of a new mailbox.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import zip_longest

from crypto import passphrase
from crypto.errors import UnreadableError
from crypto.framing import frame
from crypto.passphrase import RootKey
from protocol import session
from protocol.entry import SignedEntry
from protocol.heads import HEADS_OF_STRAND, Heads
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys, derive_mailbox_keys
from protocol.session import SessionState
from protocol.transcript.check import heads_after
from source_app import mailbox_tag, practice_ticket
from source_app.argon2_limiter import WAIT_SECONDS
from source_app.errors import (
    MailboxLimitError,
    PassphraseRefusal,
    PassphraseRefusedError,
    QueueFullError,
    TicketRefusal,
    TicketRefusedError,
)
from source_app.passphrase_typos import find_typos
from source_app.public_desk import PublicDesk
from source_app.queue_place import QueuePlace, open_place
from store import mailboxes
from store.errors import MailboxEndedError, StoreError
from stored_mailbox.entry_form import FormContext
from web.languages import closest

_Change = Callable[[Heads, Heads], tuple[Heads, Heads]]  # of what a session's source was shown
_SPENT_PLACE_HALF_HOURS = 2  # longer than a place in the queue is valid
_TICKET_HALF_HOURS = 4  # gives a visitor time to find a pen and a hiding place


@dataclass(frozen=True)
class MailboxSession:
    """Session of a source who is logged in: the token in the cookie, and the session's decrypted state.

    `box` is the encrypted state, as it was stored when the session was found.
    """

    token: bytes = field(repr=False)
    state: SessionState
    box: bytes = field(repr=False)

    @cached_property
    def keys(self) -> MailboxKeys:
        """Return the keys of the source's mailbox."""
        return derive_mailbox_keys(self.state.root, self.state.recipient)

    def tag(self) -> str:
        """Return a new tag for a form in which the source types a text.

        With the tag, the server recognises that the form was shown in this mailbox.
        """
        return mailbox_tag.new_tag(self.state.root)

    def is_mine(self, tag: str) -> bool:
        """Return True if a form with this tag was shown in this mailbox, in this session or another."""
        return mailbox_tag.is_tag_of(tag, self.state.root)


@dataclass(frozen=True, slots=True)
class Visit:
    """Data in a visitor's browser about earlier attempts: a place in the queue, and a session's token.

    `place` is encrypted, or empty. The session of `token` ends when a new session begins.
    """

    place: str = ""
    token: bytes | None = field(default=None, repr=False)


_FIRST_VISIT = Visit()


def draw_passphrase(desk: PublicDesk, language: str, *, now: int) -> tuple[list[str], str]:
    """Return the words of a new passphrase, and an encrypted ticket that contains these words.

    The words are English if `language` has no word list of its own. In this module, `now` is the number of
    half hours since 1970.

    Raises:
        MailboxLimitError: no more mailboxes can be started in this half hour.
    """
    # The form on which the source practises the words carries the ticket, so the server stores nothing.
    counted = desk.sessions.find(_count_name(now), now)
    if counted is not None and len(counted[0]) >= desk.new_mailboxes > 0:
        raise MailboxLimitError
    drawn = passphrase.generate_passphrase(closest(language, passphrase.word_lists()))
    return drawn.split(), practice_ticket.seal_ticket(drawn, desk.server_secret, now + _TICKET_HALF_HOURS)


def ticket_words(desk: PublicDesk, ticket: str, *, now: int) -> list[str]:
    """Decrypt a practice ticket and return the words of its passphrase, to show them to the source again.

    A practice ticket is a form field with the encrypted passphrase of a new mailbox.

    Raises:
        TicketRefusedError: the ticket is too old, or a mailbox was opened with its words.
    """
    words = _decrypt_ticket(desk, ticket, now=now)
    if _is_used(desk, words, now=now):
        raise TicketRefusedError(TicketRefusal.USED)
    return words


def start_mailbox(  # noqa: PLR0913  # each is needed to open a mailbox
    desk: PublicDesk, ticket: str, typed: str, visit: Visit = _FIRST_VISIT, *, today: date, now: int
) -> MailboxSession:
    """Create a mailbox for someone who has typed their new passphrase correctly, and log them in.

    `ticket` is a form field with the encrypted passphrase. After a typing error, no mailbox is created.

    Raises:
        PassphraseRefusedError: the typed words differ from the passphrase in an unused ticket.
        TicketRefusedError: the ticket is too old, its mailbox has ended, or the typed words differ from the
            passphrase in a used ticket.
        QueueFullError: too many people are logging in.
        MailboxLimitError: no more mailboxes can be started in this half hour. The ticket stays unused.
    """
    # If the source wrote the same wrong words on paper, the source could not log in later.
    shown = _decrypt_ticket(desk, ticket, now=now)
    words = passphrase.typed_words(typed)
    given = " ".join(words)
    if not hmac.compare_digest(given.encode(), " ".join(shown).encode()):
        if _is_used(desk, shown, now=now):  # a stranger may be typing, and must not learn which word is wrong
            raise TicketRefusedError(TicketRefusal.USED)
        raise PassphraseRefusedError(
            PassphraseRefusal.OTHER_WORDS, find_typos(words), wrong=_differing(shown, words)
        )
    root = _root(desk, given, visit.place, now=now)
    keys = derive_mailbox_keys(root)
    _count_new(desk, keys, now=now)
    with desk.store.writing(mailbox=keys.address) as writing:
        try:
            public = {"recipient": keys.recipient, "verify_key": keys.verify_key}
            mailboxes.create_mailbox(writing, address=keys.address, **public, opened_day=today)
        except MailboxEndedError as why:  # the practice page was still open after its mailbox had ended
            raise TicketRefusedError(TicketRefusal.USED) from why
    _mark_used(desk, shown, now=now)
    log_out(desk, visit.token)
    return _open_session(desk, keys, now=now)


def log_in(
    desk: PublicDesk,
    typed: str,
    visit: Visit = _FIRST_VISIT,
    *,
    now: int,
    after_argon2: Callable[[], None] = lambda: None,
) -> MailboxSession:
    """Log in with a typed passphrase, and return the session of the mailbox that it opens.

    The browser's earlier session ends, even if the words are wrong. `after_argon2` is called after Argon2id
    has run, whether the words are right or wrong.

    Raises:
        PassphraseRefusedError: the words are wrong or the mailbox has ended. The reason does not say which.
        QueueFullError: too many people are logging in.
    """
    # Argon2id runs for every typed text, also for words on no word list: every response takes equally long.
    words = passphrase.typed_words(typed)
    root = _root(desk, " ".join(words), visit.place, now=now)
    after_argon2()
    keys = derive_mailbox_keys(root)
    with desk.store.reading(mailbox=keys.address) as reading:
        mailbox = mailboxes.find(reading, keys.address)
    log_out(desk, visit.token)
    if mailbox is None:
        raise PassphraseRefusedError(PassphraseRefusal.NO_MAILBOX, find_typos(words))
    return _open_session(desk, keys, now=now)


def find_session(desk: PublicDesk, token: bytes, *, now: int) -> MailboxSession | None:
    """Return the session of the source whose cookie has this token, and extend the session.

    Return None if there is no such session, or if the session has expired.
    """
    name = session.token_hash(token)
    found = desk.sessions.find(name, now)
    if found is None:
        return None
    box, expires_before = found
    try:
        state = session.open_session(box, token, desk.server_secret)
    except UnreadableError:  # the server has restarted, with another secret
        return None
    expires = now + desk.session_half_hours
    if expires_before < expires:  # writes at most once in a half hour: reading is cheaper
        desk.sessions.change(name, box, box, expires)
    return MailboxSession(token, state, box)


def remember_page(desk: PublicDesk, opened: MailboxSession, shown: tuple[Heads, Heads], *, now: int) -> None:
    """Record in a source's session which entries the last page showed.

    The source's next entry names these entries, so the source signs what they had seen when they wrote.
    """
    # Attack: the operator drops what the source wrote in another tab while this page was made.
    before = set(opened.state.shown[0])

    def change(heads: Heads, _: Heads) -> tuple[Heads, Heads]:
        written = [head for head in heads if not head.strand and head not in before]
        return heads_after((*shown[0], *written), ()), shown[1]

    _change_shown(desk, opened, change, now=now)


def remember_written(  # noqa: PLR0913  # what was written, and in which session
    desk: PublicDesk,
    opened: MailboxSession,
    form_context: FormContext,
    written: Sequence[SignedEntry],
    text: str | None = None,
    *,
    now: int,
) -> None:
    """Record in a source's session the entry that a form added, so that the source's next entry names it.

    `text` is the text of a message.

    If `written` is empty, or if the store fails, the session stays as it is.
    """
    # If someone drops an entry before a page has shown it, the next page says that an entry is missing. So
    # the session forgets an entry of the source only for a newer one that builds on it: on all that its form
    # names, unless the newer one had no room for all names.
    has_room = all(sum(not head.strand for head in it.envelope.heads) < HEADS_OF_STRAND for it in written)
    replaced = {head for head in form_context.heads if written and has_room and not head.strand}

    def change(heads: Heads, unseen: Heads) -> tuple[Heads, Heads]:
        return heads_after(tuple(set(heads) - replaced), written), unseen

    sent = b"" if text is None or not written else sent_mark(written[-1].digest, text)
    with suppress(StoreError):
        _change_shown(desk, opened, change, sent, now=now)


def sent_mark(digest: Digest, text: str) -> bytes:
    """Return what a session records of a sent message: the digest of its entry, and a hash of its text."""
    return digest + hashlib.sha256(text.encode()).digest()


def log_out(desk: PublicDesk, token: bytes | None) -> None:
    """Delete the session of the source whose cookie has this token. Do nothing for None."""
    if token is not None:
        desk.sessions.drop(session.token_hash(token))


def _count_new(desk: PublicDesk, keys: MailboxKeys, *, now: int) -> None:
    """Count a new mailbox towards the limit of this half hour, unless the mailbox exists already.

    Raises:
        MailboxLimitError: no more mailboxes can be started in this half hour.
    """
    # Only a number is stored, in memory. An address would not help: all Tor visitors have the same one.
    if not desk.new_mailboxes:
        return
    with desk.store.reading(mailbox=keys.address) as reading:
        is_new = mailboxes.find(reading, keys.address) is None
    if is_new and not desk.sessions.count(_count_name(now), desk.new_mailboxes, now + 1):
        raise MailboxLimitError


def _count_name(now: int) -> bytes:
    return hashlib.sha256(frame(b"steunpunt/v1/new-mailboxes", now.to_bytes(4))).digest()


def _decrypt_ticket(desk: PublicDesk, ticket: str, *, now: int) -> list[str]:
    try:
        return practice_ticket.open_ticket(ticket, desk.server_secret, now).split()
    except UnreadableError as why:
        raise TicketRefusedError(TicketRefusal.EXPIRED) from why


def _mark_used(desk: PublicDesk, words: Sequence[str], *, now: int) -> None:
    """Record that a new passphrase has opened its mailbox, so that no page shows the passphrase again."""
    # Attack: the next person at the device goes back in the browser, to the form with the ticket.
    desk.sessions.put(_used_name(desk, words), b"", now + _TICKET_HALF_HOURS + 1)


def _is_used(desk: PublicDesk, words: Sequence[str], *, now: int) -> bool:
    return desk.sessions.find(_used_name(desk, words), now) is not None


def _used_name(desk: PublicDesk, words: Sequence[str]) -> bytes:
    return practice_ticket.spent_ticket_name(" ".join(words), desk.server_secret)


def _root(desk: PublicDesk, typed: str, sealed_place: str, *, now: int) -> RootKey:
    """Derive the root key from the typed passphrase, when it is this visitor's turn in the queue."""
    salt, params = desk.letterhead.site_salt, desk.letterhead.argon2.params
    place = _unused_place(desk, sealed_place, now=now)

    def derive() -> RootKey:
        if place and not desk.sessions.add(place.spent_name, now + _SPENT_PLACE_HALF_HOURS):
            raise QueueFullError(QueuePlace.new(), WAIT_SECONDS[0])  # a copy of this form came first
        return passphrase.derive_root_key(typed, salt, params)

    desk.sessions.make_missing()  # with its folder, in which the queue has its locks
    return desk.argon2_limiter.run(derive, place)


def _unused_place(desk: PublicDesk, sealed: str, *, now: int) -> QueuePlace | None:
    """Return the visitor's place in the queue of log-ins, from a form that the visitor sent again.

    Return None if the form has no place, or if the place was used before.
    """
    try:
        place = open_place(sealed, desk.server_secret)
    except UnreadableError:
        return None
    return None if desk.sessions.find(place.spent_name, now) is not None else place


def _open_session(desk: PublicDesk, keys: MailboxKeys, *, now: int) -> MailboxSession:
    token, state = secrets.token_bytes(session.TOKEN_BYTES), SessionState(keys.root, keys.recipient)
    box = session.seal_session(state, token, desk.server_secret)
    desk.sessions.put(session.token_hash(token), box, now + desk.session_half_hours)
    return MailboxSession(token, state, box)


def _change_shown(
    desk: PublicDesk, opened: MailboxSession, change: _Change, sent: bytes = b"", *, now: int
) -> None:
    """Change a session's record of what the source saw and sent. Do nothing if the session has ended."""
    # If another request changed the session since it was found, the state of that request is read first.
    name, expires = session.token_hash(opened.token), now + desk.session_half_hours
    latest: MailboxSession | None = opened
    while latest is not None:
        before = latest.state
        state = replace(before, shown=change(*before.shown), sent=sent or before.sent)
        box = session.seal_session(state, opened.token, desk.server_secret)
        if state == before or desk.sessions.change(name, latest.box, box, expires):
            return
        latest = find_session(desk, opened.token, now=now)


def _differing(shown: Sequence[str], given: Sequence[str]) -> list[int]:
    return [place for place, (one, other) in enumerate(zip_longest(shown, given), 1) if one != other]
