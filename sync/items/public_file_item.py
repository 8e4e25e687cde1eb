"""Public file in a pouch (sync bundle): a file of a yearly report.

The letterhead names the file by its digest.
"""

import hashlib

from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import PublicFileItem
from store import outbox, public_files
from sync.items.contexts import ApplyContext, BuildContext


def pack(_context: BuildContext, session: Session, row: outbox.OutboxItem) -> PublicFileItem | None:
    """Return the sync item with a public file, or None if the store does not have the file any more."""
    name = outbox.as_word(row.name)
    body = public_files.find(session, name)
    return None if body is None else PublicFileItem(name, body)


def apply(context: ApplyContext, session: Session, item: PublicFileItem) -> bool:
    """Store a received public file, but do not replace a file that the letterhead publishes.

    If the published file differs from the received one, queue the published file for the sender.
    """
    stored = public_files.find(session, item.name)
    if stored == item.body:
        return False
    reports = {report.title: report.sha256 for report in context.endpoint.letterhead().reports}
    if stored is not None and reports.get(item.name) == hashlib.sha256(stored).digest():
        outbox.enqueue_for(session, context.peer, outbox.OutboxKind.PUBLIC_FILE, name=item.name.encode())
        return False  # another workstation published it first
    public_files.put(session, item.name, item.body)
    return True
