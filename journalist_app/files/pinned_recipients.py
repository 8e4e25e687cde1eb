"""To whom this desk may pass things on: each pinned in the settings by the full fingerprint of their key."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from protocol.content import PassOnRecipient

_FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}")
_NAME_CHARS: Final = 200  # what a proposal carries
_ROLES: Final = frozenset(role.value for role in PassOnRecipient)


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """One recipient as the settings name them.

    `role` is "sg", "integrity", "complaints" or "other"; `name` is what the source is shown; `fingerprint`
    has the 40 hexadecimal digits of the primary key; `key_path` is a file with that public key and no other.
    """

    role: str
    name: str
    fingerprint: str
    key_path: Path


def recipient_faults(recipients: Sequence[RecipientKey]) -> Iterator[str]:
    """Say what is wrong with recipients as they stand in the settings, a sentence part for each fault."""
    for number, each in enumerate(recipients, 1):
        whose = f"'recipients': number {number} must have a"
        if each.role not in _ROLES:
            yield f"{whose} 'role' of {', '.join(sorted(_ROLES))}"
        if not each.name.strip() or not each.name.isprintable() or len(each.name) > _NAME_CHARS:
            yield f"{whose} 'name' of one line, {_NAME_CHARS} characters at most"
        if not _FINGERPRINT.fullmatch(each.fingerprint):
            yield f"{whose} 'fingerprint' of 40 digits 0-9 and A-F, without spaces"
    if len({each.fingerprint for each in recipients}) < len(recipients):
        yield "'recipients': a fingerprint stands there twice"
