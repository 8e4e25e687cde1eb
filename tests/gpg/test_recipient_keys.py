"""Keys of recipients to which we refuse to encrypt."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gpg.errors import RecipientRefusal, RecipientRefusedError
from gpg.home import GpgHome, OpenPGPKey
from gpg.recipient_keys import KEY_BYTES_MAX
from tests.gpg.gpg_factories import TEXT, TODAY, a_key, run_gpg, the_public


def refusal(work: Callable[[], object]) -> RecipientRefusal:
    with pytest.raises(RecipientRefusedError) as refused:
        work()
    return refused.value.reason


def test_a_key_swapped_under_the_same_name_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    pinned = stranger.make_key("Secretaris-Generaal", TODAY)
    swapped = stranger.make_key("Secretaris-Generaal", TODAY)

    why = refusal(lambda: desk.import_public(swapped.public.encode(), pinned.fingerprint))

    assert why is RecipientRefusal.OTHER_KEY
    assert refusal(lambda: desk.usable_subkey(pinned.fingerprint, TODAY)) is RecipientRefusal.UNKNOWN


def test_a_file_with_two_keys_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    first, second = stranger.make_key("een", TODAY), stranger.make_key("twee", TODAY)
    both = the_public(stranger, first.fingerprint) + the_public(stranger, second.fingerprint)

    assert refusal(lambda: desk.import_public(both, first.fingerprint)) is RecipientRefusal.SEVERAL


@pytest.mark.parametrize(
    "raw", [b"", b"no key", bytes(KEY_BYTES_MAX + 1)], ids=["empty", "text", "too large"]
)
def test_a_file_without_a_key_is_refused(desk: GpgHome, raw: bytes) -> None:
    assert refusal(lambda: desk.import_public(raw, "A" * 40)) is RecipientRefusal.UNREADABLE


def test_a_secret_key_where_a_public_one_belongs_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)

    why = refusal(lambda: desk.import_public(key.secret.encode(), key.fingerprint))

    assert why is RecipientRefusal.UNREADABLE


def test_a_key_without_a_user_id_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)
    nameless = the_public(stranger, key.fingerprint, "--export-filter", "keep-uid=uid=none")

    assert refusal(lambda: desk.import_public(nameless, key.fingerprint)) is RecipientRefusal.UNREADABLE


def test_an_expired_key_is_refused_from_its_day_on(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "future-default", "default", "2d")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    assert desk.usable_subkey(fingerprint, TODAY)
    assert refusal(lambda: desk.usable_subkey(fingerprint, TODAY + timedelta(2))) is RecipientRefusal.EXPIRED


def test_an_expired_subkey_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "ed25519", "sign", "never")
    run_gpg(stranger, "--quick-add-key", fingerprint, "cv25519", "encrypt", "1d")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    later = datetime.now(UTC).date() + timedelta(3)
    assert refusal(lambda: desk.usable_subkey(fingerprint, later)) is RecipientRefusal.EXPIRED


def test_a_revoked_key_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)
    written = (stranger.folder / "openpgp-revocs.d" / f"{key.fingerprint}.rev").read_bytes()
    run_gpg(stranger, "--import", given=written.replace(b":-----BEGIN", b"-----BEGIN"))
    desk.import_public(the_public(stranger, key.fingerprint), key.fingerprint)

    assert refusal(lambda: desk.usable_subkey(key.fingerprint, TODAY)) is RecipientRefusal.REVOKED


def test_a_key_that_only_signs_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "ed25519", "sign", "never")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    assert refusal(lambda: desk.usable_subkey(fingerprint, TODAY)) is RecipientRefusal.NO_ENCRYPTION


def test_a_short_rsa_key_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "rsa1024", "sign,encrypt", "never")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    assert refusal(lambda: desk.usable_subkey(fingerprint, TODAY)) is RecipientRefusal.WEAK


def test_nothing_is_encrypted_to_a_refused_key(desk: GpgHome, own: OpenPGPKey) -> None:
    def seal() -> object:
        return desk.encrypt_and_sign([TEXT], recipient="A" * 40, signer=own.fingerprint, day=TODAY)

    assert refusal(seal) is RecipientRefusal.UNKNOWN


def test_a_refusal_says_why_and_nothing_else() -> None:
    assert str(RecipientRefusedError(RecipientRefusal.EXPIRED)) == "this OpenPGP key is refused: expired"
