"""Evidence of consent to pass on a proposal: the proposal and the source's answer.

The evidence is kept even if the source ends the mailbox.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import msgspec
from msgspec import UNSET

from crypto.errors import CryptoError
from journalist_app.desk.casefile import Casefile, Evidence, EvidenceKind
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.records import casefiles
from protocol.content import Content
from protocol.entry import SignedEntry
from protocol.identifiers import Address, Digest
from protocol.transcript.proposal_states import ProposalState


@dataclass(frozen=True, slots=True)
class MailboxEvidence:
    """Evidence that the source of one mailbox agreed to pass on texts and files.

    The evidence is deleted after the day `until`, which is None while the mailbox is open. `pieces` has
    copies of entries, each with its content, or with None if the copy is damaged.
    """

    address: str
    label: str
    until: date | None
    is_here: bool
    pieces: tuple[tuple[Evidence, Content | None], ...] = field(repr=False)


def read_evidence(desk: OpenDesk) -> tuple[MailboxEvidence, ...]:
    """Return the evidence of consent to pass on texts and files, for each mailbox that has evidence.

    Mailboxes that are no longer in the store come first. The evidence is as new as the last check of the
    store.
    """
    found = [
        MailboxEvidence(
            address.hex(),
            desk.label(address),
            casefile.keep_until,
            casefiles.has_mailbox(desk, address),
            tuple((each, _content_of(each)) for each in casefile.evidence),
        )
        for address, (_, casefile) in list(desk.casefiles.items())
        if casefile.evidence
    ]
    return tuple(sorted(found, key=lambda each: (each.is_here, each.label)))


def _content_of(piece: Evidence) -> Content | None:
    try:
        content = Content.from_bytes(piece.body)
    except CryptoError:  # damaged, or of a later version
        return None
    note = content.proposal if piece.kind is EvidenceKind.PROPOSAL else content.answer
    return content if note is not UNSET else None


def keep_evidence(desk: OpenDesk, address: Address, proposed: ProposalState) -> set[Digest]:
    """Copy a proposal and the source's answer into the desk's notes, as evidence that the source agreed.

    Return the digests of the entries of which the notes had no copy before.

    Raises:
        RecordUnsoundError: the stored casefile is not the one that this desk wrote last.
        CasefileRefusedError: the casefile is too long.
    """
    # The source may end the mailbox at any time, so the desk needs its own copies.
    kept = [_evidence(EvidenceKind.PROPOSAL, proposed.signed, proposed.content)]
    if proposed.answer is not None:
        kept.append(_evidence(EvidenceKind.ANSWER, proposed.answer.signed, proposed.answer.content))

    entries = {each.entry for each in kept}
    new = set(entries)

    def add(casefile: Casefile) -> Casefile:
        # Evidence of the same entry is replaced: it may be from a workstation whose key was stolen.
        new.difference_update(each.entry for each in casefile.evidence)
        others = (each for each in casefile.evidence if each.entry not in entries)
        return msgspec.structs.replace(casefile, evidence=(*others, *kept))

    casefiles.update_casefile(desk, address, add)
    return new


def drop_evidence(desk: OpenDesk, address: Address, entries: Collection[Digest]) -> None:
    """Remove the copies of these entries from the desk's notes, because the desk did not begin to pass on."""

    def drop(casefile: Casefile) -> Casefile:
        left = (each for each in casefile.evidence if each.entry not in entries)
        return msgspec.structs.replace(casefile, evidence=tuple(left))

    casefiles.update_casefile(desk, address, drop)


def _evidence(kind: EvidenceKind, signed: SignedEntry, content: Content) -> Evidence:
    return Evidence(
        kind=kind,
        day=signed.envelope.day,
        entry=signed.digest,
        body=msgspec.json.encode(content),
        envelope=signed.envelope.to_bytes(),
        signature=signed.signature,
    )
