"""A backup of what nobody could make anew: the onion keys, who may come in, and the settings.

Format: "onion backup v1" of docs/protocol.md: a tar in an age file, so that it can be opened without us.
"""

import io
import os
import re
import secrets
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from crypto import age
from crypto.errors import CryptoError
from deploy.errors import OnionBackupError, OnionKeyError
from deploy.hardening import PRIVATE_FOLDER
from deploy.onion import clients
from deploy.onion.folders import read_service_key, write_service_key
from deploy.onion.onion_keys import SECRET_FILE, OnionKey
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig

_VERSION = ("version", b"steunpunt-onion-backup/1\n")
_SETTINGS = "config.toml"
_SOURCE_KEY = f"source/{SECRET_FILE}"
_SYNC_KEY = f"sync/{SECRET_FILE}"
_CLIENT = re.compile(rf"sync/authorized_clients/({clients.NAME.pattern})\.auth")
_FILE_BYTES = 1024 * 1024  # of one file in it, and of settings a hundred times as long as the example
_BACKUP_BYTES = 16 * 1024 * 1024

_Recipient = age.PQRecipient | age.X25519Recipient
_Identity = age.PQIdentity | age.X25519Identity


def back_up_onions(settings: Path, file: Path, recipients: Sequence[str]) -> list[str]:
    """Seal keys and settings to age recipients; return what to tell whoever asked for it.

    Raises:
        OnionBackupError: a recipient is none, or the file cannot be written; an older one is never replaced.
        OnionError: a key is missing or cannot be read.
        ConfigError: the settings have faults.
    """
    sealed_to = [_recipient(text) for text in recipients]
    config = load_config(settings, "onion", OnionConfig)
    source = read_service_key(config.source_folder)
    files = {_SETTINGS: settings.read_bytes(), _SOURCE_KEY: source.files()[SECRET_FILE]}
    said = [f"Sealed to {file}: the settings, and the key of http://{source.host}"]
    if config.sync_socket:
        sync = read_service_key(config.sync_folder)
        files[_SYNC_KEY] = sync.files()[SECRET_FILE]
        said.append(f"and the key of http://{sync.host}, with the workstations that may come in there.")
        for name, public in clients.admitted_clients(config.clients_folder).items():
            files[f"sync/authorized_clients/{name}.auth"] = clients.client_line(public).encode()
    try:
        sealed = age.encrypt(_packed(files), sealed_to)
    except CryptoError as why:
        raise OnionBackupError(
            "A file for a post-quantum recipient (age1pq1…) can have no other kind beside it: name either."
        ) from why
    _write_new(file, sealed.header + sealed.payload)
    if not sealed_to[0].post_quantum:
        said.append(
            "Its recipient is not post-quantum: keep the file where nobody copies it, as you keep a key."
        )
    return said


def restore_onions(settings: Path, file: Path, identity_file: Path) -> list[str]:
    """Put keys and settings back where they were; return what to tell. What is there must be the same.

    Everything is looked at before anything is written.

    Raises:
        OnionBackupError: it cannot be opened, is no backup of ours, or other settings are there already.
        OnionError: another key is there already, or a folder cannot be written.
        ConfigError: the settings in it have faults.
    """
    files = _unpacked(_opened(file, identity_file))
    config = _settings_of(settings, files[_SETTINGS])
    keys = [(config.source_folder, OnionKey.from_file_bytes(files[_SOURCE_KEY]))]
    if _SYNC_KEY in files:
        keys.append((config.sync_folder, OnionKey.from_file_bytes(files[_SYNC_KEY])))
    for folder, key in keys:
        _refuse_another(folder, key)
    if not settings.exists():
        _write_new(settings, files[_SETTINGS])
    said = [f"The settings are in {settings}."]
    for folder, key in keys:
        write_service_key(folder, key)
        said.append(f"The key of http://{key.host} is in {folder}.")
    for name, content in files.items():
        if client := _CLIENT.fullmatch(name):
            clients.admit_client(config.clients_folder, client[1], clients.parse_client_line(content))
            said.append(f"{client[1]} may come in at the door for sync.")
    return said


def _refuse_another(folder: Path, key: OnionKey) -> None:
    try:
        there = read_service_key(folder)
    except OnionKeyError:
        if (folder / SECRET_FILE).exists():
            raise
        return
    if there != key:
        raise OnionKeyError(f"Another onion's key lies in {folder}: move it away first, if you mean it.")


def _settings_of(settings: Path, content: bytes) -> OnionConfig:
    """Read the settings of a backup as if they were in their place, so that paths start where they will."""
    if settings.exists():
        if settings.read_bytes() != content:
            raise OnionBackupError(
                f"{settings} is there already, with other settings than in the backup. Nothing was changed: "
                "move it away, restore, and compare both."
            )
        return load_config(settings, "onion", OnionConfig)
    settings.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    beside = settings.with_name(f".{settings.name}.{secrets.token_hex(4)}")
    try:
        _write_new(beside, content)
        return load_config(beside, "onion", OnionConfig)
    finally:
        beside.unlink(missing_ok=True)


# ---- the file ----------------------------------------------------------------------------------------


def _packed(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in (_VERSION, *files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o600
            tar.addfile(member, io.BytesIO(content))
    return held.getvalue()


def _unpacked(packed: bytes) -> dict[str, bytes]:
    """Read what `_packed` writes, and nothing else: names decide where things are written."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() and member.size <= _FILE_BYTES else None
                if content is None or member.name in files or not _is_known(member.name):
                    raise _not_ours()
                files[member.name] = content.read()
    except tarfile.TarError as why:
        raise _not_ours() from why
    if files.pop(_VERSION[0], None) != _VERSION[1]:
        raise OnionBackupError(
            "This backup is from another version of the mailbox: use that version, or age and tar."
        )
    if not {_SETTINGS, _SOURCE_KEY} <= files.keys():
        raise _not_ours()
    return files


def _is_known(name: str) -> bool:
    return name in {_VERSION[0], _SETTINGS, _SOURCE_KEY, _SYNC_KEY} or _CLIENT.fullmatch(name) is not None


def _not_ours() -> OnionBackupError:
    return OnionBackupError("This file opens, but is no backup of onion keys. Nothing was changed.")


def _opened(file: Path, identity_file: Path) -> bytes:
    identities = _identities(identity_file)
    try:
        with file.open("rb") as held:
            raw = held.read(_BACKUP_BYTES)
        header, payload = age.split_file(raw)
        return age.decrypt(header, payload, identities)[0]
    except OSError as why:
        raise OnionBackupError(f"{file} cannot be read ({type(why).__name__}).") from why
    except CryptoError as why:
        raise OnionBackupError(
            f"{file} does not open: it is damaged, or sealed to another recipient. Nothing was changed."
        ) from why


def _recipient(text: str) -> _Recipient:
    try:
        return (
            age.PQRecipient.from_text(text)
            if text.startswith("age1pq1")
            else age.X25519Recipient.from_text(text)
        )
    except CryptoError as why:
        raise OnionBackupError(
            "That is no age recipient: it begins with age1, and age-keygen prints it as the public key."
        ) from why


def _identities(file: Path) -> list[_Identity]:
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
        found = [_identity(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as why:
        raise OnionBackupError(f"{file} cannot be read ({type(why).__name__}).") from why
    except CryptoError as why:
        raise OnionBackupError(f"{file} is not as age-keygen makes it (AGE-SECRET-KEY-…).") from why
    return found


def _identity(line: str) -> _Identity:
    if line.startswith("AGE-SECRET-KEY-PQ-"):
        return age.PQIdentity.from_text(line)
    return age.X25519Identity.from_text(line)


def _write_new(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as why:
        raise OnionBackupError(f"{path} is there already, and is not replaced: name another file.") from why
    except OSError as why:
        raise OnionBackupError(f"{path} cannot be written ({type(why).__name__}).") from why
