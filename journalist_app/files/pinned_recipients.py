"""Recipients in the settings, each pinned by the full fingerprint of their OpenPGP key."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from protocol.content import PassOnRecipient
from web.normal_text import is_visible_line

_FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}")
_NAME_CHARS: Final = 200  # a proposal cannot have a longer name
_ROLES: Final = frozenset(role.value for role in PassOnRecipient)


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """A recipient in the settings to whom the desk may pass on texts and files, with their OpenPGP key.

    The source sees `name`. The file at `key_path` has one public key, and `fingerprint` is the primary
    fingerprint of this key.
    """

    role: str  # "sg", "integrity", "complaints" or "other"
    name: str
    fingerprint: str  # 40 hexadecimal digits
    key_path: Path


def recipient_faults(recipients: Sequence[RecipientKey]) -> Iterator[str]:
    """Yield a message for each fault in the settings' list of recipients."""
    for number, each in enumerate(recipients, 1):
        whose = f"'recipients': number {number} must have a"
        if each.role not in _ROLES:
            yield f"{whose} 'role' of {', '.join(sorted(_ROLES))}"
        if not is_visible_line(each.name) or len(each.name) > _NAME_CHARS:
            yield f"{whose} 'name' of one line of visible characters, {_NAME_CHARS} at most"
        if not _FINGERPRINT.fullmatch(each.fingerprint):
            yield f"{whose} 'fingerprint' of 40 digits 0-9 and A-F, without spaces"
    if len({each.fingerprint for each in recipients}) < len(recipients):
        yield "'recipients': a fingerprint occurs twice"
