"""Verification of a copied store, with the desk's public keys alone."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from deploy.pinned_letterhead import read_copied_letterhead
from protocol.identifiers import mailbox_label
from protocol.letterhead import Letterhead
from store.database.damaged_rows import count_damaged
from store.database.engine import open_store
from stored_mailbox.whole_store import verify_in_processes


@dataclass(frozen=True, slots=True)
class Screen:
    """Functions that show the progress of a command.

    - `say`: receives a sentence
    - `on_step`: receives the name of the step that begins
    - `on_copied`: receives the number of copied bytes, and the number of all bytes
    - `on_verified`: receives the number of verified mailboxes, and the number of all mailboxes
    - `on_rows`: receives the number of steps that were done for rows, and the number of all steps
    """

    say: Callable[[str], object]
    on_step: Callable[[str], object]
    on_copied: Callable[[int, int], object]
    on_verified: Callable[[int, int], object]
    on_rows: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class VerifiedCopy:
    """Result of the verification of a copied store.

    `faults` is the number of mailboxes and rows with faults. `mild` is the number of these mailboxes in which
    an adviser may still write. `letterhead` is the desk's public statement.
    """

    letterhead: Letterhead
    entries: int
    faults: int
    mild: int


def verify_copy(copy: Path, fingerprint: str, screen: Screen) -> VerifiedCopy:
    """Verify all signatures of a store that no program uses. Show each mailbox with a fault.

    `fingerprint` is the desk's public key.

    Raises:
        LetterheadError: the store has no letterhead (public statement) that the desk signed.
        StoreError: the store cannot be read.
    """
    screen.on_step("Verifying every signature in the copy")
    with closing(open_store(copy)) as store, store.reading() as session:
        damaged = sum(count_damaged(session).values())
        letterhead = read_copied_letterhead(store, fingerprint)
    if damaged:
        screen.say(f"Damaged rows: {damaged}.")
    entries = unsound = mild = 0
    for verdict in verify_in_processes(copy, letterhead.strand_keys):
        entries += verdict.entries
        screen.on_verified(verdict.done, verdict.total)
        if not verdict.is_sound:
            unsound += 1
            mild += verdict.allows_answers
            screen.say(f"Mailbox {mailbox_label(verdict.address)}: {verdict.describe()}")
    open_store(copy).settle()  # the processes of the verification have just ended
    return VerifiedCopy(letterhead, entries, damaged + unsound, mild)
