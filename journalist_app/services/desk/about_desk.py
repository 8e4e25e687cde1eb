"""Facts about this desk, such as the fingerprint that the adviser can compare with the poster."""

from dataclasses import dataclass
from datetime import date

from journalist_app.desk.open_desk import OpenDesk
from store import mailboxes


@dataclass(frozen=True, slots=True)
class AboutDesk:
    """Name, fingerprint, number of mailboxes, and file paths of this desk."""

    names: dict[str, str]
    fingerprint: str
    letterhead_serial: int
    mailboxes: int
    last_check: date | None
    last_unsound: int
    store_path: str
    keyring_path: str
    trusted_state: str


def desk_facts(desk: OpenDesk) -> AboutDesk:
    """Return the desk's name, fingerprint, number of mailboxes and file paths."""
    with desk.store.reading() as session:
        counts = mailboxes.inbox_counts(session)
    return AboutDesk(
        names={str(language): name for language, name in desk.letterhead.desk_name.items()},
        fingerprint=desk.config.fingerprint,
        letterhead_serial=desk.letterhead.serial,
        mailboxes=counts.waiting + counts.answered,
        last_check=desk.whole_check.day,
        last_unsound=desk.whole_check.unsound,
        store_path=str(desk.config.store_path),
        keyring_path=str(desk.config.keyring_path),
        trusted_state=desk.trusted_state_status.value,
    )
