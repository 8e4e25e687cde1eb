"""Look-up of the recipients in the settings, with a check that the recipient's key can be used today."""

from collections.abc import Sequence
from datetime import date

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import PassOnRefusal, PassOnRefusedError
from journalist_app.files.gpg_export import Exporter
from journalist_app.files.pinned_recipients import RecipientKey
from protocol.content import ProposalNote


def available_recipients(desk: OpenDesk) -> tuple[RecipientKey, ...]:
    """Return the recipients to whom this desk can pass on proposals. Without OpenPGP, the list is empty."""
    return desk.exporter.recipients if desk.exporter is not None else ()


def recipient_by_fingerprint(desk: OpenDesk, fingerprint: str, today: date) -> tuple[Exporter, RecipientKey]:
    """Return the exporter, and the recipient in the settings whose OpenPGP key has this fingerprint.

    The exporter encrypts files for recipients.

    Raises:
        PassOnRefusedError: no pinned recipient has this key, the key cannot be used, or this desk has no
            OpenPGP.
    """
    meant = [each for each in available_recipients(desk) if each.fingerprint == fingerprint]
    return _usable(desk, meant, PassOnRefusal.RECIPIENT_MISSING, today)


def recipient_of_proposal(desk: OpenDesk, note: ProposalNote, today: date) -> tuple[Exporter, RecipientKey]:
    """Return the exporter, which encrypts files for recipients, and the recipient of a proposal.

    The settings must have a recipient with the role, name and key in the proposal.

    Raises:
        PassOnRefusedError: the settings have no such recipient, the key cannot be used, or this desk has no
            OpenPGP.
    """
    # The source agreed to the key in the proposal, so another key of the same recipient is refused.
    shown = (note.recipient.value, note.name, note.fingerprint)
    meant = [each for each in available_recipients(desk) if (each.role, each.name, each.fingerprint) == shown]
    return _usable(desk, meant, PassOnRefusal.RECIPIENT_CHANGED, today)


def _usable(
    desk: OpenDesk, meant: Sequence[RecipientKey], refusal: PassOnRefusal, today: date
) -> tuple[Exporter, RecipientKey]:
    if desk.exporter is None:
        raise PassOnRefusedError(PassOnRefusal.NO_OPENPGP)
    if not meant:
        raise PassOnRefusedError(refusal)
    desk.exporter.require_usable(meant[0].fingerprint, today)
    return desk.exporter, meant[0]
