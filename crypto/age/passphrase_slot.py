"""Passphrase slot of an age file: a label with the salt and cost of Argon2id, before the slot's own stanza.

The label is a stanza that wraps nothing. Other age programs pass the label by (ADR 2).
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Final, Self

import nacl.pwhash.argon2id

from crypto.age.header import AgeHeader, Stanza
from crypto.age.recipients import SEED_BYTES, PQIdentity
from crypto.base64_text import from_base64, to_base64
from crypto.errors import MalformedError
from crypto.kdf import hkdf
from crypto.passphrase import SALT_BYTES, Argon2Params, normalise_passphrase

SLOTS_MAX: Final = 16
_LABEL: Final = ("steunpunt-slot/v1", "passphrase")
_NUMBER: Final = re.compile("[1-9][0-9]{0,6}")
_T_MAX: Final = 16
_M_KIB_MIN: Final = 8  # RFC 9106, section 3.1: 8 KiB per lane
_M_KIB_MAX: Final = 1024 * 1024  # 1 GiB: a hostile file is refused before it fills the memory


@dataclass(frozen=True, slots=True)
class PassphraseLabel:
    """Stanza with the salt (16 bytes) and the cost for one passphrase of an age file.

    The next stanza has the file key, encrypted to a key that is derived from the passphrase.
    """

    post_quantum: ClassVar[bool] = True
    salt: bytes
    cost: Argon2Params

    @classmethod
    def draw(cls, cost: Argon2Params) -> Self:
        """Make the label of a new passphrase slot, with a random salt."""
        return cls(secrets.token_bytes(SALT_BYTES), cost)

    def wrap(self, file_key: bytes) -> Stanza:  # noqa: ARG002  # a label wraps no key
        """Return the label as a stanza of an age header. The stanza does not contain the file key."""
        numbers = (str(number) for number in (self.cost.t, self.cost.m_kib, self.cost.p))
        return Stanza((*_LABEL, to_base64(self.salt), *numbers), b"")

    def identity(self, passphrase: str) -> PQIdentity:
        """Derive the slot's secret key from a passphrase.

        Spellings of a passphrase with the same normal form give the same key.
        """
        stretched = nacl.pwhash.argon2id.kdf(
            SEED_BYTES,
            normalise_passphrase(passphrase).encode("utf-8"),
            self.salt,
            opslimit=self.cost.t,
            memlimit=self.cost.m_kib * 1024,
        )
        return PQIdentity(hkdf(stretched, info=b"steunpunt/v1/slot"))

    def require_bounded(self) -> None:
        """Check that libsodium supports the cost, and that the cost does not exhaust this machine.

        Raises:
            MalformedError: the cost is out of bounds.
        """
        cost = self.cost
        if not (1 <= cost.t <= _T_MAX and _M_KIB_MIN <= cost.m_kib <= _M_KIB_MAX and cost.p == 1):
            raise MalformedError


def read_labels(header: bytes) -> list[PassphraseLabel]:
    """Return the labels of all passphrase slots in the header of an age file.

    Each cost is checked, because an attacker could have changed the header.

    Raises:
        MalformedError: a label is malformed, a cost is out of bounds, or there are over 16 slots.
    """
    labels = []
    for stanza in AgeHeader.from_bytes(header).stanzas:
        match stanza.arguments:
            case (kind, how, salt, *numbers) if (kind, how) == _LABEL:
                labels.append(_read_label(from_base64(salt), numbers))
    if len(labels) > SLOTS_MAX:
        raise MalformedError
    return labels


def _read_label(salt: bytes, numbers: Sequence[str]) -> PassphraseLabel:
    is_cost = len(numbers) == len(fields(Argon2Params)) and all(map(_NUMBER.fullmatch, numbers))
    if len(salt) != SALT_BYTES or not is_cost:
        raise MalformedError
    label = PassphraseLabel(salt, Argon2Params(*map(int, numbers)))
    label.require_bounded()
    return label
