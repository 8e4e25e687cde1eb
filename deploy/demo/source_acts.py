"""Acts of an invented source in a mailbox, done with the functions of the source's interface."""

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Final

from PIL import ExifTags, Image

from crypto import age
from deploy.demo.stories import Event
from protocol.content import Verdict
from protocol.identifiers import Address, sealing_words
from source_app.public_desk import PublicDesk
from source_app.services import consent, deleting, login, read_receipts
from source_app.services.login import MailboxSession
from source_app.services.posting import Posting
from source_app.services.thread import read_thread
from source_app.services.verified_mailbox import read_mailbox
from stored_mailbox.entry_form import FormContext
from web.dates import half_hour_now

_LINE_CHARS: Final = 64


@dataclass(frozen=True, slots=True)
class InventedSource:
    """An invented source with a mailbox."""

    public: PublicDesk
    language: str
    passphrase: str = field(repr=False)
    opened: MailboxSession = field(repr=False)

    @classmethod
    def start(cls, public: PublicDesk, language: str, day: date) -> "InventedSource":
        """Start a mailbox with a new passphrase."""
        words, ticket = login.draw_passphrase(public, language, now=half_hour_now())
        passphrase = " ".join(words)
        opened = login.start_mailbox(public, ticket, passphrase, today=day, now=half_hour_now())
        return cls(public, language, passphrase, opened)

    @property
    def address(self) -> Address:
        """Return the address of the source's mailbox."""
        return self.opened.keys.address

    def new_form(self) -> FormContext:
        """Return the hidden fields that a form has on a page with the whole mailbox."""
        mailbox = read_mailbox(self.public, self.opened.keys)
        return FormContext.new(self.address, *mailbox.heads_for(mailbox.shown))


def _write(source: InventedSource, event: Event, day: date) -> None:
    posting = Posting(
        source.public, source.opened.keys, source.new_form(), event.text, source.language, half_hour_now()
    )
    if event.file:
        posting.begin_file(event.file, "image/jpeg")
        posting.add(_photograph())
        posting.end_file()
    posting.commit(today=day)


def _write_encrypted(source: InventedSource, event: Event, day: date) -> None:
    """Write a text that the source encrypted with the program age before sending."""
    text = f"{sealing_words(source.address)}\n\n{event.text}"
    sealed = age.encrypt(text.encode(), [source.public.letterhead.current_epoch[1]])
    body = base64.b64encode(sealed.header + sealed.payload).decode()
    lines = [body[at : at + _LINE_CHARS] for at in range(0, len(body), _LINE_CHARS)]
    armour = "\n".join(("-----BEGIN AGE ENCRYPTED FILE-----", *lines, "-----END AGE ENCRYPTED FILE-----", ""))
    _write(source, Event(day=event.day, what=event.what, text=armour), day)


def _read(source: InventedSource, _event: Event, day: date) -> None:
    shown = read_mailbox(source.public, source.opened.keys).shown
    read_receipts.append_read_receipt(source.public, source.opened.keys, shown, (), today=day)


def _delete_first(source: InventedSource, _event: Event, day: date) -> None:
    keys, form = source.opened.keys, source.new_form()
    first = min(read_mailbox(source.public, keys).own_entries(), key=lambda each: each.envelope.number)
    deleting.delete_words(source.public, keys, first.envelope.entry_id, form, today=day)


def _end(source: InventedSource, _event: Event, day: date) -> None:
    deleting.end_mailbox(source.public, source.opened, source.opened.keys, source.new_form(), today=day)


def _decide(verdict: Verdict, source: InventedSource, event: Event, day: date) -> None:
    keys = source.opened.keys
    shown = read_thread(source.public, keys, today=day).proposals[-1]
    answer = consent.ConsentAnswer(
        bytes.fromhex(shown.id), shown.digest, source.new_form(), verdict, event.text, source.language
    )
    consent.append_consent(source.public, keys, answer, today=day)


def _photograph() -> bytes:
    """Return a photograph whose metadata name a photographer, a camera and a place at sea."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Example Maker"
    exif[ExifTags.Base.Model] = "Example Telephone"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (54.0, 0.0, 0.0), 3: "E", 4: (4.0, 0.0, 0.0)})
    raw = io.BytesIO()
    Image.linear_gradient("L").resize((320, 240)).save(raw, "JPEG", exif=exif)
    return raw.getvalue()


SOURCE_ACTS: Final[Mapping[str, Callable[[InventedSource, Event, date], None]]] = {
    "source writes": _write,
    "source writes encrypted": _write_encrypted,
    "source reads": _read,
    "source agrees": partial(_decide, Verdict.AGREED),
    "source declines": partial(_decide, Verdict.DECLINED),
    "source asks for changes": partial(_decide, Verdict.CHANGES_ASKED),
    "source withdraws": partial(_decide, Verdict.TAKEN_BACK),
    "source deletes the first message": _delete_first,
    "source ends the mailbox": _end,
}
