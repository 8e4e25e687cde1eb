"""A value that a person types or configures is read whole or refused: nothing that follows it is dropped."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from crypto.age import PQIdentity
from crypto.age.recipients import SEED_BYTES
from crypto.age.recovery_key import read_identity
from crypto.errors import CryptoError
from crypto.minisign import PublicKey
from deploy.errors import DeployError
from deploy.keys_at_terminal import refuse_no_id
from deploy.onion.clients import admit_client, make_client_key
from deploy.onion.onion_backup import check_recipients
from deploy.pairing.desk_fingerprint import refuse_wrong_form
from deploy.settings.onion_address import is_onion_host, onion_address
from journalist_app.files.pinned_recipients import RecipientKey, recipient_faults
from journalist_app.forms import bytes_of_hex
from sync.carriers import carrier_of
from web.dates import read_day
from web.origin import is_loopback

IDENTITY = PQIdentity(bytes(SEED_BYTES))
FINGERPRINT = "RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
ONION = onion_address(bytes(32))
RECIPIENT = RecipientKey("other", "Iemand", "A1" * 20, Path())


def _is_taken(read: Callable[[str], object], refusals: type[Exception]) -> Callable[[str], bool]:
    def is_taken(text: str) -> bool:
        with suppress(refusals):
            return read(text) is not False
        return False

    return is_taken


def _admit(folder: Path) -> Callable[[str], bool]:
    return _is_taken(lambda key: admit_client(folder, "desk-1", key), DeployError)


VALUES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "day": ("2027-07-05", _is_taken(read_day, ValueError)),
    "fingerprint of a desk": (FINGERPRINT, _is_taken(refuse_wrong_form, DeployError)),
    "key of a desk": (FINGERPRINT, _is_taken(PublicKey.from_text, CryptoError)),
    "id of a passphrase": ("0123abcd", _is_taken(refuse_no_id, DeployError)),
    "age recipient": (str(IDENTITY.recipient), _is_taken(lambda key: check_recipients([key]), DeployError)),
    "age identity": (IDENTITY.to_text(), lambda key: read_identity(key) is not None),
    "address of an onion": (ONION, is_onion_host),
    "address on this machine": ("127.0.0.1:8081", is_loopback),
    "server by onion": (f"onion:{ONION}", _is_taken(lambda to: carrier_of(to, ""), ValueError)),
    "server by SSH": ("ssh:sync@server.example", _is_taken(lambda to: carrier_of(to, ""), ValueError)),
    "role of a recipient": ("other", lambda role: not [*recipient_faults([replace(RECIPIENT, role=role)])]),
    "key of a recipient": (
        "A1" * 20,
        lambda key: not [*recipient_faults([replace(RECIPIENT, fingerprint=key)])],
    ),
    "id in an address": ("0a" * 16, lambda text: bytes_of_hex(text, 16) is not None),
}


def _changed(value: str) -> Iterator[str]:
    """Yield the value with more before or behind it, twice, and with a digit of another script."""
    yield from (value + more for more in (" x", ",", ";", "-", " KB", "\0", "\u200b", "="))
    yield from (f"{value} {value}", f"{value},{value}", f"{value}\n{value}", value + value, f"x {value}")
    place = next((place for place, char in enumerate(value) if char.isdigit()), None)
    if place is not None:
        yield value[:place] + chr(0x660 + int(value[place])) + value[place + 1 :]


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_with_more_than_the_value_is_refused(kind: str) -> None:
    value, is_taken = VALUES[kind]

    assert is_taken(value)
    assert [] == [text for text in _changed(value) if is_taken(text)]


def test_a_key_of_a_client_with_more_than_the_key_is_refused(tmp_path: Path) -> None:
    key, is_taken = make_client_key().public, _admit(tmp_path)

    assert is_taken(key)
    assert [] == [text for text in _changed(key) if is_taken(text)]
