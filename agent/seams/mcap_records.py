"""Records of an MCAP file, read one by one and never beyond stated bounds, whatever the file says of itself.

The layout is that of the MCAP specification, version 0 (https://mcap.dev/spec): a magic number, then records, each an
opcode, a length of eight bytes and its content; chunks hold records in turn, compressed. Parsing a record's fields is
left to the package ``mcap``; lengths, compression and checksums are held to bounds here, for its own readers trust
them.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ...errors import InputError, RecordError

if TYPE_CHECKING:
    from mcap.records import Chunk, McapRecord

__all__ = ["CHUNK_LIMIT", "MAGIC", "MESSAGE_LIMIT", "Cut", "Found", "read_records", "require_mcap"]

MAGIC = b"\x89MCAP0\r\n"

MESSAGE_LIMIT = 64 * 2**20
"""Most bytes of a message."""

CHUNK_LIMIT = 256 * 2**20
"""Most bytes of any other record, and of a chunk when it is unpacked."""

_HEADER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _ATTACHMENT, _METADATA, _END = 1, 3, 4, 5, 6, 9, 12, 15
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_RECORD_HEAD = struct.Struct("<BQ")
_PIECE = 2**16


@dataclass(frozen=True)
class Found:
    """A record, and where it stands: its own offset in the file, or that of the chunk around it."""

    offset: int
    record: McapRecord


@dataclass(frozen=True)
class Cut:
    """The file ends before its end, as a writer that was killed leaves it."""

    offset: int
    why: str


def require_mcap() -> None:
    """Ask for the package ``mcap``.

    Raises:
        InputError: it is not installed.
    """
    try:
        import mcap.records  # noqa: F401
    except ImportError as error:
        raise InputError("mcap: the package mcap is not installed: pip install 'veridical[mcap]'") from error


def read_records(path: str | Path) -> Iterator[Found | Cut]:
    """Read a file's schemas, channels, messages, metadata and attachments, in the order in which they stand.

    What follows the end of the data (summary and index) is not read: it repeats what came before. A file without an
    end is read as far as it goes; its last item then is a `Cut`.

    Raises:
        InputError: no such file, no MCAP file, or the package ``mcap`` is not installed.
        RecordError: a record that cannot be, its offset and why: a length, a checksum or a field that does not fit.
    """
    require_mcap()
    where = f"mcap: {str(path)!r}"
    try:
        with Path(path).open("rb") as file:
            yield from _top(file, os.fstat(file.fileno()).st_size, where)
    except FileNotFoundError as error:
        raise InputError(f"{where}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{where} is a folder; give one recording in it") from error
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror or error}") from error


def _top(file: IO[bytes], size: int, where: str) -> Iterator[Found | Cut]:
    start = file.read(len(MAGIC))
    if start != MAGIC:
        raise InputError(
            f"{where}: begins with {start.hex() or 'nothing'}; an MCAP recording begins with {MAGIC.hex()}"
        )
    while True:
        offset = file.tell()
        head = file.read(_RECORD_HEAD.size)
        if len(head) < _RECORD_HEAD.size:
            yield Cut(offset, "the end of the data is missing")
            return
        opcode, length = _RECORD_HEAD.unpack(head)
        if opcode == _END:
            return
        if opcode == 0:
            raise RecordError(f"{where}: offset {offset}: opcode 0 stands for no record; the file is damaged")
        left = size - file.tell()
        if length > left:
            yield Cut(offset, f"a record of {length} bytes stands there, and {left} follow")
            return
        if opcode not in _PARSED:
            file.seek(length, io.SEEK_CUR)
            continue
        content = file.read(_bounded(opcode, length, offset, where))
        if opcode == _CHUNK:
            yield from _inner(_parsed(opcode, content, offset, where), offset, where)
        else:
            yield Found(offset, _parsed(opcode, content, offset, where))


def _inner(chunk: Any, offset: int, where: str) -> Iterator[Found]:
    """The records of a chunk."""
    data = memoryview(_unpacked(chunk, offset, where))
    at = 0
    while at < len(data):
        if len(data) - at < _RECORD_HEAD.size:
            raise RecordError(f"{where}: offset {offset}: the chunk ends within a record")
        opcode, length = _RECORD_HEAD.unpack_from(data, at)
        at += _RECORD_HEAD.size
        if length > len(data) - at:
            raise RecordError(f"{where}: offset {offset}: a record of {length} bytes reaches beyond its chunk")
        if opcode in (_SCHEMA, _CHANNEL, _MESSAGE):
            _bounded(opcode, length, offset, where)
            yield Found(offset, _parsed(opcode, bytes(data[at : at + length]), offset, where))
        at += length


def _bounded(opcode: int, length: int, offset: int, where: str) -> int:
    limit = MESSAGE_LIMIT + _MESSAGE_HEAD.size if opcode == _MESSAGE else CHUNK_LIMIT
    if length > limit:
        kind = "message" if opcode == _MESSAGE else f"record (opcode {opcode})"
        raise RecordError(f"{where}: offset {offset}: a {kind} of {length:,} bytes; at most {limit:,} are read")
    return length


def _unpacked(chunk: Chunk, offset: int, where: str) -> bytes:
    """A chunk's records, unpacked to no more than it says, and no more than `CHUNK_LIMIT`."""
    size = chunk.uncompressed_size
    if size > CHUNK_LIMIT:
        raise RecordError(f"{where}: offset {offset}: a chunk of {size:,} bytes; at most {CHUNK_LIMIT:,} are unpacked")
    try:
        data = _unpack(chunk.compression, chunk.data, size)
    except ImportError as error:
        raise InputError(f"{where}: chunks in {chunk.compression}: {error}; install the package") from error
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise RecordError(f"{where}: offset {offset}: the chunk cannot be unpacked: {told}") from error
    if len(data) != size:
        raise RecordError(f"{where}: offset {offset}: the chunk is not the {size:,} bytes that it says it is")
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise RecordError(f"{where}: offset {offset}: the chunk's checksum does not fit; the file is damaged")
    return data


def _unpack(compression: str, data: bytes, size: int) -> bytes:
    """Unpack, one byte beyond the size at most: a file may say one size and hold another."""
    if compression == "":
        return data
    if compression == "zstd":
        import zstandard

        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(data, read_across_frames=False) as stream:
            return _drain(stream.read, size + 1)
    if compression == "lz4":
        import lz4.frame

        return lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    raise ValueError(f"compression {compression[:20]!r}; zstd, lz4 and none are read")


def _drain(read: Callable[[int], bytes], most: int) -> bytes:
    out = bytearray()
    while len(out) < most and (piece := read(min(_PIECE, most - len(out)))):
        out += piece
    return bytes(out)


def _parsed(opcode: int, content: bytes, offset: int, where: str) -> Any:
    from mcap.data_stream import ReadDataStream
    from mcap.exceptions import McapError

    class Exact(ReadDataStream):
        """Reads all of what is asked for; the package's own gives less where there is less."""

        def read(self, length: int) -> bytes:
            data = super().read(length)
            if len(data) != length:
                raise ValueError(f"{length} bytes are wanted where {len(data)} are left")
            return data

    try:
        if opcode == _MESSAGE:
            return _message(content)
        return _PARSED[opcode]()(Exact(io.BytesIO(content)))
    except (McapError, ValueError, struct.error, OverflowError) as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise RecordError(f"{where}: offset {offset}: a record (opcode {opcode}) cannot be read: {told}") from error


def _message(content: bytes) -> Any:
    from mcap.records import Message

    channel, sequence, logged, published = _MESSAGE_HEAD.unpack_from(content)
    return Message(channel, logged, content[_MESSAGE_HEAD.size :], published, sequence)


def _reader(name: str) -> Callable[[], Callable[..., Any]]:
    def get() -> Callable[..., Any]:
        from mcap import records

        return getattr(records, name).read

    return get


_PARSED: dict[int, Callable[[], Callable[..., Any]]] = {
    _HEADER: _reader("Header"),
    _SCHEMA: _reader("Schema"),
    _CHANNEL: _reader("Channel"),
    _MESSAGE: _reader("Message"),
    _CHUNK: _reader("Chunk"),
    _ATTACHMENT: _reader("Attachment"),
    _METADATA: _reader("Metadata"),
}
