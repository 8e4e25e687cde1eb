"""Desk for tests of the source's site: real keys, a real store in a temporary folder, and a fast Argon2id."""

import hashlib
import io
import itertools
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from datetime import date
from html import unescape
from pathlib import Path
from typing import IO, Any

from flask import Flask
from flask.testing import FlaskClient
from nacl.signing import SigningKey
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from crypto.age import PQIdentity
from protocol.attachment import AttachmentSealer
from protocol.content import (
    AnswerNote,
    AttachmentNote,
    ClosingNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    ProposedFile,
    StepName,
    StepNote,
    proposal_digest,
)
from protocol.entry import SignedEntry, open_entry, seal_words, sign_entry
from protocol.envelope import Author, EntryClass, Envelope
from protocol.identifiers import AttachmentId, Digest, EntryId, StrandId
from protocol.letterhead import Argon2, Epoch, Letterhead, Strand
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from protocol.transcript.check import Transcript
from source_app import create_source_app
from source_app.config import SourceConfig
from source_app.public_desk import PublicDesk
from source_app.services import deleting
from source_app.services import login as services
from source_app.services.thread import Thread, read_thread
from source_app.services.verified_mailbox import read_mailbox
from source_app.session_cookie import open_cookie
from source_app.signpost import decision_tree
from store import attachments, mailboxes
from store.database.engine import Store
from store.quota import Quota
from store.sessions import open_sessions
from stored_mailbox.appending import NewEntry, PreparedAppend, append_entries
from stored_mailbox.entry_form import FormContext
from stored_mailbox.reading import read_stored
from tests.stores import an_empty_store, as_the_source
from web.dates import half_hour_now

TODAY = date(2026, 3, 2)  # a Monday
STRAND = StrandId(b"desk-one")
MIB = 1024 * 1024


@dataclass
class ADesk:
    """Desk for tests, with the keys of the desk and the source's site."""

    app: Flask
    store: Store
    letterhead: Letterhead
    identity: PQIdentity
    writer: DeskWriter
    config: SourceConfig

    def keys_of(self, browser: "SourceBrowser") -> MailboxKeys:
        """Return the keys of the mailbox that a browser started."""
        return services.log_in(self.desk, browser.passphrase, now=half_hour_now()).keys

    def thread_of(self, browser: "SourceBrowser", today: date = TODAY) -> Thread:
        return read_thread(self.desk, self.keys_of(browser), today=today)

    @property
    def desk(self) -> PublicDesk:
        desk: PublicDesk = self.app.extensions["desk"]
        return desk

    def overtaken(self, interference: Callable[[], object], times: int = 1) -> PublicDesk:
        """Return a desk with a store in which `interference` runs just before each of the first writes."""
        whole, left = self.desk.store, iter(range(times))

        @contextmanager
        def writing(**options: Any) -> Iterator[Session]:  # noqa: ANN401  # those of a store
            for _ in itertools.islice(left, 1):
                interference()
            with whole.writing(**options) as session:
                yield session

        store = copy(whole)
        store.writing = writing  # type: ignore[method-assign]  # the rest is the store itself
        return replace(self.desk, store=store)

    def browser(self) -> "SourceBrowser":
        return SourceBrowser(self.app.test_client())

    def token_of(self, browser: "SourceBrowser") -> bytes:
        """Return the token of a browser's session."""
        cookie = browser.client.get_cookie("mailbox")
        token = open_cookie("" if cookie is None else cookie.value, self.desk.server_secret, half_hour_now())
        assert isinstance(token, bytes)
        return token

    def add_workstation(self, name: bytes, *, since: date, until: date | None = None) -> DeskWriter:
        """Add a workstation to the letterhead, or change its days if it is there. Its id has 8 bytes."""
        by = DeskWriter(StrandId(name), name * 4)
        key = bytes(SigningKey(by.seed).verify_key)
        added = Strand(id=by.strand, name="another", verify_key=key, since=since, until=until)
        others = (strand for strand in self.letterhead.strands if strand.id != added.id)
        self.letterhead = self.letterhead.successor(strands=(*others, added))
        self.app.extensions["desk"] = replace(self.desk, letterhead=self.letterhead)
        self.app.extensions["newest_letterhead"] = lambda: self.letterhead
        return by

    def form_context(self, keys: MailboxKeys) -> FormContext:
        """Return the hidden fields of a form on a page that shows the whole mailbox."""
        mailbox = read_mailbox(self.desk, keys)
        return FormContext.new(keys.address, *mailbox.heads_for(mailbox.shown))

    def delete(self, keys: MailboxKeys, entry_id: bytes) -> None:
        deleting.delete_words(self.desk, keys, entry_id, self.form_context(keys), today=TODAY)

    def end(self, browser: "SourceBrowser") -> None:
        opened = services.log_in(self.desk, browser.passphrase, now=half_hour_now())
        keys = opened.keys
        deleting.end_mailbox(self.desk, opened, keys, self.form_context(keys), today=TODAY)

    def transcript(self, keys: MailboxKeys) -> Transcript:
        """Return the mailbox as the desk reads it."""
        with self.store.reading() as session:
            stored = read_stored(session, keys.address, self.letterhead.strand_keys)
        assert stored is not None
        return stored.transcript

    def entries_of(self, keys: MailboxKeys, entry_class: EntryClass, author: Author) -> list[SignedEntry]:
        """Return the entries of one class and one author, in thread order."""
        return [
            entry
            for entry in self.transcript(keys).entries
            if (entry.envelope.entry_class, entry.envelope.author) == (entry_class, author)
        ]

    def answer(  # the parts of an entry
        self,
        keys: MailboxKeys,
        text: str,
        *,
        file: tuple[str, bytes] | None = None,
        kind: Kind = Kind.MESSAGE,
        writer: DeskWriter | None = None,
        day: date = TODAY,
        due: date | None = None,
        replica: Transcript | None = None,
        **notes: StepNote | ProposalNote | ClosingNote | AnswerNote,
    ) -> SignedEntry:
        """Append an entry of the desk, as the adviser's interface would. `notes` are the notes of its kind.

        `replica` is the mailbox at the writer's workstation, if that is not the whole mailbox.
        """
        entry_id = EntryId(secrets.token_bytes(16))
        attached: tuple[AttachmentNote, ...] = ()
        if file is not None:
            attached = (self._attach(keys, entry_id, *file),)
        content = Content(kind=kind, text=text, attachments=attached, **notes)
        return self._append_of_desk(keys, content, entry_id, writer or self.writer, day, due, replica)

    def receipt(self, keys: MailboxKeys, writer: DeskWriter | None = None) -> SignedEntry:
        """Append a read receipt of the desk for everything in a mailbox."""
        by = writer or self.writer
        return self._append_without_content(keys, by, EntryClass.RECEIPT)

    def receipt_of_source(self, keys: MailboxKeys) -> SignedEntry:
        """Append a read receipt of the source for everything in a mailbox."""
        return self._append_without_content(keys, SourceWriter(keys), EntryClass.RECEIPT)

    def say_step(
        self, keys: MailboxKeys, text: str, note: StepNote, *, day: date = TODAY, due: date | None = None
    ) -> SignedEntry:
        return self.answer(keys, text, kind=Kind.STEP, step=note, day=day, due=due)

    def close(self, keys: MailboxKeys, text: str, due: date, *, day: date = TODAY) -> SignedEntry:
        """Close a mailbox, which may be deleted from the day `due`."""
        return self.answer(keys, text, kind=Kind.CLOSING, closing=ClosingNote(), day=day, due=due)

    def propose(
        self,
        keys: MailboxKeys,
        text: str,
        *,
        files: "Sequence[ToGo]" = (),
        recipient: PassOnRecipient = PassOnRecipient.SG,
        name: str = "J. Jansen",
    ) -> SignedEntry:
        """Append a proposal of the desk to pass on a text and files."""
        entry_id = EntryId(secrets.token_bytes(16))
        attached = tuple(self._attach(keys, entry_id, each.name, each.content) for each in files)
        proposed = tuple(
            ProposedFile(
                attachment_id=note.id,
                sha256=Digest(each.sha256 or hashlib.sha256(each.content).digest()),
                is_cleaned=each.is_cleaned,
                about=each.about,
            )
            for note, each in zip(attached, files, strict=True)
        )
        note = ProposalNote(recipient=recipient, name=name, fingerprint="AB" * 20, files=proposed)
        content = Content(kind=Kind.PROPOSAL, text=text, attachments=attached, proposal=note)
        return self._append_of_desk(keys, content, entry_id, self.writer, TODAY)

    def pass_on(  # the parts of a step
        self,
        keys: MailboxKeys,
        proposal: SignedEntry,
        step: StepName = StepName.PASSING_ON,
        *,
        replica: Transcript | None = None,
        reason: str = "",
        delivered: date | None = None,
        name: str = "J. Jansen",
    ) -> SignedEntry:
        """Append the step "passing on" for a proposal, as the adviser does before making the file.

        `replica` is the mailbox as the adviser's workstation had it. With a `reason`, the source did not
        agree.
        """
        content = open_entry(proposal, [keys.identity])
        digest = proposal_digest(content, address=keys.address, entry_id=proposal.envelope.entry_id)
        note = StepNote(
            step=step, to=name, proposal=digest, without_consent=bool(reason), delivered=delivered
        )
        return self.answer(keys, reason, kind=Kind.STEP, step=note, replica=replica)

    def pass_on_if_unchanged(self, keys: MailboxKeys, proposal: SignedEntry, seen: Transcript) -> bool:
        """Begin passing on if the source wrote nothing since, as the adviser's interface does."""
        signed = self._sign_step(keys, proposal, seen)

        def prepare() -> PreparedAppend | None:
            with self.store.reading() as session:
                stored = read_stored(session, keys.address, self.letterhead.strand_keys)
            assert stored is not None
            is_unchanged = stored.transcript.authentic.keys() == seen.authentic.keys()
            return PreparedAppend(stored.mailbox, [NewEntry(signed)]) if is_unchanged else None

        return bool(append_entries(self.store, prepare))

    def _sign_step(self, keys: MailboxKeys, proposal: SignedEntry, seen: Transcript) -> SignedEntry:
        content = open_entry(proposal, [keys.identity])
        digest = proposal_digest(content, address=keys.address, entry_id=proposal.envelope.entry_id)
        note = StepNote(step=StepName.PASSING_ON, to="J. Jansen", proposal=digest)
        step = Content(kind=Kind.STEP, text="", step=note)
        return self._seal(keys, step, EntryId(secrets.token_bytes(16)), self.writer, TODAY, None, seen)

    def _seal(  # the fields of the envelope
        self,
        keys: MailboxKeys,
        content: Content,
        entry_id: EntryId,
        writer: EntryWriter,
        day: date,
        due: date | None,
        transcript: Transcript,
    ) -> SignedEntry:
        heads, unseen = transcript.heads_for(writer.strand, transcript.authentic.keys())
        return seal_words(
            content,
            address=keys.address,
            mailbox_recipient=keys.identity.recipient,
            letterhead=self.letterhead,
            by=writer,
            entry_id=entry_id,
            heads=heads,
            unseen=unseen,
            day=day,
            due=due,
        )

    def _append_of_desk(  # the parts of an entry
        self,
        keys: MailboxKeys,
        content: Content,
        entry_id: EntryId,
        writer: DeskWriter,
        day: date,
        due: date | None = None,
        replica: Transcript | None = None,
    ) -> SignedEntry:
        transcript = replica or self.transcript(keys)
        signed = self._seal(keys, content, entry_id, writer, day, due, transcript)
        self.append(signed, [note.id for note in content.attachments])
        return signed

    def write_as_source(
        self, keys: MailboxKeys, content: Content, entry_id: bytes | None = None
    ) -> SignedEntry:
        """Append any content as the source, as someone who has the passphrase can."""
        name = EntryId(entry_id or secrets.token_bytes(16))
        signed = self._seal(keys, content, name, SourceWriter(keys), TODAY, None, self.transcript(keys))
        self.append(signed)
        return signed

    def _append_without_content(
        self, keys: MailboxKeys, by: EntryWriter, entry_class: EntryClass
    ) -> SignedEntry:
        signed = sign_entry(self.draft_receipt(keys, by, entry_class), by=by)
        self.append(signed)
        return signed

    def draft_receipt(
        self, keys: MailboxKeys, by: EntryWriter, entry_class: EntryClass = EntryClass.RECEIPT
    ) -> Envelope:
        """Return the envelope of an entry without an encrypted part, which names everything in a mailbox."""
        transcript = self.transcript(keys)
        heads, unseen = transcript.heads_for(by.strand, transcript.authentic.keys())
        return Envelope(
            address=keys.address,
            entry_id=EntryId(secrets.token_bytes(16)),
            entry_class=entry_class,
            strand=by.strand,
            heads=heads,
            unseen=unseen,
            day=TODAY,
            letterhead_serial=self.letterhead.serial,
        )

    def append(self, signed: SignedEntry, attachment_ids: Sequence[AttachmentId] = ()) -> None:
        """Append any signed entry."""

        def prepare() -> PreparedAppend:
            with self.store.reading() as session:
                mailbox = mailboxes.find(session, signed.envelope.address)
            assert mailbox is not None
            new = NewEntry(signed, attachment_ids)
            return PreparedAppend(mailbox, [new])

        append_entries(self.store, prepare)

    def _attach(self, keys: MailboxKeys, entry_id: EntryId, name: str, content: bytes) -> AttachmentNote:
        attachment_id = AttachmentId(secrets.token_bytes(16))
        sealer = AttachmentSealer(
            [self.identity.recipient, keys.identity.recipient], keys.address, entry_id, attachment_id
        )
        first = sealer.update(content)
        last, note = sealer.finish(name, "text/plain")
        with self.store.writing() as writing:
            attachments.begin_upload(
                writing,
                address=keys.address,
                entry_id=entry_id,
                attachment_id=attachment_id,
                header=sealer.header,
                half_hour=1,
            )
        chunks = attachments.ChunkWriter(self.store, keys.address, attachment_id, Quota(10**12, 10**12, 0))
        chunks.add(first + last)
        chunks.finish()
        return note


@dataclass(frozen=True)
class ToGo:
    """File of a proposal. If `sha256` is the digest of another file, the proposal's statement is false."""

    name: str
    content: bytes
    is_cleaned: bool = False
    about: str = ""
    sha256: bytes = b""


class SourceBrowser:
    """Browser without JavaScript, in English. Sends the forms that are on a page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.passphrase = ""

    def get(self, path: str) -> TestResponse:
        """Fetch a whole page, and run what the site does after sending it."""
        return self.client.get(path, buffered=True)

    def hidden(self, page: TestResponse, action: str) -> dict[str, str]:
        """Return the hidden fields of the form that goes to `action`."""
        for form in re.findall(r"<form\b.*?</form>", page.text, re.DOTALL):
            if re.search(rf'action="{re.escape(action)}"', form):
                inputs = [
                    dict(re.findall(r'([a-z]+)="([^"]*)"', each))
                    for each in re.findall(r"<input[^>]*>", form)
                ]
                return {
                    each["name"]: unescape(each.get("value", ""))
                    for each in inputs
                    if each.get("type") == "hidden"
                }
        raise AssertionError(f"{page.status_code}: no form to {action}")

    def post(self, path: str, fields: Mapping[str, str]) -> TestResponse:
        return self.client.post(path, data=dict(fields))

    def start(self) -> TestResponse:
        """Start a mailbox, and return the page of a new message."""
        shown = self.get("/en/begin")
        words = re.findall(r"<span>([a-z]+)</span>", shown.text)
        self.passphrase = " ".join(words)
        entered = self.post("/en/practise", {**self.hidden(shown, "/en/practise"), "words": self.passphrase})
        assert entered.status_code == 303
        return self.get(entered.location)

    def write(
        self,
        text: str,
        files: list[tuple[str, bytes]] | None = None,
        form_context: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Send a message, and return the response."""
        if form_context is None:
            form_context = self.form_context()
        body = multipart({**form_context, "text": text}, files or [])
        return self.client.post("/en/mailbox/write", data=body, content_type=MULTIPART)

    def form_context(self) -> dict[str, str]:
        """Return the hidden fields of a fresh page to write on."""
        return self.hidden(self.get("/en/mailbox/write"), "/en/mailbox/write")

    def send(
        self, body: bytes | IO[bytes], *, length: int | None = None, chunked: bool = False
    ) -> TestResponse:
        """Post a raw body to the page to write on, with any Content-Length or none."""
        given: dict[str, object] = {
            "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body,
            "CONTENT_LENGTH": str(length),
            "CONTENT_TYPE": MULTIPART,
        }
        if chunked:
            given |= {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        return self.client.post("/en/mailbox/write", environ_overrides=given)

    def log_in(self, typed: str, **fields: str) -> TestResponse:
        """Send a log-in form, and return the response: a redirect, whether the words are right or not."""
        return self.post("/en/log-in", {"words": typed, **fields})

    def log_in_and_follow(self, typed: str) -> TestResponse:
        """Log in, and return the page to which the site redirects."""
        return self.get(self.log_in(typed).location)


MULTIPART = "multipart/form-data; boundary=----AaB03x"


def multipart(fields: Mapping[str, str], files: list[tuple[str, bytes]], *, end: bool = True) -> bytes:
    """Write a form as a browser does: fields, then files."""
    parts = [
        f'------AaB03x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content in files:
        head = f'------AaB03x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/pdf\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + (b"------AaB03x--\r\n" if end else b"")


def make_desk(folder: Path, **settings: object) -> ADesk:
    """Make a desk, a store and a site in a folder."""
    identity = PQIdentity(secrets.token_bytes(32))
    seed = secrets.token_bytes(32)
    letterhead = Letterhead(
        version=1,
        serial=1,
        issued=TODAY,
        desk_name={"nl": "Steunpunt", "en": "Support point"},
        site_salt=b"a salt for tests",
        argon2=Argon2(t=1, m_kib=8, p=1),
        epochs=(Epoch(number=1, recipient=str(identity.recipient), since=TODAY),),
        strands=(
            Strand(
                id=STRAND, name="one", verify_key=bytes(SigningKey(seed).verify_key), since=date(2026, 1, 1)
            ),
        ),
        openpgp_fingerprint=None,
        abandoned_months=12,
        working_days=(0, 1, 3),
        closed_days=(),
        absences=(),
        answer_working_days=2,
        confirm_days=7,
        substance_months=3,
        talk={"nl": "Bel ons.", "en": "Call us."},
        secrecy_limits={"nl": ("Zeer ernstige misdrijven.",), "en": ("Very serious crimes.",)},
    )
    config = SourceConfig(
        store_path=folder / "var" / "store.db",
        sessions_path=folder / "sessions.db",
        letterhead_serial_path=folder / "serial",
        fingerprint="",
        bind="127.0.0.1:0",
        origin="http://localhost",
        session_minutes=30,
        upload_bytes=8 * MIB,
        upload_files=3,
        mailbox_bytes=64 * MIB,
        store_bytes=128 * MIB,
        reserve_bytes=0,
        argon2_at_once=1,
        argon2_queue=4,
        argon2_lock_path=folder / "argon2-queue",
        workers=1,
        threads=4,
        leave_url="https://example.org/",
        languages=("en", "nl"),
    )
    config = replace(config, **settings)  # type: ignore[arg-type]  # each test names its own
    config.argon2_lock_path.mkdir()
    store = an_empty_store(config.store_path)
    sessions = open_sessions(config.sessions_path, allow_disk=True)
    app = create_source_app(
        config,
        letterhead,
        as_the_source(store),
        sessions,
        server_secret=secrets.token_bytes(32),
        signposts=decision_tree.load(config.languages),
        today=lambda: TODAY,
        pause=lambda _seconds: None,
        in_background=lambda work: work(),
    )
    return ADesk(app, store, letterhead, identity, DeskWriter(STRAND, seed), config)
