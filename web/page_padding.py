"""Hide how much a page says from whoever counts its bytes."""

STEP_BYTES = 16 * 1024


def pad(html: bytes) -> bytes:
    """Fill a page with trailing spaces up to the next multiple of 16 KiB.

    Spaces after `</html>` are legal HTML and invisible in every browser. They hide nothing once something
    on the way compresses, so nothing does.
    """
    return html + b" " * (-len(html) % STEP_BYTES)
