"""Status lines of one run of gpg, which say whether gpg's output may be used.

Source: GnuPG, doc/DETAILS, "Format of the --status-fd output". The exit code does not suffice: gpg also exits
with code 2 after a good message that someone with an unknown key signed.
"""

from typing import Final

_MARK: Final = "[GNUPG:] "


class GpgStatus:
    """Status lines of one run of gpg, which gpg wrote to its standard error among other lines."""

    def __init__(self, messages: bytes | bytearray) -> None:
        found = (line for line in messages.decode("utf-8", "replace").split("\n") if line.startswith(_MARK))
        pairs = (line.removeprefix(_MARK).partition(" ") for line in found)
        self.lines: list[tuple[str, str]] = [(keyword, value) for keyword, _, value in pairs]

    def is_encrypted(self, signer: str) -> bool:
        """Return True if gpg encrypted the whole message, and the key with this fingerprint signed it.

        If this key is missing, gpg signs with another key. Then the result is False.
        """
        is_signed = [value.endswith(f" {signer}") for value in self._values("SIG_CREATED")] == [True]
        failed = any(self._values(keyword) for keyword in ("FAILURE", "INV_RECP", "INV_SGNR"))
        return is_signed and bool(self._values("END_ENCRYPTION")) and not failed

    def is_decrypted(self) -> bool:
        """Return True if gpg decrypted exactly one whole message, and the input contained nothing else."""
        is_one = len(self._values("DECRYPTION_OKAY")) == len(self._values("PLAINTEXT")) == 1
        is_alone = not any(value.startswith("proc_pkt") for value in self._values("ERROR"))
        return is_one and is_alone and not self._values("DECRYPTION_FAILED")

    def is_for_another_key(self) -> bool:
        """Return True if gpg has no key for the message: it is for other readers, or needs a password."""
        is_other = self._values("NO_SECKEY") or self._values("NEED_PASSPHRASE_SYM")
        return bool(is_other) and not self._values("DECRYPTION_KEY")

    def is_signed(self) -> bool:
        """Return True if the message has a signature, valid or not."""
        return bool(self._values("NEWSIG"))

    def _values(self, keyword: str) -> list[str]:
        return [value for key, value in self.lines if key == keyword]
