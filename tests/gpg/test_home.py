"""Messages and keys with the real gpg. Every stranger has a separate GnuPG home."""

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from crypto.errors import MalformedError, UnreadableError
from gpg.errors import OpenPGPBlockedError, OpenPGPFailedError, OpenPGPOtherKeyError
from gpg.home import GpgHome, OpenPGPKey
from tests.gpg.gpg_factories import MANY, TEXT, TODAY, a_program, encrypted_by, run_gpg, signer_of
from tests.journalist_app.files.sealing import openpgp_bomb
from tests.programs.hostile_programs import allows_sandbox, are_gone

# ---- sealing and opening ---------------------------------------------------------------------------


def test_a_stranger_with_the_key_opens_and_verifies(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = encrypted_by(desk, own, theirs.fingerprint)
    stranger.import_public(own.public.encode(), own.fingerprint)

    assert (TEXT, True) == stranger.decrypt(sealed, at_most=MANY)
    assert own.fingerprint == signer_of(stranger, sealed)


def test_an_encrypted_message_shows_the_day_and_no_name(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = encrypted_by(desk, own, theirs.fingerprint)

    packets = run_gpg(stranger, "--list-packets", "--verbose", given=sealed).decode()

    midnight = "1795392000"  # 2026-11-23, UTC
    assert set(re.findall(r"created (\d{10})", packets)) == {midnight}
    assert 'name=""' in packets
    assert "compressed" not in packets


def test_another_home_cannot_open_it(
    desk: GpgHome, parent: Path, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = encrypted_by(desk, own, theirs.fingerprint)

    with GpgHome.open(parent) as other, pytest.raises(OpenPGPOtherKeyError):
        other.decrypt(sealed, at_most=MANY)


def test_a_signature_with_an_unknown_key_proves_nothing(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = encrypted_by(desk, own, theirs.fingerprint)

    assert (TEXT, True) == stranger.decrypt(sealed, at_most=MANY)
    with pytest.raises(CalledProcessError):  # gpg itself cannot check the signature
        signer_of(stranger, sealed)


def test_a_message_that_a_source_encrypted_is_not_signed(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey
) -> None:
    stranger.import_public(own.public.encode(), own.fingerprint)
    pasted = run_gpg(
        stranger, "--armor", "--trust-model=always", "--encrypt", "-r", own.fingerprint, given=TEXT
    )

    assert (TEXT, False) == desk.decrypt(pasted, at_most=MANY)


@pytest.mark.parametrize(
    "change",
    [
        lambda sealed: sealed[:-1],
        lambda sealed: sealed[: len(sealed) // 2],
        lambda sealed: sealed[:-400] + bytes(8) + sealed[-392:],
        lambda sealed: sealed + sealed,
        lambda _sealed: b"",
        lambda _sealed: b"no message of any kind\n" * 100_000,
    ],
    ids=["cut by a byte", "cut in half", "changed", "twice", "nothing", "something else"],
)
def test_a_message_that_was_changed_is_refused(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey, change: Callable[[bytes], bytes]
) -> None:
    sealed = encrypted_by(desk, own, theirs.fingerprint, secrets.token_bytes(5_000))

    with pytest.raises(UnreadableError) as refused:
        stranger.decrypt(change(sealed), at_most=MANY)
    assert not isinstance(refused.value, OpenPGPOtherKeyError)


def test_a_message_that_is_signed_but_not_encrypted_is_refused(stranger: GpgHome, theirs: OpenPGPKey) -> None:
    signed = run_gpg(stranger, "--sign", "-u", theirs.fingerprint, given=TEXT)

    with pytest.raises(UnreadableError):
        stranger.decrypt(signed, at_most=MANY)


def test_a_compression_bomb_is_stopped_at_the_limit(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey
) -> None:
    stranger.import_public(own.public.encode(), own.fingerprint)
    bomb = run_gpg(
        stranger,
        *("--compress-algo=zlib", "-z", "9", "--trust-model=always", "--encrypt", "-r", own.fingerprint),
        given=bytes(100_000_000),
    )
    assert len(bomb) < 200_000

    with pytest.raises(UnreadableError):
        desk.decrypt(bomb, at_most=1_000_000)


def test_a_long_file_passes_piece_by_piece(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    piece = secrets.token_bytes(1_000_003)
    sealed = desk.encrypt_and_sign(
        (piece for _ in range(12)), recipient=theirs.fingerprint, signer=own.fingerprint, day=TODAY
    )

    opened = b"".join(stranger.decrypt_stream(sealed, at_most=MANY))

    assert opened == piece * 12


def test_an_exception_from_the_input_comes_out_of_the_iterator(
    desk: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(300_000)
        raise ConnectionResetError

    sealed = desk.encrypt_and_sign(pieces(), recipient=theirs.fingerprint, signer=own.fingerprint, day=TODAY)

    with pytest.raises(ConnectionResetError):
        list(sealed)


def test_a_reader_who_leaves_ends_gpg(desk: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey) -> None:
    endless = (bytes(1_000_000) for _ in iter(int, 1))
    sealed = desk.encrypt_and_sign(endless, recipient=theirs.fingerprint, signer=own.fingerprint, day=TODAY)
    assert next(sealed)

    sealed.close()  # type: ignore[attr-defined]  # a generator

    assert own.fingerprint  # we are here: nothing hangs


def test_a_signer_without_a_secret_key_encrypts_nothing(desk: GpgHome, theirs: OpenPGPKey) -> None:
    sealed = desk.encrypt_and_sign([TEXT], recipient=theirs.fingerprint, signer=theirs.fingerprint, day=TODAY)

    with pytest.raises(OpenPGPFailedError):
        list(sealed)


def test_a_missing_signer_is_not_replaced_by_another_key(
    desk: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = desk.encrypt_and_sign([TEXT], recipient=theirs.fingerprint, signer="0" * 40, day=TODAY)

    with pytest.raises(OpenPGPFailedError):
        list(sealed)
    assert own.fingerprint  # gpg would have signed with this one


def test_a_message_with_a_second_message_beside_it_is_refused(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = encrypted_by(desk, own, theirs.fingerprint)
    open_text = run_gpg(desk, "--store", given=b"beside the message")

    assert (TEXT, True) == stranger.decrypt(sealed, at_most=MANY)
    for raw in (sealed + open_text, open_text + sealed, sealed + sealed):
        with pytest.raises(UnreadableError):
            stranger.decrypt(raw, at_most=MANY)


def test_a_message_with_a_password_asks_no_one_for_it(desk: GpgHome, stranger: GpgHome) -> None:
    sealed = run_gpg(stranger, "--symmetric", "--s2k-count=1024", "--passphrase=canary", given=TEXT)

    with pytest.raises(UnreadableError):
        desk.decrypt(sealed, at_most=MANY)


# ---- a gpg that is kept busy ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("does", "refusal"),
    [("exec sleep 600", OpenPGPBlockedError), ("exec yes '[GNUPG:] DECRYPTION_OKAY' >&2", UnreadableError)],
)
def test_a_gpg_that_hangs_or_floods_opens_and_encrypts_nothing(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, refusal: type[Exception]
) -> None:
    monkeypatch.setattr("gpg.process.RUN_SECONDS", 0.5)
    program = a_program(tmp_path, f'case "$*" in *--encrypt*|*--decrypt*) {does};; *) exec gpg "$@";; esac')
    with GpgHome.open(parent, program=program) as home:
        own = home.make_key("Steunpunt", TODAY)

        with pytest.raises(refusal) as refused:
            home.decrypt(b"x", at_most=MANY)
        assert refused.type is refusal
        with pytest.raises(OpenPGPFailedError):
            encrypted_by(home, own, own.fingerprint)


def test_a_bomb_without_output_is_ended_whatever_the_limit_of_output_is(
    desk: GpgHome, own: OpenPGPKey, stranger: GpgHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.import_public(own.public.encode(), own.fingerprint)
    sealed = run_gpg(
        stranger,
        *("--trust-model=always", "--compress-algo=none", "--no-literal", "-r", own.fingerprint, "--encrypt"),
        given=openpgp_bomb(),
    )

    monkeypatch.setattr("gpg.process.RUN_SECONDS", 0.5)
    for bomb in (openpgp_bomb(), sealed):
        with pytest.raises(OpenPGPBlockedError):
            list(desk.decrypt_stream([bomb], at_most=8_000_000_000))


@pytest.mark.skipif(not allows_sandbox(), reason="this machine does not allow a sandbox")
def test_a_hostile_gpg_leaves_no_program_and_sees_neither_network_nor_files(
    parent: Path, tmp_path: Path
) -> None:
    """Attack: a message takes over gpg, whose program then leaves its group of processes and calls out."""
    mark = str(time.time_ns())
    (tmp_path / "keyring").write_text("geheim")
    does = (
        f"setsid -f sleep {mark} >/dev/null 2>&1; cat {tmp_path}/keyring;"
        " tail -n +3 /proc/net/dev | cut -d: -f1;"
        f" for each in {parent}/*; do touch $each/changed; done"
    )
    program = a_program(tmp_path, f'case "$*" in *--decrypt*) {does};; esac; exec gpg "$@"')
    with GpgHome.open(parent, program=program) as home:
        own = home.make_key("Steunpunt", TODAY)

        seen, _ = home.decrypt(encrypted_by(home, own, own.fingerprint), at_most=MANY)

        assert f"lo\n{TEXT.decode()}" == seen.decode().lstrip()
        assert are_gone(mark)
        assert not (home.folder / "changed").exists()


@pytest.mark.parametrize("does", ["exit 1", 'exec "$0-missing"'])
def test_a_machine_without_a_sandbox_still_opens_messages(parent: Path, tmp_path: Path, does: str) -> None:
    with GpgHome.open(parent, bwrap=Path(a_program(tmp_path, does))) as home:
        own = home.make_key("Steunpunt", TODAY)

        assert (TEXT, True) == home.decrypt(encrypted_by(home, own, own.fingerprint), at_most=MANY)


def test_gpg_does_not_leave_a_sandbox_that_fails_later(parent: Path, tmp_path: Path) -> None:
    """Attack: fill the memory of the machine, so that gpg runs once without the sandbox."""
    bwrap = a_program(tmp_path, 'for last; do :; done; [ "$last" = --version ]')
    with GpgHome.open(parent, bwrap=Path(bwrap)) as home:
        own = home.make_key("Steunpunt", TODAY)

        with pytest.raises(OpenPGPFailedError):
            encrypted_by(home, own, own.fingerprint)


def test_a_home_that_is_closed_opens_nothing(desk: GpgHome, own: OpenPGPKey) -> None:
    sealed = encrypted_by(desk, own, own.fingerprint)
    desk.close()

    with pytest.raises(UnreadableError):
        desk.decrypt(sealed, at_most=MANY)


# ---- the desk's own key ----------------------------------------------------------------------------


def test_the_desks_key_opens_in_a_new_home(own: OpenPGPKey, parent: Path) -> None:
    with GpgHome.open(parent) as later:
        assert later.import_secret(own.secret) == own.fingerprint


def test_the_public_half_comes_out_again(own: OpenPGPKey, parent: Path) -> None:
    with GpgHome.open(parent) as home:
        home.import_secret(own.secret)
        home.import_public(home.export_public(own.fingerprint).encode(), own.fingerprint)

        assert home.export_public("0" * 40) == ""


def test_a_public_key_where_the_secret_one_belongs_is_refused(desk: GpgHome, own: OpenPGPKey) -> None:
    with pytest.raises(MalformedError):
        desk.import_secret(own.public)


def test_a_secret_key_without_a_user_id_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)
    armoured = run_gpg(
        stranger, "--armor", "--export-filter", "keep-uid=uid=none", "--export-secret-keys", key.fingerprint
    )

    with pytest.raises(MalformedError):
        desk.import_secret(armoured.decode())


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "with <address>", "with (comment)"])
def test_a_name_that_gpg_would_read_differently_is_refused(desk: GpgHome, name: str) -> None:
    with pytest.raises(MalformedError):
        desk.make_key(name, TODAY)


def test_a_name_that_gpg_refuses_makes_no_key(desk: GpgHome) -> None:
    shutil.rmtree(desk.folder / "private-keys-v1.d", ignore_errors=True)
    (desk.folder / "private-keys-v1.d").write_text("in the way")

    with pytest.raises(OpenPGPFailedError):
        desk.make_key("Steunpunt", TODAY)
