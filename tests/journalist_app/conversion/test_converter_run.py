"""One run of a converter: what reaches us from a hostile converter, and why a file cannot be shown."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from journalist_app.conversion.converter_run import Converted, Converter, memory_file, require_content
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from tests.journalist_app.conversion.files_to_convert import OPENLY, a_converter
from tests.programs.hostile_programs import are_gone


def refusal_of(converter: Converter, script: str = "") -> ConversionRefusal:
    with memory_file(b"content") as file, pytest.raises(ConversionRefusedError) as refused:
        converter.run(script, [file])
    return refused.value.reason


def test_a_converter_reads_its_files_and_words_and_returns_its_results() -> None:
    with memory_file(b"first") as one, memory_file(b"second") as other:
        found = OPENLY.run(
            'echo 7 >total; /usr/bin/cat 2 >out/1; : >out/2; printf "$1 $2" >out/3;', [one, other], "a b", 3
        )

    assert Converted((b"second", b"", b"a b 3"), total=7) == found


def test_a_file_is_read_from_its_start_in_each_run() -> None:
    with memory_file(b"content") as file:
        for _ in range(2):
            assert (b"content",) == OPENLY.run("/usr/bin/cat 1 >out/1;", [file]).results


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", ConversionRefusal.FAILED),
        ("no head", ConversionRefusal.FAILED),
        ("ok 0 5\\nfour", ConversionRefusal.FAILED),
        ("ok 0 3\\nfour", ConversionRefusal.FAILED),
        ("ok 0 -3\\n", ConversionRefusal.FAILED),
        ("ok 0\\nfour", ConversionRefusal.FAILED),
        ("ok 0 99999999999999999999\\nfour", ConversionRefusal.FAILED),
        ("other 0\\n", ConversionRefusal.FAILED),
        ("locked 0\\n", ConversionRefusal.LOCKED),
    ],
)
def test_the_output_of_a_hijacked_converter_is_refused(
    tmp_path: Path, output: str, reason: ConversionRefusal
) -> None:
    assert reason is refusal_of(a_converter(tmp_path, f"printf '{output}'"))


def test_a_converter_that_is_not_installed_is_named_as_missing() -> None:
    assert ConversionRefusal.MISSING is refusal_of(OPENLY, "need /usr/bin/cat /usr/bin/no-such-program;")


def test_a_converter_that_dies_has_failed(tmp_path: Path) -> None:
    assert ConversionRefusal.FAILED is refusal_of(OPENLY, "kill -s KILL $$;")
    assert ConversionRefusal.FAILED is refusal_of(OPENLY, "/usr/bin/false;")
    assert ConversionRefusal.FAILED is refusal_of(a_converter(tmp_path, "exit 1"))


def test_a_converter_that_hangs_is_ended_at_its_limit(tmp_path: Path) -> None:
    mark = str(time.time_ns())
    hanging = replace(a_converter(tmp_path, f"/bin/sleep {mark}"), until=time.monotonic() + 0.3)

    assert ConversionRefusal.LIMIT is refusal_of(hanging)
    assert are_gone(mark)


def test_a_converter_that_writes_without_end_is_ended(tmp_path: Path) -> None:
    assert ConversionRefusal.FAILED is refusal_of(a_converter(tmp_path, "exec /usr/bin/cat /dev/zero"))
    assert ConversionRefusal.FAILED is refusal_of(OPENLY, "exec /usr/bin/cat /dev/zero >out/1;")


def test_without_a_sandbox_no_converter_runs(tmp_path: Path) -> None:
    assert ConversionRefusal.NO_SANDBOX is refusal_of(Converter(tmp_path / "missing"))


def test_an_empty_file_is_refused_with_its_own_reason() -> None:
    with memory_file(b"") as file, pytest.raises(ConversionRefusedError) as refused:
        require_content(file)
    with memory_file(b" ") as file:
        require_content(file)

    assert ConversionRefusal.EMPTY is refused.value.reason
