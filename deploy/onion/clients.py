"""Who may come in at an onion service with client authorisation: one X25519 key for each workstation.

The formats are Tor's own (the manual's *CLIENT AUTHORIZATION*). Tor tells a stranger nothing: without a key
the service's descriptor cannot be opened, so nobody even learns where to knock.

    key = make_client_key()                          # on the workstation
    key.private_line(host)                           # for a file in its Tor's ClientOnionAuthDir
    admit(folder, "desk-1", key.public)              # on the server, where `key.public` was brought to
    dismiss(folder, "desk-1")
"""

import base64
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from deploy.errors import ClientKeyError, OnionFolderError
from deploy.onion.folders import give_to_owner_of
from deploy.settings.onion_address import is_onion_host

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")  # ours, not a person's: it is a file's name
PRIVATE_ENDING = ".auth_private"
_ENDING = ".auth"
_KEY_BYTES = 32
_KEY_CHARS = 52  # 32 bytes in base32 without padding
_HEAD = "descriptor:x25519:"

# Tor asks nobody for a key where this folder is empty. So there is always one client in it: a key whose
# private half was thrown away as it was made.
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A workstation's key to one onion service. `public` goes to the server; the other half never leaves."""

    public: str
    _private: str = field(repr=False)

    def private_line(self, onion_host: str) -> str:
        """Return the line for a file whose name ends in `.auth_private`, in Tor's `ClientOnionAuthDir`.

        It is the secret itself: write it to a file of mode 600 alone.

        Raises:
            ClientKeyError: the host is not the address of an onion service.
        """
        if not is_onion_host(onion_host):
            raise ClientKeyError("This is not the address of an onion service.")
        return f"{onion_host.removesuffix('.onion')}:{_HEAD}{self._private}\n"


def make_client_key() -> ClientKey:
    """Make a workstation's key pair: 52 characters of base32 each."""
    private = X25519PrivateKey.generate()
    return ClientKey(
        public=_base32(private.public_key().public_bytes_raw()), _private=_base32(private.private_bytes_raw())
    )


def admit_client(folder: Path, name: str, public: str) -> None:
    """Write a client to an `authorized_clients` folder, which is made if it is not there.

    Tor learns of it when it is told to read its settings again, and `publish` by itself. A name that is there
    already gets the new key: the old one opens nothing from then on.

    Raises:
        ClientKeyError: the name is not of our form, or the key is none.
        OnionFolderError: the folder cannot be written.
    """
    _check_name(name)
    public = _checked(public)
    try:
        _make_folder(folder)
        _write(folder, name, public)
    except OSError as why:
        raise OnionFolderError(_not_written(folder, why)) from why


def require_client_keys(folder: Path) -> None:
    """Make sure that Tor asks for a key before anybody was admitted: a workstation is told the address first.

    Raises:
        OnionFolderError: the folder cannot be written.
    """
    try:
        _make_folder(folder)
    except OSError as why:
        raise OnionFolderError(_not_written(folder, why)) from why


def dismiss_client(folder: Path, name: str) -> bool:
    """Take a client away; return whether there was one. The last one leaves a closed door behind.

    Raises:
        ClientKeyError: the name is not of our form.
        OnionFolderError: the folder cannot be written.
    """
    _check_name(name)
    try:
        _make_folder(folder)
        (folder / f"{name}{_ENDING}").unlink()
    except FileNotFoundError:
        return False
    except OSError as why:
        raise OnionFolderError(_not_written(folder, why)) from why
    return True


def admitted_clients(folder: Path) -> dict[str, str]:
    """Return the public keys of all clients by name, but for the one that nobody has.

    Raises:
        ClientKeyError: a file is not as `admit` writes it; the message names it.
        OnionFolderError: the folder cannot be read.
    """
    return {name: public for name, public in client_keys(folder).items() if name != NOBODY}


def client_keys(folder: Path) -> dict[str, str]:
    """Return the public keys of all clients by name, the one that nobody has included; none without a folder.

    Raises:
        ClientKeyError: a file is not as `admit` writes it; the message names it.
        OnionFolderError: the folder cannot be read.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == _ENDING)
        lines = {path.stem: path.read_bytes() for path in found}
    except FileNotFoundError:
        return {}
    except OSError as why:
        raise OnionFolderError(f"{folder} cannot be read ({type(why).__name__}): {_WHO}") from why
    return {name: _of_line(folder / f"{name}{_ENDING}", line) for name, line in lines.items()}


def client_line(public: str) -> str:
    """Return what stands in a client's file on the server."""
    return f"{_HEAD}{public}\n"


def parse_client_line(line: bytes) -> str:
    """Read what `line_of` writes.

    Raises:
        ClientKeyError: it is not that.
    """
    try:
        return _checked(line.decode("ascii").strip().removeprefix(_HEAD))
    except UnicodeDecodeError as why:
        raise ClientKeyError("A client's public key is of 52 letters and digits (base32).") from why


def _of_line(path: Path, line: bytes) -> str:
    try:
        return parse_client_line(line)
    except ClientKeyError as why:
        raise ClientKeyError(f"{path} holds no client's key: take it away, or write it anew.") from why


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or name == NOBODY:
        raise ClientKeyError(
            "A client's name is of 1 to 32 small letters, digits and hyphens, like desk-1, and not 'nobody'."
        )


def _checked(public: str) -> str:
    """Return the key as Tor writes it, whatever its case was."""
    plain = public.upper()
    try:
        raw = base64.b32decode(plain + "====") if len(plain) == _KEY_CHARS else b""
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES or _base32(raw) != plain:
        raise ClientKeyError("A client's public key is of 52 letters and digits (base32).")
    return plain


def _make_folder(folder: Path) -> None:
    """Make the folder, and those around it, for the owner of what they lie in: Tor takes no other."""
    for each in (folder.parents[1], folder.parent, folder):
        if not each.exists():
            each.mkdir(mode=0o700)
            give_to_owner_of(each.parent, each)
    if not (folder / f"{NOBODY}{_ENDING}").exists():
        _write(folder, NOBODY, make_client_key().public)


def _write(folder: Path, name: str, public: str) -> None:
    """Write all or nothing: Tor may read at any moment, and drops a service with half a file."""
    unfinished = folder / f".{name}.{secrets.token_hex(4)}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  # a descriptor, so that its mode is ours
        file.write(client_line(public))
        file.flush()
        os.fsync(descriptor)
    give_to_owner_of(folder, unfinished)
    unfinished.rename(folder / f"{name}{_ENDING}")


_WHO = "run this as root, or as the user that Tor runs as."


def _not_written(folder: Path, why: OSError) -> str:
    return f"{folder} cannot be written ({type(why).__name__}): {_WHO}"


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=")
