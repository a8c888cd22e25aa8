"""Writing MCAP recordings: what a system saw, what it decided, and why, for the tools that roboticists have."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ...errors import InputError, RecordError
from . import foxglove
from .mcap_records import CHUNK_LIMIT, MESSAGE_LIMIT, require_mcap
from .packing import named, packed, pcm_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ..explanation import Explanation
    from ..loop.decision import Decision

__all__ = ["COMPRESSIONS", "FORMAT", "DriveWriter"]

FORMAT = "veridical.drive/1"
"""Name and version of what such a recording holds; stands in its metadata ``veridical``."""

COMPRESSIONS = ("zstd", "lz4", "none")
_PICTURES = ("png", "jpeg")
_CHUNK = 2**20
_PERIOD = 1_000_000_000  # nanoseconds between flushes: what a killed writer can lose


class DriveWriter:
    """Writes a drive, message by message; a context manager.

    A recording is never written over. What was written up to a second before (on the messages' own clock) is on its way
    to the disk, so that a killed writer's file is read as far as it goes. All times are seconds on one clock, from 0
    on; those of Unix keep about a quarter of a microsecond. Several threads may write.

    Topics, unless others are named: ``/camera`` (``foxglove.CompressedImage``), ``/microphone``
    (``foxglove.RawAudio``), ``/instruction`` (``veridical.Instruction``), ``/veridical/decision``
    (``veridical.Decision``), ``/veridical/saliency`` (``foxglove.CompressedImage``), ``/veridical/justification``
    (``foxglove.Log``). All are JSON, each with its JSON Schema.

    Args:
        path: of the file; must not exist.
        system: what decides; its name and digest are told in the metadata.
        policy: ``name``, ``version`` and ``digest`` of the policy in force (`Policy.context`).
        pictures: ``png`` keeps each pixel, ``jpeg`` (quality 90) takes less room.
        compression: of the chunks, one of `COMPRESSIONS`.

    Raises:
        InputError: an unknown option, or the package ``mcap`` is not installed.
        RecordError: the file exists, or cannot be written.

    Example:
        >>> with DriveWriter("drive.mcap", system=agent.system) as drive:             # doctest: +SKIP
        ...     drive.frame(frame, at)
        ...     drive.decision(agent.decide(observation), at)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        system: Any = None,
        policy: Mapping[str, Any] | None = None,
        pictures: str = "png",
        compression: str = "zstd",
    ) -> None:
        require_mcap()
        for value, known in ((pictures, _PICTURES), (compression, COMPRESSIONS)):
            if value not in known:
                raise InputError(f"drive: {value!r}; one of {', '.join(known)} is wanted")
        self.path, self.pictures = Path(path), pictures
        self._lock = threading.RLock()
        self._channels: dict[str, tuple[int, str]] = {}
        self._schemas: dict[str, int] = {}
        self._counts: dict[int, int] = {}
        self._flushed: int | None = None
        self._broken: str | None = None
        self._file, self._writer = self._open(compression)
        self._guard(lambda: self._writer.start(profile="", library="veridical"))
        self.metadata("veridical", {"format": FORMAT, **named(system, policy)})
        self._guard(self._writer.flush)

    def _open(self, compression: str) -> tuple[IO[bytes], Any]:
        from mcap.exceptions import UnsupportedCompressionError
        from mcap.writer import CompressionType, Writer

        try:
            file = self.path.open("xb")
        except FileExistsError as error:
            raise RecordError(
                f"drive: {str(self.path)!r} exists; give a new name, a recording is not written over"
            ) from (error)
        except OSError as error:
            raise RecordError(f"drive: {str(self.path)!r} cannot be written: {error.strerror or error}") from error
        try:
            return file, Writer(file, chunk_size=_CHUNK, compression=CompressionType[compression.upper()])
        except UnsupportedCompressionError as error:
            file.close()
            self.path.unlink(missing_ok=True)
            raise InputError(f"drive: {error}; install its package, or choose another of {COMPRESSIONS}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def frame(self, picture: Any, at: float, topic: str = "/camera") -> None:
        """Write a camera's frame: anything that `veridical.Vision` takes for one picture.

        Raises:
            InputError: no picture, or a time out of range.
            RecordError: it cannot be written.
        """
        from ...modalities.images import read_frame

        data = packed(read_frame(picture, "drive: the frame")[0], self.pictures)
        ns = _time(at)
        told = foxglove.picture(data, self.pictures, ns, topic.strip("/") or "camera")
        self._say(topic, "foxglove.CompressedImage", told, ns)

    def sound(self, samples: Any, rate: int, at: float, topic: str = "/microphone") -> None:
        """Write a stretch of sound.

        Args:
            samples: (samples,) or (samples, channels): int16, or floats in -1..1, which are rounded to 16 bits and
                beyond that clipped.
            rate: hertz.
            at: time of the first sample, seconds.
            topic: where it goes.

        Raises:
            InputError: no such array, values that are not finite, or a time out of range.
            RecordError: it cannot be written.
        """
        pcm = pcm_of(samples, rate)
        ns = _time(at)
        told = foxglove.sound(pcm.astype("<i2").tobytes(), rate, pcm.shape[1], ns)
        self._say(topic, "foxglove.RawAudio", told, ns)

    def words(self, text: str, at: float, topic: str = "/instruction") -> None:
        """Write an instruction; it holds from then on.

        Raises:
            InputError: no text, or a time out of range.
            RecordError: it cannot be written.
        """
        if not isinstance(text, str):
            raise InputError(f"drive: words as {type(text).__name__}; a text is wanted")
        ns = _time(at)
        self._say(topic, "veridical.Instruction", foxglove.instruction(text, ns), ns)

    def decision(self, decision: Decision, at: float, topic: str = "/veridical/decision") -> None:
        """Write a decision, without the arrays of its explanation; see `explanation` for those.

        Raises:
            InputError: a time out of range.
            RecordError: it cannot be written.
        """
        ns = _time(at)
        self._say(topic, "veridical.Decision", foxglove.decision(decision.to_dict(), ns), ns)

    def explanation(self, explanation: Explanation, at: float, topic: str = "/veridical", attach: bool = True) -> None:
        """Write an explanation: each frame under its saliency, the justification, and the record's manifest.

        Frames go to ``<topic>/saliency`` at the times that they were seen at, by the observation's own seconds up to
        ``at``; orange speaks for the decision, blue against it. The justification goes to ``<topic>/justification``,
        as information where it is supported, as a warning where that is open, and as an error where it is not.

        Args:
            explanation: of the decision.
            at: when the decision was taken, seconds.
            topic: what its topics begin with.
            attach: whether the record's manifest is attached, JSON, as ``<id>.json``. It quotes what was read, in the
                open.

        Raises:
            InputError: a time out of range.
            RecordError: it cannot be written.
        """
        from .overlay import manifest_of, overlays

        ns, result = _time(at), explanation.result
        for ago, picture in overlays(explanation):
            when = max(ns - round(ago * 1e9), 0)
            told = foxglove.picture(packed(picture, "jpeg"), "jpeg", when, "saliency")
            self._say(f"{topic}/saliency", "foxglove.CompressedImage", told, when)
        verdict = explanation.verdict
        text = f"{explanation.decision}: {explanation.justification} [{verdict}]"
        told = foxglove.log(text, foxglove.LEVELS.get(verdict, 0), ns)
        self._say(f"{topic}/justification", "foxglove.Log", told, ns)
        if attach:
            name = f"{result.get('id', ns)}.json"
            self.attach(name, "application/json", manifest_of(explanation), at)

    def attach(self, name: str, media_type: str, data: bytes, at: float) -> None:
        """Attach a file.

        Raises:
            InputError: a time out of range.
            RecordError: too large, or cannot be written.
        """
        if len(data) > CHUNK_LIMIT // 2:
            raise RecordError(f"drive: the attachment {name!r} has {len(data):,} bytes; at most {CHUNK_LIMIT // 2:,}")
        ns = _time(at)
        self._guard(lambda: self._writer.add_attachment(ns, ns, name, media_type, data))

    def metadata(self, name: str, told: Mapping[str, str]) -> None:
        """Write metadata, texts by name.

        Raises:
            RecordError: it cannot be written.
        """
        self._guard(lambda: self._writer.add_metadata(name, {k: str(v) for k, v in told.items()}))

    def flush(self) -> None:
        """Hand what was written to the operating system.

        Raises:
            RecordError: it cannot be written.
        """
        self._guard(self._writer.flush)

    def close(self) -> None:
        """Write the end and the index, and close the file; again is nothing.

        Raises:
            RecordError: they cannot be written; what came before is read all the same.
        """
        with self._lock:
            if self._file.closed:
                return
            try:
                if self._broken is None:
                    self._guard(self._writer.finish)
            finally:
                try:
                    self._file.close()
                except OSError as error:
                    self._broken = error.strerror or str(error)
                    raise RecordError(f"drive: {str(self.path)!r} cannot be closed: {self._broken}") from error

    def _say(self, topic: str, schema: str, told: Mapping[str, Any], ns: int) -> None:
        try:
            data = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        except (ValueError, TypeError) as error:
            raise RecordError(f"drive: {topic}: cannot be written as JSON: {error}") from error
        if len(data) > MESSAGE_LIMIT:
            raise RecordError(f"drive: {topic}: a message of {len(data):,} bytes; at most {MESSAGE_LIMIT:,}")

        def write() -> None:
            channel = self._channel(topic, schema)
            number = self._counts[channel] = self._counts.get(channel, 0) + 1
            self._writer.add_message(channel, log_time=ns, data=data, publish_time=ns, sequence=number)
            if self._flushed is None or not 0 <= ns - self._flushed < _PERIOD:
                self._flushed = ns
                self._writer.flush()

        self._guard(write)

    def _channel(self, topic: str, schema: str) -> int:
        known = self._channels.get(topic)
        if known is not None:
            if known[1] != schema:
                raise InputError(f"drive: {topic} holds {known[1]} already; write {schema} to another topic")
            return known[0]
        if schema not in self._schemas:
            told = json.dumps(foxglove.SCHEMAS[schema]).encode()
            self._schemas[schema] = self._writer.register_schema(schema, "jsonschema", told)
        channel = self._writer.register_channel(topic, "json", self._schemas[schema])
        self._channels[topic] = (channel, schema)
        return channel

    def _guard(self, write: Any) -> None:
        """Write; after a failure nothing more, for a file with a hole could not be read beyond it."""
        with self._lock:
            if self._file.closed:
                raise RecordError(f"drive: {str(self.path)!r} is closed")
            if self._broken is not None:
                raise RecordError(f"drive: {str(self.path)!r} could not be written before: {self._broken}")
            try:
                write()
            except OSError as error:
                self._broken = error.strerror or str(error)
                raise RecordError(f"drive: {str(self.path)!r} cannot be written: {self._broken}") from error


def _time(at: float) -> int:
    try:
        return foxglove.nanoseconds(at)
    except (ValueError, TypeError) as error:
        raise InputError(f"drive: {error}") from error
