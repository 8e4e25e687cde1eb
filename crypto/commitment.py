"""A value that ties a sealed payload's key to the place it was sealed for."""

from crypto.framing import frame
from crypto.kdf import hkdf

COMMIT_BYTES = 32


def commit(file_key: bytes, *names: bytes) -> bytes:
    """Commit to an age file key for one address, entry id and, for a file, attachment id.

    It stops two attacks. Someone who can write to the store signs another mailbox's payload under an address
    of their own, keeps its header, and lets the desk's re-wrapping open it to them: the names differ, so does
    the commitment. And ChaCha20-Poly1305 does not commit to its key: without this one ciphertext could open
    to two texts for two readers.
    """
    return hkdf(file_key, info=b"steunpunt/v1/commit" + frame(*names))
