"""What is kept of passing on, also after the source ended the mailbox: the proposal and the answer to it."""

from dataclasses import dataclass, field
from datetime import date

from msgspec import UNSET

from crypto.errors import MalformedError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.records import casefiles
from protocol.casefile import Casefile, Evidence, EvidenceKind
from protocol.content import Content


@dataclass(frozen=True, slots=True)
class EvidencePiece:
    """A proposal, or the source's answer to one, as the desk opened it; `kind` is "proposal" or "answer".

    `content` is None where the record holds none that can be read. `entry` is the entry's digest, in
    hexadecimal digits; `is_signed` says that its open part and signature are kept with it.
    """

    kind: str
    day: date
    entry: str
    content: Content | None = field(repr=False)
    is_signed: bool

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of the files that would go; the files themselves went with the mailbox."""
        return tuple(note.name for note in self.content.attachments) if self.content is not None else ()


@dataclass(frozen=True, slots=True)
class MailboxEvidence:
    """What is kept of one mailbox. `until` is the last day, None while the mailbox is open."""

    address: str
    label: str
    until: date | None
    is_here: bool
    pieces: tuple[EvidencePiece, ...]


def read_evidence(desk: OpenDesk) -> tuple[MailboxEvidence, ...]:
    """Return everything that is kept as evidence, of the mailboxes that are gone first.

    It is read from the casefiles that the last check of the store opened.
    """
    found = [
        MailboxEvidence(
            address.hex(),
            desk.label(address),
            casefile.keep_until,
            casefiles.has_mailbox(desk, address),
            _pieces(casefile),
        )
        for address, (_, casefile) in list(desk.casefiles.items())
        if casefile.evidence
    ]
    return tuple(sorted(found, key=lambda each: (each.is_here, each.label)))


def _pieces(casefile: Casefile) -> tuple[EvidencePiece, ...]:
    return tuple(
        EvidencePiece(each.kind.value, each.day, each.entry.hex(), _content_of(each), bool(each.signature))
        for each in casefile.evidence
    )


def _content_of(piece: Evidence) -> Content | None:
    try:
        content = Content.from_bytes(piece.body)
    except MalformedError:
        return None
    note = content.proposal if piece.kind is EvidenceKind.PROPOSAL else content.answer
    return content if note is not UNSET else None
