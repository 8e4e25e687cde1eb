"""Encrypted backup of a server's keys, the admitted clients and the settings.

No one could make lost keys again. The format is in docs/store.md, "Files of a backup": a tar in an age file,
so that an operator can open the backup without this program.
"""

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from crypto import age
from crypto.errors import CryptoError
from deploy.atomic_folder import write_new
from deploy.errors import OnionError, os_error_as, refused_as
from deploy.hardening import PRIVATE_FOLDER
from deploy.onion import clients
from deploy.onion.folders import read_service_key, refuse_another_key, write_service_key
from deploy.onion.onion_keys import SECRET_FILE, OnionKey
from deploy.settings.load_settings import load_config, sections_in
from deploy.settings.onion_settings import OnionConfig
from deploy.settings.sync_settings import SyncConfig

_VERSION = ("version", b"steunpunt-onion-backup/1\n")
_SETTINGS = "config.toml"
_SOURCE_KEY = f"source/{SECRET_FILE}"
_SYNC_KEY = f"sync/{SECRET_FILE}"
_SERVER_KEY = "server.key"
_CLIENT = re.compile(rf"sync/authorized_clients/({clients.NAME.pattern})\.auth")
_FILE_BYTES = 1024 * 1024  # largest size of one file: a hundred times the example settings
_BACKUP_BYTES = 16 * 1024 * 1024

_NOT_A_BACKUP = "This file can be decrypted, but is not a backup of onion keys. Nothing was changed."
_Recipient = age.PQRecipient | age.X25519Recipient
_Identity = age.PQIdentity | age.X25519Identity


def back_up_onions(settings: Path, file: Path, recipients: Sequence[str]) -> list[str]:
    """Encrypt the onion keys and the settings in a new file. Return the sentences to print.

    `recipients` are age public keys.

    Raises:
        OnionError: a recipient is malformed, a key cannot be read, or the file exists or cannot be written.
        ConfigError: the settings have faults.
    """
    check_recipients(recipients)
    files, sentences = _onion_files(load_config(settings, "onion", OnionConfig))
    sealed = _seal({_SETTINGS: settings.read_bytes(), **files}, recipients)
    _write_new(file, sealed)
    return [f"Encrypted in {file}: the settings, and {sentences[0]}", *sentences[1:], *_advice(recipients)]


def seal_keys(settings: Path, recipients: Sequence[str]) -> tuple[bytes, list[str], bool]:
    """Encrypt the settings, the server's key and the onion keys in an age file.

    Return the file, the sentences to print, and whether the file has the source's onion key. If an onion key
    cannot be read, all onion keys are left out.

    Raises:
        OnionError: a recipient is malformed.
        DeployError: the settings have faults, or the server's key cannot be read.
    """
    check_recipients(recipients)
    files = {_SETTINGS: settings.read_bytes()}
    sentences = ["Encrypted with the backup: the settings"]
    if "sync" in sections_in(settings):
        key_path = load_config(settings, "sync", SyncConfig).key_path
        with os_error_as(f"{key_path} cannot be read", OnionError):
            files[_SERVER_KEY] = key_path.read_bytes()
        sentences.append("and the server's key")
    try:
        onions, more = _onion_files(load_config(settings, "onion", OnionConfig))
    except OnionError as why:
        sentences.append(f"but no onion key, so this backup alone does not bring back the address. {why}")
    else:
        files |= onions
        sentences += ["and " + more[0], *more[1:]]
    return _seal(files, recipients), [*sentences, *_advice(recipients)], _SOURCE_KEY in files


def check_recipients(recipients: Sequence[str]) -> None:
    """Check that a file can be encrypted to these age public keys together.

    Raises:
        OnionError: a recipient is malformed, or the recipients are of two kinds.
    """
    if len({_recipient(text).post_quantum for text in recipients}) > 1:
        raise OnionError(
            "A file cannot have both post-quantum recipients (age1pq1…) and others: name one kind."
        )


def restore_onions(settings: Path, file: Path, identity_file: Path) -> list[str]:
    """Restore the onion keys and the settings from a backup. Return the sentences to print.

    Existing settings and onion keys are never replaced by different ones.

    Raises:
        OnionError: the backup cannot be used, other settings or keys exist, or a folder cannot be written.
        ConfigError: the settings in the backup have faults.
    """
    return write_keys(settings, open_keys(file, identity_file))


def settings_among(files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of the settings file among the files of a backup."""
    return files[_SETTINGS]


def open_keys(file: Path, identity_file: Path) -> dict[str, bytes]:
    """Decrypt a backup of keys. Return the content of each file by its name.

    Raises:
        OnionError: the backup cannot be decrypted, or is not a backup of keys.
    """
    return _unpack(_decrypt(file, identity_file))


def write_keys(settings: Path, files: Mapping[str, bytes]) -> list[str]:
    """Write the settings and keys of a backup, as `restore_onions` does. Return the sentences to print.

    Raises:
        OnionError: other settings or another key exist, or a folder cannot be written.
        ConfigError: the settings in the backup have faults.
    """
    config = _check_settings(settings, files[_SETTINGS])
    folders = {_SOURCE_KEY: config.source_folder, _SYNC_KEY: config.sync_folder}
    keys = [(folders[name], OnionKey.from_file_bytes(files[name])) for name in folders if name in files]
    for folder, key in keys:
        refuse_another_key(folder, key)
    server_key = _server_key_to_write(settings, files)
    if not settings.exists():
        settings.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        _write_new(settings, files[_SETTINGS])
    sentences = [f"The settings are in {settings}."]
    if server_key is not None:
        if not server_key.exists():
            _write_new(server_key, files[_SERVER_KEY])
        sentences.append(f"The server's key is in {server_key}.")
    for folder, key in keys:
        write_service_key(folder, key)
        sentences.append(f"The key of http://{key.host} is in {folder}.")
    for name, content in files.items():
        if client := _CLIENT.fullmatch(name):
            clients.admit_client(config.clients_folder, client[1], clients.parse_client_line(content))
            sentences.append(
                f"{client[1]} may connect to the onion for sync, also if it was dismissed since."
            )
    return sentences


def _check_settings(settings: Path, content: bytes) -> OnionConfig:
    """Check the settings in a backup, and return the settings of the onion services.

    Relative paths start from the folder in which the settings will be restored.
    """
    if settings.exists() and settings.read_bytes() != content:
        raise OnionError(
            f"{settings} exists, with other settings than in the backup. Nothing was changed: move it away, "
            "restore, and compare both."
        )
    return load_config(settings, "onion", OnionConfig, raw=content)


def _server_key_to_write(settings: Path, files: Mapping[str, bytes]) -> Path | None:
    if _SERVER_KEY not in files:
        return None
    path = load_config(settings, "sync", SyncConfig, raw=files[_SETTINGS]).key_path
    with os_error_as(f"{path} cannot be read", OnionError):
        if path.exists() and path.read_bytes() != files[_SERVER_KEY]:
            raise OnionError(f"{path} is the key of another server. Nothing was changed: move it away first.")
    return path


# ---- the file ----------------------------------------------------------------------------------------


def _onion_files(config: OnionConfig) -> tuple[dict[str, bytes], list[str]]:
    source = read_service_key(config.source_folder)
    files, sentences = {_SOURCE_KEY: source.files()[SECRET_FILE]}, [f"the key of http://{source.host}"]
    if config.sync_socket:
        sync = read_service_key(config.sync_folder)
        files[_SYNC_KEY] = sync.files()[SECRET_FILE]
        sentences.append(f"and the key of http://{sync.host}, with the workstations that may connect to it.")
        for name, public in clients.admitted_clients(config.clients_folder).items():
            files[f"sync/authorized_clients/{name}.auth"] = clients.client_line(public).encode()
    return files, sentences


def _seal(files: Mapping[str, bytes], recipients: Sequence[str]) -> bytes:
    sealed = age.encrypt(_pack(files), [_recipient(text) for text in recipients])
    return sealed.header + sealed.payload


def _advice(recipients: Sequence[str]) -> list[str]:
    if _recipient(recipients[0]).post_quantum:
        return []
    return ["Its recipient is not post-quantum: keep the file where no one can copy it, as you keep a key."]


def _pack(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in (_VERSION, *files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o600
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _unpack(packed: bytes) -> dict[str, bytes]:
    """Unpack the tar of a backup of keys. Return a dict from file name to contents.

    A tar with an unknown file name is refused.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() and member.size <= _FILE_BYTES else None
                if content is None or member.name in files or not _is_known(member.name):
                    raise OnionError(_NOT_A_BACKUP)
                files[member.name] = content.read()
    except tarfile.TarError as why:
        raise OnionError(_NOT_A_BACKUP) from why
    if files.pop(_VERSION[0], None) != _VERSION[1]:
        raise OnionError(
            "This backup is from another version of the mailbox: use that version, or age and tar."
        )
    if _SETTINGS not in files or not files.keys() & {_SOURCE_KEY, _SERVER_KEY}:
        raise OnionError(_NOT_A_BACKUP)
    return files


def _is_known(name: str) -> bool:
    return (
        name in {_VERSION[0], _SETTINGS, _SOURCE_KEY, _SYNC_KEY, _SERVER_KEY}
        or _CLIENT.fullmatch(name) is not None
    )


def _decrypt(file: Path, identity_file: Path) -> bytes:
    identities = _identities(identity_file)
    with os_error_as(f"{file} cannot be read", OnionError), file.open("rb") as backup:
        raw = backup.read(_BACKUP_BYTES)
    unfit = f"{file} cannot be decrypted: it is damaged, or for another recipient. Nothing was changed."
    with refused_as(CryptoError, unfit, OnionError):
        return age.decrypt(*age.split_file(raw), identities)[0]


def _recipient(text: str) -> _Recipient:
    kind = age.PQRecipient if text.startswith("age1pq1") else age.X25519Recipient
    fault = "This is not an age recipient: that begins with age1, and age-keygen prints it as the public key."
    with refused_as(CryptoError, fault, OnionError):
        return kind.from_text(text)


def _identities(file: Path) -> list[_Identity]:
    with os_error_as(f"{file} cannot be read", OnionError):
        lines = [line.strip() for line in file.read_text("utf-8", "replace").splitlines()]
    with refused_as(CryptoError, f"{file} is not a file of age-keygen (AGE-SECRET-KEY-…).", OnionError):
        return [_identity(line) for line in lines if line and not line.startswith("#")]


def _identity(line: str) -> _Identity:
    return (age.PQIdentity if line.startswith("AGE-SECRET-KEY-PQ-") else age.X25519Identity).from_text(line)


def _write_new(path: Path, content: bytes) -> None:
    if path.exists():
        raise OnionError(f"{path} exists and is not replaced: name another file.")
    with os_error_as(f"{path} cannot be written", OnionError):
        write_new(path, content)
