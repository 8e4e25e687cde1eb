"""Photos and other pictures, decoded by the real Pillow and libheif."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from journalist_app.conversion.conversion_limits import PICTURES
from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.picture_files import DecodedPictures, decode_file
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from tests.journalist_app.conversion.files_to_convert import an_image

pytestmark = pytest.mark.slow
RED, BLUE = (255, 0, 0), (0, 0, 255)


def decoded(content: bytes, ending: str = "", side: int = 1_000) -> DecodedPictures:
    with memory_file(content) as file:
        return decode_file(Converter(), file, ending, side=side)


@pytest.mark.parametrize("form", ["PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_pictures_of_each_form_become_pixels(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}

    (picture,) = decoded(an_image(form, **options)).pictures

    assert (48, 32) == (picture.width, picture.height)
    assert [RED, BLUE] == [tuple(picture.pixels[at : at + 3]) for at in (0, len(picture.pixels) - 3)]


@pytest.mark.parametrize(("orientation", "size"), [(3, (48, 32)), (6, (32, 48)), (8, (32, 48))])
def test_a_photo_is_turned_as_its_camera_says(orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    (picture,) = decoded(an_image("JPEG", exif=exif, quality=100)).pictures

    assert size == (picture.width, picture.height)
    is_red = picture.pixels[0] > picture.pixels[2]
    assert (orientation == 6) == is_red


def test_a_picture_is_made_smaller_and_transparency_becomes_white() -> None:
    made = BytesIO()
    Image.new("RGBA", (400, 100), (0, 0, 0, 0)).save(made, "PNG")

    (picture,) = decoded(made.getvalue(), side=200).pictures

    assert (200, 50, {0xFF}) == (picture.width, picture.height, set(picture.pixels))


def test_a_picture_with_sixteen_bits_for_each_pixel_is_not_white() -> None:
    made = BytesIO()
    Image.new("I;16", (4, 4), 0x4000).save(made, "PNG")

    (picture,) = decoded(made.getvalue()).pictures

    assert {0x40} == set(picture.pixels)


def test_the_pages_of_a_fax_are_counted_and_the_first_are_shown() -> None:
    made = BytesIO()
    pages = [Image.new("1", (8, 8), number % 2) for number in range(PICTURES + 3)]
    pages[0].save(made, "TIFF", save_all=True, append_images=pages[1:])

    found = decoded(made.getvalue())

    assert (PICTURES, PICTURES + 3) == (len(found.pictures), found.total)
    assert [0, 0xFF] == [each.pixels[0] for each in found.pictures[:2]]


@pytest.mark.parametrize("side", [50_000, 14_200])
def test_a_picture_that_unpacks_to_gigabytes_is_refused(side: int) -> None:
    bomb = a_png_of(side)

    with pytest.raises(ConversionRefusedError) as refused:
        decoded(bomb)

    assert ConversionRefusal.PIXELS is refused.value.reason


def test_a_later_picture_that_unpacks_to_gigabytes_is_refused() -> None:
    made = BytesIO()
    pages = [Image.new("1", (8, 8)), Image.new("1", (20_000, 20_000))]
    pages[0].save(made, "TIFF", save_all=True, append_images=pages[1:], compression="group4")

    with pytest.raises(ConversionRefusedError) as refused:
        decoded(made.getvalue())

    assert ConversionRefusal.PIXELS is refused.value.reason


def a_png_of(side: int) -> bytes:
    """Make a black picture in which each pixel has one bit, without the memory for its pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    squeezed = zlib.compressobj()
    rows = b"".join(squeezed.compress(bytes(1 + side // 8)) for _ in range(side)) + squeezed.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("ending", [".jpg", ".heic"])
def test_a_damaged_picture_is_refused(ending: str) -> None:
    with pytest.raises(ConversionRefusedError) as refused:
        decoded(an_image("JPEG")[:100], ending)

    assert ConversionRefusal.FAILED is refused.value.reason
