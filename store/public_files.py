"""Files that everybody may read: the yearly reports. Whether one is true is for its reader to judge."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from store.database.schema import PublicFileRow, new_id
from store.outbox import OutboxKind, enqueue


def put(session: Session, name: str, body: bytes) -> None:
    """Keep a file in the place of the one of this name, if there was one."""
    session.connection().execute(delete(PublicFileRow).where(PublicFileRow.name == name))
    session.connection().execute(insert(PublicFileRow), {"id": new_id(), "name": name, "body": body})
    enqueue(session, OutboxKind.PUBLIC_FILE, name=name.encode())


def find(session: Session, name: str) -> bytes | None:
    """Return the file of a name, if there is one."""
    return session.scalar(select(PublicFileRow.body).where(PublicFileRow.name == name))


def names(session: Session) -> Sequence[str]:
    """Return the names of all files, sorted."""
    return session.scalars(select(PublicFileRow.name).order_by(PublicFileRow.name)).all()
