"""With the real gpg, in homes of their own. Every stranger here is another home."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crypto.errors import MalformedError, UnreadableError
from gpg.errors import (
    OpenPGPFailedError,
    OpenPGPMissingError,
    OpenPGPPlaceError,
    RecipientRefusal,
    RecipientRefusedError,
)
from gpg.home import KEY_BYTES_MAX, GpgHome, OpenPGPKey, _Heard

TODAY = date(2026, 11, 23)
TEXT = b"what the source agreed to"
MANY = 10**9


@pytest.fixture
def parent() -> Iterator[Path]:
    """Give a folder in memory with a short name: gpg's sockets lie in it."""
    folder = Path("/dev/shm") / f"steunpunt-test-{secrets.token_hex(6)}"  # noqa: S108  # memory, on purpose
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def desk(parent: Path) -> Iterator[GpgHome]:
    with GpgHome.open(parent) as home:
        yield home


@pytest.fixture
def stranger(parent: Path) -> Iterator[GpgHome]:
    with GpgHome.open(parent) as home:
        yield home


def run_gpg(home: GpgHome, *arguments: str, given: bytes = b"") -> bytes:
    """Do what somebody else does with gpg, in the same home."""
    done = subprocess.run(
        [
            "gpg",
            "--homedir",
            home.folder,
            "--batch",
            "--pinentry-mode=loopback",
            "--passphrase",
            "",
            *arguments,
        ],
        input=given,
        capture_output=True,
        check=True,
    )
    return done.stdout


def a_key(home: GpgHome, algorithm: str, usage: str, expires: str, *, at: date = TODAY) -> str:
    """Make a key as its owner would, and return its fingerprint."""
    clock = f"--faked-system-time={at:%Y%m%dT000000}"
    run_gpg(home, clock, "--quick-generate-key", "Somebody", algorithm, usage, expires)
    listed = run_gpg(home, "--with-colons", "--list-keys").decode()
    return re.findall(r"^pub:.*\nfpr:+([0-9A-F]{40}):", listed, re.MULTILINE)[-1]


def the_public(home: GpgHome, fingerprint: str, *options: str) -> bytes:
    return run_gpg(home, *options, "--export", fingerprint)


def sealed_by(desk: GpgHome, own: OpenPGPKey, recipient: str, text: bytes = TEXT) -> bytes:
    return b"".join(desk.seal_and_sign([text], recipient=recipient, signer=own.fingerprint, day=TODAY))


@pytest.fixture
def own(desk: GpgHome) -> OpenPGPKey:
    return desk.make_key("Extern steunpunt integriteit", TODAY)


@pytest.fixture
def theirs(desk: GpgHome, stranger: GpgHome) -> OpenPGPKey:
    """Make a recipient's key in their own home, and take its public half in at the desk."""
    key = stranger.make_key("Sécretariat ☂", TODAY)
    desk.import_public(key.public.encode(), key.fingerprint)
    return key


# ---- sealing and opening ---------------------------------------------------------------------------


def test_a_stranger_with_the_key_opens_and_verifies(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = sealed_by(desk, own, theirs.fingerprint)
    stranger.import_public(own.public.encode(), own.fingerprint)

    opened = stranger.decrypt(sealed, at_most=MANY)

    assert (opened.content, opened.is_signed, opened.signer) == (TEXT, True, own.fingerprint)


def test_what_is_sealed_tells_the_day_and_no_name(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = sealed_by(desk, own, theirs.fingerprint)

    packets = run_gpg(stranger, "--list-packets", "--verbose", given=sealed).decode()

    midnight = "1795392000"  # 2026-11-23, UTC
    assert set(re.findall(r"created (\d{10})", packets)) == {midnight}
    assert 'name=""' in packets
    assert "compressed" not in packets


def test_another_home_cannot_open_it(
    desk: GpgHome, parent: Path, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = sealed_by(desk, own, theirs.fingerprint)

    with GpgHome.open(parent) as other, pytest.raises(UnreadableError):
        other.decrypt(sealed, at_most=MANY)


def test_a_signature_of_somebody_unknown_says_nothing(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    opened = stranger.decrypt(sealed_by(desk, own, theirs.fingerprint), at_most=MANY)

    assert (opened.content, opened.is_signed, opened.signer) == (TEXT, True, None)


def test_a_source_who_seals_to_the_desk_signs_nothing(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey
) -> None:
    stranger.import_public(own.public.encode(), own.fingerprint)
    pasted = run_gpg(
        stranger, "--armor", "--trust-model=always", "--encrypt", "-r", own.fingerprint, given=TEXT
    )

    opened = desk.decrypt(pasted, at_most=MANY)

    assert (opened.content, opened.is_signed, opened.signer) == (TEXT, False, None)


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
    desk: GpgHome,
    stranger: GpgHome,
    own: OpenPGPKey,
    theirs: OpenPGPKey,
    change: Callable[[bytes], bytes],
) -> None:
    sealed = sealed_by(desk, own, theirs.fingerprint, secrets.token_bytes(5_000))

    with pytest.raises(UnreadableError):
        stranger.decrypt(change(sealed), at_most=MANY)


def test_what_is_only_signed_was_not_sealed(stranger: GpgHome, theirs: OpenPGPKey) -> None:
    signed = run_gpg(stranger, "--sign", "-u", theirs.fingerprint, given=TEXT)

    with pytest.raises(UnreadableError):
        stranger.decrypt(signed, at_most=MANY)


def test_a_bomb_is_stopped_at_the_bound(desk: GpgHome, stranger: GpgHome, own: OpenPGPKey) -> None:
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
    sealed = desk.seal_and_sign(
        (piece for _ in range(12)), recipient=theirs.fingerprint, signer=own.fingerprint, day=TODAY
    )

    opened = b"".join(stranger.decrypt_stream(sealed, at_most=MANY))

    assert opened == piece * 12


def test_what_breaks_off_on_its_way_in_comes_out_as_that(
    desk: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(300_000)
        raise ConnectionResetError

    sealed = desk.seal_and_sign(pieces(), recipient=theirs.fingerprint, signer=own.fingerprint, day=TODAY)

    with pytest.raises(ConnectionResetError):
        list(sealed)


def test_a_reader_who_leaves_ends_gpg(desk: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey) -> None:
    endless = (bytes(1_000_000) for _ in iter(int, 1))
    sealed = desk.seal_and_sign(endless, recipient=theirs.fingerprint, signer=own.fingerprint, day=TODAY)
    assert next(sealed)

    sealed.close()  # type: ignore[attr-defined]  # a generator

    assert own.fingerprint  # we are here: nothing hangs


def test_a_signer_without_a_secret_key_seals_nothing(desk: GpgHome, theirs: OpenPGPKey) -> None:
    sealed = desk.seal_and_sign([TEXT], recipient=theirs.fingerprint, signer=theirs.fingerprint, day=TODAY)

    with pytest.raises(OpenPGPFailedError):
        list(sealed)


def test_a_signer_who_is_not_here_is_not_replaced_by_another(
    desk: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = desk.seal_and_sign([TEXT], recipient=theirs.fingerprint, signer="0" * 40, day=TODAY)

    with pytest.raises(OpenPGPFailedError):
        list(sealed)
    assert own.fingerprint  # gpg would have signed with this one


def test_something_put_beside_a_message_spoils_it(
    desk: GpgHome, stranger: GpgHome, own: OpenPGPKey, theirs: OpenPGPKey
) -> None:
    sealed = sealed_by(desk, own, theirs.fingerprint)
    open_text = run_gpg(desk, "--store", given=b"put beside it")

    assert stranger.decrypt(sealed, at_most=MANY).content == TEXT
    for raw in (sealed + open_text, open_text + sealed, sealed + sealed):
        with pytest.raises(UnreadableError):
            stranger.decrypt(raw, at_most=MANY)


def test_a_message_with_a_password_asks_nobody(desk: GpgHome, stranger: GpgHome) -> None:
    sealed = run_gpg(stranger, "--symmetric", "--s2k-count=1024", "--passphrase=canary", given=TEXT)

    with pytest.raises(UnreadableError):
        desk.decrypt(sealed, at_most=MANY)


def test_a_signature_of_a_key_that_is_out_of_use_says_nothing(desk: GpgHome, stranger: GpgHome) -> None:
    own = desk.make_key("Steunpunt", TODAY - timedelta(days=2001))
    old = a_key(stranger, "ed25519", "sign", "2d", at=TODAY - timedelta(days=2000))
    desk.import_public(the_public(stranger, old), old)
    stranger.import_public(own.public.encode(), own.fingerprint)
    signing = ("--faked-system-time", f"{TODAY - timedelta(days=1999):%Y%m%dT000000}")
    to = ("--trust-model=always", "--recipient", own.fingerprint, "--local-user", old)
    sealed = run_gpg(stranger, *signing, *to, "--sign", "--encrypt", given=TEXT)

    opened = desk.decrypt(sealed, at_most=MANY)

    assert (opened.content, opened.is_signed, opened.signer) == (TEXT, True, None)


def test_a_million_signatures_do_not_fill_the_memory() -> None:
    heard = _Heard([])
    for _ in range(5_000):
        heard.handle_status("NEWSIG", "")

    assert len(heard.statuses) == 1_000


# ---- keys that must not be used --------------------------------------------------------------------


def refusal(work: Callable[[], object]) -> RecipientRefusal:
    with pytest.raises(RecipientRefusedError) as refused:
        work()
    return refused.value.reason


def test_a_key_swapped_under_the_same_name_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    pinned = stranger.make_key("Secretaris-Generaal", TODAY)
    swapped = stranger.make_key("Secretaris-Generaal", TODAY)

    why = refusal(lambda: desk.import_public(swapped.public.encode(), pinned.fingerprint))

    assert why is RecipientRefusal.OTHER_KEY
    assert refusal(lambda: desk.usable(pinned.fingerprint, TODAY)) is RecipientRefusal.UNKNOWN


def test_a_file_with_two_keys_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    first, second = stranger.make_key("een", TODAY), stranger.make_key("twee", TODAY)
    both = the_public(stranger, first.fingerprint) + the_public(stranger, second.fingerprint)

    assert refusal(lambda: desk.import_public(both, first.fingerprint)) is RecipientRefusal.SEVERAL


@pytest.mark.parametrize(
    "raw", [b"", b"no key", bytes(KEY_BYTES_MAX + 1)], ids=["empty", "text", "too large"]
)
def test_what_is_no_key_is_refused(desk: GpgHome, raw: bytes) -> None:
    assert refusal(lambda: desk.import_public(raw, "A" * 40)) is RecipientRefusal.UNREADABLE


def test_a_secret_key_where_a_public_one_belongs_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)

    why = refusal(lambda: desk.import_public(key.secret.encode(), key.fingerprint))

    assert why is RecipientRefusal.UNREADABLE


def test_a_key_that_names_nobody_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)
    nameless = the_public(stranger, key.fingerprint, "--export-filter", "keep-uid=uid=nobody")

    assert refusal(lambda: desk.import_public(nameless, key.fingerprint)) is RecipientRefusal.UNREADABLE


def test_an_expired_key_is_refused_from_its_day_on(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "future-default", "default", "2d")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    assert desk.usable(fingerprint, TODAY)
    assert refusal(lambda: desk.usable(fingerprint, TODAY + timedelta(2))) is RecipientRefusal.EXPIRED


def test_an_expired_subkey_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "ed25519", "sign", "never")
    run_gpg(stranger, "--quick-add-key", fingerprint, "cv25519", "encrypt", "1d")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    later = datetime.now(UTC).date() + timedelta(3)
    assert refusal(lambda: desk.usable(fingerprint, later)) is RecipientRefusal.EXPIRED


def test_a_revoked_key_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)
    written = (stranger.folder / "openpgp-revocs.d" / f"{key.fingerprint}.rev").read_bytes()
    run_gpg(stranger, "--import", given=written.replace(b":-----BEGIN", b"-----BEGIN"))
    desk.import_public(the_public(stranger, key.fingerprint), key.fingerprint)

    assert refusal(lambda: desk.usable(key.fingerprint, TODAY)) is RecipientRefusal.REVOKED


def test_a_key_that_only_signs_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "ed25519", "sign", "never")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    assert refusal(lambda: desk.usable(fingerprint, TODAY)) is RecipientRefusal.NO_ENCRYPTION


def test_a_short_rsa_key_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    fingerprint = a_key(stranger, "rsa1024", "sign,encrypt", "never")
    desk.import_public(the_public(stranger, fingerprint), fingerprint)

    assert refusal(lambda: desk.usable(fingerprint, TODAY)) is RecipientRefusal.WEAK


def test_a_refused_key_seals_nothing(desk: GpgHome, own: OpenPGPKey) -> None:
    def seal() -> object:
        return desk.seal_and_sign([TEXT], recipient="A" * 40, signer=own.fingerprint, day=TODAY)

    assert refusal(seal) is RecipientRefusal.UNKNOWN


def test_a_refusal_says_why_and_nothing_else() -> None:
    assert str(RecipientRefusedError(RecipientRefusal.EXPIRED)) == "this OpenPGP key is refused: expired"


# ---- the desk's own key ----------------------------------------------------------------------------


def test_the_desks_key_opens_in_a_new_home(own: OpenPGPKey, parent: Path) -> None:
    with GpgHome.open(parent) as later:
        assert later.import_secret(own.secret) == own.fingerprint


def test_the_public_half_comes_out_again(own: OpenPGPKey, parent: Path) -> None:
    with GpgHome.open(parent) as home:
        home.import_secret(own.secret)
        home.import_public(home.public(own.fingerprint).encode(), own.fingerprint)

        assert home.public("0" * 40) == ""


def test_a_public_key_where_the_secret_one_belongs_is_refused(desk: GpgHome, own: OpenPGPKey) -> None:
    with pytest.raises(MalformedError):
        desk.import_secret(own.public)


def test_a_secret_key_that_names_nobody_is_refused(desk: GpgHome, stranger: GpgHome) -> None:
    key = stranger.make_key("een", TODAY)
    armoured = run_gpg(
        stranger, "--armor", "--export-filter", "keep-uid=uid=nobody", "--export-secret-keys", key.fingerprint
    )

    with pytest.raises(MalformedError):
        desk.import_secret(armoured.decode())


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "with <address>", "with (comment)"])
def test_a_name_that_gpg_would_read_otherwise_is_refused(desk: GpgHome, name: str) -> None:
    with pytest.raises(MalformedError):
        desk.make_key(name, TODAY)


def test_a_name_that_gpg_refuses_makes_no_key(desk: GpgHome) -> None:
    shutil.rmtree(desk.folder / "private-keys-v1.d", ignore_errors=True)
    (desk.folder / "private-keys-v1.d").write_text("in the way")

    with pytest.raises(OpenPGPFailedError):
        desk.make_key("Steunpunt", TODAY)


# ---- the home --------------------------------------------------------------------------------------


def _agents(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"gpg-agent" in (said := process.read_bytes()) and os.fsencode(folder) in said:
                found.append(int(process.parent.name))
    return found


def test_locking_leaves_no_home_and_no_agent(parent: Path) -> None:
    with GpgHome.open(parent) as home:
        home.make_key("Steunpunt", TODAY)
        assert _agents(home.folder)

    assert not _agents(home.folder)
    assert list(parent.iterdir()) == []
    home.close()  # harmless


def test_a_room_is_empty_private_and_gone_afterwards(desk: GpgHome) -> None:
    with desk.room() as room:
        assert room.stat().st_mode & 0o777 == 0o700
        (room / "paper.pdf").write_bytes(TEXT)

    assert not room.exists()


def test_a_killed_process_leaves_no_home(parent: Path) -> None:
    program = (
        "import sys, time; from datetime import date; from pathlib import Path\n"
        "from gpg.home import GpgHome\n"
        "home = GpgHome.open(Path(sys.argv[1])); home.make_key('Steunpunt', date(2026, 11, 23))\n"
        "print(home.folder, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        folder = Path(os.fsdecode(process.stdout.readline().strip()))
        assert folder.exists()
        process.send_signal(signal.SIGKILL)

    for _ in range(600):
        if not folder.exists():
            break
        time.sleep(0.05)
    assert not folder.exists()
    assert not _agents(folder)


def test_a_home_that_nobody_holds_is_removed_by_the_next_and_one_in_use_is_not(
    parent: Path, desk: GpgHome
) -> None:
    left = parent / "left"
    left.mkdir(0o700)
    (left / "secret").write_bytes(TEXT)

    with GpgHome.open(parent):
        assert not left.exists()
        assert desk.folder.exists()


def test_a_folder_that_others_can_enter_is_refused(parent: Path) -> None:
    parent.mkdir()
    parent.chmod(0o755)

    with pytest.raises(OpenPGPPlaceError):
        GpgHome.open(parent)


def test_a_file_in_the_place_of_the_folder_is_refused(parent: Path) -> None:
    parent.touch()

    with pytest.raises(OpenPGPPlaceError):
        GpgHome.open(parent)
    parent.unlink()


def test_a_path_too_long_for_a_socket_is_refused(parent: Path) -> None:
    with pytest.raises(OpenPGPPlaceError):
        GpgHome.open(parent / ("a" * 100))


def a_program(folder: Path, script: str) -> str:
    path = folder / "gpg-stand-in"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def test_a_machine_without_gpg_is_told(parent: Path) -> None:
    with pytest.raises(OpenPGPMissingError):
        GpgHome.open(parent, program="no-such-program")


@pytest.mark.parametrize("script", ["exit 2", "echo 'cfg:version:1.4.23'", "echo nonsense"])
def test_an_old_or_broken_gpg_is_told(parent: Path, tmp_path: Path, script: str) -> None:
    with pytest.raises(OpenPGPMissingError):
        GpgHome.open(parent, program=a_program(tmp_path, script))

    assert list(parent.iterdir()) == []


def test_no_secret_and_no_plaintext_is_an_argument_or_in_the_environment(
    parent: Path, tmp_path: Path, stranger: GpgHome
) -> None:
    log = tmp_path / "said"
    program = a_program(tmp_path, f'{{ echo "$@"; env; }} >>{log}\nexec gpg "$@"')
    key = stranger.make_key("Sécretariat", TODAY)
    with GpgHome.open(parent, program=program) as home:
        own = home.make_key("Steunpunt", TODAY)
        home.import_secret(own.secret)
        home.import_public(key.public.encode(), key.fingerprint)
        sealed_by(home, own, key.fingerprint)

    said = log.read_text("utf-8")
    assert own.fingerprint in said
    assert TEXT.decode() not in said
    assert not any(line in said for line in own.secret.splitlines()[2:-2])
    assert "PRIVATE KEY" not in said


def test_gpg_writes_no_byte_to_any_file_while_it_seals_and_opens(
    parent: Path, tmp_path: Path, stranger: GpgHome
) -> None:
    """The kernel sees to it: a process whose files may hold nothing is ended when it writes to one."""
    limited = (
        'case "$*" in *--encrypt*|*--decrypt*) exec prlimit --fsize=0 gpg "$@";; *) exec gpg "$@";; esac'
    )
    program = a_program(tmp_path, limited)
    key = stranger.make_key("Sécretariat", TODAY)
    text = TEXT * 20_000
    with GpgHome.open(parent, program=program) as home:
        own = home.make_key("Steunpunt", TODAY)
        home.import_public(key.public.encode(), key.fingerprint)
        stranger.import_public(own.public.encode(), own.fingerprint)

        sealed = sealed_by(home, own, key.fingerprint, text)
        to_us = b"".join(
            stranger.seal_and_sign([text], recipient=own.fingerprint, signer=key.fingerprint, day=TODAY)
        )

        assert stranger.decrypt(sealed, at_most=MANY).content == text
        assert home.decrypt(to_us, at_most=MANY).content == text
        to_a_file = [program, "--homedir", stranger.folder, "--output", tmp_path / "out", "--decrypt"]
        assert subprocess.run(to_a_file, input=sealed, capture_output=True, check=False).returncode != 0
        files = [path for path in home.folder.rglob("*") if path.is_file()]
        assert files
        assert not any(TEXT in path.read_bytes() for path in files)


def test_a_home_and_a_key_show_no_secret(desk: GpgHome, own: OpenPGPKey) -> None:
    assert repr(desk) == "GpgHome()"
    assert "secret" not in repr(own)
