"""E-mail messages inside encrypted texts: texts are shown, files are offered, and nothing is lost."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from journalist_app.files.mail_parts import MailPart, is_mail, split_mail

TYPE = b"Content-Type: text/plain; charset=utf-8\n"


def a_mail(headers: bytes, body: bytes) -> bytes:
    return headers + b"\n" + body


def parts_of(mail: bytes) -> list[tuple[str, bytes]]:
    """Return the parts of a message without its last part, which is the message."""
    *parts, whole = split_mail(mail)
    assert whole == MailPart("message.eml", mail)
    return [(part.name, part.content) for part in parts]


@pytest.mark.parametrize(
    "content",
    [b"", b"Beste adviseur", b"Vraag: wat is Content-Type: text/plain?", b"\nContent-Type: text/plain\n\nx"],
)
def test_a_text_that_is_no_mail_stays_one_text(content: bytes) -> None:
    assert not is_mail(content)
    assert split_mail(content) == (MailPart("", content),)


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        (TYPE, "één".encode(), "één"),
        (TYPE.replace(b"\n", b"\r\n"), b"a\r\nb", "a\r\nb"),
        (b"From: a@b.example\nX-Long: a\n b\nMIME-Version: 1.0\n" + TYPE, b"x", "x"),
        (TYPE.replace(b"utf-8", b"windows-1252"), b"\x80 5", "€ 5"),
        (TYPE.replace(b"utf-8", b"iso-8859-99"), "één".encode(), "één"),
        (TYPE.replace(b"utf-8", b"punycode"), b"een", "een"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n", b"w6nDqW4=", "één"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n", b"=C3=A9=\nn", "én"),
    ],
    ids=[
        "UTF-8", "Windows lines", "more headers", "Windows", "an unknown charset", "no charset",
        "base64", "quoted-printable",
    ],
)  # fmt: skip
def test_the_text_of_a_mail_is_decoded(headers: bytes, body: bytes, text: str) -> None:
    assert parts_of(a_mail(headers, body)) == [("", text.encode())]


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        (b"=?utf-8?q?caf=C3=A9?=", "café"),
        (b"=?nonsense?q?a?=", "=?nonsense?q?a?="),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
        (b"\xff", "\ufffd"),
    ],
    ids=["encoded", "an unknown charset", "no base64", "no ASCII"],
)
def test_the_subject_of_a_mail_is_shown_as_far_as_possible(subject: bytes, shown: str) -> None:
    assert parts_of(a_mail(b"Subject: " + subject + b"\n" + TYPE, b"x")) == [("", shown.encode()), ("", b"x")]


def test_files_and_mails_in_a_mail_are_offered_by_name() -> None:
    mail = (
        b"Content-Type: multipart/mixed; boundary=a\n\nlost?\n"
        b"--a\nContent-Type: text/html\n\n<p>x\n"
        b"--a\nContent-Type: text/plain; name*=utf-8''caf%C3%A9.txt\n\nx\n"
        b'--a\nContent-Type: application/octet-stream; name="=?utf-8?q?../caf=C3=A9?="\n\n%PDF-\n'
        b"--a\nContent-Type: message/rfc822\n\n" + TYPE + b"\ninside\n--a--\n"
    )

    assert parts_of(mail) == [
        ("part-1.txt", b"<p>x"),
        ("café.txt", b"x"),
        ("café", b"%PDF-"),
        ("", b"inside"),
    ]


@pytest.mark.parametrize(
    "mail",
    [
        b"".join(
            b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (each, each) for each in range(50)
        ),
        b"Content-Type: multipart/mixed" + b';"' * 500_000 + b"\n\nx",
        b"Content-Type: multipart/mixed" + b"\n ;" * 4000 + b"\n\nx",
        TYPE + b"content-a:" * 100_000,
        TYPE + b"Content-Disposition: attachment; filename*" + b"9" * 5000 + b"=x\n\nx",
        b"Content-Type: multipart/mixed; boundary=a\n" + b"\n--a\n" * 41,
        b"Content-Type: text/plain; name*=a\0b''x\n\nx",
        b"Content-Type: text/plain; name*=idna''%ff\n\nx",
        b"Content-Type: text/plain; charset*=a\0b''x\n\nx",
        b"Content-Type: text/plain; name*0=a; name*=b\n\nx",
        b"Content-Type: multipart/mixed; boundary*=idna''%ff\n\n--a\n\nx",
    ],
    ids=[
        "parts in parts", "quote marks", "a folded header", "many fields", "a long number", "many parts",
        "a charset of a name", "a decoder that refuses", "a charset of a charset", "a name in two ways",
        "a charset of a boundary",
    ],
)  # fmt: skip
def test_a_mail_that_takes_long_or_cannot_be_read_stays_one_text(mail: bytes) -> None:
    assert is_mail(mail)
    assert split_mail(mail) == (MailPart("", mail),)


@given(st.binary(max_size=300), st.binary(max_size=300))
@example(b"; name*=utf-8''%ff", b"")
@example(b"; name*1*=a; name*0=b", b"")
@example(b"; charset*=punycode''%80; charset*=x", b"")
@example(b"\nContent-Transfer-Encoding: uuencode", b"begin 666 x\nx")
def test_any_mail_is_read_and_the_whole_is_kept(header: bytes, body: bytes) -> None:
    for kind in (b"text/plain", b"multipart/mixed; boundary=a", b"message/rfc822"):
        mail = b"Content-Type: " + kind + header + b"\n\n--a\n" + body
        assert split_mail(mail)[-1].content == mail
