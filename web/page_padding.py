"""Padding of pages, which hides the length of a page from someone who counts bytes on the network."""

STEP_BYTES = 16 * 1024


def pad(html: bytes, step_bytes: int = STEP_BYTES) -> bytes:
    """Append spaces to an HTML page, so that its length is a multiple of `step_bytes`.

    Do not compress the result, because compression would undo the padding.
    """
    # Spaces after `</html>` are legal HTML and invisible in every browser.
    return html + b" " * (-len(html) % step_bytes)
