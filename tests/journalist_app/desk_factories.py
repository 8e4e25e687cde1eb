"""Real desk, store and sources on a temporary disk. Only Argon2id has cheap parameters."""

import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from protocol.statements import removal

from crypto.age import PQRecipient
from crypto.passphrase import Argon2Params, RootKey
from journalist_app.config import AdviserConfig
from protocol import attachment, chain, entry
from protocol import keyring as keyring_format
from protocol import letterhead as letterhead_format
from protocol.content import AttachmentNote, Content, Kind
from protocol.entry import SignedEntry
from protocol.identifiers import NO_DIGEST, AttachmentId, Digest, EntryId
from protocol.keyring import Keyring, Slot
from protocol.letterhead import Argon2, Epoch, Letterhead, Strand
from protocol.mailbox_keys import MailboxKeys, derive_mailbox_keys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from store import attachments, entries, letterheads, mailboxes
from store.database.engine import Store
from tests.stores import an_empty_store

PASSPHRASE = "zeven woorden die samen een sleutel zijn"
TODAY = date(2026, 11, 23)
CHEAP = Argon2Params(t=1, m_kib=8, p=1)
ORIGIN = "http://127.0.0.2:8081"


@dataclass(slots=True)
class World:
    """A desk on a disk, still locked."""

    config: AdviserConfig
    keyring: Keyring
    letterhead: Letterhead
    store: Store

    def writer(self) -> DeskWriter:
        return DeskWriter(self.keyring.strand.id, self.keyring.strand.seed)

    def execute(self, statement: str, **values: object) -> None:
        """Run SQL on the store, as an attacker who captured it can, without our own checks."""
        with closing(sqlite3.connect(self.store.path)) as connection, connection:
            connection.execute(statement, values)


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


def a_world(folder: Path) -> World:
    keyring = keyring_format.create_keyring("werkstation", [Slot.for_passphrase(PASSPHRASE, CHEAP)])
    keyring_path = folder / "keyring.age"
    write_keyring(keyring_path, keyring)
    letterhead = a_letterhead(keyring)
    store = an_empty_store(folder / "store" / "store.sqlite")
    publish(store, keyring, letterhead)
    config = AdviserConfig(
        store_path=store.path,
        keyring_path=keyring_path,
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
        themes=("bullying: Pesten / Bullying", "intimidation: Intimidatie / Intimidation"),
        routes=("only_talk: Alleen praten / Only talk",),
        regions=("europe: Europa / Europe",),
        outcomes=("advised: Advies gegeven / Advice given",),
        public_floor=10,
        sg_floor=5,
        recipients=(),
        openpgp_home_path=folder / "gpg",
        mat2_without_sandbox=False,
        server="",
        socks="127.0.0.1:9050",
        sync_minutes=15,
    )
    return World(config, keyring, letterhead, store)


def write_keyring(path: Path, keyring: Keyring) -> None:
    path.touch(mode=0o600)
    path.write_bytes(keyring_format.seal_keyring(keyring))


def publish(store: Store, keyring: Keyring, letterhead: Letterhead) -> None:
    body, signature = letterhead_format.sign_letterhead(letterhead, keyring.desk_key)
    with store.writing() as session:
        letterheads.add(session, letterhead.serial, body, signature)


@dataclass(slots=True)
class ASource:
    """A source with a mailbox, who writes as the source's site does."""

    world: World
    keys: MailboxKeys

    @property
    def address(self) -> str:
        return self.keys.address.hex()

    def writes(
        self, words: str, *, day: date = TODAY, file: tuple[str, bytes] | None = None, store_it: bool = True
    ) -> SignedEntry:
        """Write a message, after reading every entry of the mailbox."""
        entry_id = EntryId(os.urandom(16))
        notes = (self._sends(entry_id, *file),) if file else ()
        return self.world_writes(SourceWriter(self.keys), words, entry_id, notes, day, store_it=store_it)

    def is_answered(self, words: str, *, day: date = TODAY) -> SignedEntry:
        """Have the desk's workstation answer, without the adviser's site."""
        return self.world_writes(self.world.writer(), words, EntryId(os.urandom(16)), (), day)

    def answers_with_file(self, name: str, content: bytes, *, day: date = TODAY) -> SignedEntry:
        """Have the desk's workstation answer with a file."""
        entry_id = EntryId(os.urandom(16))
        notes = (self._sends(entry_id, name, content),)
        return self.world_writes(self.world.writer(), "an answer", entry_id, notes, day)

    def looks(self, *, day: date = TODAY) -> SignedEntry:
        """Leave a read receipt: the source was shown every entry of the mailbox."""
        return self.says(Content(kind=Kind.SEEN, text=""), day=day)

    def is_looked_at(self) -> SignedEntry:
        """Have the desk's workstation leave a read receipt."""
        return self.is_told(Content(kind=Kind.SEEN, text=""))

    def says(
        self, content: Content, *, day: date = TODAY, seen: Sequence[Digest] | None = None
    ) -> SignedEntry:
        """Write an entry of any kind, as the source. `seen`: the entries that they had read, if not all."""
        return self._adds(SourceWriter(self.keys), content, EntryId(os.urandom(16)), day, seen=seen)

    def is_told(self, content: Content, *, day: date = TODAY) -> SignedEntry:
        """Have the desk's workstation write an entry of any kind, without the adviser's site."""
        return self._adds(self.world.writer(), content, EntryId(os.urandom(16)), day)

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
        seen: Sequence[Digest] | None = None,
    ) -> SignedEntry:
        with self.world.store.reading() as session:
            heads = {
                head.strand: (head.number, head.digest)
                for head in entries.strand_heads(session, self.keys.address)
            }
        number, previous = heads.get(by.strand, (0, NO_DIGEST))
        sealed = entry.seal_entry(
            content,
            address=self.keys.address,
            mailbox_recipient=self.keys.recipient,
            letterhead=self.world.letterhead,
            by=by,
            entry_id=entry_id,
            number=number + 1,
            previous=previous,
            seen=chain.seen_by(by.author, heads) if seen is None else seen,
            day=day,
        )
        if store_it:
            append(self.world.store, sealed, content.attachments)
        return sealed

    def removes(self, removed: SignedEntry) -> None:
        statement = removal.sign_removal(
            removed.digest, address=self.keys.address, by=SourceWriter(self.keys), day=TODAY
        )
        with self.world.store.writing() as session:
            entries.remove_entry(session, self.keys.address, removed.envelope.entry_id, removal=statement)

    def ends(self, *, day: date = TODAY, forged_by: MailboxKeys | None = None) -> None:
        with self.world.store.reading() as session:
            heads = {
                head.strand: (head.number, head.digest)
                for head in entries.strand_heads(session, self.keys.address)
            }
        by = SourceWriter(forged_by or self.keys)
        statement = removal.sign_ending(self.keys.address, heads, day=day, by=by)
        with self.world.store.writing() as session:
            mailboxes.end_for_good(session, self.keys.address, statement=statement, day=day)

    def _sends(self, entry_id: EntryId, name: str, content: bytes) -> AttachmentNote:
        attachment_id = AttachmentId(os.urandom(16))
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
                attachments.add_chunk(session, attachment_id, number, payload[at : at + 2**20])
            attachments.finish_upload(session, attachment_id)
        return note


def a_source(world: World, *, day: date = TODAY) -> ASource:
    keys = derive_mailbox_keys(RootKey(secrets.token_bytes(32)))
    with world.store.writing() as session:
        mailboxes.create_mailbox(
            session, address=keys.address, recipient=keys.recipient, verify_key=keys.verify_key, day=day
        )
    return ASource(world, keys)


def append(store: Store, sealed: SignedEntry, notes: tuple[AttachmentNote, ...] = ()) -> None:
    with store.writing() as session:
        entries.append(session, **sealed.to_stored(), attachment_ids=[note.id for note in notes])
