"""Conversion of sound and films to samples and still pictures, with Debian's ffmpeg in the sandbox.

A browser plays the sound as a WAV file. A hijacked ffmpeg can return only samples and pixels: our own code
writes the WAV file.
"""

import io
import wave
from dataclasses import dataclass
from typing import IO, Final

import msgspec

from journalist_app.conversion.conversion_limits import (
    DECODED_PIXELS,
    PICTURE_SIDE,
    SOUND_RATE,
    SOUND_SECONDS,
)
from journalist_app.conversion.converter_run import Converter
from journalist_app.conversion.pixels import Picture, read_ppm
from journalist_app.errors import ConversionRefusal, ConversionRefusedError

# A playlist names other files, and ffmpeg would open them. It may open only the file that it gets.
_FFMPEG: Final = "/usr/bin/ffmpeg -nostdin -v error -protocol_whitelist file,pipe"
_PROBE: Final = (
    "need /usr/bin/ffprobe; /usr/bin/ffprobe -v error -protocol_whitelist file -of json"
    " -show_entries format=duration:stream=codec_type:stream_disposition=attached_pic 1 >out/1;"
)
_SOUND: Final = (
    f"need /usr/bin/ffmpeg; {_FFMPEG} -ss $1 -t $2 -i 1 -map 0:a:0 -ac 1 -ar {SOUND_RATE} -f s16le - >out/1;"
)
_STILL: Final = (
    f"need /usr/bin/ffmpeg; {_FFMPEG} -max_pixels {DECODED_PIXELS} -ss $1 -i 1 -map 0:v:0 -frames:v 1"
    " -vf \"scale='min($2,iw)':'min($2,ih)':force_original_aspect_ratio=decrease\""
    " -pix_fmt rgb24 -c:v ppm -f image2pipe - >out/1;"
)
_SAMPLE_BYTES: Final = 2
_LONGEST: Final = 1_000_000  # seconds that a recording may say it has


class _Disposition(msgspec.Struct, frozen=True):
    attached_pic: int = 0


class _Stream(msgspec.Struct, frozen=True):
    codec_type: str = ""
    disposition: _Disposition = _Disposition()


class _Format(msgspec.Struct, frozen=True):
    duration: str = "0"


class _Probe(msgspec.Struct, frozen=True):
    streams: tuple[_Stream, ...] = ()
    format: _Format = _Format()


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """Facts about a recording: its length, and whether it has sound and moving pictures.

    If the recording does not state its length, `seconds` is 0.
    """

    seconds: float
    has_sound: bool
    has_film: bool


def probe_recording(converter: Converter, file: IO[bytes]) -> RecordingFacts:
    """Return the length of a recording, and whether it has sound and moving pictures.

    Raises:
        ConversionRefusedError: the recording is damaged, or ffmpeg is not installed or exceeded a limit.
    """
    (output,) = converter.run(_PROBE, [file]).exactly(1)
    try:
        found = msgspec.json.decode(output, type=_Probe)
        seconds = float(found.format.duration)
    except (msgspec.MsgspecError, ValueError) as why:
        raise ConversionRefusedError(ConversionRefusal.FAILED) from why
    kinds = {each.codec_type for each in found.streams if not each.disposition.attached_pic}
    recording = RecordingFacts(seconds, "audio" in kinds, "video" in kinds)
    if not 0 <= seconds <= _LONGEST or not (recording.has_sound or recording.has_film):
        raise ConversionRefusedError(ConversionRefusal.FAILED)
    return recording


def sound_of(converter: Converter, file: IO[bytes], since: float) -> bytes:
    """Return five minutes of a recording's sound as a WAV file, beginning `since` seconds after its start.

    Raises:
        ConversionRefusedError: the recording is damaged or has no such part.
    """
    (samples,) = converter.run(_SOUND, [file], since, SOUND_SECONDS).exactly(1)
    samples = samples[: SOUND_SECONDS * SOUND_RATE * _SAMPLE_BYTES]
    if not samples or len(samples) % _SAMPLE_BYTES:
        raise ConversionRefusedError(ConversionRefusal.FAILED)
    made = io.BytesIO()
    with wave.open(made, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(_SAMPLE_BYTES)
        sound.setframerate(SOUND_RATE)
        sound.writeframes(samples)
    return made.getvalue()


def still_of(converter: Converter, file: IO[bytes], at: float, *, side: int = PICTURE_SIDE) -> Picture:
    """Return the picture that a film shows `at` seconds after its start.

    Raises:
        ConversionRefusedError: the film is damaged, or has no picture at this time.
    """
    (picture,) = converter.run(_STILL, [file], at, side).exactly(1)
    return read_ppm(picture)
