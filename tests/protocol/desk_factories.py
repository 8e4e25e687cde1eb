"""A desk for tests of the protocol: its keys and its letterhead."""

from datetime import date

import msgspec

from crypto.age import PQIdentity
from crypto.minisign import SecretKey
from protocol.letterhead import Absence, Argon2, Epoch, Letterhead, Strand

DESK_KEY = SecretKey(b"desk key of a test, 32 bytes lng")
FINGERPRINT = str(DESK_KEY.public)
EPOCH_IDENTITY = PQIdentity(b"epoch 1 of a test, 32 bytes long")
SECOND_IDENTITY = PQIdentity(b"epoch 2 of a test, 32 bytes long")


def an_epoch(number: int = 1, since: date = date(2026, 1, 1), identity: PQIdentity = EPOCH_IDENTITY) -> Epoch:
    return Epoch(number=number, recipient=str(identity.recipient), since=since)


def a_strand(
    strand_id: bytes = b"strand-1", since: date = date(2026, 1, 1), until: date | None = None
) -> Strand:
    return Strand(id=strand_id, name="Workstation 1", verify_key=bytes(32), since=since, until=until)


def an_absence(since: date, until: date) -> Absence:
    return Absence(since=since, until=until)


_LETTERHEAD = Letterhead(
    version=1,
    serial=7,
    issued=date(2026, 3, 2),
    desk_name={"nl": "Steunpunt Integriteit", "en": "Integrity Support Point"},
    site_salt=b"salt of 16 bytes",
    argon2=Argon2(t=3, m_kib=65_536, p=1),
    epochs=(an_epoch(),),
    strands=(a_strand(),),
    openpgp_fingerprint=None,
    abandoned_months=24,
    working_days=(0, 1, 2, 3, 4),
    closed_days=(),
    absences=(),
    answer_working_days=5,
    confirm_days=7,
    substance_months=3,
    talk={"nl": "Bel ons.", "en": "Call us."},
    secrecy_limits={"nl": ("Gevaar voor een leven.",), "en": ("Danger to a life.",)},
)


def a_letterhead(**changes: object) -> Letterhead:
    return msgspec.structs.replace(_LETTERHEAD, **changes)
