"""Reading MCAP recordings: their messages, what they hold in all, and the moments of a drive."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import InputError
from .mcap_messages import Channels, DriveMessage
from .mcap_records import Cut, read_records
from .moments import DriveMoment, Moments, Plan
from .signals import kind_of
from .steady import Steady

__all__ = ["DriveMessage", "DriveMoment", "Recording", "Topic", "read_drive", "read_messages", "survey"]

_OWN = "/veridical/"  # topics under it are what this package said of a drive, not what the system saw of it
_ATTACHMENTS = 10_000


@dataclass(frozen=True)
class Topic:
    """A topic of a recording: schema, encoding, the sense that it serves, and its messages."""

    name: str
    schema: str
    encoding: str
    kind: str | None
    count: int = 0
    first: float = 0.0
    last: float = 0.0


@dataclass(frozen=True)
class Recording:
    """What a recording holds.

    Attributes:
        topics: by name.
        whole: whether the file has an end; a killed writer's has none.
        notes: what the user must be told, one sentence each.
        metadata: by name.
        attachments: name, media type and bytes of each.
    """

    topics: Mapping[str, Topic]
    whole: bool
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    attachments: tuple[tuple[str, str, int], ...] = ()

    @property
    def first(self) -> float | None:
        """Earliest time of a message, seconds; None where there are none."""
        return min((t.first for t in self.topics.values() if t.count), default=None)

    @property
    def last(self) -> float | None:
        """Latest time of a message, seconds; None where there are none."""
        return max((t.last for t in self.topics.values() if t.count), default=None)


def read_messages(path: str | Path, topics: Collection[str] | None = None) -> Iterator[DriveMessage]:
    """Read a recording's messages in the order in which they stand, which need not be that of their times.

    A file that a killed writer left is read as far as it goes; `survey` says where it ends.

    Args:
        path: an MCAP file, compressed or not, with or without an index.
        topics: those wanted; by default all.

    Raises:
        InputError: no such file, no MCAP file, a topic that it lacks, or the package ``mcap`` is not installed.
        RecordError: the file is damaged: where, and how.
    """
    if topics is not None:
        _check_topics(topics, survey(path), path)
    channels = Channels(path)
    for found in read_records(path):
        message = None if isinstance(found, Cut) else channels.take(found.record, found.offset)
        if message is not None and (topics is None or message.topic in topics):
            yield message


def survey(path: str | Path) -> Recording:
    """Read a recording through, and say what it holds.

    Raises:
        InputError: no such file, no MCAP file, or the package ``mcap`` is not installed.
        RecordError: the file is damaged: where, and how.
    """
    channels = Channels(path)
    topics: dict[str, Topic] = {}
    metadata: dict[str, Mapping[str, str]] = {}
    attachments: list[tuple[str, str, int]] = []
    notes: list[str] = []
    for found in read_records(path):
        if isinstance(found, Cut):
            notes.append(f"the recording was cut off at byte {found.offset} ({found.why}); what comes before is read")
            continue
        message, kind = channels.take(found.record, found.offset), type(found.record).__name__
        if kind == "Metadata":
            metadata[found.record.name] = dict(found.record.metadata)  # pyright: ignore[reportAttributeAccessIssue]
        elif kind == "Attachment" and len(attachments) < _ATTACHMENTS:
            attachments.append(_attachment(found.record))
        elif message is not None:
            topics[message.topic] = _counted(topics.get(message.topic), message)
    for topic, schema, encoding in channels.known():
        topics.setdefault(topic, Topic(topic, schema, encoding, kind_of(schema)))
    return Recording(topics, not notes, tuple(notes), metadata, tuple(attachments))


def _attachment(record: Any) -> tuple[str, str, int]:
    return record.name, record.media_type, len(record.data)


def _counted(topic: Topic | None, message: DriveMessage) -> Topic:
    if topic is None:
        kind = kind_of(message.schema)
        return Topic(message.topic, message.schema, message.encoding, kind, 1, message.at, message.at)
    first, last = min(topic.first, message.at), max(topic.last, message.at)
    return replace(topic, count=topic.count + 1, first=first, last=last)


def _check_topics(topics: Collection[str], recording: Recording, path: str | Path) -> None:
    for topic in topics:
        if topic not in recording.topics:
            there = ", ".join(sorted(recording.topics)) or "none"
            raise InputError(f"mcap: {str(path)!r} has no topic {topic!r}; there are {there}")


def read_drive(
    path: str | Path,
    every: float = 1.0,
    window: float = 3.0,
    topics: Mapping[str, str] | None = None,
    rate: float = 1.0,
) -> Iterator[DriveMoment]:
    """Read a drive as the moments at which a system would have decided.

    The first moment is ``window`` seconds after the first message of the topics, or at the last where the drive is
    shorter; then one ``every`` so many seconds, to the last message. Each sees what had come by then: the last
    ``window`` seconds of frames and of sound, and the last words.

    Args:
        path: an MCAP file.
        every: seconds between moments.
        window: seconds that a moment looks back.
        topics: sense to topic, such as ``{"vision": "/camera/front"}``; by default the one topic of each kind.
        rate: frames a second that a moment holds, of those that there are.

    Raises:
        InputError: an option out of range, no such file, no topic for any sense, several where one is wanted, or a
            topic that serves no sense.
        RecordError: the file is damaged, or a message is not what its schema says: where, and how.

    Example:
        >>> for moment in read_drive("drive.mcap"):                                   # doctest: +SKIP
        ...     print(moment.at, agent.decide(moment.observation).action)
    """
    plan = Plan(every, window, rate)
    recording = survey(path)
    chosen = _chosen(topics, recording, path)
    kinds = {sense: kind_of(recording.topics[topic].schema) or "" for sense, topic in chosen.items()}
    senses: dict[str, list[str]] = {}
    for sense, topic in chosen.items():
        senses.setdefault(topic, []).append(sense)
    moments = Moments(plan, kinds, recording.notes)
    # A topic at a time, merged: a file may hold them one after another as well as side by side.
    streams = [_timed(path, topic, moments.clock()) for topic in senses]
    for ns, message in heapq.merge(*streams, key=lambda timed: timed[0]):
        yield from moments.take(ns, senses[message.topic], message.signal)
    yield from moments.end()


def _timed(path: str | Path, topic: str, clock: Steady) -> Iterator[tuple[int, DriveMessage]]:
    """The messages of a topic, in the order in which they stand, with their times by a steady clock."""
    channels = Channels(path)
    for found in read_records(path):
        message = None if isinstance(found, Cut) else channels.take(found.record, found.offset)
        if message is not None and message.topic == topic and (ns := clock.place(message.ns)) is not None:
            yield ns, message


def _chosen(topics: Mapping[str, str] | None, recording: Recording, path: str | Path) -> dict[str, str]:
    """Sense to topic, as asked for or as there is but one."""
    if topics is not None:
        _check_topics(topics.values(), recording, path)
        for topic in topics.values():
            if recording.topics[topic].kind is None:
                schema = recording.topics[topic].schema or "no schema"
                raise InputError(
                    f"mcap: {str(path)!r}: {topic} holds {schema}, which serves no sense; see docs/seams.md"
                )
        if not topics:
            raise InputError("mcap: no topics were given; name one for a sense, or leave the option out")
        return dict(topics)
    found: dict[str, list[str]] = {}
    for name, topic in recording.topics.items():
        if topic.kind is not None and topic.count and not name.startswith(_OWN):
            found.setdefault(topic.kind, []).append(name)
    for kind, names in found.items():
        if len(names) > 1:
            told = ", ".join(sorted(names))
            raise InputError(
                f"mcap: {str(path)!r} has {len(names)} topics for {kind}: {told}; choose by topics={{{kind!r}: ...}}"
            )
    if not found:
        there = ", ".join(f"{t.name} ({t.schema or 'no schema'})" for t in recording.topics.values()) or "none"
        raise InputError(f"mcap: {str(path)!r} has no topic that serves a sense; there are {there}")
    return {kind: names[0] for kind, names in found.items()}
