import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import OnionError
from deploy.onion.onion_keys import HOST_FILE, PUBLIC_FILE, SECRET_FILE, OnionKey
from deploy.settings.onion_address import is_onion_host

# Made by tor 0.4.9.11 for this test; nothing was ever published under it.
TORS_SECRET = base64.b64decode(
    "PT0gZWQyNTUxOXYxLXNlY3JldDogdHlwZTAgPT0AAABYJD+N/m8M3beQgQXKXgA6"
    "y5jLTM+lo4PPQcQUGYwZcwYY10DauxByfG4DeAeDHewM9Pj1nDuJIvHzbMsBp/jI"
)
TORS_PUBLIC = base64.b64decode(
    "PT0gZWQyNTUxOXYxLXB1YmxpYzogdHlwZTAgPT0AAACVPdDN6zzDpl58hUUfrx8HKPNSyJ8E+Y7QWO2yC4jO+g=="
)
TORS_HOST = "su65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"


def test_files_that_tor_made_are_written_again_byte_for_byte() -> None:
    key = OnionKey.from_file_bytes(TORS_SECRET)

    assert key.files() == {
        SECRET_FILE: TORS_SECRET,
        PUBLIC_FILE: TORS_PUBLIC,
        HOST_FILE: TORS_HOST.encode() + b"\n",
    }
    assert TORS_HOST == key.host


def test_each_new_key_is_different_and_can_be_read_back() -> None:
    key = OnionKey.draw()

    assert OnionKey.from_file_bytes(key.files()[SECRET_FILE]) == key
    assert is_onion_host(key.host)
    assert OnionKey.draw().host != key.host


def test_the_repr_of_a_key_shows_no_part_of_it() -> None:
    key = OnionKey.from_file_bytes(TORS_SECRET)

    assert repr(key) == "OnionKey()"
    assert re.fullmatch(r"ED25519-V3:[A-Za-z0-9+/]{86}==", key.control_text())


@given(st.binary(max_size=120))
def test_random_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(OnionError):
        OnionKey.from_file_bytes(raw)


@pytest.mark.parametrize("place", [32, 63])
def test_a_key_that_tor_never_makes_is_refused(place: int) -> None:
    damaged = bytearray(TORS_SECRET)
    damaged[place] ^= 1 if place == 32 else 0x80

    with pytest.raises(OnionError, match="damaged"):
        OnionKey.from_file_bytes(bytes(damaged))


@given(st.integers(0, 55), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_typing_error_in_an_address_is_detected(place: int, letter: str) -> None:
    typed = TORS_HOST[:place] + letter + TORS_HOST[place + 1 :]

    assert is_onion_host(typed) == (typed == TORS_HOST)


@pytest.mark.parametrize(
    "text", ["", TORS_HOST.upper(), TORS_HOST + "\n", TORS_HOST[:-6], "www." + TORS_HOST]
)
def test_an_address_has_one_form(text: str) -> None:
    assert not is_onion_host(text)
