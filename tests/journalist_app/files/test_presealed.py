"""Texts and files that the source encrypted before sending, with the real gpg in separate homes."""

import base64
import itertools
import secrets
import shutil
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from crypto import age
from crypto.errors import ForgedError, UnreadableError
from crypto.passphrase import word_lists
from gpg.home import GpgHome
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import FileRefusal
from journalist_app.files import presealed
from journalist_app.files.presealed import (
    BLOCKS_OF_A_TEXT,
    DECRYPTIONS_PER_PAGE,
    SHOWN_CHARS,
    OpenedBlock,
    PieceKind,
    PresealedCache,
    PresealedFileInfo,
    PresealedKind,
    TextPiece,
    UnopenedReason,
    Unsealer,
)
from journalist_app.services import search_mailboxes
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.whole_desk import unlocking
from protocol.content import Content, Kind
from protocol.identifiers import AttachmentId
from protocol.pouch.pouch_file import SERVER, PouchHead, PouchWriter
from protocol.pouch.pouch_items import ChunkItem
from protocol.sealed_record import RecordKind, seal_record, seal_unsent
from store import attachments
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, ASource, World, a_source
from tests.journalist_app.files.sealing import (
    age_armour,
    age_file,
    enarmor,
    gpg_armour,
    gpg_file,
    recipient_of,
)
from tests.journalist_app.files.wrappings import WRAPPINGS, without_end
from tests.journalist_app.opening import opens
from tests.journalist_app.refusals import refuses

DESK = age.PQIdentity(b"d" * 32)
OWN = [DESK.recipient]
STRANGER = age.PQIdentity(b"x" * 32).recipient
TEXT = "Beste adviseur,\n<b>één</b> vraag.\n"
MANY = 10**9


@dataclass(frozen=True, slots=True)
class GPG:
    """GnuPG homes of the desk and of the source, with fingerprints. The source has the desk's public key."""

    desk: GpgHome
    source: GpgHome
    key: str
    own: str


@pytest.fixture(scope="module")
def gpg() -> Iterator[GPG]:
    parent = Path("/dev/shm") / f"steunpunt-test-{secrets.token_hex(6)}"  # noqa: S108  # memory, on purpose
    try:
        with GpgHome.open(parent) as desk, GpgHome.open(parent) as source:
            key = desk.make_key("Steunpunt", TODAY)
            source.import_public(key.public.encode(), key.fingerprint)
            own = source.make_key("Melder", TODAY)
            yield GPG(desk, source, key.fingerprint, own.fingerprint)
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def an_unsealer(
    home: GpgHome | None = None, known: PresealedCache | None = None, at_most: int = MANY
) -> Unsealer:
    return Unsealer([DESK], home, known or PresealedCache(), at_most=at_most)


def only(text: str, home: GpgHome | None = None) -> TextPiece:
    (piece,) = an_unsealer(home).text(text)
    return piece


def in_pieces(content: bytes, size: int = 65_536) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def whole(name: str, content: bytes, unsealer: Unsealer | None = None) -> tuple[PresealedFileInfo, bytes]:
    opened = (unsealer or an_unsealer()).file(name, in_pieces(content))
    return opened.info, b"".join(opened.pieces)


def a_captured_entry(to: age.PQRecipient) -> bytes:
    """Return the age file of another mailbox's message, as an attacker can read it from a captured store."""
    content = Content(kind=Kind.MESSAGE, text="wat een ander schreef")
    return age_file(content.to_bytes(), [to, STRANGER])


# ---- texts


def test_a_text_without_armour_stays_one_piece() -> None:
    for text in ("", TEXT):
        assert TextPiece(PieceKind.PLAIN, text) == only(text)


def test_a_presealed_block_is_decrypted_in_its_place_in_the_text() -> None:
    text = f"Dag!\n\n{age_armour(TEXT.encode(), OWN)}\nEn nog:\n{age_armour(b'twee', OWN)}\n\nGroet"

    assert an_unsealer().text(text) == (
        TextPiece(PieceKind.PLAIN, "Dag!"),
        TextPiece(PieceKind.OPENED, TEXT, number=1),
        TextPiece(PieceKind.PLAIN, "En nog:"),
        TextPiece(PieceKind.OPENED, "twee", number=2),
        TextPiece(PieceKind.PLAIN, "Groet"),
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"\xef\xbb\xbfmet merk\r\n", "met merk\n"),
        ("twee bytes €".encode("utf-16"), "twee bytes €"),
        (b"x" * SHOWN_CHARS, "x" * SHOWN_CHARS),
    ],
    ids=["nothing", "Windows", "UTF-16", "as long as may be"],
)
def test_texts_of_every_editor_are_shown(content: bytes, text: str) -> None:
    assert (PieceKind.OPENED, text) == (
        only(age_armour(content, OWN)).kind,
        only(age_armour(content, OWN)).text,
    )


@pytest.mark.parametrize(
    "content", [b"%PDF-\xff\xfe", b"a\x00b", b"x" * (SHOWN_CHARS + 1), b"\xff\xfea"],
    ids=["no text", "a zero byte", "too long", "half a character"],
)  # fmt: skip
def test_content_that_cannot_be_shown_is_offered_as_a_file(content: bytes) -> None:
    text = f"zie\n{age_armour(content, OWN)}"

    assert an_unsealer().text(text)[1] == TextPiece(PieceKind.FILE, "", number=1, size=len(content))
    (file,) = an_unsealer().pasted(text, 1, 9)
    assert (PresealedKind.OPENED, content) == (file.info.kind, b"".join(file.pieces))


@pytest.mark.parametrize("number", [0, 2])
def test_a_number_without_a_block_gives_no_file(number: int) -> None:
    assert list(an_unsealer().pasted(age_armour(b"x", OWN), number, 1)) == []


def test_a_block_is_opened_by_its_number() -> None:
    text = "\n".join(age_armour(words, OWN) for words in (b"a", b"b", b"c"))

    (file,) = an_unsealer().pasted(text, 2, 1)

    assert (file.info.name, list(file.pieces)) == ("sealed-2.txt", [b"b"])


def test_a_block_that_does_not_open_gives_no_file() -> None:
    (file,) = an_unsealer().pasted(age_armour(b"x", [STRANGER]), 1, 1)

    assert (PresealedKind.UNOPENED, UnopenedReason.OTHER_KEY, []) == (
        file.info.kind,
        file.info.reason,
        list(file.pieces),
    )


def _changed(armour: str) -> str:
    lines = armour.splitlines()
    lines[-2] = lines[-2].swapcase()
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("armour", "reason"),
    [
        (age_armour(b"x", [STRANGER]), UnopenedReason.OTHER_KEY),
        (age_armour(b"x", [age.X25519Identity(b"p" * 32).recipient]), UnopenedReason.OTHER_KEY),
        (_changed(age_armour(b"x" * 100, OWN)), UnopenedReason.DAMAGED),
        (enarmor(age_file(b"x" * 100, OWN)[:-20]), UnopenedReason.DAMAGED),
        (without_end(enarmor(age_file(b"x" * 100, OWN)[:-21])), UnopenedReason.DAMAGED),
        (enarmor(age_file(b"x" * 100, OWN)[:50]), UnopenedReason.DAMAGED),
        (enarmor(b"no age file at all"), UnopenedReason.DAMAGED),
        (enarmor(b"age-encryption.org/v1\n-> mlkem768x25519 A\nAAAA\n--- AAAA\n"), UnopenedReason.DAMAGED),
        (age_armour(b"x", OWN).replace("\n-----END", "\n\nrubbish\n-----END"), UnopenedReason.DAMAGED),
        ("-----BEGIN AGE ENCRYPTED FILE-----\n-----END AGE ENCRYPTED FILE-----", UnopenedReason.DAMAGED),
        ("-----BEGIN PGP MESSAGE-----\n" + "half" * 9, UnopenedReason.NO_OPENPGP),
    ],
    ids=[
        "for a stranger", "X25519", "damaged", "cut off", "cut off without an end", "cut off in the header",
        "no age file", "a malformed stanza", "rubbish at the end", "empty", "half",
    ],
)  # fmt: skip
def test_a_block_that_does_not_open_is_shown_as_it_was_sent(armour: str, reason: UnopenedReason) -> None:
    piece = only(armour)

    assert (PieceKind.UNOPENED, reason, 1) == (piece.kind, piece.reason, piece.number)
    assert piece.text.strip() == armour.strip()


def test_text_after_armour_is_shown_as_text() -> None:
    pieces = an_unsealer().text(age_armour(b"x", OWN) + "rubbish " * 5000)

    assert [(PieceKind.OPENED, "x"), (PieceKind.PLAIN, "rubbish " * 5000)] == [
        (piece.kind, piece.text) for piece in pieces
    ]


def test_a_text_that_was_encrypted_twice_is_decrypted_once() -> None:
    inner = age_armour(b"x", OWN)

    assert TextPiece(PieceKind.OPENED, inner, number=1) == only(age_armour(inner.encode(), OWN))
    assert whole("x.age", age_file(age_file(b"x", OWN)[:40], OWN))[1].startswith(b"age-encryption.org")


def test_thousands_of_blocks_do_not_delay_a_page() -> None:
    known = PresealedCache()
    text = "".join(age_armour(b"%d" % number, OWN) for number in range(DECRYPTIONS_PER_PAGE + 2))

    first = an_unsealer(known=known).text(text)
    second = an_unsealer(known=known).text(text)

    assert [UnopenedReason.LATER] * 2 == [piece.reason for piece in first if piece.kind is PieceKind.UNOPENED]
    assert [str(number) for number in range(DECRYPTIONS_PER_PAGE + 2)] == [piece.text for piece in second]


def test_a_text_full_of_blocks_is_one_short_page_and_hides_nothing() -> None:
    armour = age_armour(b"x", OWN)
    text = armour * (BLOCKS_OF_A_TEXT + 50) + "tot slot"

    *shown, rest = an_unsealer().text(text)

    assert BLOCKS_OF_A_TEXT == len(shown)
    assert (PieceKind.UNOPENED, UnopenedReason.MANY, armour * 50 + "tot slot") == (
        rest.kind,
        rest.reason,
        rest.text.lstrip("\n"),
    )


def test_many_long_texts_do_not_delay_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 9)
    monkeypatch.setattr(presealed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    late = ("woorden " * 20_000 + age_armour(b"x", OWN)).encode()
    known, unsealer = PresealedCache(), an_unsealer()
    unsealer.inspect(b"a", "a.txt", lambda: [b"tekst"])
    for number in range(3):
        unsealer.inspect(b"%d" % number, "b.txt", lambda: [b"tekst"])

    now = unsealer.inspect(b"late", "laat.txt", lambda: in_pieces(late))
    next_page = an_unsealer(known=known).inspect(b"late", "laat.txt", lambda: in_pieces(late))

    assert [PresealedKind.NOT_SEALED, PresealedKind.OPENED] == [now.kind, next_page.kind]


def test_decryptions_that_take_long_leave_the_others_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: a mailbox full of bombs, each of which gpg opens just before its limit of ten seconds."""
    clock = itertools.count(0, 9)
    monkeypatch.setattr(presealed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    text = "".join(age_armour(b"%d" % number, OWN) for number in range(6))
    files = [age_file(b"%d" % number, OWN) for number in range(6)]
    known, unsealer = PresealedCache(), an_unsealer()

    pages = [[piece.reason for piece in an_unsealer(known=known).text(text)] for _ in range(2)]
    looks = [unsealer.inspect(file, "a", lambda: [files[0]]).reason for file in files]
    downloads = [file.info.reason for file in an_unsealer().pasted(text, 1, 6)]

    late = UnopenedReason.LATER
    assert [[None] * 2 + [late] * 4, [None] * 4 + [late] * 2] == pages  # the search of the text counts too
    assert [None] + [late] * 5 == looks  # here the clock is read more often
    assert [None] * 2 + [late] * 4 == downloads


def test_searching_texts_for_blocks_is_time_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: 300 messages of 50,000 characters, each slow to search, and none with a block."""
    clock = itertools.count(0, 9)
    monkeypatch.setattr(presealed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    unsealer = an_unsealer()
    for _ in range(3):
        unsealer.text("no block")

    (piece,) = unsealer.text(age_armour(b"x", OWN))

    assert UnopenedReason.LATER is piece.reason


def test_a_file_that_another_request_searches_is_not_read_again() -> None:
    """Attack: a text that is slow to search. Each reload of the page would occupy one more thread."""
    known = PresealedCache()

    with known.turn(b"file"):
        info = an_unsealer(known=known).inspect(b"file", "a.txt", lambda: pytest.fail("read"))

    assert UnopenedReason.LATER is info.reason


def block(text: str) -> OpenedBlock:
    return (TextPiece(PieceKind.OPENED, text),)


def test_the_cache_has_a_limit() -> None:
    known = PresealedCache(most=2, most_chars=10)
    for number in range(5):
        known.keep(b"%d" % number, block("x"))
    assert [False, True] == [known.get(name, tuple) is not None for name in (b"0", b"4")]

    known.keep(b"long", block("x" * 10))

    assert [False, True] == [known.get(name, tuple) is not None for name in (b"4", b"long")]


def test_no_repr_shows_a_decrypted_text() -> None:
    known = PresealedCache()
    known.keep(b"a", block("geheim"))

    assert "geheim" not in repr(
        [
            known,
            an_unsealer(known=known),
            known.get(b"a", tuple),
            PresealedFileInfo(PresealedKind.OPENED, "geheim"),
        ]
    )


# ---- captured ciphertext


def _captured(world: World) -> list[bytes]:
    record = seal_record(
        RecordKind.CASEFILE, b"a" * 20, b"notes", keyring=world.keyring, letterhead=world.letterhead
    )
    return [
        a_captured_entry(recipient_of(world)),
        record,
        seal_unsent(b"typed", world.letterhead),
        _a_pouch(world, 10),
        _a_pouch(world, 500_000),
    ]


def _a_pouch(world: World, size: int) -> bytes:
    """Return a pouch that the server encrypted to a workstation."""
    head = PouchHead(
        desk=world.keyring.fingerprint,
        sender=SERVER,
        receiver=world.keyring.strand.id,
        serial=1,
        after=0,
        taken=0,
        day=TODAY,
    )
    packer = PouchWriter(head, recipient_of(world), bytes(32))
    item = ChunkItem(
        address=bytes(20), attachment_id=bytes(16), number=0, is_last=True, ciphertext=bytes(size)
    )
    return b"".join([packer.header, packer.add(item), *packer.finish()])


def test_captured_ciphertext_of_the_store_is_not_decrypted_as_presealed(world: World) -> None:
    unsealer = Unsealer(world.keyring.identities, None, PresealedCache(), at_most=MANY)
    for captured in _captured(world):
        entry_header, entry_payload = age.split_file(captured)
        assert age.decrypt(entry_header, entry_payload, world.keyring.identities)

        (piece,) = unsealer.text(enarmor(captured))
        look, content = whole("bewijs.pdf", captured, unsealer)

        assert [UnopenedReason.SEVERAL] * 2 == [piece.reason, look.reason]
        assert content == b""


def test_a_captured_file_of_another_mailbox_is_not_decrypted_in_a_proposal(world: World) -> None:
    victim, thief = a_source(world), a_source(world)
    victim.writes("zie bijlage", file=("bewijs.pdf", b"what the victim sent"))
    with world.store.reading() as session:
        (header,) = (
            session.connection()
            .exec_driver_sql(
                "SELECT header FROM sealed WHERE header IS NOT NULL AND id IN (SELECT id FROM attachment)"
            )
            .one()
        )
        (attachment_id,) = session.connection().exec_driver_sql("SELECT attachment_id FROM attachment").one()
    captured = header + b"".join(attachments.read_chunks(world.store, victim.keys.address, attachment_id))
    thief.writes("zie bijlage", file=("foto.age", captured))
    desk = unlocked(world)

    with refuses(FileRefusal.SEALED):
        file_downloads.open_download(desk, thief.keys.address, the_file(desk, thief), is_unsealed=True)


# ---- files


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 300_000])
@pytest.mark.parametrize("armoured", ["", "armoured"])
def test_a_presealed_file_opens_under_any_name(size: int, armoured: str) -> None:
    content = secrets.token_bytes(size)
    sealed = age_armour(content, OWN).encode() if armoured else age_file(content, OWN)
    for mark in (b"", b"\xef\xbb\xbf \r\n") if armoured else (b"",):
        look, opened = whole("vakantie.jpg", mark + sealed)

        assert (PresealedFileInfo(PresealedKind.OPENED, "vakantie.jpg"), content) == (look, opened)


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("photo.jpg.age", "photo.jpg"),
        ("photo.AGE", "photo.pdf"),
        ("letter.gpg", "letter.pdf"),
        ("letter.asc", "letter.pdf"),
        (".age", ".age.pdf"),
        ("age", "age.pdf"),
    ],
)
def test_a_decrypted_file_has_the_name_of_the_original(name: str, opened: str) -> None:
    look, _ = whole(name, age_file(b"%PDF-1.7", OWN))

    assert opened == look.name


@pytest.mark.parametrize(
    "content",
    [
        b"", b"age", b"\xff\xd8\xff\xe0 photo", b"\x89PNG", b"PK\x03\x04", b"%PDF-1.7", "Één vraag".encode(),
        b"\x84\x00", b"\x85\x01\x0c\x04", b"\xc1\x5e\x05", b"-----BEGIN PGP PUBLIC KEY BLOCK-----",
    ],
)  # fmt: skip
def test_a_file_that_was_not_presealed_is_unchanged(content: bytes) -> None:
    assert (PresealedFileInfo(PresealedKind.NOT_SEALED, "a.age"), content) == whole("a.age", content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (age_file(b"x", [STRANGER]), UnopenedReason.OTHER_KEY),
        (age_file(b"x", OWN)[:-1], UnopenedReason.DAMAGED),
        (age_file(b"x", OWN)[:100], UnopenedReason.DAMAGED),
        (age_file(b"x", OWN) + b"x", UnopenedReason.DAMAGED),
        (b"age-encryption.org/v2\n", UnopenedReason.DAMAGED),
        (age_armour(b"x", OWN).encode()[:-50], UnopenedReason.DAMAGED),
        (b"-----BEGIN AGE ENCRYPTED FILE-----", UnopenedReason.DAMAGED),
        (age_file(bytes(300_000), OWN)[:150_000], UnopenedReason.DAMAGED),
        (enarmor(age_file(bytes(300_000), OWN)).encode()[:200_000], UnopenedReason.DAMAGED),
        (enarmor(age_file(bytes(400_000), OWN)).encode()[:500_000], UnopenedReason.DAMAGED),
    ],
    ids=[
        "for a stranger", "cut off", "cut off in the header", "something behind it", "another version",
        "armour cut off", "a first line alone", "cut in half", "armour cut in half", "long armour cut off",
    ],
)  # fmt: skip
def test_a_presealed_file_that_is_not_whole_is_never_listed_as_opened(
    content: bytes, reason: UnopenedReason
) -> None:
    look = an_unsealer().inspect(b"id", "a.age", lambda: in_pieces(content))

    assert look == PresealedFileInfo(PresealedKind.UNOPENED, "a.age", reason=reason)


def test_an_openpgp_file_that_is_not_whole_is_never_listed_as_opened(gpg: GPG) -> None:
    content = secrets.token_bytes(300_000)
    sealed = gpg_file(gpg.source, gpg.key, content)
    armour = gpg_file(gpg.source, gpg.key, content, "-a")
    for whole_file in (sealed, armour):
        looks = [
            an_unsealer(gpg.desk).inspect(
                b"id", "a.gpg", lambda cut=cut, file=whole_file: in_pieces(file[:cut])
            )
            for cut in (60, 1000, len(whole_file) // 2, len(whole_file) - 90, len(whole_file))
        ]

        assert [UnopenedReason.DAMAGED] * 4 + [None] == [look.reason for look in looks]
        assert [PresealedKind.UNOPENED] * 4 + [PresealedKind.OPENED] == [look.kind for look in looks]


def test_a_file_that_takes_too_long_is_listed_as_not_checked_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count(0, 3)
    monkeypatch.setattr(presealed, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    sealed = age_file(bytes(1_000_000), OWN)[:-1]

    look = an_unsealer().inspect(b"id", "a.jpg.age", lambda: in_pieces(sealed))

    assert look == PresealedFileInfo(PresealedKind.OPENED, "a.jpg", is_whole=False)


@pytest.mark.parametrize("name", WRAPPINGS)
def test_an_age_text_opens_in_every_wrapping(name: str) -> None:
    wrapped = WRAPPINGS[name](age_armour(TEXT.encode(), OWN))

    pieces = an_unsealer().text(wrapped)
    look = an_unsealer().inspect(b"id", "bericht.txt", lambda: [wrapped.encode("utf-16")])

    assert [TEXT] == [piece.text for piece in pieces if piece.kind is not PieceKind.PLAIN]
    assert (PresealedKind.OPENED, "bericht.txt") == (look.kind, look.name)


def test_openpgp_opens_in_every_wrapping(gpg: GPG) -> None:
    armour = gpg_armour(gpg.source, gpg.key, TEXT.encode())
    for name, wrap in WRAPPINGS.items():
        pieces = an_unsealer(gpg.desk).text(wrap(armour))
        look, content = whole("bericht.txt", wrap(armour).encode(), an_unsealer(gpg.desk))

        assert (name, [TEXT]) == (name, [each.text for each in pieces if each.kind is not PieceKind.PLAIN])
        assert (name, PresealedKind.OPENED, TEXT.encode()) == (name, look.kind, content)


def test_an_armoured_file_longer_than_a_text_may_be_is_opened() -> None:
    content = secrets.token_bytes(SHOWN_CHARS * 10)
    wrapped = WRAPPINGS["words around"](WRAPPINGS["quoted"](age_armour(content, OWN)))

    look = an_unsealer().inspect(b"id", "foto.txt", lambda: in_pieces(wrapped.encode()))
    _, opened = whole("foto.txt", wrapped.encode())

    assert (PresealedFileInfo(PresealedKind.OPENED, "foto", has_rest=True), content) == (look, opened)


def test_quote_marks_and_fences_around_a_block_are_not_shown() -> None:
    armour = age_armour(b"x", OWN)

    assert ["x"] == [piece.text for piece in an_unsealer().text(f"> ```\n{armour}> ```\n")]


# ---- e-mail messages


MAIL = (
    b"Content-Type: multipart/mixed; boundary=b\nSubject: =?utf-8?q?Mijn_vraag_=C3=A9?=\n\n"
    b"--b\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
    b"Wat is er =E9\n--b\nContent-Type: image/png; name=x\nContent-Transfer-Encoding: base64\n"
    b"Content-Disposition: attachment; filename=foto.png\n\niVBORw==\n--b--\n"
)


def test_a_mail_that_was_encrypted_is_shown_as_a_text_with_files(gpg: GPG) -> None:
    armour = gpg_armour(gpg.source, gpg.key, MAIL)

    assert an_unsealer(gpg.desk).text(armour) == (
        TextPiece(PieceKind.OPENED, "Mijn vraag é", number=1),
        TextPiece(PieceKind.OPENED, "Wat is er é", number=1, part=1),
        TextPiece(PieceKind.FILE, "", number=1, part=2, name="foto.png", size=4),
        TextPiece(PieceKind.FILE, "", number=1, part=3, name="message.eml", size=len(MAIL)),
    )


def test_a_mail_file_that_was_encrypted_is_offered_as_a_mail(gpg: GPG) -> None:
    for name in ("encrypted.asc", "bericht.eml"):
        sealed = WRAPPINGS["a mail"](gpg_armour(gpg.source, gpg.key, MAIL)).encode()
        look = an_unsealer(gpg.desk).inspect(b"id", name, lambda sealed=sealed: [sealed])

        assert (PresealedKind.OPENED, name.split(".")[0] + ".eml", True) == (
            look.kind,
            look.name,
            look.has_rest,
        )


def test_the_words_of_a_mailbox_are_found_in_an_encoded_mail() -> None:
    words = "-".join(word_lists()["nl"][:6])
    mail = b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(
        words.encode()
    )

    pieces = an_unsealer().text(age_armour(mail, OWN))

    assert [{words}] * 2 == [piece.words for piece in pieces]
    assert {words} == an_unsealer().inspect(b"id", "a.age", lambda: [age_file(mail, OWN)]).words


@pytest.mark.parametrize("armoured", ["", "armoured"])
def test_a_file_damaged_halfway_breaks_off_before_its_end(armoured: str) -> None:
    sealed = bytearray(age_file(bytes(300_000), OWN))
    sealed[200_000] ^= 1
    opened = an_unsealer().file(
        "a.age", in_pieces(enarmor(bytes(sealed)).encode() if armoured else bytes(sealed))
    )
    assert opened.info.kind is PresealedKind.OPENED

    got = b""
    with pytest.raises(UnreadableError):  # noqa: PT012  # the pieces before the error count
        for piece in opened.pieces:
            got += piece

    assert 0 < len(got) < 300_000


def test_armour_damaged_halfway_breaks_off_too() -> None:
    armour = bytearray(age_armour(bytes(300_000), OWN).encode())
    armour[300_000] = ord("*")
    opened = an_unsealer().file("a.age", in_pieces(bytes(armour)))

    with pytest.raises(UnreadableError):
        list(opened.pieces)


@pytest.mark.parametrize("armoured", ["", "armoured"])
def test_a_large_file_takes_no_memory(armoured: str) -> None:
    writer = age.AgeWriter(OWN)
    rest = [writer.update(bytes(2**20)) for _ in range(8)]
    sealed = writer.header + b"".join(rest) + writer.finish()
    content = enarmor(sealed).encode() if armoured else sealed
    tracemalloc.start()
    try:
        size = sum(map(len, an_unsealer().file("a.age", in_pieces(content)).pieces))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == 8 * 2**20
    assert peak < 3_000_000


def test_damage_in_the_store_is_not_blamed_on_the_source() -> None:
    def broken() -> Iterator[bytes]:
        yield age_file(bytes(300_000), OWN)[:50_000]
        raise ForgedError

    with pytest.raises(ForgedError):
        an_unsealer().file("a.age", broken())


def test_a_file_is_inspected_once_and_a_page_has_a_limit() -> None:
    known = PresealedCache()
    unsealer = an_unsealer(known=known)
    sealed = age_file(b"x", OWN)
    asked: list[int] = []

    def pieces(number: int) -> Iterator[bytes]:
        asked.append(number)
        return iter([sealed])

    looks = [
        unsealer.inspect(b"%d" % number, "a.age", lambda n=number: pieces(n))
        for number in range(DECRYPTIONS_PER_PAGE + 1)
    ]
    plain = unsealer.inspect(b"plain", "a.txt", lambda: [b"plain"])
    again = an_unsealer(known=known).inspect(b"%d" % DECRYPTIONS_PER_PAGE, "a.age", lambda: pieces(-1))
    an_unsealer(known=known).inspect(b"0", "a.age", lambda: pieces(-2))

    assert [PresealedKind.OPENED] * DECRYPTIONS_PER_PAGE + [PresealedKind.UNOPENED] == [
        look.kind for look in looks
    ]
    assert [UnopenedReason.LATER, None, None] == [looks[-1].reason, plain.reason, again.reason]
    assert [*range(DECRYPTIONS_PER_PAGE + 1), -1] == asked


# ---- OpenPGP


def test_a_message_for_the_desks_openpgp_key_is_opened(gpg: GPG) -> None:
    piece = only(gpg_armour(gpg.source, gpg.key, TEXT.encode()), gpg.desk)

    assert TextPiece(PieceKind.OPENED, TEXT, number=1) == piece


def test_the_signature_of_a_stranger_is_shown_as_not_checked(gpg: GPG) -> None:
    piece = only(gpg_armour(gpg.source, gpg.key, b"x", "-s", "-u", gpg.own), gpg.desk)

    assert TextPiece(PieceKind.OPENED, "x", number=1, is_signed=True) == piece


def test_a_desk_without_openpgp_says_so(gpg: GPG) -> None:
    armour = gpg_armour(gpg.source, gpg.key, b"x")

    assert UnopenedReason.NO_OPENPGP is only(armour).reason
    assert (
        PresealedFileInfo(PresealedKind.UNOPENED, "a.asc", is_openpgp=True, reason=UnopenedReason.NO_OPENPGP)
        == whole("a.asc", armour.encode())[0]
    )


def test_openpgp_for_another_reader_or_damaged_does_not_open(gpg: GPG) -> None:
    for_somebody = gpg_armour(gpg.source, gpg.own, b"x")
    by_password = gpg_armour(gpg.source, gpg.own, b"x", "-c", "--passphrase", "x", "--pinentry-mode=loopback")
    damaged = gpg_armour(gpg.source, gpg.key, b"x" * 100).replace("\n=", "\nAAAA\n=")
    empty = "-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----"

    for armour, reason in (
        (for_somebody, UnopenedReason.OTHER_KEY),
        (by_password, UnopenedReason.OTHER_KEY),
        (damaged, UnopenedReason.DAMAGED),
        (empty, UnopenedReason.DAMAGED),
    ):
        piece = only(armour, gpg.desk)
        assert (PieceKind.UNOPENED, reason) == (piece.kind, piece.reason)
        look, content = whole("a.asc", armour.encode(), an_unsealer(gpg.desk))
        assert (PresealedKind.UNOPENED, reason, b"") == (look.kind, look.reason, content)


@pytest.mark.parametrize("options", [(), ("-a",), ("-s",), ("--hidden-recipient",)])
def test_a_file_for_the_desks_openpgp_key_is_opened(gpg: GPG, options: tuple[str, ...]) -> None:
    content = secrets.token_bytes(300_000)
    more = ("--throw-keyids",) if options == ("--hidden-recipient",) else options
    sealed = gpg_file(gpg.source, gpg.key, content, *more, "-u", gpg.own)

    look, opened = whole("photo.gpg", sealed, an_unsealer(gpg.desk))

    assert (PresealedFileInfo(PresealedKind.OPENED, "photo", is_openpgp=True), content) == (look, opened)


def test_a_file_encrypted_with_a_password_is_detected_and_does_not_open(gpg: GPG) -> None:
    sealed = gpg_file(gpg.source, gpg.own, b"x", "-c", "--passphrase", "x", "--pinentry-mode=loopback")

    look, _ = whole("photo.gpg", sealed, an_unsealer(gpg.desk))

    assert (PresealedKind.UNOPENED, UnopenedReason.OTHER_KEY) == (look.kind, look.reason)


def test_an_openpgp_file_damaged_halfway_breaks_off(gpg: GPG) -> None:
    sealed = bytearray(gpg_file(gpg.source, gpg.key, secrets.token_bytes(2_000_000)))
    sealed[1_500_000] ^= 1
    opened = an_unsealer(gpg.desk).file("a.gpg", in_pieces(bytes(sealed)))
    assert opened.info.kind is PresealedKind.OPENED

    got = b""
    with pytest.raises(UnreadableError):  # noqa: PT012  # the pieces before the error count
        for piece in opened.pieces:
            got += piece

    assert len(got) < 2_000_000


def test_a_bomb_breaks_off_at_the_limit(gpg: GPG) -> None:
    bomb = gpg_file(gpg.source, gpg.key, bytes(20_000_000), "--compress-level=9")
    assert len(bomb) < 100_000
    opened = an_unsealer(gpg.desk, at_most=1_000_000).file("a.gpg", in_pieces(bomb))

    got = 0
    with pytest.raises(UnreadableError):  # noqa: PT012  # the pieces before the error count
        for piece in opened.pieces:
            got += len(piece)

    assert got <= 1_000_000


def test_a_bomb_in_a_text_is_not_opened(gpg: GPG) -> None:
    bomb = gpg_armour(gpg.source, gpg.key, bytes(20_000_000), "--compress-level=9")

    assert UnopenedReason.DAMAGED is only(bomb, gpg.desk).reason


# ---- in a mailbox


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def the_file(desk: OpenDesk, source: ASource) -> AttachmentId:
    (file,) = opens(desk, source.keys.address, today=TODAY).entries[0].files
    return AttachmentId(bytes.fromhex(file.attachment_id))


def test_the_adviser_reads_a_presealed_text_and_gets_both_files(world: World) -> None:
    source = a_source(world)
    sealed = age_file(b"%PDF-1.7", [recipient_of(world)])
    source.writes(f"Dag\n{age_armour(b'geheim', [recipient_of(world)])}", file=("bewijs.age", sealed))
    desk = unlocked(world)

    (shown,) = opens(desk, source.keys.address, today=TODAY).entries
    opened = file_downloads.open_download(desk, source.keys.address, the_file(desk, source), is_unsealed=True)
    as_sent = file_downloads.open_download(desk, source.keys.address, the_file(desk, source))

    assert [(PieceKind.PLAIN, "Dag"), (PieceKind.OPENED, "geheim")] == [
        (piece.kind, piece.text) for piece, _ in shown.pieces
    ]
    assert shown.files[0].sealed == PresealedFileInfo(PresealedKind.OPENED, "bewijs.pdf")
    assert ("bewijs.pdf", None, b"%PDF-1.7") == (opened.name, opened.size, b"".join(opened.pieces))
    assert ("bewijs.age", len(sealed), sealed) == (as_sent.name, as_sent.size, b"".join(as_sent.pieces))


def test_a_file_that_was_not_presealed_is_offered_as_it_is(world: World) -> None:
    source = a_source(world)
    source.writes("zie bijlage", file=("a.pdf", b"%PDF"))
    desk = unlocked(world)

    out = file_downloads.open_download(desk, source.keys.address, the_file(desk, source), is_unsealed=True)

    assert ("a.pdf", 4, b"%PDF") == (out.name, out.size, b"".join(out.pieces))
    assert opens(desk, source.keys.address, today=TODAY).entries[0].files[0].sealed is None


def test_an_armoured_text_of_the_desk_is_not_decrypted(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    armour = age_armour(b"geheim", [recipient_of(world)])
    answered = source.is_answered(armour)
    desk = unlocked(world)

    (_, shown) = opens(desk, source.keys.address, today=TODAY).entries
    assert [TextPiece(PieceKind.PLAIN, armour)] == [piece for piece, _ in shown.pieces]
    with refuses(FileRefusal.MISSING):
        file_downloads.open_pasted(desk, source.keys.address, answered.envelope.entry_id, 1)


def test_a_text_file_that_quotes_a_block_for_someone_else_stays_a_text(world: World) -> None:
    source = a_source(world)
    text = f"Dit schreef zij:\n{age_armour(b'x', [STRANGER])}Groeten".encode()
    source.writes("zie bijlage", file=("gesprek.txt", text))
    desk = unlocked(world)

    (shown,) = opens(desk, source.keys.address, today=TODAY).entries
    out = file_downloads.open_download(desk, source.keys.address, the_file(desk, source), is_unsealed=True)

    sealed = shown.files[0].sealed
    assert sealed is not None
    assert (UnopenedReason.OTHER_KEY, True) == (sealed.reason, sealed.has_rest)
    assert ("gesprek.txt", text) == (out.name, b"".join(out.pieces))


def test_a_pasted_block_is_offered_as_a_file(world: World) -> None:
    source = a_source(world)
    armour = age_armour(b"%PDF-\xff", [recipient_of(world)])
    other = age_armour(b"x", [STRANGER])
    source.writes("eerst")
    wrote = source.writes(f"{armour}\n{other}").envelope.entry_id
    desk = unlocked(world)

    out = file_downloads.open_pasted(desk, source.keys.address, wrote, 1)
    with refuses(FileRefusal.SEALED):
        file_downloads.open_pasted(desk, source.keys.address, wrote, 2)
    with refuses(FileRefusal.MISSING):
        file_downloads.open_pasted(desk, source.keys.address, wrote, 3)

    assert ("sealed-1.pdf", b"%PDF-\xff") == (out.name, b"".join(out.pieces))


def test_a_presealed_file_that_was_changed_in_the_store_is_not_blamed_on_its_source(world: World) -> None:
    source = a_source(world)
    source.writes("zie bijlage", file=("a.age", age_file(bytes(400_000), [recipient_of(world)])))
    desk = unlocked(world)
    world.execute(
        "UPDATE sealed"
        " SET payload = CAST(substr(payload, 1, 10) || zeroblob(16) || substr(payload, 27) AS BLOB)"
        " WHERE id IN (SELECT id FROM chunk)"
    )

    shown = opens(desk, source.keys.address, today=TODAY).entries[0].files[0]

    assert shown.sealed is None
    with pytest.raises(ForgedError):
        file_downloads.open_download(desk, source.keys.address, the_file(desk, source), is_unsealed=True)


def test_search_finds_texts_that_were_encrypted_with_age(world: World) -> None:
    source = a_source(world)
    source.writes(age_armour(b"Paardenbloem", [recipient_of(world)]))
    source.writes(age_armour(b"Distel", [STRANGER]))
    desk = unlocked(world)
    desk_readers.begin(desk)
    try:
        assert desk_readers.wait_until_whole(desk.index).is_whole
        found = [search_mailboxes.search(desk, word, 1) for word in ("paardenbloem", "distel")]
    finally:
        desk.stop()

    assert [1, 0] == [len(each.hits) for each in found]
    assert "Paardenbloem" in found[0].hits[0].snippet
