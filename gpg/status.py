"""Status lines of one run of gpg, which say whether gpg's output may be used.

Source: GnuPG, doc/DETAILS, "Format of the --status-fd output". The exit code does not suffice: gpg also exits
with code 2 after a good message that someone with an unknown key signed.
"""

from typing import Final

STATUS_LINES_MAX: Final = 1000  # without a limit, a message with a million signatures would fill our memory


class GpgStatus:
    """Status lines that gpg wrote during one run, in order.

    The library adds each line with `handle_status`.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []  # keyword and value
        self.data = b""
        self.stderr = ""
        self.returncode: int | None = None

    def handle_status(self, key: str, value: str) -> None:
        """Add one status line of gpg. Lines after the first 1,000 are dropped."""
        if len(self.lines) < STATUS_LINES_MAX:
            self.lines.append((key, value))

    def is_encrypted(self, signer: str) -> bool:
        """Return True if gpg encrypted the whole message, and signed with the key of this fingerprint.

        The fingerprint is checked because gpg signs with another key if the key of this fingerprint is
        missing.
        """
        is_signed = [value.endswith(f" {signer}") for value in self._values("SIG_CREATED")] == [True]
        failed = any(self._values(keyword) for keyword in ("FAILURE", "INV_RECP", "INV_SGNR"))
        return is_signed and bool(self._values("END_ENCRYPTION")) and not failed

    def is_decrypted(self) -> bool:
        """Return True if gpg decrypted exactly one whole message, and the input contained nothing else."""
        is_one = len(self._values("DECRYPTION_OKAY")) == len(self._values("PLAINTEXT")) == 1
        is_alone = not any(value.startswith("proc_pkt") for value in self._values("ERROR"))
        return is_one and is_alone and not self._values("DECRYPTION_FAILED")

    def is_signed(self) -> bool:
        """Return True if the message has a signature, valid or not."""
        return bool(self._values("NEWSIG"))

    def signer(self) -> str | None:
        """Return the primary fingerprint of the key that signed the message, or None.

        The result is None unless there is exactly one valid signature, by a key that is not expired or
        revoked.
        """
        valid = self._values("VALIDSIG")
        is_good = len(self._values("NEWSIG")) == len(self._values("GOODSIG")) == len(valid) == 1
        return valid[0].split()[-1] if is_good else None

    def _values(self, keyword: str) -> list[str]:
        return [value for key, value in self.lines if key == keyword]
