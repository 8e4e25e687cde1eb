"""Keyring: all secret keys of the desk, in one age file (docs/protocol.md, "Keyring").

The file is stored on advisers' workstations and in their backups, never on a server.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Annotated, Final, Self

from msgspec import UNSET, Meta, UnsetType
from nacl.signing import SigningKey

from crypto import age, signed_lines
from crypto.age.passphrase_slot import SLOTS_MAX, PassphraseLabel, read_labels
from crypto.age.recipients import SEED_BYTES
from crypto.age.recovery_key import draw_identity, read_identity
from crypto.canonical_json import CanonicalStruct, StrictStruct
from crypto.errors import ForgedError, MalformedError, UnreadableError
from crypto.kdf import hkdf
from crypto.minisign import SecretKey
from crypto.passphrase import SALT_BYTES, Argon2Params
from protocol.errors import KeyringRefusal, KeyringRefusedError
from protocol.identifiers import STRAND_ID_BYTES, StrandId
from protocol.strand import DeskWriter

_VERSION: Final = b"steunpunt-keyring/1"
_OPENPGP_CHARS: Final = 100_000
_SECRET_KEY_LINES: Final = (
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    "-----END PGP PRIVATE KEY BLOCK-----\n",
)
SLOT_COST: Final = Argon2Params(t=3, m_kib=262_144, p=1)  # 256 MiB, used once per unlocking, by one person
_Seed = Annotated[bytes, Meta(min_length=SEED_BYTES, max_length=SEED_BYTES)]
_Holder = Annotated[str, Meta(max_length=200)]


class Slot(StrictStruct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="passphrase"):
    """Slot of one passphrase that opens the keyring: a salt, the Argon2id cost, and a public key."""

    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    t: int
    m_kib: int
    p: int
    recipient: bytes
    holder: _Holder = ""  # older keyrings have neither holder nor day
    since: date | None = None

    @classmethod
    def for_passphrase(
        cls, passphrase: str, cost: Argon2Params = SLOT_COST, *, holder: str = "", since: date | None = None
    ) -> Self:
        """Make a slot with a new salt for a passphrase, which will then open the keyring.

        This takes half a second with the usual cost. `holder` is the owner of the passphrase, and `since` is
        today.
        """
        label = PassphraseLabel.draw(cost)
        recipient = label.identity(passphrase).recipient.to_bytes()
        numbers = {"t": cost.t, "m_kib": cost.m_kib, "p": cost.p}
        return cls(salt=label.salt, **numbers, recipient=recipient, holder=holder, since=since)

    @property
    def label(self) -> PassphraseLabel:
        """Return the label of this slot: a stanza of the keyring file with the salt and the cost.

        In the file, the label comes directly before the stanza that encrypts the file key for this slot.
        """
        return PassphraseLabel(self.salt, Argon2Params(t=self.t, m_kib=self.m_kib, p=self.p))

    def opens_with(self, secret: str) -> bool:
        """Return True if a passphrase opens this slot. This takes half a second with the usual cost."""
        return self.label.identity(secret).recipient.to_bytes() == self.recipient


class RecoverySlot(
    StrictStruct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="recovery"
):
    """Public key of one recovery sheet (a secret key on paper) that opens the keyring."""

    recipient: bytes
    holder: _Holder = ""
    since: date | None = None

    def opens_with(self, secret: str) -> bool:
        """Return True if the recovery sheet with the key or the words `secret` opens this slot."""
        identity = read_identity(secret)
        return identity is not None and identity.recipient.to_bytes() == self.recipient


AnySlot = Slot | RecoverySlot


class StrandSecret(StrictStruct, frozen=True):
    """Secret key with which one workstation signs: id (8 bytes), name, and Ed25519 seed (32 bytes)."""

    id: Annotated[StrandId, Meta(min_length=STRAND_ID_BYTES, max_length=STRAND_ID_BYTES)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    seed: _Seed

    @classmethod
    def draw(cls, name: str) -> Self:
        """Draw a random signing key for a new workstation. `name` has 1 to 200 characters."""
        return cls(StrandId(secrets.token_bytes(STRAND_ID_BYTES)), name, secrets.token_bytes(SEED_BYTES))

    @property
    def verify_key(self) -> bytes:
        """Return the public key (32 bytes), which the desk's signed letterhead (public statement) names."""
        return bytes(SigningKey(self.seed).verify_key)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All secret keys of the desk, decrypted.

    They are only in the memory of one process. The adviser's app drops them when it locks.
    """

    serial: int  # from 1, one more with every change
    desk_key: SecretKey = field(repr=False)
    strand: StrandSecret = field(repr=False)
    epochs: Mapping[int, age.PQIdentity] = field(repr=False)  # by number
    slots: tuple[AnySlot, ...] = field(repr=False)
    # The desk's OpenPGP secret key in ASCII armour, if it has one.
    openpgp: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """Return the desk's public signing key as text, as it is printed on posters."""
        return str(self.desk_key.public)

    @property
    def identities(self) -> tuple[age.PQIdentity, ...]:
        """Return the desk's secret keys that decrypt entries, from the newest to the oldest."""
        return tuple(self.epochs[number] for number in sorted(self.epochs, reverse=True))

    @property
    def desk_writer(self) -> DeskWriter:
        """Return the object that signs this workstation's entries."""
        return DeskWriter(self.strand.id, self.strand.seed)

    @property
    def trusted_state_identity(self) -> age.PQIdentity:
        """Return the secret key for the trusted state, which this workstation saves to detect a roll-back."""
        return age.PQIdentity(hkdf(self.strand.seed, info=b"steunpunt/v1/trusted-state"))

    def with_strand(self, strand: StrandSecret) -> Self:
        """Return a copy of the keyring for another workstation, which signs with the key `strand`.

        The copy has the next serial.
        """
        return replace(self, serial=self.serial + 1, strand=strand)

    def with_slots(self, slots: Sequence[AnySlot]) -> Self:
        """Return a copy of the keyring with other slots (passphrases and recovery sheets).

        The copy has the next serial.
        """
        return replace(self, serial=self.serial + 1, slots=tuple(slots))

    def with_openpgp(self, armoured: str) -> Self:
        """Return a copy of the keyring with this OpenPGP secret key in ASCII armour.

        The copy has the next serial. The OpenPGP key is not parsed.

        Raises:
            MalformedError: the text is over 100,000 characters, or has no armour lines of a secret key.
        """
        if not _is_secret_key(armoured):
            raise MalformedError
        return replace(self, serial=self.serial + 1, openpgp=armoured)


def create_keyring(workstation_name: str, slots: Sequence[AnySlot]) -> Keyring:
    """Make the keyring of a new desk, with new random keys for the desk and for one workstation."""
    return Keyring(
        serial=1,
        desk_key=SecretKey(secrets.token_bytes(SEED_BYTES)),
        strand=StrandSecret.draw(workstation_name),
        epochs=MappingProxyType({1: draw_identity()}),
        slots=tuple(slots),
    )


def seal_keyring(keyring: Keyring) -> bytes:
    """Sign the keyring, encrypt it with a new file key for all its slots, and return the file.

    Raises:
        MalformedError: `open_keyring` would refuse a value, or there are not 1 to 16 slots.
    """
    body = _KeyringJson.of(keyring).to_bytes()
    _KeyringJson.from_bytes(body)
    recipients: list[age.AgeRecipient] = []
    for slot in keyring.slots:
        if isinstance(slot, Slot):
            slot.label.require_bounded()
            recipients.append(slot.label)
        recipients.append(age.PQRecipient.from_bytes(slot.recipient))
    signed = signed_lines.write_signed_lines(_VERSION, body, keyring.strand.seed)
    sealed = age.encrypt(signed, recipients)
    return sealed.header + sealed.payload


def open_keyring(raw: bytes, secret: str, fingerprint: str) -> Keyring:
    """Decrypt and verify a keyring file (the desk's secret keys) with a passphrase or a recovery sheet.

    `secret` is a passphrase as typed, or the key or the words of a recovery sheet. `fingerprint` is the text
    of the desk's public signing key. A keyring with another public key is refused.

    Raises:
        KeyringRefusedError: `reason` says why. A wrong passphrase and a damaged file have the same reason.
    """
    try:
        body, signature = signed_lines.read_signed_lines(_VERSION, _plaintext(raw, secret))
        keyring = _KeyringJson.from_bytes(body).to_keyring()
        signed_lines.check_signed_lines(_VERSION, body, signature, keyring.strand.verify_key)
    except (UnreadableError, MalformedError, ForgedError) as why:
        raise KeyringRefusedError(KeyringRefusal.UNREADABLE) from why
    # Anyone who knows a slot's public key can encrypt a false keyring to it.
    if keyring.fingerprint != fingerprint:
        raise KeyringRefusedError(KeyringRefusal.OTHER_DESK)
    return keyring


def has_recovery_slot(raw: bytes) -> bool:
    """Return True if a keyring file seems to have a slot of a recovery sheet.

    The function decrypts nothing and verifies nothing.

    Raises:
        MalformedError: the file is not a keyring.
    """
    header, _ = age.split_file(raw)
    kinds = [stanza.arguments[0] for stanza in age.AgeHeader.from_bytes(header).stanzas]
    return kinds.count(age.PQ_TYPE) > len(read_labels(header))


def _plaintext(raw: bytes, secret: str) -> bytes:
    """Decrypt a keyring file, without verifying the result. Each passphrase slot takes half a second."""
    header, payload = age.split_file(raw)
    for identity in _identities(header, secret):
        with suppress(UnreadableError):
            return age.decrypt(header, payload, [identity])[0]
    raise UnreadableError


def _identities(header: bytes, secret: str) -> Iterator[age.PQIdentity]:
    recovery = read_identity(secret)
    if recovery is None:
        yield from (label.identity(secret) for label in read_labels(header))
    else:
        yield recovery


def _is_secret_key(armoured: str) -> bool:
    begin, end = _SECRET_KEY_LINES
    is_armour = armoured.startswith(begin) and armoured.endswith(end) and armoured.isascii()
    return is_armour and len(armoured) <= _OPENPGP_CHARS


class _EpochWire(StrictStruct, frozen=True):
    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    seed: _Seed


class _KeyringJson(CanonicalStruct, frozen=True):
    serial: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    desk_key: _Seed
    strand: StrandSecret
    epochs: Annotated[tuple[_EpochWire, ...], Meta(min_length=1)]
    slots: Annotated[tuple[AnySlot, ...], Meta(min_length=1, max_length=SLOTS_MAX)]
    openpgp: str | UnsetType = UNSET  # older keyrings have none

    @classmethod
    def of(cls, keyring: Keyring) -> Self:
        return cls(
            serial=keyring.serial,
            desk_key=keyring.desk_key.seed,
            strand=keyring.strand,
            epochs=tuple(
                _EpochWire(number=number, seed=identity.to_bytes())
                for number, identity in sorted(keyring.epochs.items())
            ),
            slots=keyring.slots,
            openpgp=keyring.openpgp or UNSET,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        content = super().from_bytes(raw)
        is_openpgp_key = content.openpgp is UNSET or _is_secret_key(content.openpgp)
        for slot in content.slots:
            age.PQRecipient.from_bytes(slot.recipient)
        if not is_openpgp_key or cls.of(content.to_keyring()) != content:
            raise MalformedError
        return content

    def to_keyring(self) -> Keyring:
        return Keyring(
            serial=self.serial,
            desk_key=SecretKey(self.desk_key),
            strand=self.strand,
            epochs=MappingProxyType({epoch.number: age.PQIdentity(epoch.seed) for epoch in self.epochs}),
            slots=self.slots,
            openpgp="" if self.openpgp is UNSET else self.openpgp,
        )
