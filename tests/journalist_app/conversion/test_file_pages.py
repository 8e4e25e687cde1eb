"""Each kind of file becomes pages, by its content: e-mail, sound, films, and hostile answers of programs."""

import io
import subprocess
import wave
from email.message import EmailMessage
from pathlib import Path

import pytest

from journalist_app.conversion import file_pages
from journalist_app.conversion.conversion_limits import (
    SOUND_PAGES,
    SOUND_RATE,
    SOUND_SECONDS,
    STILLS,
    TEXT_BYTES,
)
from journalist_app.conversion.converter_run import Converter
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from tests.journalist_app.conversion.files_to_convert import (
    OPENLY,
    a_converter,
    a_letter,
    a_small_pdf,
    an_image,
    pages_of,
)
from tests.journalist_app.conversion.outlook_files import SENT, a_property_stream, an_outlook_message
from tests.journalist_app.files.file_factories import a_zip

WAV_HEAD = 44
LATIN = a_property_stream(p3FDE=1252)
RUSSIAN = a_property_stream(p3FFD=1251)
UNKNOWN = a_property_stream(p3FFD=99)


def refusal_of(converter: Converter, content: bytes) -> ConversionRefusal:
    with pytest.raises(ConversionRefusedError) as refused:
        pages_of(converter, content)
    return refused.value.reason


def a_wav(seconds: int) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\x10\x10\x10\x10" * 8000 * seconds)
    return made.getvalue()


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Jörg <j@example.org>"
    mail["To"] = "desk@example.org"
    mail["X-Mailer"] = "hidden"
    mail["Subject"] = "één vraag"
    mail.set_content("Dag\n")
    return mail


# ---- e-mail


def test_an_e_mail_shows_its_headers_its_text_and_its_files() -> None:
    mail = a_mail()
    mail.add_alternative("<p>Dag</p>", subtype="html")
    mail.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="bewijs één.pdf")

    found, (page,) = pages_of(OPENLY, mail.as_bytes())

    assert ("Python",) == found.programs
    assert "Dag\n" == page.words
    assert (
        ("From", "Jörg <j@example.org>"),
        ("To", "desk@example.org"),
        ("Subject", "één vraag"),
    ) == page.headers
    assert (("text/html", len("<p>Dag</p>\n")), ("bewijs één.pdf", 5)) == page.files


def test_the_text_of_an_e_mail_in_html_has_no_markup_and_no_script() -> None:
    mail = a_mail()
    mail.set_content(
        "<head><title>x</title></head><p>Dag\n <b>één</b></p><script>bad()</script>twee", subtype="html"
    )

    _, (page,) = pages_of(OPENLY, mail.as_bytes())

    assert "Dag één twee" == " ".join(page.words.split())


@pytest.mark.parametrize(
    "raw",
    [
        b"From: a\xe9\nDate: x\nContent-Type: text/plain; charset=none\n\nDag \xe9\n",
        b"From: a@b\nDate: x\nContent-Type: multipart/mixed\n\nDag\n",
        b"From: =?x?q?=?=\nTo: ,,<<>>\nDate: 99\nContent-Transfer-Encoding: base64\n\n!!\n",
        b"From: a@b\nDate: x\nContent-Type: message/rfc822\n\n",
    ],
)
def test_a_malformed_e_mail_is_shown_as_well_as_can_be(raw: bytes) -> None:
    _, (page,) = pages_of(OPENLY, raw)

    assert "From" == page.headers[0][0]


def test_a_long_e_mail_has_several_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_pages, "PAGES", 2)
    mail = a_mail()
    mail.set_content("een regel\n" * 3000)

    found, pages = pages_of(OPENLY, mail.as_bytes())

    assert (3, 2) == (found.total, len(pages))
    assert ((), ()) == (pages[1].headers, pages[1].files)


def test_an_e_mail_that_is_too_large_is_refused() -> None:
    assert ConversionRefusal.TOO_LARGE is refusal_of(OPENLY, a_mail().as_bytes() + bytes(TEXT_BYTES))


# ---- messages of Outlook, web pages, archives


def test_a_message_of_outlook_shows_its_headers_its_text_and_its_files() -> None:
    message = an_outlook_message(
        {
            "0037": "één سؤال",
            "0C1A": "Jörg",
            "5D01": "j@example.org",
            "0E04": "desk\0",
            "1000": "Dag één مرحبا",
        },
        {"bewijs één.pdf": b"%PDF-" * 1000, "klein.txt": b"x"},
        {"__properties_version1.0": a_property_stream(p0039=SENT)},
    )

    found, (page,) = pages_of(OPENLY, message)

    assert (("Python",), "Dag één مرحبا") == (found.programs, page.words)
    assert {
        "From": "Jörg <j@example.org>",
        "To": "desk",
        "Date": "Thu, 01 Jan 2026 21:34:05 +0000",
        "Subject": "één سؤال",
    } == dict(page.headers)
    assert {("bewijs één.pdf", 5000), ("klein.txt", 1)} == set(page.files)


@pytest.mark.parametrize(
    ("streams", "words", "files"),
    [
        ({"__substg1.0_1013001F": "<p>Dag".encode("utf-16-le")}, "Dag", ()),
        ({"__substg1.0_10130102": b"<p>\xe9\xe9n", "__properties_version1.0": LATIN}, "één", ()),
        ({"__substg1.0_1000001E": b"\xcf\xf0", "__properties_version1.0": RUSSIAN}, "Пр", ()),
        ({"__substg1.0_1000001E": b"Dag", "__properties_version1.0": UNKNOWN}, "Dag", ()),
        ({"__substg1.0_10090102": b"rtf"}, "", (("message.rtf", 3),)),
        ({"__attach_version1.0_#00000000/__substg1.0_3701000D/a": b"mail"}, "", (("?", 4),)),
    ],
    ids=["html", "html in bytes", "old encoding", "unknown encoding", "only rtf", "message inside"],
)
def test_a_message_of_outlook_loses_no_text_and_no_file(
    streams: dict[str, bytes], words: str, files: tuple[tuple[str, int], ...]
) -> None:
    _, (page,) = pages_of(OPENLY, an_outlook_message(streams=streams | {"__substg1.0_0037001E": b"x"}))

    assert (words, files, (("Subject", "x"),)) == (page.words, page.files, page.headers)


def test_an_archive_shows_the_names_of_all_its_files_on_several_pages() -> None:
    names = {f"map/{number} één.txt": "x" * number for number in range(450)}

    found, pages = pages_of(OPENLY, a_zip({"map/": "", **names}))

    assert (("Python",), 3) == (found.programs, found.total)
    assert [(name, len(content)) for name, content in names.items()] == [
        file for page in pages for file in page.files
    ]


def test_an_archive_with_too_many_files_says_how_many_pages_it_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_pages, "PAGES", 2)

    found, pages = pages_of(OPENLY, a_zip({str(number): "" for number in range(401)}))

    assert (3, 2) == (found.total, len(pages))


def test_a_web_page_shows_its_words_without_its_markup() -> None:
    html = (
        "<!DOCTYPE html><title>x</title><p>Dag <!-- weg --><b>één</b><img src=//a.b/c><script>bad()</script>"
    )

    found, (page,) = pages_of(OPENLY, html.encode())

    assert (("html.parser",), "Dag één") == (found.programs, page.words)


@pytest.mark.parametrize(
    "head", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\1\0", b"\x1f\x8b\x08\0", b"BZh91AY&SY"]
)
def test_an_archive_that_no_program_reads_is_refused_with_its_own_reason(head: bytes) -> None:
    assert ConversionRefusal.ARCHIVE is refusal_of(OPENLY, head)


# ---- hostile answers of converters


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"From: a\nDate: b\n\n", "not json"),
        (b"From: a\nDate: b\n\n", '{"headers":[["From"]],"text":"","files":[]}'),
        (b"#!AMR\n", "not json"),
        (b"#!AMR\n", '{"streams":[],"format":{"duration":"5"}}'),
        (b"#!AMR\n", '{"streams":[{"codec_type":"audio"}],"format":{"duration":"1e300"}}'),
        (b"#!AMR\n", '{"streams":[{"codec_type":"audio"}],"format":{"duration":"nan"}}'),
        (b"#!AMR\n", '{"streams":[{"codec_type":"audio"}],"format":{"duration":"x"}}'),
        (b"\xff\xd8\xff", "not a picture"),
        (b"\xff\xfe\xff%PDF-", "Pages: none"),
    ],
)
def test_an_impossible_answer_of_a_converter_is_refused(tmp_path: Path, content: bytes, answer: str) -> None:
    (tmp_path / "answer").write_text(answer)
    converter = a_converter(tmp_path, f"echo 'ok 0 {len(answer)}'; /usr/bin/cat {tmp_path}/answer")

    assert ConversionRefusal.FAILED is refusal_of(converter, content)


@pytest.mark.parametrize(
    "content", [b"%PDF-", b"{\\rtf1", b"From: a\nDate: b\n\n", b"#!AMR\n", b"\xff\xd8\xff", b"\xe9"]
)
@pytest.mark.parametrize("answer", ["ok 1", "ok 1 0 0 0"])
def test_a_converter_that_returns_too_little_or_too_much_is_refused(
    tmp_path: Path, content: bytes, answer: str
) -> None:
    assert ConversionRefusal.FAILED is refusal_of(a_converter(tmp_path, f"echo '{answer}'"), content)


def test_a_document_of_which_nothing_could_be_made_is_refused(tmp_path: Path) -> None:
    assert ConversionRefusal.FAILED is refusal_of(a_converter(tmp_path, "echo 'ok 0 0'"), b"{\\rtf1")


def test_a_part_of_a_sample_is_no_sound(tmp_path: Path) -> None:
    probe = '{"streams":[{"codec_type":"audio"}]}'
    converter = a_converter(
        tmp_path,
        "for each; do last=$each; done; case \"$last\" in 300) printf 'ok 0 3\\nabc' ;;"
        f" *) echo 'ok 0 {len(probe)}'; printf '%s' '{probe}' ;; esac",
    )

    assert ConversionRefusal.FAILED is refusal_of(converter, b"#!AMR\n")


def test_a_long_film_has_a_limited_number_of_pages(tmp_path: Path) -> None:
    seconds = SOUND_PAGES * SOUND_SECONDS + SOUND_SECONDS
    probe = (
        '{"streams":[{"codec_type":"audio"},{"codec_type":"video"}],"format":{"duration":"'
        f'{seconds}"}}}}'
    )
    converter = a_converter(tmp_path, f"echo 'ok 0 {len(probe)}'; printf '%s' '{probe}'")

    with file_pages.memory_file(b"\0\0\0\x18ftypisom") as file:
        found = file_pages.convert_file(converter, file)

    assert (STILLS + SOUND_PAGES, STILLS + SOUND_PAGES + 1) == (found.count, found.total)


# ---- the real programs


@pytest.mark.slow
def test_sound_becomes_plain_samples() -> None:
    found, (page,) = pages_of(Converter(), a_wav(2))

    assert (("FFmpeg",), 0) == (found.programs, page.seconds)
    with wave.open(io.BytesIO(page.sound)) as sound:
        assert (1, 2, SOUND_RATE) == (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
        assert abs(sound.getnframes() - 2 * SOUND_RATE) < SOUND_RATE / 10


@pytest.mark.slow
@pytest.mark.parametrize("form", ["mp3", "ogg", "flac", "adts", "ipod", "matroska"])
def test_sound_of_each_form_can_be_heard(tmp_path: Path, form: str) -> None:
    codec = ["-c:a", "libopus"] if form == "ogg" else []
    make = ["-f", "lavfi", "-i", "sine=440:d=2", *codec, "-f", form, str(tmp_path / "made")]
    subprocess.run(["ffmpeg", "-v", "error", *make], check=True)

    _, (page,) = pages_of(Converter(), (tmp_path / "made").read_bytes())

    assert len(page.sound) > SOUND_RATE


@pytest.mark.slow
@pytest.mark.parametrize("form", ["mp4", "mov", "matroska", "avi", "asf", "mpeg", "3gp"])
def test_a_film_of_each_form_is_shown_as_pictures_and_sound(tmp_path: Path, form: str) -> None:
    picture, sound = "testsrc=size=176x144:rate=25:duration=12", "sine=440:d=12"
    codec = ["-c:v", "mpeg4", "-c:a", "aac"] if form == "3gp" else []
    make = [
        "-f",
        "lavfi",
        "-i",
        picture,
        "-f",
        "lavfi",
        "-i",
        sound,
        *codec,
        "-f",
        form,
        str(tmp_path / "made"),
    ]
    subprocess.run(["ffmpeg", "-v", "error", *make], check=True)

    _, pages = pages_of(Converter(), (tmp_path / "made").read_bytes())

    assert [0, 5, 10, 0] == [page.seconds for page in pages]
    assert [True, True, True, False] == [page.picture != b"" for page in pages]
    assert len(pages[3].sound) > SOUND_RATE


@pytest.mark.slow
def test_documents_and_pictures_become_pages() -> None:
    letter, (shown,) = pages_of(Converter(), a_letter())
    pdf, pages = pages_of(Converter(), a_small_pdf(2))
    image, (photo,) = pages_of(Converter(), an_image("JPEG"))

    assert ("Dear adviser", True) == (shown.words, shown.picture.startswith(b"\x89PNG"))
    assert [("LibreOffice", "Poppler"), ("Poppler",), ("Pillow",)] == [
        each.programs for each in (letter, pdf, image)
    ]
    assert 2 == len(pages)
    assert photo.picture.startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_pdf_of_ten_thousand_pages_shows_the_first_and_says_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_pages, "PAGES", 2)

    found, pages = pages_of(Converter(), a_small_pdf(10_000))

    assert (10_000, 2) == (found.total, len(pages))
