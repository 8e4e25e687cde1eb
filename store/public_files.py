"""Public files: files for everyone, such as the yearly reports. Code that reads a file must verify it."""

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from store.database.prepared_statements import PlainQuery, PreparedChange, insert
from store.database.schema import PublicFileRow, new_id
from store.outbox import OutboxKind, enqueue

_HAS_NAME = PublicFileRow.name == bindparam("name")
_FIND = PlainQuery(select(PublicFileRow.body).where(_HAS_NAME))
_DELETE = PreparedChange(delete(PublicFileRow).where(_HAS_NAME))
_ADD = PreparedChange(insert(PublicFileRow))


def put(session: Session, name: str, body: bytes) -> None:
    """Write a file for everyone, such as a yearly report, and replace any public file with the same name."""
    _DELETE.run(session, name=name)
    _ADD.run(session, id=new_id(), name=name, body=body)
    enqueue(session, OutboxKind.PUBLIC_FILE, name=name.encode())


def find(session: Session, name: str) -> bytes | None:
    """Return the content of the public file named `name`, or None if there is no such file."""
    return _FIND.first(session, name=name)
