import re

from hypothesis import given
from hypothesis import strategies as st

from crypto.passphrase import word_lists
from protocol.identifiers import Address, Digest, mailbox_label, receipt_number, sealing_words


@given(st.binary(min_size=20, max_size=20))
def test_a_label_is_three_dutch_words(address: bytes) -> None:
    parts = mailbox_label(Address(address)).split("-")
    assert len(parts) == 3
    assert set(parts) <= set(word_lists()["nl"])


def test_a_label_and_a_receipt_are_the_same_on_every_machine() -> None:
    assert mailbox_label(Address(bytes(20))) == "breipen-motorpak-souvenir"
    assert receipt_number(Digest(bytes(32))) == "4309 6638 3606 5889"


def test_the_words_in_a_presealed_text_are_six_and_not_those_of_the_label() -> None:
    words = sealing_words(Address(bytes(20))).split("-")
    assert len(words) == 6
    assert set(words) <= set(word_lists()["nl"])
    assert words[:3] != mailbox_label(Address(bytes(20))).split("-")
    assert sealing_words(Address(bytes(20))) != sealing_words(Address(bytes(19) + b"\1"))


def test_a_bit_changes_the_words() -> None:
    assert mailbox_label(Address(bytes(20))) != mailbox_label(Address(bytes(19) + b"\1"))
    assert receipt_number(Digest(bytes(32))) != receipt_number(Digest(bytes(31) + b"\1"))


@given(st.binary(min_size=32, max_size=32))
def test_the_number_on_a_receipt_is_read_in_every_language(digest: bytes) -> None:
    assert re.fullmatch(r"[0-9]{4}( [0-9]{4}){3}", receipt_number(Digest(digest)))
