"""Facts about this desk, for the page that the adviser can compare with the posters."""

from dataclasses import dataclass
from datetime import date

from journalist_app.desk.open_desk import OpenDesk
from store import mailboxes


@dataclass(frozen=True, slots=True)
class AboutDesk:
    """Names, fingerprint, counts and paths of this desk."""

    names: dict[str, str]
    fingerprint: str
    letterhead_serial: int
    mailboxes: int
    last_check: date | None
    store_path: str
    keyring_path: str
    trusted_state: str


def desk_facts(desk: OpenDesk) -> AboutDesk:
    """Return the facts about this desk."""
    with desk.store.reading() as session:
        counts = mailboxes.inbox_counts(session)
    return AboutDesk(
        names={str(language): name for language, name in desk.letterhead.desk_name.items()},
        fingerprint=desk.config.fingerprint,
        letterhead_serial=desk.letterhead.serial,
        mailboxes=counts.waiting + counts.answered,
        last_check=desk.last_check,
        store_path=str(desk.config.store_path),
        keyring_path=str(desk.config.keyring_path),
        trusted_state=desk.trusted_state_status.value,
    )
