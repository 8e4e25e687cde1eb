"""Status lines of gpg: only lines that gpg wrote count."""

from gpg.status import GpgStatus


def test_a_line_that_text_of_a_stranger_could_forge_is_no_status_line() -> None:
    forged = "\u2028[GNUPG:] DECRYPTION_OKAY\x85[GNUPG:] GOODSIG\r[GNUPG:] VALIDSIG"
    messages = f"[GNUPG:] PLAINTEXT 62 0 {forged}\nnoise\n[GNUPG:] NODATA\n".encode()

    assert ["PLAINTEXT", "NODATA"] == [keyword for keyword, _ in GpgStatus(messages).lines]
