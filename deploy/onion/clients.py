"""Client authorisation of the onion service for sync: one X25519 key for each workstation that may connect.

The formats are Tor's own (in the manual: *CLIENT AUTHORIZATION*). The service's descriptor cannot be
decrypted without a key, so a stranger does not even learn where to connect.

    key = make_client_key()                          # on the workstation
    key.private_line(host)                           # for a file in its Tor's ClientOnionAuthDir
    admit_client(folder, "desk-1", key.public)       # on the server
    dismiss_client(folder, "desk-1")
"""

import base64
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from deploy.atomic_folder import write_new
from deploy.errors import OnionError, OnionFolderError, os_error_as
from deploy.onion.folders import give_to_owner_of
from deploy.settings.onion_address import is_onion_host
from store.database.atomic_files import sync_folder

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")  # a file name, which this program chooses
PRIVATE_ENDING = ".auth_private"
_ENDING = ".auth"
_KEY_BYTES = 32
_KEY_CHARS = 52  # 32 bytes in base32 without padding
_HEAD = "descriptor:x25519:"
_RIGHT_USER = ": run this as root, or as the user that Tor runs as."
_NOT_A_KEY = "A client's public key has 52 letters and digits (base32)."

# If the folder is empty, Tor lets everyone connect without a key. So the folder always has one client more: a
# key whose private half was thrown away.
UNUSED_CLIENT = "nobody"


@dataclass(frozen=True, slots=True)
class ClientKey:
    """Key pair with which a workstation connects to one onion service.

    Only `public` leaves the workstation.
    """

    public: str
    _private: str = field(repr=False)

    def private_line(self, onion_host: str) -> str:
        """Return the line with this secret key for a workstation's Tor.

        The line belongs in a file of mode 600, named `*.auth_private`, in Tor's `ClientOnionAuthDir`.

        Raises:
            OnionError: the host is not the address of an onion service.
        """
        if not is_onion_host(onion_host):
            raise OnionError("This is not the address of an onion service.")
        return f"{onion_host.removesuffix('.onion')}:{_HEAD}{self._private}\n"


def make_client_key() -> ClientKey:
    """Make the key pair with which a workstation connects to an onion service.

    Each key is 52 characters of base32.
    """
    private = X25519PrivateKey.generate()
    return ClientKey(
        public=_base32(private.public_key().public_bytes_raw()), _private=_base32(private.private_bytes_raw())
    )


def admit_client(folder: Path, name: str, public: str) -> None:
    """Add a workstation's public key to the folder of clients that may connect to an onion service.

    A key of the same name is replaced. If `steunpunt onion publish` is not running, reload Tor afterwards.

    Raises:
        OnionError: the name or the key has a wrong form.
        OnionFolderError: the folder cannot be written.
    """
    _check_name(name)
    public = _normal_key(public)
    with _writing(folder):
        _write_client(folder, name, public)


def require_client_keys(folder: Path) -> None:
    """Make Tor refuse everyone without a client's key, even if no workstation is admitted yet.

    Raises:
        OnionFolderError: the folder cannot be written.
    """
    # The service is published before the first workstation is admitted: pairing needs its address.
    with _writing(folder):
        pass


def dismiss_client(folder: Path, name: str) -> bool:
    """Forbid a workstation to connect to an onion service. Return True if there was such a workstation.

    After the last workstation is removed, no one can connect.

    Raises:
        OnionError: the name has a wrong form.
        OnionFolderError: the folder cannot be written.
    """
    _check_name(name)
    with _writing(folder):
        path = folder / f"{name}{_ENDING}"
        is_admitted = path.exists()
        path.unlink(missing_ok=True)
    return is_admitted


def admitted_clients(folder: Path) -> dict[str, str]:
    """Return the workstations that may connect to an onion service: a dict from name to public key.

    Raises:
        OnionError: a file has a wrong form. The message names the file.
        OnionFolderError: the folder cannot be read.
    """
    return {name: public for name, public in client_keys(folder).items() if name != UNUSED_CLIENT}


def client_keys(folder: Path) -> dict[str, str]:
    """Read an onion service's folder of clients. Return a dict from each client's name to its public key.

    The dict may contain `UNUSED_CLIENT`, whose secret key no one has. If the folder is missing, the dict is
    empty.

    Raises:
        OnionError: a file has a wrong form. The message names the file.
        OnionFolderError: the folder cannot be read.
    """
    lines = {}
    with (
        os_error_as(f"{folder} cannot be read", OnionFolderError, advice=_RIGHT_USER),
        suppress(FileNotFoundError),
    ):
        lines = {path.stem: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix == _ENDING}
    keys = {}
    for name, line in lines.items():
        try:
            keys[name] = parse_client_line(line)
        except OnionError as why:
            path = folder / f"{name}{_ENDING}"
            raise OnionError(
                f"{path} does not hold a client's key: remove it, or admit the client again."
            ) from why
    return keys


def client_line(public: str) -> str:
    """Return the contents of a client's file, in which Tor on the server finds the client's public key."""
    return f"{_HEAD}{public}\n"


def parse_client_line(line: bytes) -> str:
    """Return the public key in the contents of a client's file on the server.

    Raises:
        OnionError: the contents have a wrong form.
    """
    try:
        return _normal_key(line.decode("ascii").strip().removeprefix(_HEAD))
    except UnicodeDecodeError as why:
        raise OnionError(_NOT_A_KEY) from why


def parse_private_line(raw: bytes) -> bytes:
    """Return the line of `ClientKey.private_line` in the contents of a workstation's file.

    Raises:
        OnionError: the contents have a wrong form. The message does not quote them.
    """
    line = raw.decode("ascii", "replace").strip()
    host, _, private = line.partition(f":{_HEAD}")
    with suppress(OnionError):
        if is_onion_host(f"{host}.onion") and _normal_key(private):
            return f"{line}\n".encode("ascii")
    raise OnionError("The file is not a key that steunpunt workstation pair made.")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or name == UNUSED_CLIENT:
        raise OnionError(
            "A client's name has 1 to 32 small letters, digits and hyphens, like desk-1. "
            f"{UNUSED_CLIENT} is taken."
        )


def _normal_key(public: str) -> str:
    """Return a client's public key in capitals, as Tor writes the key.

    Raises:
        OnionError: the key has a wrong form.
    """
    plain = public.upper()
    try:
        raw = base64.b32decode(plain + "====") if len(plain) == _KEY_CHARS else b""
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES or _base32(raw) != plain:
        raise OnionError(_NOT_A_KEY)
    return plain


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Make the folder of clients ready for a change, and flush it to the disk after the block.

    Raises:
        OnionFolderError: the folder cannot be written.
    """
    # Tor accepts no other owner than the parent's. An empty folder would let everyone connect.
    # Without the flush, a removed client could come back after a power cut.
    with os_error_as(f"{folder} cannot be written", OnionFolderError, advice=_RIGHT_USER):
        for each in (folder.parents[1], folder.parent, folder):
            if not each.exists():
                each.mkdir(mode=0o700)
                give_to_owner_of(each.parent, each)
                sync_folder(each.parent)
        if not (folder / f"{UNUSED_CLIENT}{_ENDING}").exists():
            _write_client(folder, UNUSED_CLIENT, make_client_key().public)
        yield
        sync_folder(folder)


def _write_client(folder: Path, name: str, public: str) -> None:
    # Tor can read the file at any moment. After reading half a file, Tor would stop publishing the service.
    unfinished = folder / f".{name}.{secrets.token_hex(4)}"
    write_new(unfinished, client_line(public).encode("ascii"))
    give_to_owner_of(folder, unfinished)
    unfinished.rename(folder / f"{name}{_ENDING}")


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=")
