"""A real desk, store and sources on a temporary disk. Only the cost of Argon2id is lower than in reality."""

import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from crypto.age import PQRecipient
from crypto.passphrase import Argon2Params, RootKey
from journalist_app.config import AdviserConfig
from protocol import attachment
from protocol import keyring as keyring_format
from protocol import letterhead as letterhead_format
from protocol.content import AttachmentNote, ClosingNote, Content, Kind
from protocol.entry import SignedEntry, seal_words, sign_entry
from protocol.envelope import EntryClass, Envelope
from protocol.heads import Heads
from protocol.identifiers import AttachmentId, Digest, EntryId
from protocol.keyring import Keyring, Slot
from protocol.letterhead import Argon2, Epoch, Letterhead, Strand
from protocol.mailbox_keys import MailboxKeys, derive_mailbox_keys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from protocol.transcript.check import Transcript
from protocol.transcript.ending import proof_to_bytes
from protocol.trusted_state import TrustedState, seal_trusted_state
from store import attachments, letterheads, mailboxes
from store.database.engine import Store
from store.quota import Quota
from stored_mailbox.appending import NewEntry, PreparedAppend, append_entries
from stored_mailbox.reading import StoredTranscript, read_stored
from tests.stores import an_empty_store, as_operator

PASSPHRASE = "zeven woorden die samen een sleutel zijn"
TODAY = date(2026, 11, 23)
CHEAP = Argon2Params(t=1, m_kib=8, p=1)
ORIGIN = "http://127.0.0.2:8081"


@dataclass(slots=True)
class World:
    """A desk on a temporary disk, still locked."""

    config: AdviserConfig
    keyring: Keyring
    letterhead: Letterhead
    store: Store

    def writer(self) -> DeskWriter:
        return DeskWriter(self.keyring.strand.id, self.keyring.strand.seed)

    def execute(self, statement: str, **values: object) -> None:
        """Run SQL on the store, as an attacker who captured it can, without our own checks."""
        with as_operator(self.store) as operator:
            operator.execute(statement, values)


def a_letterhead(keyring: Keyring, serial: int = 1) -> Letterhead:
    strand = keyring.strand
    return Letterhead(
        version=1,
        serial=serial,
        issued=TODAY,
        desk_name={"nl": "Steunpunt Voorbeeld", "en": "Example Support Point"},
        site_salt=bytes(16),
        argon2=Argon2(t=1, m_kib=8, p=1),
        epochs=(Epoch(number=1, recipient=str(keyring.epochs[1].recipient), since=TODAY),),
        strands=(
            Strand(id=strand.id, name=strand.name, verify_key=strand.verify_key, since=date(2020, 1, 1)),
        ),
        openpgp_fingerprint=None,
        abandoned_months=12,
        working_days=(0, 1, 3),
        closed_days=(),
        absences=(),
        answer_working_days=5,
        confirm_days=7,
        substance_months=3,
        talk={"nl": "Bel ons.", "en": "Call us."},
        secrecy_limits={"nl": ("Geen.",), "en": ("None.",)},
    )


def a_world(folder: Path, *, strand: str = "werkstation") -> World:
    keyring = keyring_format.create_keyring(strand, [Slot.for_passphrase(PASSPHRASE, CHEAP)])
    keyring_path = new_workstation(folder, keyring)
    letterhead = a_letterhead(keyring)
    store = an_empty_store(folder / "store" / "store.sqlite")
    publish(store, keyring, letterhead)
    config = AdviserConfig(
        store_path=store.path,
        keyring_path=keyring_path,
        keyring_backups_path=folder / "keyring-backups",
        trusted_state_path=folder / "trusted-state.age",
        fingerprint=keyring.fingerprint,
        bind="127.0.0.2:8081",
        idle_minutes=10,
        upload_bytes=4_000_000,
        upload_files=3,
        mailbox_bytes=10_000_000,
        store_bytes=50_000_000,
        reserve_bytes=0,
        retention_spread_days=7,
        themes={
            "bullying": {"nl": "Pesten", "en": "Bullying"},
            "intimidation": {"nl": "Intimidatie", "en": "Intimidation"},
        },
        routes={"only_talk": {"nl": "Alleen praten", "en": "Only talk"}},
        regions={"europe": {"nl": "Europa", "en": "Europe"}},
        outcomes={"advised": {"nl": "Advies gegeven", "en": "Advice given"}},
        public_floor=10,
        sg_floor=5,
        recipients=(),
        openpgp_home_path=folder / "gpg",
        server="",
        socks="127.0.0.1:9050",
        sync_minutes=15,
    )
    return World(config, keyring, letterhead, store)


def new_workstation(folder: Path, keyring: Keyring) -> Path:
    """Write a keyring and an empty trusted state, as set-up does. Return the path of the keyring."""
    write_keyring(folder / "keyring.age", keyring)
    trusted_state = folder / "trusted-state.age"
    trusted_state.touch(mode=0o600)
    trusted_state.write_bytes(seal_trusted_state(TrustedState(), keyring))
    return folder / "keyring.age"


def write_keyring(path: Path, keyring: Keyring) -> None:
    path.touch(mode=0o600)
    path.write_bytes(keyring_format.seal_keyring(keyring))


def publish(store: Store, keyring: Keyring, letterhead: Letterhead) -> None:
    body, signature = letterhead_format.sign_letterhead(letterhead, keyring.desk_key)
    with store.writing() as session:
        letterheads.add(session, letterhead.serial, body, signature)


@dataclass(slots=True)
class ASource:
    """A source with a mailbox.

    The methods write entries as the source's site or the desk's workstation does.
    """

    world: World
    keys: MailboxKeys

    @property
    def address(self) -> str:
        return self.keys.address.hex()

    def writes(
        self,
        words: str,
        *,
        day: date = TODAY,
        file: tuple[str, bytes] | tuple[str, bytes, AttachmentId] | None = None,
        store_it: bool = True,
    ) -> SignedEntry:
        """Write a message, after reading every entry of the mailbox. A file may get an id that is taken."""
        entry_id = EntryId(os.urandom(16))
        notes = (self._sends(entry_id, *file),) if file else ()
        return self.world_writes(SourceWriter(self.keys), words, entry_id, notes, day, store_it=store_it)

    def writes_with_files(self, *files: tuple[str, bytes]) -> SignedEntry:
        """Write a message with several files."""
        entry_id = EntryId(os.urandom(16))
        notes = tuple(self._sends(entry_id, *file) for file in files)
        return self.world_writes(SourceWriter(self.keys), "files", entry_id, notes, TODAY)

    def is_answered(self, words: str, *, day: date = TODAY) -> SignedEntry:
        """Answer as the desk's workstation, without the adviser's site."""
        return self.world_writes(self.world.writer(), words, EntryId(os.urandom(16)), (), day)

    def answers_with_file(self, name: str, content: bytes, *, day: date = TODAY) -> SignedEntry:
        """Answer with a file as the desk's workstation."""
        entry_id = EntryId(os.urandom(16))
        notes = (self._sends(entry_id, name, content),)
        return self.world_writes(self.world.writer(), "an answer", entry_id, notes, day)

    def looks(self, *, day: date = TODAY) -> SignedEntry:
        """Append a read receipt of the source for every entry of the mailbox."""
        return self.signs(SourceWriter(self.keys), EntryClass.RECEIPT, day=day)

    def is_looked_at(self, *, day: date = TODAY) -> SignedEntry:
        """Append a read receipt of the desk's workstation."""
        return self.signs(self.world.writer(), EntryClass.RECEIPT, day=day)

    def says(
        self, content: Content, *, day: date = TODAY, shown: Collection[Digest] | None = None
    ) -> SignedEntry:
        """Append an encrypted entry of any kind as the source.

        `shown` has the entries that the source had read.
        """
        return self._adds(SourceWriter(self.keys), content, EntryId(os.urandom(16)), day, shown=shown)

    def is_told(  # what a workstation can choose
        self,
        content: Content,
        *,
        day: date = TODAY,
        due: date | None = None,
        shown: Collection[Digest] | None = None,
        by: EntryWriter | None = None,
    ) -> SignedEntry:
        """Append an encrypted entry of any kind as a workstation of the desk, without the adviser's site."""
        writer = by or self.world.writer()
        return self._adds(writer, content, EntryId(os.urandom(16)), day, due=due, shown=shown)

    def is_closed(self, *, due: date, day: date = TODAY, text: str = "Het ga je goed.") -> SignedEntry:
        """Close the mailbox as the desk's workstation, without the adviser's site."""
        content = Content(kind=Kind.CLOSING, text=text, closing=ClosingNote())
        return self.is_told(content, day=day, due=due)

    def world_writes(
        self,
        by: EntryWriter,
        words: str,
        entry_id: EntryId,
        notes: tuple[AttachmentNote, ...],
        day: date,
        *,
        store_it: bool = True,
    ) -> SignedEntry:
        content = Content(kind=Kind.MESSAGE, text=words, attachments=notes)
        return self._adds(by, content, entry_id, day, store_it=store_it)

    def _adds(
        self,
        by: EntryWriter,
        content: Content,
        entry_id: EntryId,
        day: date,
        *,
        store_it: bool = True,
        shown: Collection[Digest] | None = None,
        due: date | None = None,
    ) -> SignedEntry:
        stored = self.reads()
        heads, unseen = _heads_for(stored.transcript, by, shown)
        sealed = seal_words(
            content,
            address=self.keys.address,
            mailbox_recipient=self.keys.identity.recipient,
            letterhead=self.world.letterhead,
            by=by,
            entry_id=entry_id,
            heads=heads,
            unseen=unseen,
            day=day,
            due=due,
        )
        if store_it:
            append(self.world.store, sealed, content.attachments, version=stored.mailbox.version)
        return sealed

    def removes(self, *removed: SignedEntry, day: date = TODAY) -> SignedEntry:
        """Remove entries, as the source."""
        digests = tuple(sorted(entry.digest for entry in removed))
        return self.signs(SourceWriter(self.keys), EntryClass.REMOVAL, day=day, removes=digests)

    def ends(
        self,
        *,
        day: date = TODAY,
        forged_by: MailboxKeys | None = None,
        shown: Collection[Digest] | None = None,
    ) -> None:
        """End the mailbox as the source, who had seen the entries `shown`, or all of them."""
        by = SourceWriter(forged_by or self.keys)
        end = self.signs(by, EntryClass.END, day=day, store_it=False, shown=shown)
        with self.world.store.writing() as session:
            mailboxes.end_for_good(session, self.keys.address, proof=proof_to_bytes([end]), day=day)

    def signs(
        self,
        by: EntryWriter,
        entry_class: EntryClass,
        *,
        day: date = TODAY,
        removes: tuple[Digest, ...] = (),
        store_it: bool = True,
        shown: Collection[Digest] | None = None,
    ) -> SignedEntry:
        """Sign an entry without an encrypted part, and append it to the mailbox."""
        stored = self.reads()
        heads, unseen = _heads_for(stored.transcript, by, shown)
        envelope = Envelope(
            address=self.keys.address,
            entry_id=EntryId(os.urandom(16)),
            entry_class=entry_class,
            strand=by.strand,
            heads=heads,
            unseen=unseen,
            day=day,
            letterhead_serial=self.world.letterhead.serial,
            removes=removes,
        )
        signed = sign_entry(envelope, by=by)
        if store_it:
            append(self.world.store, signed, version=stored.mailbox.version)
        return signed

    def reads(self) -> StoredTranscript:
        """Return the mailbox, verified with the newest letterhead in the store."""
        with self.world.store.reading() as session:
            newest = letterheads.latest(session)
            assert newest is not None
            strands = Letterhead.from_bytes(newest[1]).strand_keys
            stored = read_stored(session, self.keys.address, strands)
        assert stored is not None
        return stored

    def _sends(
        self, entry_id: EntryId, name: str, content: bytes, attachment_id: AttachmentId | None = None
    ) -> AttachmentNote:
        attachment_id = attachment_id or AttachmentId(os.urandom(16))
        sealer = attachment.AttachmentSealer(
            [self.world.letterhead.current_epoch[1], PQRecipient.from_bytes(self.keys.recipient)],
            self.keys.address,
            entry_id,
            attachment_id,
        )
        payload = sealer.update(content)
        last, note = sealer.finish(name, "application/pdf")
        payload += last
        with self.world.store.writing() as session:
            attachments.begin_upload(
                session,
                address=self.keys.address,
                entry_id=entry_id,
                attachment_id=attachment_id,
                header=sealer.header,
                half_hour=0,
            )
            for number, at in enumerate(range(0, len(payload), 2**20)):
                attachments.add_chunk(
                    session,
                    self.keys.address,
                    attachment_id,
                    number,
                    payload[at : at + 2**20],
                    is_last=at + 2**20 >= len(payload),
                    quota=Quota(10**12, 10**12, 0),
                )
        return note


def a_source(world: World, *, day: date = TODAY) -> ASource:
    keys = derive_mailbox_keys(RootKey(secrets.token_bytes(32)))
    with world.store.writing() as session:
        mailboxes.create_mailbox(
            session,
            address=keys.address,
            recipient=keys.recipient,
            verify_key=keys.verify_key,
            opened_day=day,
        )
    return ASource(world, keys)


def append(
    store: Store, signed: SignedEntry, notes: tuple[AttachmentNote, ...] = (), *, version: int | None = None
) -> None:
    """Append a signed entry as both apps do. Without `version`, the mailbox may have changed."""
    address = signed.envelope.address

    def prepare() -> PreparedAppend:
        with store.reading() as session:
            mailbox = mailboxes.find(session, address)
        assert mailbox is not None
        new = NewEntry(signed, tuple(note.id for note in notes))
        known = mailbox if version is None else replace(mailbox, version=version)
        return PreparedAppend(known, [new])

    append_entries(store, prepare)


def _heads_for(
    transcript: Transcript, by: EntryWriter, shown: Collection[Digest] | None
) -> tuple[Heads, Heads]:
    return transcript.heads_for(by.strand, transcript.authentic.keys() if shown is None else shown)
