import base64
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from deploy.errors import OnionError, OnionFolderError
from deploy.onion.clients import (
    UNUSED_CLIENT,
    admit_client,
    admitted_clients,
    client_keys,
    dismiss_client,
    make_client_key,
)
from tests.flushes import note_flushes

HOST = "su65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sync" / "authorized_clients"


def test_both_halves_of_a_key_fit_and_are_in_the_form_that_tor_reads() -> None:
    key = make_client_key()

    onion, kind, algorithm, private = key.private_line(HOST).strip().split(":")

    raw = base64.b32decode(private + "====")
    public = X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    assert (HOST.removesuffix(".onion"), "descriptor", "x25519") == (onion, kind, algorithm)
    assert public == base64.b32decode(key.public + "====")


def test_the_repr_of_a_client_key_shows_no_part_of_its_private_half() -> None:
    key = make_client_key()

    private = key.private_line(HOST).strip().rpartition(":")[2]

    assert private not in repr(key)
    assert make_client_key() != key


def test_admitted_clients_are_listed_by_name(folder: Path) -> None:
    first, second = make_client_key(), make_client_key()

    admit_client(folder, "desk-1", first.public)
    admit_client(folder, "desk-2", second.public.lower())

    assert {"desk-1": first.public, "desk-2": second.public} == admitted_clients(folder)
    assert (folder / "desk-1.auth").read_text() == f"descriptor:x25519:{first.public}\n"


def test_files_and_folders_are_for_their_owner_alone(folder: Path) -> None:
    admit_client(folder, "desk-1", make_client_key().public)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder)}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_new_key_of_a_lost_workstation_replaces_the_old_one(folder: Path) -> None:
    admit_client(folder, "desk-1", make_client_key().public)
    new = make_client_key()

    admit_client(folder, "desk-1", new.public)

    assert {"desk-1": new.public} == admitted_clients(folder)


def test_after_the_last_client_is_dismissed_no_one_can_connect(folder: Path) -> None:
    admit_client(folder, "desk-1", make_client_key().public)

    assert dismiss_client(folder, "desk-1")

    assert admitted_clients(folder) == {}
    assert list(client_keys(folder)) == [
        UNUSED_CLIENT
    ]  # with an empty folder, Tor would ask no one for a key


def test_dismissing_an_unknown_client_returns_false(folder: Path) -> None:
    assert not dismiss_client(folder, "desk-1")
    assert list(client_keys(folder)) == [UNUSED_CLIENT]


def test_without_a_folder_there_are_no_clients(folder: Path) -> None:
    assert client_keys(folder) == {}


@pytest.mark.parametrize(
    "name", ["", "Desk", "../x", "a/b", "desk 1", "-a", "a-", "a" * 33, "nobody", "é", "a\n"]
)
def test_a_name_that_could_be_another_path_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(OnionError, match="small letters"):
        admit_client(folder, name, make_client_key().public)
    with pytest.raises(OnionError, match="small letters"):
        dismiss_client(folder, name)
    assert not folder.exists()


@pytest.mark.parametrize(
    "public",
    [
        "",
        "A" * 51,
        "A" * 53,
        "1" * 52,
        "A" * 51 + "B",
        "A" * 52 + "\n",
        "descriptor:x25519:" + "A" * 52,
        "é" * 52,
    ],
)
def test_text_that_is_not_a_key_is_refused(folder: Path, public: str) -> None:
    with pytest.raises(OnionError, match="52"):
        admit_client(folder, "desk-1", public)
    assert not folder.exists()


@pytest.mark.parametrize(
    "line", [b"", b"descriptor:x25519:AAAA\n", b"\xff" * 70, b"descriptor:rsa:" + b"A" * 52]
)
def test_a_damaged_file_is_named(folder: Path, line: bytes) -> None:
    admit_client(folder, "desk-1", make_client_key().public)
    (folder / "desk-2.auth").write_bytes(line)

    with pytest.raises(OnionError, match=r"desk-2\.auth"):
        client_keys(folder)


def test_a_folder_that_cannot_be_used_gets_one_sentence(tmp_path: Path) -> None:
    in_the_way = tmp_path / "sync"
    in_the_way.write_text("a file")

    for call in (
        lambda: admit_client(in_the_way / "clients", "desk-1", make_client_key().public),
        lambda: dismiss_client(in_the_way / "clients", "desk-1"),
        lambda: client_keys(in_the_way / "clients"),
    ):
        with pytest.raises(OnionFolderError, match="as root, or as the user that Tor runs as"):
            call()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_written_by_root_belong_to_tors_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    folder = tmp_path / "sync" / "authorized_clients"

    admit_client(folder, "desk-1", make_client_key().public)

    made = [folder.parent, folder, *folder.iterdir()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(12345, 12345)}


@pytest.mark.parametrize("host", ["", "example.org", HOST.upper(), "a" * 56 + ".onion", f"x.{HOST}"])
def test_a_private_line_for_another_host_than_an_onion_is_refused(host: str) -> None:
    with pytest.raises(OnionError):
        make_client_key().private_line(host)


def test_a_dismissed_client_does_not_come_back_after_a_power_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit_client(folder, "desk-1", make_client_key().public)
    flushed = note_flushes(monkeypatch)

    assert dismiss_client(folder, "desk-1")

    assert flushed == [folder]
