"""Publishing the desk's next letterhead, and taking it into use."""

from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import LetterheadMovedError
from protocol.letterhead import Letterhead, sign_letterhead
from store import letterheads


def sign_next_letterhead(desk: OpenDesk, session: Session, **changes: object) -> Letterhead:
    """Sign the letterhead that comes after the one in use, and keep it in the caller's transaction.

    `in_use` takes it up once that transaction has been committed.

    Raises:
        LetterheadMovedError: another workstation published one meanwhile. Nothing has changed.
        MalformedError: the changes make no letterhead that a server would accept.
    """
    latest = letterheads.latest(session)
    if latest is None or latest[0] != desk.letterhead.serial:
        raise LetterheadMovedError
    following = desk.letterhead.successor(**changes)
    body, signature = sign_letterhead(following, desk.keyring.desk_key)
    letterheads.add(session, following.serial, body, signature)
    return following


def use_letterhead(desk: OpenDesk, letterhead: Letterhead) -> None:
    """Work with a letterhead that was published, and remember its serial: an older one is refused."""
    desk.letterhead = letterhead
    desk.index.use_letterhead(letterhead)
    desk.saw_letterhead()
