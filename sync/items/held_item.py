"""Entries that a workstation has, in a pouch (sync bundle): each store sends what the other one lacks.

Rows of the outbox (the queue of items to send) are not signed, and the server may have lost some of them, or
entries that a workstation has sent. So in each sync, the two stores compare their letterheads (the desk's
public statement), and a part of their entries. The entries are cut into parts in the order of their names,
and each part is equally likely, so that no mailbox can keep another one from being compared.
"""

import secrets
from itertools import pairwise
from typing import Final

from sqlalchemy.orm import Session

from protocol.identifiers import ADDRESS_BYTES, DIGEST_BYTES, Address, Digest
from protocol.pouch.pouch_items import HELD, HeldItem
from store import entries, mailboxes, outbox
from store.outbox import OutboxKind
from stored_mailbox.lost_entries import check_envelopes
from sync.items import listed_records
from sync.items.contexts import ApplyContext, BuildContext

_LOWEST: Final = bytes(ADDRESS_BYTES + DIGEST_BYTES)
_HIGHEST: Final = b"\xff" * len(_LOWEST)
_SENT_AGAIN: Final = 4096  # entries that one item adds to the outbox, so that writers wait only briefly
_OF_ONE_MAILBOX: Final = 256  # the peer may refuse some each time, and must receive the others
_RANDOM: Final = secrets.SystemRandom()


def pack(context: BuildContext, session: Session) -> HeldItem:
    """Return the sync item that lists this workstation's entries in a random range, at most 1,024."""
    bounds = [_LOWEST, *entries.names_at(session, HELD)[1:], _HIGHEST]
    first, end = _RANDOM.choice(list(pairwise(bounds)))
    rows = dict.fromkeys(entries.held(session, first, end))  # a damaged store may have an entry twice
    return HeldItem(
        context.letterhead.serial,
        first,
        end,
        whole=tuple(address + digest for address, digest, has_header in rows if has_header),
        bare=tuple(address + digest for address, digest, has_header in rows if not has_header),
        records=listed_records.digest(session),
    )


def apply(context: ApplyContext, session: Session, item: HeldItem) -> bool:
    """On the server, record which entries the workstation or the server lacks. On a workstation, do nothing.

    The server also queues a proof for each listed mailbox that has ended. If the workstation has an older
    letterhead, the server queues its own letterhead too.
    """
    if not context.endpoint.is_server:
        return False
    context.listed_at_peer = item.records
    if context.endpoint.letterhead().serial > item.letterhead:
        outbox.enqueue_for(session, context.peer, OutboxKind.LETTERHEAD)
    whole, bare = set(item.whole), set(item.bare)
    for address in {name[:ADDRESS_BYTES] for name in whole | bare}:
        if mailboxes.find_ended(session, address) is not None:
            outbox.enqueue_for(session, context.peer, OutboxKind.ENDED, address=address)
    queued = {(row.address, row.name) for row in outbox.of_kind(session, context.peer, OutboxKind.ENTRY)}
    context.held_at_peer = item
    for address, digest, has_header in entries.held(session, item.first, item.end):
        name = address + digest
        if name not in whole and (has_header or name not in bare) and (address, digest) not in queued:
            context.lacking.setdefault(Address(address), set()).add(Digest(digest))
    return False


def choose_lost(context: ApplyContext) -> list[tuple[Address, Digest]]:
    """Return entries that a workstation has, and that this server has lost. The server then asks for them.

    If the workstation has more to send, return nothing, because these entries may be among it.
    """
    # Attack: an operator deletes an answer of the desk that the server has acknowledged, before its source
    # reads it. No entry names the answer, so neither side would notice.
    held = context.held_at_peer
    if held is None or context.head.more:
        return []
    with context.endpoint.store.reading() as session:
        here = {address + digest for address, digest, _ in entries.held(session, held.first, held.end)}
        lost = [(name[:ADDRESS_BYTES], name[ADDRESS_BYTES:]) for name in {*held.whole, *held.bare} - here]
        gone = {each for each, _ in lost if mailboxes.find_ended(session, each) is not None}
    return [(Address(address), Digest(digest)) for address, digest in lost if address not in gone]


def choose(context: ApplyContext) -> list[tuple[Address, Digest]]:
    """Return entries to send to the peer, which lacks them. If there are too many, choose some at random.

    Rows that do not verify are left out, because the peer would never accept them.
    """
    chosen: list[tuple[Address, Digest]] = []
    for address in _RANDOM.sample(list(context.lacking), len(context.lacking)):
        if len(chosen) >= _SENT_AGAIN:
            break
        with context.endpoint.store.reading() as session:
            checked = check_envelopes(session, address, context.verified.strands)
        authentic = () if checked is None else checked.transcript.authentic
        sound = [digest for digest in context.lacking[address] if digest in authentic]
        chosen += [(address, each) for each in _RANDOM.sample(sound, min(len(sound), _OF_ONE_MAILBOX))]
    return chosen
