"""Six words that tie a text or file, which the source encrypted before sending, to one mailbox.

Attack: someone captures such a text on its way to the server, and sends a copy from their own mailbox.
"""

import re
from enum import StrEnum

from crypto.passphrase import DUTCH, word_lists
from protocol.identifiers import Address, sealing_words
from web.normal_text import search_form

_COUNT = 6
_WORD = re.compile(r"[^\W\d_]+")


class NamedMailbox(StrEnum):
    """Result of looking for six-word names of mailboxes in a text of the source.

    The text names this mailbox (OWN), only other mailboxes (OTHER), or no mailbox (NONE).
    """

    OWN = "own"
    OTHER = "other"
    NONE = "none"


def words_in(text: str) -> frozenset[str]:
    """Return all names of mailboxes in a text: six words joined by hyphens, or a line of only six words."""
    listed = set(word_lists()[DUTCH])
    folded = search_form(text)
    joined = [run for run in folded.split() if run.count("-") == _COUNT - 1]
    runs = [_WORD.findall(run) for run in (*joined, *folded.splitlines())]
    return frozenset("-".join(run) for run in runs if len(run) == _COUNT and listed.issuperset(run))


def named_mailbox(named: frozenset[str], address: Address) -> NamedMailbox:
    """Return whether a text names this mailbox, only other mailboxes, or no mailbox.

    `named` has the names in the text. A mailbox's name consists of six words.
    """
    if sealing_words(address) in named:
        return NamedMailbox.OWN
    return NamedMailbox.OTHER if named else NamedMailbox.NONE
