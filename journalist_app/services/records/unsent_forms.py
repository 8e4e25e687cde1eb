"""Unsent forms: submitted while the app was locked, saved encrypted, and offered again after unlocking.

The app may lock itself while the adviser types. No secret key is in memory then. So the form is encrypted to
the public key in the desk's signed letterhead, like a source's message. Files are not kept.
"""

import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import MalformedError, TooLongError, UnreadableError
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import UnsentRefusedError
from journalist_app.services.records import casefiles, drafts
from protocol.errors import LetterheadRefusedError
from protocol.identifiers import ADDRESS_BYTES, Address
from protocol.letterhead import verify_letterhead
from protocol.sealed_record import RecordKind, open_unsent, seal_unsent
from store import letterheads, records
from store.database.engine import Store
from web.normal_text import trim

UNSENT_MAX: Final = 20  # with this many forms, the next one is not saved; the page shows its text again
_NAME_BYTES: Final = 16
_MAILBOX: Final = re.compile(rf"/mailbox/([0-9a-f]{{{2 * ADDRESS_BYTES}}})(?:/.*)?")


class _Form(StrictStruct, frozen=True):
    path: str
    day: date
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UnsentForm:
    """A form that an adviser submitted while the app was locked.

    Anyone who can write to the store could have made the form, because it is not signed. The app never sends
    the form automatically.
    """

    name: str
    path: str  # page that the form was submitted to
    day: date
    address: Address | None  # of the mailbox in `path`
    texts: tuple[tuple[str, str], ...] = field(repr=False)  # names and texts of the typed fields


def keep_unsent(
    store: Store, config: AdviserConfig, path: str, fields: Iterable[tuple[str, str]], today: date
) -> None:
    """Encrypt a submitted form to the desk, and store it. The desk may be locked.

    The key comes from the store's newest letterhead, the desk's signed public statement.

    Raises:
        UnsentRefusedError: the form is too long, too many forms are kept, or no letterhead is signed by this
            desk.
        StoreError: the store cannot be written.
    """
    # Attack that remains: someone restores an older letterhead, and the app uses that letterhead's older key.
    kept = tuple((name, text) for name, text in fields if trim(text))
    with store.reading() as session:
        published = letterheads.latest(session)
        waiting = len(records.revisions(session, RecordKind.UNSENT))
    if published is None or waiting >= UNSENT_MAX:
        raise UnsentRefusedError
    try:
        letterhead = verify_letterhead(*published[1:], config.fingerprint)
        sealed = seal_unsent(encode_json(_Form(path=path, day=today, fields=kept)), letterhead)
    except (LetterheadRefusedError, TooLongError, MalformedError) as why:
        raise UnsentRefusedError from why
    name = secrets.token_bytes(_NAME_BYTES)
    with store.writing() as session:
        records.put(session, RecordKind.UNSENT, name, 1, sealed, goes_to_peers=False)


def list_unsent(desk: OpenDesk) -> tuple[UnsentForm, ...]:
    """Decrypt the forms that were submitted while the app was locked, oldest first.

    Forms that cannot be decrypted are left out.
    """
    with desk.store.reading() as session:
        here = records.all_records(session, RecordKind.UNSENT)
    found = []
    for record in here[:UNSENT_MAX]:
        try:
            form = decode_json(open_unsent(record.sealed, desk.keyring.identities), _Form)
        except (UnreadableError, MalformedError):
            continue
        typed = tuple(each for each in form.fields if not _is_machine_made(*each))
        found.append(UnsentForm(record.name.hex(), form.path, form.day, _address_in(form.path), typed))
    return tuple(sorted(found, key=lambda each: (each.day, each.name)))


def count_unsent(desk: OpenDesk) -> int:
    """Return the number of forms that were submitted while the app was locked, without decrypting them."""
    with desk.store.reading() as session:
        return len(records.revisions(session, RecordKind.UNSENT))


def drop_unsent(desk: OpenDesk, name: str) -> None:
    """Delete a form that was submitted while the app was locked, after the adviser has dealt with it."""
    with desk.store.writing() as session:
        records.drop(session, RecordKind.UNSENT, bytes.fromhex(name))


def drop_unsent_about(desk: OpenDesk, deleted: Collection[Address]) -> None:
    """Delete all unsent forms about some mailboxes, because these mailboxes were deleted."""
    for each in list_unsent(desk):
        if each.address in deleted:
            drop_unsent(desk, each.name)


def make_draft(desk: OpenDesk, name: str) -> Address | None:
    """Append the longest text of an unsent form to its mailbox's draft, and delete the form.

    Return the mailbox's address. If the form or its mailbox does not exist, return None and save nothing.

    Raises:
        SendRefusedError: the draft would be too long, so the form stays.
        RecordUnsoundError: the draft is not the one that this desk wrote last, so the form stays.
    """
    # A draft without a mailbox would never be deleted.
    form = next((each for each in list_unsent(desk) if each.name == name), None)
    if form is None or form.address is None or not casefiles.has_mailbox(desk, form.address):
        return None
    text = max((text for _, text in form.texts), key=len, default="")
    before = drafts.read_draft(desk, form.address)
    if text and text not in before:
        drafts.keep_draft(desk, form.address, f"{before}\n\n{text}" if before else text)
    drop_unsent(desk, name)
    return form.address


def _is_machine_made(name: str, text: str) -> bool:
    return name == "token" or (len(text) >= 2 * _NAME_BYTES and not set(text) - set("0123456789abcdef"))


def _address_in(path: str) -> Address | None:
    found = _MAILBOX.fullmatch(path)
    return Address(bytes.fromhex(found[1])) if found else None
