"""QR code as an SVG path, for the poster and the recovery sheet."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QrCode:
    """QR code to print, as one SVG path of its dark modules (squares).

    The code has `size` modules on each side, with a quiet zone of four modules around it.
    """

    size: int
    path: str


def draw_qr_code(text: str) -> QrCode:
    """Return the QR code of a text as an SVG path, which is sharp at any size.

    Dark modules that are next to each other in a row become one rectangle of the path.
    """
    import segno  # noqa: PLC0415  # only a sheet or a poster needs it

    modules = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
    runs = []
    for y, row in enumerate(modules):
        for run in re.finditer("1+", "".join("1" if dark else "0" for dark in row)):
            width = run.end() - run.start()
            runs.append(f"M{run.start()} {y}h{width}v1h-{width}z")
    return QrCode(len(modules), "".join(runs))
