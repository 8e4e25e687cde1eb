"""Entries that a workstation holds, in a pouch (sync bundle): the server sends what the workstation lacks.

Rows of the outbox (the queue of items to send) are not signed, and the server may have lost some of them. So
in each sync, the two stores compare their entries in some mailboxes, from a random address on.
"""

import secrets
from itertools import islice
from typing import Final

from sqlalchemy.orm import Session

from protocol.identifiers import ADDRESS_BYTES
from protocol.pouch.pouch_items import HELD, HeldItem
from store import entries, mailboxes, outbox
from store.outbox import OutboxKind
from sync.items.contexts import ApplyContext

_TOLD: Final = 1024  # mailboxes and entries, after which the range ends: about 32 KiB
_SENT_AGAIN: Final = 4096  # entries that one item adds to the outbox, so that writers wait only briefly


def pack(session: Session) -> HeldItem:
    """Return the sync item that lists some mailboxes of this workstation, with all their entries.

    The list begins at a random address. After 1,024 mailboxes and entries, no further mailbox is added.
    """
    first = end = secrets.token_bytes(ADDRESS_BYTES)
    told, whole, bare = dict[bytes, None](), list[bytes](), list[bytes]()
    for address, digest, has_header in entries.held(session, first, first):
        if address not in told and len(told) + len(whole) + len(bare) >= _TOLD:
            end = address
            break
        told[address] = None
        (whole if has_header else bare).append(digest)
    return HeldItem(first, end, tuple(told), tuple(whole[:HELD]), tuple(bare[:HELD]))


def apply(context: ApplyContext, session: Session, item: HeldItem) -> bool:
    """On the server, queue for a workstation the entries that its list does not have.

    For listed mailboxes that have ended, the proof of the end is queued. A workstation ignores such a list.
    """
    if not context.endpoint.is_server:
        return False
    for address in item.addresses:
        if mailboxes.find_ended(session, address) is not None:
            outbox.enqueue_for(session, context.peer, OutboxKind.ENDED, address=address)
    whole, bare = set(item.whole), set(item.bare)
    stored = entries.held(session, item.first, item.end)
    lacking = (row for row in stored if row[1] not in whole and (row[2] or row[1] not in bare))
    for address, digest, _ in islice(lacking, _SENT_AGAIN):
        outbox.enqueue_for(session, context.peer, OutboxKind.ENTRY, address=address, name=digest)
    return False
