"""Size of an age payload, computed from the specification alone."""


def payload_bytes(plaintext_bytes: int) -> int:
    """Return the length of an age payload: a nonce, the plaintext, and a tag for each chunk of 64 KiB."""
    chunks = max(1, -(-plaintext_bytes // 65_536))
    return 16 + plaintext_bytes + chunks * 16
