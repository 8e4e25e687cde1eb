"""Keyring: all secret keys of the desk, in one age file (docs/protocol.md, "Keyring").

The file is stored on advisers' workstations and in their backups, never on a server.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal, Self

import nacl.pwhash.argon2id
from msgspec import UNSET, Meta, UnsetType
from nacl.signing import SigningKey

from crypto import age, signed_lines
from crypto.age.header import AgeHeader, Stanza
from crypto.age.recipients import SEED_BYTES
from crypto.base64_text import from_base64, to_base64
from crypto.canonical_json import CanonicalStruct, StrictStruct
from crypto.errors import ForgedError, MalformedError, UnreadableError
from crypto.kdf import hkdf
from crypto.minisign import SecretKey
from crypto.passphrase import Argon2Params, normalise_passphrase
from protocol.errors import KeyringRefusal, KeyringRefusedError
from protocol.identifiers import STRAND_ID_BYTES, StrandId
from protocol.strand import DeskWriter

_VERSION: Final = b"steunpunt-keyring/1"
_SLOT_TYPE: Final = "steunpunt-slot/v1"
_SLOT_KIND: Final = "passphrase"
_SALT_BYTES: Final = 16
SLOTS_MAX: Final = 16
_OPENPGP_CHARS: Final = 100_000
_SECRET_KEY_LINES: Final = (
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    "-----END PGP PRIVATE KEY BLOCK-----\n",
)
SLOT_COST: Final = Argon2Params(t=3, m_kib=262_144, p=1)  # 256 MiB, used once per unlocking, by one person
_Seed = Annotated[bytes, Meta(min_length=SEED_BYTES, max_length=SEED_BYTES)]
_NUMBER: Final = re.compile("[1-9][0-9]{0,6}")
_T_MAX: Final = 16
_M_KIB_MIN: Final = 8  # RFC 9106, section 3.1: 8 KiB per lane
_M_KIB_MAX: Final = 1024 * 1024  # 1 GiB: a hostile keyring file is refused before it fills the memory


class Slot(StrictStruct, frozen=True, kw_only=True):
    """Public part of one passphrase that opens the keyring: a salt, the Argon2id cost, and a public key."""

    kind: Literal["passphrase"] = "passphrase"
    salt: Annotated[bytes, Meta(min_length=_SALT_BYTES, max_length=_SALT_BYTES)]
    t: int
    m_kib: int
    p: int
    recipient: bytes

    @classmethod
    def for_passphrase(cls, passphrase: str, cost: Argon2Params = SLOT_COST) -> Self:
        """Make a slot with a new salt for a passphrase, which will then open the keyring.

        This takes half a second with the usual cost.
        """
        salt = secrets.token_bytes(_SALT_BYTES)
        recipient = _slot_identity(passphrase, salt, cost).recipient.to_bytes()
        return cls(salt=salt, t=cost.t, m_kib=cost.m_kib, p=cost.p, recipient=recipient)

    @property
    def cost(self) -> Argon2Params:
        """Return the Argon2id cost of deriving the slot's secret key from its passphrase."""
        return Argon2Params(t=self.t, m_kib=self.m_kib, p=self.p)


@dataclass(frozen=True, slots=True)
class _SlotLabel:
    """Stanza in the age header of a keyring file, with the salt and the cost of one passphrase.

    The next stanza encrypts the file key to the key that is derived from this passphrase.
    """

    post_quantum: ClassVar[bool] = True
    slot: Slot

    def wrap(self, file_key: bytes) -> Stanza:  # noqa: ARG002  # a label wraps no key
        """Return the label as a stanza of an age header. The file key is not used."""
        cost = self.slot.cost
        numbers = (str(number) for number in (cost.t, cost.m_kib, cost.p))
        return Stanza((_SLOT_TYPE, self.slot.kind, to_base64(self.slot.salt), *numbers), b"")


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
    slots: tuple[Slot, ...] = field(repr=False)
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

    def with_openpgp(self, armoured: str) -> Self:
        """Return a copy of the keyring with this OpenPGP secret key in ASCII armour.

        The copy has the next serial. The OpenPGP key is not parsed.

        Raises:
            MalformedError: the text is over 100,000 characters, or has no armour lines of a secret key.
        """
        if not _is_secret_key(armoured):
            raise MalformedError
        return replace(self, serial=self.serial + 1, openpgp=armoured)


def create_keyring(workstation_name: str, slots: Sequence[Slot]) -> Keyring:
    """Make the keyring of a new desk, with new random keys for the desk and for one workstation."""
    return Keyring(
        serial=1,
        desk_key=SecretKey(secrets.token_bytes(SEED_BYTES)),
        strand=StrandSecret.draw(workstation_name),
        epochs=MappingProxyType({1: age.PQIdentity(secrets.token_bytes(SEED_BYTES))}),
        slots=tuple(slots),
    )


def seal_keyring(keyring: Keyring) -> bytes:
    """Sign the keyring, encrypt it for all its slots (passphrases), and return the file.

    Raises:
        MalformedError: `open_keyring` would refuse a value, or there are not 1 to 16 slots.
    """
    body = _KeyringJson.of(keyring).to_bytes()
    _KeyringJson.from_bytes(body)
    for slot in keyring.slots:
        _require_bounded(slot.cost)
    signed = signed_lines.write_signed_lines(_VERSION, body, keyring.strand.seed)
    recipients = [
        part
        for slot in keyring.slots
        for part in (_SlotLabel(slot), age.PQRecipient.from_bytes(slot.recipient))
    ]
    sealed = age.encrypt(signed, recipients)
    return sealed.header + sealed.payload


def open_keyring(raw: bytes, passphrase: str, fingerprint: str, *, at_least_serial: int = 0) -> Keyring:
    """Decrypt and verify a keyring file (the desk's secret keys) with a passphrase.

    Every spelling of the passphrase with the same normal form is accepted. The desk's public signing key must
    be `fingerprint`.

    Raises:
        KeyringRefusedError: `reason` says why. A wrong passphrase and a damaged file have the same reason.
    """
    try:
        keyring = _opened(raw, passphrase)
    except (UnreadableError, MalformedError, ForgedError) as why:
        raise KeyringRefusedError(KeyringRefusal.UNREADABLE) from why
    # Anyone who knows a slot's public key can encrypt a false keyring to it.
    if keyring.fingerprint != fingerprint:
        raise KeyringRefusedError(KeyringRefusal.OTHER_DESK)
    if keyring.serial < at_least_serial:
        raise KeyringRefusedError(KeyringRefusal.OLDER)
    return keyring


def _opened(raw: bytes, passphrase: str) -> Keyring:
    body, signature = signed_lines.read_signed_lines(_VERSION, _plaintext(raw, passphrase))
    keyring = _KeyringJson.from_bytes(body).to_keyring()
    signed_lines.check_signed_lines(_VERSION, body, signature, keyring.strand.verify_key)
    return keyring


def _plaintext(raw: bytes, passphrase: str) -> bytes:
    """Decrypt a keyring file with a passphrase, without verifying the result.

    Each slot that is tried takes half a second.
    """
    header, payload = age.split_file(raw)
    for salt, cost in _labels(header):
        with suppress(UnreadableError):
            plaintext, _ = age.decrypt(header, payload, [_slot_identity(passphrase, salt, cost)])
            return plaintext
    raise UnreadableError


def _labels(header: bytes) -> list[tuple[bytes, Argon2Params]]:
    """Return the salt and the Argon2id cost of every passphrase slot in the header of a keyring file.

    The header is not authentic yet, so every number is limited before it costs memory or time.
    """
    labels = []
    for stanza in AgeHeader.from_bytes(header).stanzas:
        match stanza.arguments:
            case (kind, how, salt_text, *numbers) if (kind, how) == (_SLOT_TYPE, _SLOT_KIND):
                salt = from_base64(salt_text)
                if len(salt) != _SALT_BYTES:
                    raise MalformedError
                labels.append((salt, _cost(numbers)))
    if len(labels) > SLOTS_MAX:
        raise MalformedError
    return labels


def _cost(numbers: Sequence[str]) -> Argon2Params:
    if len(numbers) != len(fields(Argon2Params)) or not all(map(_NUMBER.fullmatch, numbers)):
        raise MalformedError
    cost = Argon2Params(*map(int, numbers))
    _require_bounded(cost)
    return cost


def _require_bounded(cost: Argon2Params) -> None:
    """Check that libsodium supports an Argon2 cost, and that the cost does not exhaust the workstation.

    Raises:
        MalformedError: the cost is out of bounds.
    """
    if not (1 <= cost.t <= _T_MAX and _M_KIB_MIN <= cost.m_kib <= _M_KIB_MAX and cost.p == 1):
        raise MalformedError


def _is_secret_key(armoured: str) -> bool:
    begin, end = _SECRET_KEY_LINES
    is_armour = armoured.startswith(begin) and armoured.endswith(end) and armoured.isascii()
    return is_armour and len(armoured) <= _OPENPGP_CHARS


def _slot_identity(passphrase: str, salt: bytes, cost: Argon2Params) -> age.PQIdentity:
    stretched = nacl.pwhash.argon2id.kdf(
        SEED_BYTES,
        normalise_passphrase(passphrase).encode("utf-8"),
        salt,
        opslimit=cost.t,
        memlimit=cost.m_kib * 1024,
    )
    return age.PQIdentity(hkdf(stretched, info=b"steunpunt/v1/slot"))


class _EpochWire(StrictStruct, frozen=True):
    number: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    seed: _Seed


class _KeyringJson(CanonicalStruct, frozen=True):
    """JSON structure of a decrypted keyring file."""

    serial: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    desk_key: _Seed
    strand: StrandSecret
    epochs: Annotated[tuple[_EpochWire, ...], Meta(min_length=1)]
    slots: Annotated[tuple[Slot, ...], Meta(min_length=1, max_length=SLOTS_MAX)]
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
