"""Comparison of a copy with its original: every planted difference is found, and noise is not a"
" difference."""

import random
from dataclasses import replace

import pytest

from journalist_app.cleaning.same_content import Difference, ShownContent, find_difference, is_same_picture
from journalist_app.conversion.pixels import Picture


def a_picture(width: int = 42, height: int = 30, seed: int = 1) -> Picture:
    """Make a picture of coloured stripes, with 42 by 30 pixels."""
    colours = random.Random(seed)
    rows = [bytes(colours.choices(range(30, 225), k=3)) * width for _ in range(height)]
    return Picture(width, height, b"".join(rows))


def changed(picture: Picture, column: int, row: int, side: int, by: int) -> Picture:
    """Return a picture in which a square is darker or lighter."""
    pixels = bytearray(picture.pixels)
    for y in range(row, row + side):
        for at in range(3 * (y * picture.width + column), 3 * (y * picture.width + column + side)):
            pixels[at] = max(0, min(255, pixels[at] + by))
    return replace(picture, pixels=bytes(pixels))


ORIGINAL = ShownContent(
    pictures=(a_picture(), a_picture(seed=2)),
    total=2,
    words=("1. eerste stap\n2. tweede stap", "slot"),
    cells=b"Blad.csv\neen,twee\n",
    sound=b"0,a,SHA256=00",
)


ONE_PAGE = replace(ORIGINAL, total=1, pictures=ORIGINAL.pictures[:1], words=ORIGINAL.words[:1])


def test_the_same_content_has_no_difference_and_spaces_make_none() -> None:
    spaced = replace(ORIGINAL, words=("1.  eerste\nstap\n2. tweede stap\n", " slot"))

    assert find_difference(ORIGINAL, ORIGINAL) is None
    assert find_difference(ORIGINAL, spaced) is None


@pytest.mark.parametrize(
    ("copy", "difference"),
    [
        (
            replace(ORIGINAL, total=1, pictures=ORIGINAL.pictures[:1], words=ORIGINAL.words[:1]),
            Difference.PAGES,
        ),
        (replace(ORIGINAL, total=3), Difference.PAGES),
        (replace(ORIGINAL, pictures=ORIGINAL.pictures[:1]), Difference.PAGES),
        (ShownContent(), Difference.PAGES),
        (replace(ORIGINAL, words=("eerste stap\ntweede stap", "slot")), Difference.WORDS),
        (replace(ORIGINAL, words=("2. tweede stap 1. eerste stap", "slot")), Difference.WORDS),
        (replace(ORIGINAL, words=("1. eerste stap 2. tweede", "stap slot")), Difference.WORDS),
        (replace(ORIGINAL, cells=b"Blad.csv\neen,\n"), Difference.CELLS),
        (replace(ORIGINAL, pictures=ORIGINAL.pictures[::-1]), Difference.PICTURES),
        (replace(ORIGINAL, sound=b""), Difference.SOUND),
    ],
    ids=[
        "lost slide",
        "total",
        "lost picture",
        "empty",
        "list number",
        "order",
        "page",
        "cell",
        "picture",
        "sound",
    ],
)
def test_each_lost_or_changed_content_is_found(copy: ShownContent, difference: Difference) -> None:
    assert difference is find_difference(ORIGINAL, copy)


def test_a_picture_that_was_turned_or_cut_is_another_picture() -> None:
    picture = a_picture()
    half_a_turn = replace(
        picture, pixels=b"".join(picture.pixels[at : at + 3] for at in range(len(picture.pixels) - 3, -1, -3))
    )
    mirrored_size = Picture(30, 42, picture.pixels)
    cut = Picture(42, 29, picture.pixels[: 42 * 29 * 3])

    assert [False] * 3 == [is_same_picture(picture, each) for each in (half_a_turn, mirrored_size, cut)]


def test_a_spot_of_a_few_pixels_is_a_difference_also_in_the_last_corner() -> None:
    picture = a_picture()

    assert not is_same_picture(picture, changed(picture, 20, 12, 3, by=60))
    assert not is_same_picture(picture, changed(picture, 40, 28, 2, by=90))


def test_noise_that_no_one_sees_is_no_difference() -> None:
    picture, noise = a_picture(), random.Random(5)
    noisy = replace(picture, pixels=bytes(each + noise.randint(-8, 8) for each in picture.pixels))

    assert is_same_picture(picture, noisy)


def test_another_colour_with_the_same_brightness_is_a_difference() -> None:
    red, blue = (Picture(8, 8, bytes(colour) * 64) for colour in ((200, 90, 90), (90, 90, 200)))

    assert not is_same_picture(red, blue)
