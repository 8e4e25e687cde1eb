"""The desk's next letterhead: signed, stored, and used."""

from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import LetterheadMovedError
from protocol.letterhead import Letterhead, sign_letterhead
from store import letterheads


def sign_next_letterhead(desk: OpenDesk, session: Session, **changes: object) -> Letterhead:
    """Sign the letterhead after the current one, and store it in the caller's transaction.

    After that transaction is committed, `use_letterhead` puts it to use.

    Raises:
        LetterheadMovedError: another workstation has published one since then. Nothing has changed.
        MalformedError: with these changes, a server would refuse the letterhead.
    """
    latest = letterheads.latest(session)
    if latest is None or latest[0] != desk.letterhead.serial:
        raise LetterheadMovedError
    following = desk.letterhead.successor(**changes)
    body, signature = sign_letterhead(following, desk.keyring.desk_key)
    letterheads.add(session, following.serial, body, signature)
    return following


def use_letterhead(desk: OpenDesk, letterhead: Letterhead) -> None:
    """Use a published letterhead, and remember its serial: an older one is refused from now on."""
    desk.letterhead = letterhead
    desk.index.use_letterhead(letterhead)
    desk.saw_letterhead()
