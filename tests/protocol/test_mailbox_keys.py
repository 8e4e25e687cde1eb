import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from crypto import age
from crypto.errors import ForgedError
from crypto.passphrase import RootKey
from protocol import mailbox_keys
from protocol.identifiers import Address
from tests.protocol.mailbox_factories import a_mailbox


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32))
def test_one_root_always_gives_one_mailbox(root: bytes) -> None:
    keys = mailbox_keys.derive_mailbox_keys(RootKey(root))
    again = mailbox_keys.derive_mailbox_keys(RootKey(root))
    assert (keys.address, keys.recipient, keys.verify_key) == (
        again.address,
        again.recipient,
        again.verify_key,
    )
    mailbox_keys.check_mailbox_keys(keys.address, keys.recipient, keys.verify_key)


def test_a_mailbox_decrypts_and_signs() -> None:
    keys = a_mailbox()
    sealed = age.encrypt(b"hello", [age.PQRecipient.from_bytes(keys.recipient)])
    assert age.decrypt(sealed.header, sealed.payload, [keys.identity])[0] == b"hello"
    assert VerifyKey(keys.verify_key).verify(b"hello", keys.sign(b"hello")) == b"hello"


def test_a_replaced_key_is_detected() -> None:
    keys, other = a_mailbox(1), a_mailbox(2)
    for address, recipient, verify_key in (
        (keys.address, other.recipient, keys.verify_key),
        (keys.address, keys.recipient, other.verify_key),
        (Address(os.urandom(20)), keys.recipient, keys.verify_key),
        (keys.address, keys.recipient + keys.verify_key[:1], keys.verify_key[1:]),
    ):
        with pytest.raises(ForgedError):
            mailbox_keys.check_mailbox_keys(address, recipient, verify_key)
        assert mailbox_keys.checked_verify_key(address, recipient, verify_key) is None
    checked = mailbox_keys.checked_verify_key(keys.address, keys.recipient, keys.verify_key)
    assert checked == keys.verify_key


def test_no_secret_of_a_mailbox_shows_in_a_log() -> None:
    keys = a_mailbox(ord("R"))
    shown = repr(keys)
    assert "RRRR" not in shown
    assert repr(keys.address) in shown
    assert "signing_key" not in shown
    assert "identity" not in shown
