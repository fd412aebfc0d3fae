"""Reading, remembering and writing, without a server."""

import asyncio
import errno
import gzip
import io
import json
import os
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from lastcall.llm.batch.appending import Appender, OutputError
from lastcall.llm.batch.index import IdIndex, key_of
from lastcall.llm.batch.places import OutputFile, check_places
from lastcall.llm.batch.reading import InputError, count_lines, numbered_lines, open_input
from lastcall.llm.batch.resume import ForeignFileError, settle
from lastcall.llm.errors import RequestError


def result_line(custom_id: str, digest: str = "ab" * 16, status: int = 200, body: str = "{}") -> bytes:
    """Return a line of an output."""
    return (
        f'{{"id":"batch_req_{digest}","custom_id":"{custom_id}","response":'
        f'{{"status_code":{status},"request_id":null,"body":{body}}},"error":null}}\n'
    ).encode()


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz", "in.jsonl.zst"])
def test_lines_are_read_from_plain_and_compressed_files(tmp_path: Path, name: str) -> None:
    """Blank lines are passed over and counted; a mark of UTF-8 and a missing last end do no harm."""
    data = b'\xef\xbb\xbf{"a":1}\n\n  \r\n{"b":2}\r\n{"c":3}'
    packed = {".jsonl": data, ".gz": gzip.compress(data), ".zst": zstandard.compress(data)}
    (tmp_path / name).write_bytes(packed[Path(name).suffix])
    with open_input(str(tmp_path / name)) as file:
        read = list(numbered_lines(file))
    told = [(number, json.loads(line or b"")) for number, line in read]
    assert told == [(1, {"a": 1}), (4, {"b": 2}), (5, {"c": 3})]


def test_several_compressed_parts_are_one_file(tmp_path: Path) -> None:
    """As `cat a.zst b.zst` makes them."""
    path = tmp_path / "in.zst"
    path.write_bytes(zstandard.compress(b"1\n") + zstandard.compress(b"2\n"))
    with open_input(str(path)) as file:
        assert [line for _, line in numbered_lines(file)] == [b"1\n", b"2\n"]


def test_a_line_over_the_limit_is_told_of_and_the_rest_is_read() -> None:
    """It is passed over without being held."""
    file = io.BytesIO(b"short\n" + b"x" * 3_000_000 + b"\nlast\n")
    assert list(numbered_lines(file, limit=100)) == [(1, b"short\n"), (2, None), (3, b"last\n")]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_damaged_compression_is_told_with_the_line_it_came_after(tmp_path: Path, suffix: str) -> None:
    """What was read before it was given."""
    data = b"".join(b'{"n":%d,"x":"%d"}\n' % (n, random.getrandbits(400)) for n in range(20_000))
    whole = gzip.compress(data) if suffix == ".gz" else zstandard.compress(data)
    path = tmp_path / f"in{suffix}"
    for damaged in (whole[: len(whole) // 2], whole[:-1], whole[: len(whole) // 2] + b"\0" * 5000):
        path.write_bytes(damaged)
        with open_input(str(path)) as file, pytest.raises(InputError, match="cannot be read after line"):
            for _ in numbered_lines(file):
                pass


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    """A last line without an end counts; what would have to be unpacked is not counted."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"1\n2\n3")
    assert count_lines(str(path)) == 3
    assert count_lines("in.gz") is None
    assert count_lines("-") is None


def test_a_directory_or_a_missing_file_is_no_input(tmp_path: Path) -> None:
    """Said in a sentence."""
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=str(path)):
            open_input(str(path))


def test_the_index_is_a_mapping() -> None:
    """It agrees with a dict on a hundred thousand ids, values changed included."""
    index, model, chance = IdIndex(), dict[str, bytes](), random.Random(5)
    for _ in range(100_000):
        text, value = f"id-{chance.randrange(60_000)}", chance.randbytes(8)
        assert index.put(key_of(text), value) == model.get(text)
        model[text] = value
    assert len(index) == len(model)
    assert all(index.get(key_of(text)) == value for text, value in model.items())
    assert index.get(key_of("never")) is None


def test_the_index_is_not_misled_by_values_that_look_like_keys() -> None:
    """A key's bytes that stand across two records are no key."""
    index, key = IdIndex(), b"shelf-and-key"[:12]
    index.put(b"sh" + b"1234567890", key[2:10])
    index.put(key[:2] + key[10:12] + b"abcdefgh", b"value--2")
    assert index.get(key) is None


def test_an_output_of_nothing_but_a_torn_line_is_begun_anew(tmp_path: Path) -> None:
    """A process that was killed at its first line leaves no more than that."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(result_line("a")[:60])
    output = OutputFile(str(path))
    output.close()
    assert (output.found.torn, path.read_bytes()) == (60, b"")


def test_a_torn_last_line_is_cut_off_and_a_whole_one_is_ended(tmp_path: Path) -> None:
    """What was paid for is kept if it is all there."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(result_line("a") + result_line("b")[:-20])
    OutputFile(str(path)).close()
    assert path.read_bytes() == result_line("a")
    path.write_bytes(result_line("a") + result_line("b")[:-1])
    output = OutputFile(str(path))
    output.close()
    assert path.read_bytes() == result_line("a") + result_line("b")
    assert output.found.lines == 2


@pytest.mark.parametrize(
    "content", [b"import this\n", b'{"custom_id": "a"}\n', b"\x00\x01\x02", b"important"]
)
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """Nobody's file is appended to by mistake."""
    path = tmp_path / "thesis.txt"
    path.write_bytes(content)
    with pytest.raises(ForeignFileError, match="no result of a batch"):
        OutputFile(str(path))
    assert path.read_bytes() == content


def test_two_processes_cannot_write_one_output(tmp_path: Path) -> None:
    """The second is told so; a file that was replaced under the lock counts as taken."""
    path = str(tmp_path / "out.jsonl")
    output = OutputFile(path)
    with pytest.raises(OutputError, match="another process"):
        OutputFile(path)
    output.close()
    OutputFile(path).close()


def test_the_input_cannot_be_the_output(tmp_path: Path) -> None:
    """Neither by name nor by a link of either kind; two outputs cannot be one file."""
    source, symbolic, hard = (tmp_path / name for name in ("in.jsonl", "symbolic", "hard"))
    source.write_text("{}\n")
    symbolic.symlink_to(source)
    os.link(source, hard)
    for name in (source, symbolic, hard, tmp_path / "." / "in.jsonl"):
        with pytest.raises(RequestError, match="is the input"):
            check_places(str(source), ("the output", str(name)))
    missing = tmp_path / "dangling"
    missing.symlink_to(tmp_path / "new.jsonl")
    with pytest.raises(RequestError, match="are both"):
        check_places(str(source), ("the output", str(missing)), ("a report", str(tmp_path / "new.jsonl")))
    with pytest.raises(RequestError, match="written plain"):
        check_places(str(source), ("the output", "out.jsonl.gz"))
    check_places(str(source), ("the output", "/dev/null"), ("the errors", "/dev/null"))


def test_settling_leaves_the_last_line_of_each_id_and_keeps_old_answers(tmp_path: Path) -> None:
    """Failures that were made good go; answers to requests that have changed are kept elsewhere."""
    path = tmp_path / "out.jsonl"
    failed, first, other = result_line("a", status=500), result_line("b", "01" * 16), result_line("c")
    good, second = result_line("a"), result_line("b", "02" * 16)
    path.write_bytes(failed + first + other + good + second)
    path.chmod(0o640)
    assert settle(path) == 2
    assert path.read_bytes() == other + good + second
    assert path.with_name("out.jsonl.replaced").read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.replaced"]


def test_settling_in_order_follows_the_input_and_loses_no_stranger(tmp_path: Path) -> None:
    """Lines whose id the input no longer has come last."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"".join(map(result_line, "xcab")))
    assert settle(path, b"".join(map(key_of, ["a", "missing", "b", "c"]))) == 0
    assert path.read_bytes() == b"".join(map(result_line, "abcx"))


def test_a_settling_that_fails_leaves_the_output_as_it_was(tmp_path: Path) -> None:
    """And nothing beside it."""
    path = tmp_path / "out.jsonl"
    content = result_line("a", status=500) * 300 + result_line("a")
    path.write_bytes(content)
    with limited_files(100), pytest.raises(OSError, match="large"):
        settle(path, key_of("a"))
    assert path.read_bytes() == content
    assert [item.name for item in tmp_path.iterdir()] == ["out.jsonl"]


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let this process write no file beyond so many bytes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


async def test_an_appender_that_fails_ends_with_a_whole_line_and_tries_once_more(tmp_path: Path) -> None:
    """When there is room again by the end, nothing is lost; else it says how many lines are."""
    path = tmp_path / "out.jsonl"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    failed, lines = asyncio.Event(), [result_line(str(number)) for number in range(20)]
    errors: list[OSError] = []

    def fail(error: OSError) -> None:
        errors.append(error)
        failed.set()

    with limited_files(1000):
        appender = Appender(fd, "out.jsonl", on_failure=fail, room=asyncio.Event())
        for line in lines:
            appender.write(line)
        async with asyncio.timeout(10):
            await failed.wait()
        assert errors[0].errno == errno.EFBIG
        assert path.read_bytes() in b"".join(lines)
        assert not path.read_bytes() or path.read_bytes().endswith(b"\n")
        with pytest.raises(OutputError) as caught:
            await appender.close()
        assert caught.value.lines == 20 - path.read_bytes().count(b"\n")
    os.close(fd)


async def test_an_appender_writes_what_it_could_not_once_there_is_room(tmp_path: Path) -> None:
    """Someone has made room before the end."""
    path = tmp_path / "out.jsonl"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    failed, lines = asyncio.Event(), [result_line(str(number)) for number in range(20)]
    with limited_files(1000):
        appender = Appender(fd, "out.jsonl", on_failure=lambda _: failed.set(), room=asyncio.Event())
        for line in lines:
            appender.write(line)
        async with asyncio.timeout(10):
            await failed.wait()
    await appender.close()
    os.close(fd)
    assert path.read_bytes() == b"".join(lines)
