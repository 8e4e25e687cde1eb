"""An adviser who wants to pass on a photo and a picture, as a program: HOST PORT PASSPHRASE FINGERPRINT."""

import io
import sys
import time

from PIL import ExifTags, Image

from bench.forms import form_to
from tests.pages import hooks
from tests.proofs.http_clients import AdviserClient, multipart

_PHOTO, _PICTURE = (8_000, 6_000), (2_000, 1_500)  # pixels; telephones take photos of this size


def main(host: str, port: int, passphrase: str, fingerprint: str) -> None:
    """Unlock the desk, and wait until the preview of a proposal offers a cleaned copy of both files."""
    files = {
        "photo.jpg": _photo(),
        "picture.gif": _picture(),
    }  # before the connection, which does not wait long
    with AdviserClient(host, port) as adviser:
        adviser.unlock(passphrase)
        path = f"{adviser.mailboxes('answered')[0]}/propose"
        form = form_to(adviser.read(path), path, ending="/propose")
        words = {**form.hidden, "fingerprint": fingerprint, "text": "a photo and a picture"}
        shown = adviser.browser.post(form.action, *multipart(words, files))
        while again := shown.headers.get("refresh"):
            time.sleep(0.2)
            shown = adviser.read(again.partition("url=")[2])
    assert hooks(shown.body.decode(), "remark") == ["cleaned", "cleaned"], shown.body.decode()


def _photo() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "A source"
    return _saved(Image.radial_gradient("L").resize(_PHOTO).convert("RGB"), "JPEG", exif=exif)


def _picture() -> bytes:
    return _saved(Image.radial_gradient("L").resize(_PICTURE), "GIF", comment=b"A source")


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, form, **options)
    return raw.getvalue()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
