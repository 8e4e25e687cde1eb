"""A workstation's certified signing key, with the days on which it counts."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class StrandKey:
    """One strand of the desk, as the letterhead certifies it.

    `verify_key` is an Ed25519 public key of 32 bytes. The first day counts, the last one too; `until` is None
    while the workstation is in use.
    """

    verify_key: bytes
    since: date
    until: date | None = None

    def counts_on(self, day: date) -> bool:
        """Tell whether an entry of that day may carry this key."""
        return self.since <= day and (self.until is None or day <= self.until)
