"""Estimate of how many guesses a typed passphrase resists, with the library zxcvbn."""

from typing import Final

from crypto.passphrase import all_words, normalise_passphrase

# zxcvbn takes spaces for random characters: it gives four words of our lists 10^20, and five words 10^28.
# Each guess costs Argon2id over 256 MiB.
_GUESSES_LOG10: Final = 24
_JUDGED_CHARS: Final = 72  # zxcvbn's own limit. If this start is strong, the whole is


def is_strong(passphrase: str) -> bool:
    """Return True if a typed passphrase is about as hard to guess as five random words or more.

    The passphrase is judged after normalisation. The estimate knows common passwords, names, keyboard
    patterns and our word lists, but no quotations.
    """
    from zxcvbn import zxcvbn  # noqa: PLC0415  # its lists take a tenth of a second, and most processes judge nothing

    judged = zxcvbn(normalise_passphrase(passphrase)[:_JUDGED_CHARS] or "a", user_inputs=list(all_words()))
    return float(judged["guesses_log10"]) >= _GUESSES_LOG10
