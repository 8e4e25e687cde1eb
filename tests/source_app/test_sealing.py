"""The commands that the page /seal tells people to type work with the real programs."""

import base64
import html
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from crypto import age
from crypto.minisign import SecretKey
from protocol.letterhead import Letterhead, sign_letterhead
from store import letterheads
from tests.pages import hook, hooks
from tests.source_app.desks import ADesk, make_desk

_TYPAGE = Path(__file__).parent / "typage"
_CACHE = Path(__file__).parents[2] / ".cache" / "typage"
_DESK_KEY = SecretKey(bytes(32))
_SECRET = "Someone at the embassy …\nsecond line\n"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """Make an OpenPGP key with the real gpg. Return its home, its public key and its fingerprint."""
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    _gpg(home, "--quick-gen-key", "Steunpunt", "ed25519", "sign", "never")
    listed = _gpg(home, "--with-colons", "--list-keys").decode()
    fingerprint = re.findall(r"^fpr:+([0-9A-F]{40}):", listed, re.MULTILINE)[0]
    _gpg(home, "--quick-add-key", fingerprint, "cv25519", "encr", "never")
    yield home, _gpg(home, "--armor", "--export", fingerprint).decode(), fingerprint
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


def _gpg(home: Path, *arguments: str) -> bytes:
    command = [
        "gpg",
        "--homedir",
        home,
        "--batch",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
        *arguments,
    ]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture
def desk(tmp_path: Path, key: tuple[Path, str, str]) -> Iterator[ADesk]:
    """Return a desk whose letterhead has an OpenPGP key, is signed, and is stored."""
    made = make_desk(tmp_path)
    _publish(made, openpgp_fingerprint=key[2], openpgp_key=key[1])
    yield made
    made.store.close()


def _publish(made: ADesk, **changes: object) -> Letterhead:
    letterhead = msgspec.structs.replace(made.letterhead, serial=made.letterhead.serial + 1, **changes)
    body, signature = sign_letterhead(letterhead, _DESK_KEY)
    with made.store.writing() as writing:
        letterheads.add(writing, letterhead.serial, body, signature)
    made.app.extensions["newest_letterhead"] = lambda: letterhead
    return letterhead


def _commands(desk: ADesk, program: str) -> list[str]:
    """Return the commands that the page tells people to type, exactly as they are on the page."""
    page = desk.browser().get("/en/seal").text
    lines = [html.unescape(line) for line in re.findall("<code>(.*?)</code>", page)]
    return [line for line in lines if line.startswith(f"{program} ")]


def _type(line: str, folder: Path) -> str:
    """Run a command in a folder, as someone who never used the program before."""
    home = folder / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        shlex.split(line), cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path, desk: ADesk) -> Path:
    """Return the folder of a source who saved every file of the page, and wrote a message."""
    made = tmp_path / "folder"
    made.mkdir()
    page = desk.browser().get("/en/seal").text
    for path in set(re.findall(r'href="(/en/seal/[^"]+)"', page)):
        answer = desk.browser().get(path)
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        (made / path.rpartition("/")[2]).write_bytes(answer.data)
    (made / "message.txt").write_text(_SECRET, "utf-8")
    (made / "photo.jpg").write_bytes(bytes(range(256)) * 700)
    return made


# ---- the page --------------------------------------------------------------------------------------


def test_without_an_openpgp_key_the_page_speaks_of_age_alone(a_desk: ADesk) -> None:
    browser = a_desk.browser()
    page = browser.get("/en/seal").text

    assert hooks(page, "program") == ["age"]
    assert "OpenPGP" not in page
    assert "key.asc" not in page
    assert browser.get("/en/seal/key.asc").status_code == 404


@pytest.mark.parametrize("lang", ["nl", "en"])
def test_the_page_shows_the_keys_and_the_fingerprint_of_the_posters(a_desk: ADesk, lang: str) -> None:
    poster = str(_DESK_KEY.public)
    a_desk.app.extensions["config"] = replace(a_desk.config, fingerprint=poster)
    page = a_desk.browser().get(f"/{lang}/seal").text

    assert str(a_desk.identity.recipient) in page
    assert f'<p class="digest" translate="no">{poster}</p>' in page


def test_the_recipient_is_that_of_the_newest_epoch(a_desk: ADesk) -> None:
    assert f"{a_desk.identity.recipient}\n" == a_desk.browser().get("/nl/seal/recipient.txt").text


def test_the_page_says_what_sealing_does_not_protect_from(a_desk: ADesk) -> None:
    page = a_desk.browser().get("/en/seal").text

    assert hooks(page, "not-protected") == ["that_you_write", "our_answer", "your_computer", "your_own_copy"]
    assert re.search(rf"{hook('needs', 'age')}>[^<]*\b1\.3\b", page)


# ---- the commands ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_minisign_finds_our_keys_true_and_another_servers_false(folder: Path, desk: ADesk) -> None:
    (line,) = _commands(desk, "minisign")
    (find,) = _commands(desk, "grep")
    poster = str(_DESK_KEY.public)

    assert "Signature and comment signature verified" in _type(line.replace("FINGERPRINT", poster), folder)
    assert "age1pq1" in _type(find, folder)

    (folder / "recipient.txt").write_text(f"{age.PQIdentity(bytes(range(32))).recipient}\n")
    with pytest.raises(subprocess.CalledProcessError):
        _type(find, folder)
    (folder / "letterhead.json").write_bytes((folder / "letterhead.json").read_bytes() + b" ")
    with pytest.raises(subprocess.CalledProcessError):
        _type(line.replace("FINGERPRINT", poster), folder)


@pytest.mark.slow
def test_another_maker_of_age_files_seals_for_the_recipient_we_publish(folder: Path, desk: ADesk) -> None:
    """The program typage also encrypts to our key. Debian's own age is too old for post-quantum keys."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "seal.mjs"):
        shutil.copy(_TYPAGE / name, _CACHE)
    subprocess.run(
        ["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=_CACHE,
        check=True,
        capture_output=True,
    )

    sealed = subprocess.run(
        ["node", _CACHE / "seal.mjs", folder / "recipient.txt"],
        input=_SECRET.encode(),
        check=True,
        capture_output=True,
    ).stdout.decode("ascii")

    assert sealed.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert _SECRET == _opened(_unarmoured(sealed), desk.identity).decode()


@pytest.mark.slow
def test_the_lines_for_age_are_lines_that_age_takes(folder: Path, desk: ADesk) -> None:
    """The test uses a kind of key that Debian's age knows. The command is the same for every kind."""
    mine = age.X25519Identity(bytes(range(32)))
    (folder / "recipient.txt").write_text(f"{mine.recipient}\n")
    version, text, photo = _commands(desk, "age")

    assert re.search(r"\d\.\d", _type(version, folder))
    _type(text, folder)
    _type(photo, folder)

    assert _SECRET.encode() == _opened(_unarmoured((folder / "sealed.txt").read_text("ascii")), mine)
    assert (folder / "photo.jpg").read_bytes() == _opened((folder / "photo.age").read_bytes(), mine)


@pytest.mark.slow
def test_gpg_seals_for_our_key_alone_and_keeps_no_name(
    folder: Path, desk: ADesk, key: tuple[Path, str, str]
) -> None:
    home, _, fingerprint = key
    show, text, photo = _commands(desk, "gpg")
    in_fours = " ".join(re.findall("....", fingerprint))

    assert in_fours in desk.browser().get("/en/seal").text
    assert in_fours in _type(show, folder).replace("  ", " ")
    _type(text, folder)
    _type(photo, folder)

    assert (folder / "sealed.asc").read_text("ascii").startswith("-----BEGIN PGP MESSAGE-----")
    assert _SECRET.encode() == _gpg(home, "--decrypt", str(folder / "sealed.asc"))
    assert (folder / "photo.jpg").read_bytes() == _gpg(home, "--decrypt", str(folder / "photo.gpg"))
    for sealed in ("sealed.asc", "photo.gpg"):
        packets = _gpg(home, "--list-packets", str(folder / sealed)).decode()
        assert packets.count(":pubkey enc packet:") == 1
        assert ":signature packet:" not in packets
    assert "photo" not in _gpg(home, "--list-packets", str(folder / "photo.gpg")).decode().partition("\n")[2]
    kept = [path.read_bytes() for path in (folder / "home").rglob("*") if path.is_file()]
    assert not any(b"Steunpunt" in each for each in kept)


def _unarmoured(text: str) -> bytes:
    lines = text.strip().splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----")
    return base64.b64decode("".join(lines[1:-1]))


def _opened(sealed: bytes, identity: age.AgeIdentity) -> bytes:
    header, payload = age.split_file(sealed)
    plaintext, _ = age.decrypt(header, payload, [identity])
    return plaintext
