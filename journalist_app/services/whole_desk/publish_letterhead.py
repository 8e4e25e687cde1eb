"""Signing and publishing of the desk's next letterhead (its public statement)."""

from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import LetterheadMovedError
from protocol.letterhead import Letterhead, sign_letterhead
from store import letterheads


def sign_next_letterhead(desk: OpenDesk, session: Session, **changes: object) -> Letterhead:
    """Sign a new letterhead, the desk's public statement, and store it in the caller's transaction.

    The new letterhead is the current letterhead with `changes`. After committing, the caller must call
    `use_letterhead`.

    Raises:
        LetterheadMovedError: another workstation published a letterhead in the meantime, so no letterhead was
            stored.
        MalformedError: a server would refuse a letterhead with these changes.
    """
    latest = letterheads.latest(session)
    if latest is None or latest[0] != desk.letterhead.serial:
        raise LetterheadMovedError
    following = desk.letterhead.successor(**changes)
    body, signature = sign_letterhead(following, desk.keyring.desk_key)
    letterheads.add(session, following.serial, body, signature)
    return following


def use_letterhead(desk: OpenDesk, letterhead: Letterhead) -> None:
    """Use a newer letterhead, the desk's signed public statement, from now on, and save its serial.

    This workstation then refuses a letterhead with a lower serial.
    """
    desk.letterhead = letterhead
    desk.index.use_letterhead(letterhead)
    desk.saw_serials()
