"""Protobuf messages that describe themselves: fields by name, from a recording's own FileDescriptorSet.

The descriptors come from the recording; what they describe is data, and no code is made or run of them. Needs the
package ``protobuf``, which is asked for only where a recording holds such messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import InputError, RecordError

__all__ = ["reader_of"]

_FILES = 500  # far more than any message needs; they are put in order by going through them again and again


def reader_of(schema: str, descriptors: bytes, where: str) -> Callable[[bytes, str], Mapping[str, Any]]:
    """Return what reads messages of a schema: bytes and a place for errors in, fields by name out.

    Fields that are messages themselves are left out, but times: none of those that a sense needs is.

    Args:
        schema: full name of the message type.
        descriptors: a serialised ``google.protobuf.FileDescriptorSet`` with all that it depends on.
        where: what errors begin with.

    Raises:
        InputError: the package ``protobuf`` is not installed.
        RecordError: the descriptors cannot be read, or do not hold the type.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
    except ImportError as error:
        raise InputError(
            f"{where}: messages of {schema} are protobuf, and the package protobuf is not installed: pip install "
            "protobuf"
        ) from error
    try:
        files = {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file}
        pool = descriptor_pool.DescriptorPool()
        for name in _ordered(files):
            pool.AddSerializedFile(files[name].SerializeToString())
        made = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema))
    except (message.DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{where}: the description of {schema} cannot be read: {_line(error)}") from error

    def read(data: bytes, place: str) -> Mapping[str, Any]:
        try:
            found = made.FromString(data)
        except (message.DecodeError, ValueError) as error:
            raise RecordError(f"{place}: no message of {schema}: {_line(error)}") from error
        plain = (field for field in found.DESCRIPTOR.fields if field.message_type is None)
        return {field.name: getattr(found, field.name) for field in plain}

    return read


def _ordered(files: Mapping[str, Any]) -> list[str]:
    """Names of the files, each after those that it depends on; without recursion, for files may say anything."""
    if len(files) > _FILES:
        raise ValueError(f"it holds {len(files)} files; at most {_FILES} are read")
    done: list[str] = []
    left = dict.fromkeys(files)
    while left:
        ready = [name for name in left if not any(other in left for other in files[name].dependency if other != name)]
        if not ready:
            raise ValueError("its files depend on each other in a circle")
        done += ready
        for name in ready:
            del left[name]
    return done


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
