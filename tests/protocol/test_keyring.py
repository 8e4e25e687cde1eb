import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from crypto import age, signed_lines
from crypto.age.header import Stanza
from crypto.errors import MalformedError
from crypto.minisign import SecretKey
from crypto.passphrase import Argon2Params
from protocol import keyring
from protocol.errors import KeyringRefusal, KeyringRefusedError
from protocol.identifiers import StrandId
from protocol.keyring import (
    Keyring,
    RecoverySlot,
    Slot,
    StrandSecret,
    create_keyring,
    has_recovery_slot,
    open_keyring,
    seal_keyring,
)

_VECTORS = json.loads((Path(__file__).parents[1] / "vectors/keyring_v1.json").read_text("utf-8"))
_CHEAP = Argon2Params(t=1, m_kib=8, p=1)
_PASSPHRASE = "een twee drie vier vijf zes zeven"
_SLOT = Slot.for_passphrase(_PASSPHRASE, _CHEAP)
_RECIPIENT = age.PQRecipient.from_bytes(_SLOT.recipient)
_KEYRING = create_keyring("Workstation 1", [_SLOT])
_SEALED = seal_keyring(_KEYRING)
_ARMOUR = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxcMG\n-----END PGP PRIVATE KEY BLOCK-----\n"
_NO_SECRET_KEYS = {
    "nothing": "",
    "no armour": "a key",
    "a public key": _ARMOUR.replace("PRIVATE", "PUBLIC"),
    "something after it": _ARMOUR + "\n",
    "not ASCII": _ARMOUR.replace("xcMG", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
    "too large": _ARMOUR.replace("xcMG", "x" * 100_000),
}


def _with_epochs(before: Keyring, epochs: Mapping[int, age.PQIdentity]) -> Keyring:
    return replace(before, serial=before.serial + 1, epochs=MappingProxyType(dict(epochs)))


def _secrets(opened: Keyring) -> object:
    epochs = {number: identity.to_bytes() for number, identity in opened.epochs.items()}
    return opened.serial, opened.desk_key, opened.strand, epochs, opened.slots


def _refusal(raw: bytes, passphrase: str = _PASSPHRASE) -> KeyringRefusal:
    with pytest.raises(KeyringRefusedError) as refused:
        open_keyring(raw, passphrase, _KEYRING.fingerprint)
    return refused.value.reason


def _sealed_by_hand(plaintext: bytes, label: tuple[str, ...] | None = None) -> bytes:
    """Encrypt any bytes to a slot, as anyone can who knows its recipient."""

    class Label:
        post_quantum = True

        def wrap(self, file_key: bytes) -> Stanza:
            usual = _SLOT.label.wrap(file_key).arguments
            return Stanza(label or usual, b"")

    sealed = age.encrypt(plaintext, [Label(), _RECIPIENT])
    return sealed.header + sealed.payload


def test_a_keyring_opens_with_its_passphrase_as_it_was() -> None:
    opened = open_keyring(_SEALED, _PASSPHRASE, _KEYRING.fingerprint)
    assert _secrets(_KEYRING) == _secrets(opened)


@given(
    st.integers(1, 2**63 - 1),
    st.dictionaries(st.integers(1, 2**31 - 1), st.binary(min_size=32, max_size=32), min_size=1, max_size=3),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
)
def test_every_encrypted_keyring_opens(serial: int, epochs: dict[int, bytes], name: str) -> None:
    identities = {number: age.PQIdentity(seed) for number, seed in epochs.items()}
    strand = StrandSecret(StrandId(b"strand-1"), name, b"s" * 32)
    wanted = Keyring(serial, SecretKey(b"k" * 32), strand, identities, (_SLOT,))
    assert _secrets(wanted) == _secrets(open_keyring(seal_keyring(wanted), _PASSPHRASE, wanted.fingerprint))


@pytest.mark.parametrize("passphrase", ["een twee", "", _PASSPHRASE + " acht"])
def test_a_wrong_passphrase_and_a_damaged_file_look_the_same(passphrase: str) -> None:
    assert _refusal(_SEALED, passphrase) == KeyringRefusal.UNREADABLE
    assert _refusal(_SEALED[:-1]) == KeyringRefusal.UNREADABLE


def test_a_passphrase_may_be_typed_in_another_spelling() -> None:
    opened = open_keyring(_SEALED, "  Eén TWEE-drie\tvier vijf zes zeven", _KEYRING.fingerprint)
    assert _KEYRING.serial == opened.serial


@given(st.data())
def test_any_flipped_byte_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(_SEALED) - 1))
    flipped = bytes([_SEALED[at] ^ data.draw(st.integers(1, 255))])
    assert _refusal(_SEALED[:at] + flipped + _SEALED[at + 1 :]) == KeyringRefusal.UNREADABLE


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(raw: bytes) -> None:
    assert _refusal(raw) == KeyringRefusal.UNREADABLE
    assert _refusal(_sealed_by_hand(raw)) == KeyringRefusal.UNREADABLE
    signed = signed_lines.write_signed_lines(b"steunpunt-keyring/1", raw.replace(b"\n", b""), bytes(32))
    assert _refusal(_sealed_by_hand(signed)) == KeyringRefusal.UNREADABLE


def test_another_desks_keyring_is_refused_even_under_our_passphrase() -> None:
    assert _refusal(seal_keyring(create_keyring("Workstation 1", [_SLOT]))) == KeyringRefusal.OTHER_DESK


def test_a_keyring_that_its_workstation_did_not_write_is_refused() -> None:
    body = keyring._KeyringJson.of(_KEYRING).to_bytes()
    forged = signed_lines.write_signed_lines(
        b"steunpunt-keyring/1", body, b"not the strand's, but 32 bytes.."
    )
    assert _refusal(_sealed_by_hand(forged)) == KeyringRefusal.UNREADABLE


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(("3", "104857600", "1"), id="100 GB of memory"),
        pytest.param(("3", "1048577", "1"), id="just over a gigabyte"),
        pytest.param(("17", "8", "1"), id="17 passes"),
        pytest.param(("1", "7", "1"), id="less memory than Argon2 can do with"),
        pytest.param(("1", "8", "2"), id="two lanes"),
        pytest.param(("0", "8", "1"), id="no pass"),
        pytest.param(("01", "8", "1"), id="a leading zero"),
        pytest.param(("-1", "8", "1"), id="a sign"),
        pytest.param(("1", "8"), id="a number missing"),
        pytest.param(("1", "8", "1", "1"), id="a number too many"),
    ],
)
def test_a_hostile_file_cannot_take_memory_or_time(numbers: tuple[str, ...]) -> None:
    label = ("steunpunt-slot/v1", "passphrase", "c2FsdCBvZiAxNiBieXRlcw", *numbers)
    assert _refusal(_sealed_by_hand(b"", label)) == KeyringRefusal.UNREADABLE


def test_a_salt_of_another_length_is_refused() -> None:
    label = ("steunpunt-slot/v1", "passphrase", "c2FsdA", "1", "8", "1")
    assert _refusal(_sealed_by_hand(b"", label)) == KeyringRefusal.UNREADABLE


def test_a_file_of_many_slots_is_refused_before_any_is_tried() -> None:
    labels = [part for _ in range(17) for part in (_SLOT.label, _RECIPIENT)]
    sealed = age.encrypt(b"", labels)
    assert _refusal(sealed.header + sealed.payload) == KeyringRefusal.UNREADABLE


def test_every_slot_opens_the_keyring_and_any_holder_encrypts_it_for_all() -> None:
    second = Slot.for_passphrase("tweede", _CHEAP)
    both = open_keyring(seal_keyring(_KEYRING.with_slots([_SLOT, second])), _PASSPHRASE, _KEYRING.fingerprint)
    again = seal_keyring(_with_epochs(both, {**both.epochs, 2: age.PQIdentity(b"2" * 32)}))
    for passphrase in (_PASSPHRASE, "tweede"):
        opened = open_keyring(again, passphrase, _KEYRING.fingerprint)
        assert (3, {1, 2}) == (opened.serial, set(opened.epochs))


def test_a_removed_slot_no_longer_opens_the_keyring() -> None:
    without = seal_keyring(_KEYRING.with_slots([Slot.for_passphrase("tweede", _CHEAP)]))
    assert _refusal(without) == KeyringRefusal.UNREADABLE


def test_a_removed_slot_opens_nothing_new_even_with_the_file_key_of_an_older_copy() -> None:
    second = Slot.for_passphrase("tweede", _CHEAP)
    older = seal_keyring(_KEYRING.with_slots([_SLOT, second]))
    header, _ = age.split_file(older)
    known = age.unwrap(header, [second.label.identity("tweede")])

    newer = seal_keyring(_KEYRING.with_slots([_SLOT]))

    assert not age.AgeHeader.from_bytes(age.split_file(newer)[0]).is_made_with(known)
    assert _refusal(newer, "tweede") == KeyringRefusal.UNREADABLE
    # docs/adviser.md says so: no change reaches a copy that someone already has.
    assert open_keyring(older, "tweede", _KEYRING.fingerprint).desk_key == _KEYRING.desk_key


def test_a_recovery_sheet_opens_the_keyring_and_a_file_alone_does_not_say_whose() -> None:
    identity = age.PQIdentity(b"sheet-of-one-desk-with-32-bytes!")
    day = date(2026, 11, 30)
    sheet = RecoverySlot(recipient=identity.recipient.to_bytes(), holder="Kluis A", since=day)
    raw = seal_keyring(_KEYRING.with_slots([_SLOT, sheet]))

    assert b"Kluis A" not in raw
    assert (sheet, _SLOT) == open_keyring(raw, identity.to_text(), _KEYRING.fingerprint).slots[::-1]
    assert [True, False] == [has_recovery_slot(each) for each in (raw, _SEALED)]
    assert sheet.opens_with(identity.to_text())
    assert not sheet.opens_with(age.PQIdentity(b"x" * 32).to_text())
    assert not sheet.opens_with(_PASSPHRASE)
    assert [True, False] == [_SLOT.opens_with(typed) for typed in (_PASSPHRASE, "tweede")]


def test_a_stock_age_identity_decrypts_the_keyring() -> None:
    identity = age.PQIdentity(b"sheet-of-one-desk-with-32-bytes!")
    sheet = RecoverySlot(recipient=identity.recipient.to_bytes())
    raw = seal_keyring(_KEYRING.with_slots([_SLOT, sheet]))

    plaintext, _ = age.decrypt(*age.split_file(raw), [identity])

    assert plaintext.startswith(b"steunpunt-keyring/1\n")


def test_a_slot_of_a_later_kind_does_not_keep_ours_from_opening() -> None:
    body = keyring._KeyringJson.of(_KEYRING).to_bytes()
    signed = signed_lines.write_signed_lines(b"steunpunt-keyring/1", body, _KEYRING.strand.seed)

    class Later:
        post_quantum = True

        def wrap(self, file_key: bytes) -> Stanza:  # noqa: ARG002  # a label holds no key
            return Stanza(("steunpunt-slot/v1", "openpgp", "QUJD"), b"")

    stranger = age.PQIdentity(b"x" * 32).recipient
    sealed = age.encrypt(signed, [Later(), stranger, _SLOT.label, _RECIPIENT])
    assert open_keyring(sealed.header + sealed.payload, _PASSPHRASE, _KEYRING.fingerprint).serial == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(_KEYRING.with_slots([]), id="no one could open it"),
        pytest.param(_KEYRING.with_slots([_SLOT] * 17), id="17 slots"),
        pytest.param(_with_epochs(_KEYRING, {}), id="no epoch"),
        pytest.param(_with_epochs(_KEYRING, {0: _KEYRING.epochs[1]}), id="epoch 0"),
        pytest.param(_KEYRING.with_slots([RecoverySlot(recipient=_SLOT.recipient[1:])]), id="no public key"),
        pytest.param(
            _KEYRING.with_slots([RecoverySlot(recipient=_SLOT.recipient, holder="x" * 201)]), id="long holder"
        ),
        pytest.param(create_keyring("", [_SLOT]), id="a workstation without a name"),
        pytest.param(
            _KEYRING.with_slots([Slot(salt=_SLOT.salt, t=1, m_kib=2**30, p=1, recipient=_SLOT.recipient)]),
            id="a cost that would be refused",
        ),
    ],
)
def test_a_keyring_that_a_reader_would_refuse_is_not_encrypted(wrong: Keyring) -> None:
    with pytest.raises(MalformedError):
        seal_keyring(wrong)


def test_the_openpgp_key_is_kept_with_the_other_secrets() -> None:
    assert _KEYRING.openpgp == ""
    changed = _KEYRING.with_openpgp(_ARMOUR)
    opened = open_keyring(seal_keyring(changed), _PASSPHRASE, _KEYRING.fingerprint)
    assert _ARMOUR == opened.openpgp
    assert _secrets(changed) == _secrets(opened)
    assert _ARMOUR == opened.with_slots([_SLOT]).openpgp


@pytest.mark.parametrize("key", _NO_SECRET_KEYS.values(), ids=_NO_SECRET_KEYS.keys())
def test_a_text_that_is_not_a_secret_key_is_neither_accepted_nor_read(key: str) -> None:
    with pytest.raises(MalformedError):
        _KEYRING.with_openpgp(key)
    content = msgspec.structs.replace(keyring._KeyringJson.of(_KEYRING), openpgp=key)
    signed = signed_lines.write_signed_lines(b"steunpunt-keyring/1", content.to_bytes(), _KEYRING.strand.seed)
    assert _refusal(_sealed_by_hand(signed)) == KeyringRefusal.UNREADABLE


def test_the_newest_epoch_is_tried_first() -> None:
    epochs = {number: age.PQIdentity(bytes([number]) * 32) for number in (2, 10, 1)}
    newest_first = _with_epochs(_KEYRING, epochs).identities
    assert (epochs[10], epochs[2], epochs[1]) == newest_first


def test_epochs_cannot_be_changed_behind_a_keyrings_back() -> None:
    assert isinstance(_KEYRING.epochs, MappingProxyType)


def test_the_workstation_signs_with_the_key_that_the_letterhead_certifies() -> None:
    writer = _KEYRING.desk_writer
    assert _KEYRING.strand.id == writer.strand
    VerifyKey(_KEYRING.strand.verify_key).verify(b"message", writer.sign(b"message"))


def test_no_secret_shows_in_a_repr() -> None:
    with_openpgp = _KEYRING.with_openpgp(_ARMOUR)
    content = keyring._KeyringJson.of(with_openpgp)
    shown = repr((with_openpgp, _KEYRING.strand, content, content.strand, content.epochs))
    for secret in (_KEYRING.desk_key.seed, _KEYRING.strand.seed, _KEYRING.epochs[1].to_bytes()):
        assert repr(secret)[2:-1] not in shown
    assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize("vector", _VECTORS["keyrings"], ids=lambda vector: vector["name"])
def test_each_committed_keyring_ends_as_it_should(vector: dict[str, str]) -> None:
    raw = base64.b64decode(vector["file"])
    try:
        ended = f"serial {open_keyring(raw, vector['passphrase'], _VECTORS['fingerprint']).serial}"
    except KeyringRefusedError as refused:
        ended = refused.reason
    assert vector["expect"] == ended


def test_there_are_vectors() -> None:
    assert len(_VECTORS["keyrings"]) > 8


@pytest.mark.slow
def test_a_stock_age_tool_skips_the_labels(tmp_path: Path) -> None:
    # Debian's age 1.1 does not support post-quantum stanzas, so the slot gets an X25519 stanza here.
    plain = age.X25519Identity(b"p" * 32)

    class Label:
        post_quantum = False

        def wrap(self, file_key: bytes) -> Stanza:
            return _SLOT.label.wrap(file_key)

    sealed = age.encrypt(b"keyring", [Label(), plain.recipient])
    (tmp_path / "key").write_text(plain.to_text() + "\n", "ascii")
    opened = subprocess.run(
        ["age", "--decrypt", "--identity", tmp_path / "key"],
        input=sealed.header + sealed.payload,
        check=True,
        capture_output=True,
    )
    assert opened.stdout == b"keyring"


def test_another_workstation_has_the_desks_keys_and_a_strand_of_its_own() -> None:
    one = create_keyring("Workstation 1", [Slot.for_passphrase("een", _CHEAP)])
    other = one.with_strand(StrandSecret.draw("Workstation 2"))

    opened = open_keyring(seal_keyring(other), "een", one.fingerprint)

    assert opened.strand == other.strand
    assert (opened.strand.name, opened.serial) == ("Workstation 2", one.serial + 1)
    assert opened.strand.verify_key != one.strand.verify_key
    assert opened.desk_key.seed == one.desk_key.seed
    assert opened.epochs[1].to_bytes() == one.epochs[1].to_bytes()
