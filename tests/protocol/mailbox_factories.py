"""A mailbox with entries of both sides, for the tests of entries and transcripts."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from nacl.signing import SigningKey

from crypto.passphrase import RootKey
from protocol import mailbox_keys
from protocol.content import (
    AnswerNote,
    ClosingNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    StepName,
    StepNote,
    Verdict,
    proposal_digest,
)
from protocol.entry import EntryContent, SignedEntry, sign_entry
from protocol.envelope import EntryClass, Envelope
from protocol.heads import Heads
from protocol.identifiers import Digest, EntryId, StrandId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter, StrandKey
from protocol.transcript.check import FaultKind, Transcript, read_transcript
from protocol.transcript.proposal_states import ProposalState
from protocol.transcript.thread_state import ThreadState, thread_state

DAY = date(2026, 3, 2)
DUE = DAY + timedelta(days=20)
WORKSTATION = DeskWriter(StrandId(b"strand-a"), b"a" * 32)
LAPTOP = DeskWriter(StrandId(b"strand-b"), b"b" * 32)
TO_SG = ProposalNote(recipient=PassOnRecipient.SG, name="SG", fingerprint="A" * 40)
MESSAGE = Content(kind=Kind.MESSAGE, text="woorden")
CLOSING = Content(kind=Kind.CLOSING, text="Het ga je goed.", closing=ClosingNote())


def an_answer(verdict: Verdict, proposal: Digest) -> Content:
    return Content(kind=Kind.ANSWER, text="", answer=AnswerNote(verdict=verdict, proposal=proposal))


def a_mailbox(seed: int = 1) -> MailboxKeys:
    return mailbox_keys.derive_mailbox_keys(RootKey(bytes([seed]) * 32))


def the_strands(*retired: DeskWriter) -> dict[StrandId, StrandKey]:
    """Return the keys of both workstations and of those in `retired`, whose last day is the 30th day."""
    return {
        writer.strand: StrandKey(
            bytes(SigningKey(writer.seed).verify_key),
            DAY,
            DAY + timedelta(days=30) if writer in retired else None,
        )
        for writer in (WORKSTATION, LAPTOP, *retired)
    }


def kinds(transcript: Transcript) -> set[FaultKind]:
    return {fault.kind for fault in transcript.faults}


@dataclass
class Talk:
    """A mailbox to which tests append entries as both apps do: each names what its writer knew and was shown.

    The entries are signed and not encrypted: `contents` has what a reader would decrypt.
    """

    keys: MailboxKeys = field(default_factory=a_mailbox)
    entries: list[SignedEntry] = field(default_factory=list)
    contents: dict[Digest, Content] = field(default_factory=dict)
    remembered: Heads = ()
    day: date = DAY
    retired: Sequence[DeskWriter] = ()

    @property
    def source(self) -> SourceWriter:
        return SourceWriter(self.keys)

    def check(self, entries: Sequence[SignedEntry] | None = None, remembered: Heads = ()) -> Transcript:
        rows = self.entries if entries is None else entries
        strands = the_strands(*self.retired)
        return read_transcript(self.keys.address, self.keys.verify_key, strands, rows, remembered)

    def without(self, *hidden: SignedEntry) -> Transcript:
        """Return the transcript that results if the server hides some rows."""
        return self.check([entry for entry in self.entries if entry not in hidden])

    def heads(
        self,
        by: EntryWriter,
        *,
        hidden: Collection[SignedEntry] = (),
        not_shown: Collection[SignedEntry] = (),
    ) -> tuple[Heads, Heads]:
        """Return the heads and unseen entries for a writer to whom some rows were hidden or unreadable."""
        transcript = self.without(*hidden)
        shown = transcript.authentic.keys() - {entry.digest for entry in not_shown}
        return transcript.heads_for(by.strand, shown, self.remembered)

    def add(
        self,
        by: EntryWriter,
        entry_class: EntryClass,
        *,
        content: Content | None = None,
        heads: tuple[Heads, Heads] | None = None,
        hidden: Collection[SignedEntry] = (),
        not_shown: Collection[SignedEntry] = (),
        day: date | None = None,
        due: date | None = None,
        removes: tuple[Digest, ...] = (),
        entry_id: EntryId | None = None,
    ) -> SignedEntry:
        heads, unseen = heads or self.heads(by, hidden=hidden, not_shown=not_shown)
        payload = None if content is None else content.to_bytes() + len(self.entries).to_bytes(8)
        envelope = Envelope(
            address=self.keys.address,
            entry_id=entry_id or EntryId(len(self.entries).to_bytes(16)),
            entry_class=entry_class,
            strand=by.strand,
            heads=heads,
            unseen=unseen,
            day=day or self.day,
            letterhead_serial=7,
            due=due,
            removes=removes,
            payload_sha256=b"" if payload is None else hashlib.sha256(payload).digest(),
            commit=b"" if payload is None else bytes(32),
        )
        header = None if payload is None else b"header"
        made = sign_entry(envelope, by=by, epoch=int(payload is not None), header=header, payload=payload)
        self.entries.append(made)
        if content is not None:
            self.contents[made.digest] = content
        return made

    def write(self, by: EntryWriter, content: Content = MESSAGE, **how: object) -> SignedEntry:
        return self.add(by, EntryClass.WORDS, content=content, **how)  # type: ignore[arg-type]

    def read(self, by: EntryWriter, **how: object) -> SignedEntry:
        return self.add(by, EntryClass.RECEIPT, **how)  # type: ignore[arg-type]

    def close(self, by: EntryWriter = WORKSTATION, **how: object) -> SignedEntry:
        how = {"due": DUE, "content": CLOSING, **how}
        return self.add(by, EntryClass.WORDS, **how)  # type: ignore[arg-type]

    def remove(self, *which: SignedEntry, **how: object) -> SignedEntry:
        """Append a removal, and destroy the headers of the removed entries."""
        removes = tuple(sorted(entry.digest for entry in which))
        made = self.add(self.source, EntryClass.REMOVAL, removes=removes, **how)  # type: ignore[arg-type]
        self.entries = [
            replace(entry, header=None) if entry.digest in removes else entry for entry in self.entries
        ]
        return made

    def end(self, **how: object) -> SignedEntry:
        return self.add(self.source, EntryClass.END, **how)  # type: ignore[arg-type]

    # ---- consent

    def propose(self, text: str = "woord voor woord", by: EntryWriter = WORKSTATION, **how: object) -> Digest:
        content = Content(kind=Kind.PROPOSAL, text=text, proposal=TO_SG)
        made = self.write(by, content, **how)
        return proposal_digest(content, address=self.keys.address, entry_id=made.envelope.entry_id)

    def answer(self, verdict: Verdict, proposal: Digest, **how: object) -> SignedEntry:
        return self.write(self.source, an_answer(verdict, proposal), **how)

    def step(
        self,
        step: StepName,
        proposal: Digest | None = None,
        *,
        text: str = "",
        note: StepNote | None = None,
        by: EntryWriter = WORKSTATION,
        **how: object,
    ) -> SignedEntry:
        """Write a step. A step about passing on has a recipient."""
        to = "SG" if step in {StepName.PASSING_ON, StepName.PASSED_ON} else ""
        note = note or StepNote(step=step, to=to, proposal=proposal)
        return self.write(by, Content(kind=Kind.STEP, text=text, step=note), **how)

    def opened(
        self, transcript: Transcript | None = None, unreadable: Collection[SignedEntry] = ()
    ) -> list[EntryContent]:
        transcript = transcript or self.check()
        gone = transcript.removed.keys() | {entry.digest for entry in unreadable}
        return [
            (entry, None if entry.digest in gone else self.contents.get(entry.digest))
            for entry in transcript.entries
        ]

    def state(
        self, transcript: Transcript | None = None, unreadable: Collection[SignedEntry] = ()
    ) -> ThreadState:
        transcript = transcript or self.check()
        return thread_state(self.keys.address, transcript, self.opened(transcript, unreadable))

    def line(self) -> list[StepName]:
        return [step.step for step in self.state().steps]

    def proposal(self, **how: object) -> ProposalState:
        (found,) = self.state(**how).proposals  # type: ignore[arg-type]
        return found
