"""Public file in a pouch: a yearly report, which the letterhead names with its digest."""

import hashlib

from sqlalchemy.orm import Session

from protocol.pouch.pouch_items import PublicFileItem
from store import outbox, public_files
from sync.items.contexts import ApplyContext, BuildContext


def pack(_context: BuildContext, session: Session, row: outbox.OutboxItem) -> PublicFileItem | None:
    """Return a public file, unless it is gone since then."""
    name = row.name.decode("utf-8")
    body = public_files.find(session, name)
    return None if body is None else PublicFileItem(name, body)


def apply(context: ApplyContext, session: Session, item: PublicFileItem) -> bool:
    """Publish a file, unless another one is published here that the letterhead names by its digest."""
    stored = public_files.find(session, item.name)
    if stored == item.body:
        return False
    reports = {report.title: report.sha256 for report in context.endpoint.letterhead().reports}
    if stored is not None and reports.get(item.name) == hashlib.sha256(stored).digest():
        outbox.enqueue_for(session, context.peer, outbox.OutboxKind.PUBLIC_FILE, name=item.name.encode())
        return False  # another workstation published it first
    public_files.put(session, item.name, item.body)
    return True
