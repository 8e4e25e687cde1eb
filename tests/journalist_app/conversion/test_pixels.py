"""PNG files of plain pixels: only what one exact picture contains reaches the browser."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from journalist_app.conversion.pixels import Picture, read_ppm
from journalist_app.errors import ConversionRefusedError


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    width, height = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    size = 3 * width * height
    return Picture(width, height, draw(st.binary(min_size=size, max_size=size)))


@given(pictures())
def test_a_png_file_has_exactly_the_pixels_of_its_picture(picture: Picture) -> None:
    with Image.open(BytesIO(picture.png())) as image:
        assert ("PNG", "RGB") == (image.format, image.mode)
        assert picture == Picture(*image.size, image.tobytes())


@given(pictures())
def test_a_ppm_file_has_exactly_one_picture(picture: Picture) -> None:
    raw = b"P6\n%d %d\n255\n" % (picture.width, picture.height) + picture.pixels

    assert picture == read_ppm(raw)
    for changed in (raw + b"\0", raw[:-1], b"P5" + raw[2:]):
        with pytest.raises(ConversionRefusedError):
            read_ppm(changed)


@given(st.binary())
def test_other_bytes_are_refused(raw: bytes) -> None:
    for each in (raw, b"P6\n0 0\n255\n", b"P6\n99999 99999\n255\n" + raw, b"P6\n1 1\n65535\n" + raw):
        with pytest.raises(ConversionRefusedError):
            read_ppm(each)
