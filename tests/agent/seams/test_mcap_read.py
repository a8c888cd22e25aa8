"""Reading MCAP recordings: files of other writers, damaged files, and the moments of a drive."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import CompressionType, Writer
from PIL import Image

from tests.agent.seams.drive_sample import RATE, frame, sound, write_drive
from veridical.agent.seams import mcap_records
from veridical.agent.seams.mcap_read import read_drive, read_messages, survey
from veridical.agent.seams.mcap_write import DriveWriter
from veridical.agent.seams.signals import Picture, Words
from veridical.errors import InputError, RecordError, VeridicalError


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


class Foreign:
    """Another writer's file, by the mcap library alone."""

    def __init__(self, path: Path, **options) -> None:
        self.path, self.file = path, path.open("wb")
        self.writer = Writer(self.file, **options)
        self.writer.start()

    def channel(self, topic: str, schema: str, encoding: str, schema_encoding: str, data: bytes = b"{}") -> int:
        return self.writer.register_channel(topic, encoding, self.writer.register_schema(schema, schema_encoding, data))

    def say(self, channel: int, ns: int, data: bytes) -> None:
        self.writer.add_message(channel, log_time=ns, data=data, publish_time=ns)

    def done(self) -> Path:
        self.writer.finish()
        self.file.close()
        return self.path


def said(path: Path, *messages: tuple[float, str]) -> Path:
    file = Foreign(path)
    channel = file.channel("/said", "std_msgs/msg/String", "json", "jsonschema")
    for at, text in messages:
        file.say(channel, round(at * 1e9), json.dumps({"data": text}).encode())
    return file.done()


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("compression", list(CompressionType))
def test_any_layout_of_another_writer(tmp_path, chunked, compression):
    file = Foreign(tmp_path / "a.mcap", use_chunking=chunked, compression=compression, use_statistics=False)
    channel = file.channel("/said", "std_msgs/msg/String", "json", "jsonschema")
    for index in range(5):
        file.say(channel, index, b'{"data": "go"}')
    path = file.done()
    assert [m.signal() for m in read_messages(path)] == [Words("go")] * 5
    assert survey(path).whole


def test_protobuf_that_describes_itself(tmp_path):
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    from google.protobuf import descriptor_pool, message_factory, timestamp_pb2

    field = descriptor_pb2.FieldDescriptorProto
    made = descriptor_pb2.FileDescriptorProto(
        name="foxglove/CompressedImage.proto", package="foxglove", syntax="proto3"
    )
    made.dependency.append("google/protobuf/timestamp.proto")
    image = made.message_type.add(name="CompressedImage")
    for number, (name, kind) in enumerate(
        [("timestamp", field.TYPE_MESSAGE), ("data", field.TYPE_BYTES), ("format", field.TYPE_STRING)], 1
    ):
        image.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    image.field[0].type_name = ".google.protobuf.Timestamp"
    stamps = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(stamps)
    described = descriptor_pb2.FileDescriptorSet(file=[made, stamps])  # the wrong way round: order must not matter
    pool = descriptor_pool.DescriptorPool()
    for one in (stamps, made):
        pool.AddSerializedFile(one.SerializeToString())
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("foxglove.CompressedImage"))
    file = Foreign(tmp_path / "a.mcap")
    channel = file.channel("/eye", "foxglove.CompressedImage", "protobuf", "protobuf", described.SerializeToString())
    file.say(channel, 5, kind(data=png(frame(3)), format="png").SerializeToString())
    file.say(channel, 6, b"\xff\xff\xff")
    good, bad = read_messages(file.done())
    seen = good.signal()
    assert isinstance(seen, Picture)
    assert np.array_equal(seen.frame, frame(3))
    with pytest.raises(RecordError, match=r"/eye: no message of foxglove\.CompressedImage"):
        bad.signal()


def test_protobuf_without_descriptors_that_can_be_read(tmp_path):
    pytest.importorskip("google.protobuf")
    file = Foreign(tmp_path / "a.mcap")
    file.say(file.channel("/eye", "foxglove.CompressedImage", "protobuf", "protobuf", b"\xff\xff"), 5, b"")
    (message,) = read_messages(file.done())
    with pytest.raises(RecordError, match=r"the description of foxglove\.CompressedImage cannot be read"):
        message.signal()


def cdr(*parts: bytes | str | int, order: str = "<") -> bytes:
    """CDR by hand: ints are 32 bits, bytes are sequences or, of length 1, octets."""
    out = b""
    for part in parts:
        if isinstance(part, bytes) and len(part) == 1:
            out += part
            continue
        out += b"\0" * (-len(out) % 4)
        if isinstance(part, int):
            out += struct.pack(order + "I", part)
        else:
            data = part.encode() + b"\0" if isinstance(part, str) else part
            out += struct.pack(order + "I", len(data)) + data
    return (b"\0\1\0\0" if order == "<" else b"\0\0\0\0") + out


@pytest.mark.parametrize("order", ["<", ">"])
def test_ros_2_pictures_and_texts(tmp_path, order):
    pixels = frame(7, 5)
    bgr = np.pad(pixels[:, :, ::-1].reshape(5, 15), ((0, 0), (0, 1)))  # rows of 16 bytes
    file = Foreign(tmp_path / "a.mcap")
    for topic, kind, data in (
        ("/packed", "sensor_msgs/msg/CompressedImage", cdr(1, 2, "eye", "png", png(pixels), order=order)),
        ("/raw", "sensor_msgs/msg/Image", cdr(1, 2, "an eye", 5, 5, "bgr8", b"\0", 16, bgr.tobytes(), order=order)),
        ("/said", "std_msgs/msg/String", cdr("stop", order=order)),
        ("/short", "std_msgs/msg/String", cdr("stop", order=order)[:-2]),
    ):
        file.say(file.channel(topic, kind, "cdr", "ros2msg", b""), 0, data)
    packed, raw, text, short = read_messages(file.done())
    for message in (packed, raw):
        seen = message.signal()
        assert isinstance(seen, Picture)
        assert np.array_equal(seen.frame, pixels)
    assert text.signal() == Words("stop")
    with pytest.raises(RecordError, match="/short: no std_msgs/msg/String: it wants 5 bytes at 4 of 7"):
        short.signal()


def test_what_is_not_read_is_said(tmp_path):
    file = Foreign(tmp_path / "a.mcap")
    file.say(file.channel("/eye", "foxglove.CompressedImage", "flatbuffer", "flatbuffer"), 0, b"")
    file.say(file.channel("/scan", "sensor_msgs/msg/LaserScan", "cdr", "ros2msg"), 0, b"")
    eye, scan = read_messages(file.done())
    assert scan.signal() is None
    with pytest.raises(InputError, match="in flatbuffer; json, protobuf with its descriptors, and cdr"):
        eye.signal()


def image(**fields) -> bytes:
    told = {"encoding": "rgb8", "width": 2, "height": 1, "step": 6, "data": base64.b64encode(b"abcdef").decode()}
    return json.dumps({**told, **fields}).encode()


@pytest.mark.parametrize(
    ("schema", "data", "why"),
    [
        ("foxglove.RawImage", image(width=60_000, height=60_000), "60000 x 60000 pixels"),
        ("foxglove.RawImage", image(step=5), "do not fit"),
        ("foxglove.RawImage", image(height=2), "do not fit"),
        ("foxglove.RawImage", image(encoding="yuyv"), "a raw picture in 'yuyv'"),
        ("foxglove.RawImage", image(width=True), "'width' holds bool"),
        ("foxglove.RawImage", image(data="$$"), "no base64"),
        ("foxglove.CompressedImage", b'{"data": "AAAA", "format": "png"}', "are no picture that can be read"),
        ("foxglove.CompressedImage", b'{"data": 3, "format": "png"}', "'data' holds int"),
        ("foxglove.CompressedImage", b"[1]", "is a list; an object is wanted"),
        ("foxglove.CompressedImage", b"[" * 100_000, "is no JSON"),
        ("foxglove.RawAudio", b'{"data": "AAAA", "format": "opus"}', "in the format 'opus'"),
        (
            "foxglove.RawAudio",
            b'{"data": "AAAA", "format": "pcm-s16", "sample_rate": 8000, "number_of_channels": 1}',
            "3 bytes are no whole number",
        ),
        (
            "foxglove.RawAudio",
            b'{"data": "AAA=", "format": "pcm-s16", "sample_rate": 5, "number_of_channels": 1}',
            "1 channels at 5 Hz",
        ),
        ("veridical.Instruction", b'{"text": 3}', "'text' holds int"),
    ],
)
def test_messages_that_are_not_what_they_say(tmp_path, schema, data, why):
    file = Foreign(tmp_path / "a.mcap")
    file.say(file.channel("/a", schema, "json", "jsonschema"), 0, data)
    (message,) = read_messages(file.done())
    with pytest.raises(RecordError, match=why) as raised:
        message.signal()
    assert "a.mcap': offset" in str(raised.value)
    assert ": /a" in str(raised.value)


def test_a_raw_picture_as_foxglove_has_it(tmp_path):
    file = Foreign(tmp_path / "a.mcap")
    channel = file.channel("/a", "foxglove.RawImage", "json", "jsonschema")
    file.say(channel, 0, image())
    file.say(channel, 1, image(encoding="mono8", step=3, data=base64.b64encode(b"ab?").decode()))
    rgb, mono = (m.signal() for m in read_messages(file.done()))
    assert isinstance(rgb, Picture)
    assert isinstance(mono, Picture)
    assert rgb.frame.tolist() == [[[97, 98, 99], [100, 101, 102]]]
    assert mono.frame.tolist() == [[[97, 97, 97], [98, 98, 98]]]


def test_a_picture_bomb_is_not_unpacked(tmp_path, monkeypatch):
    from veridical.agent.seams import signals

    monkeypatch.setattr(signals, "PIXELS", 100)
    file = Foreign(tmp_path / "a.mcap")
    data = json.dumps({"data": base64.b64encode(png(frame(0))).decode(), "format": "png"}).encode()
    file.say(file.channel("/a", "foxglove.CompressedImage", "json", "jsonschema"), 0, data)
    (message,) = read_messages(file.done())
    with pytest.raises(RecordError, match="32 x 32 pixels; 1 to 100 in all are read"):
        message.signal()


def test_a_message_may_have_so_many_bytes_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(mcap_records, "MESSAGE_LIMIT", 10)
    for size, fits in ((10, True), (11, False)):
        file = Foreign(tmp_path / f"{size}.mcap")
        file.say(file.channel("/a", "std_msgs/msg/String", "json", "jsonschema"), 0, b"x" * size)
        path = file.done()
        if fits:
            assert len(list(read_messages(path))) == 1
        else:
            with pytest.raises(RecordError, match=r"offset .*: a message of 33 bytes; at most 32 are read"):
                list(read_messages(path))


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def chunk(data: bytes, said: int, compression: str, packed: bytes, crc: int = 0) -> bytes:
    name = compression.encode()
    head = struct.pack("<QQQII", 0, 0, said, crc, len(name)) + name
    return record(6, head + struct.pack("<Q", len(packed)) + packed)


@pytest.mark.parametrize(
    ("said", "why"), [(2**40, "at most 268,435,456 are unpacked"), (100, "is not the 100 bytes"), (0, "is not the 0 b")]
)
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_chunk_bomb_is_not_unpacked(tmp_path, compression, said, why):
    import lz4.frame
    import zstandard

    zeros = bytes(5_000_000)
    packed = zstandard.compress(zeros) if compression == "zstd" else lz4.frame.compress(zeros)
    path = tmp_path / "a.mcap"
    path.write_bytes(mcap_records.MAGIC + record(1, b"\0" * 8) + chunk(zeros, said, compression, packed))
    with pytest.raises(RecordError, match=f"offset 25: .*{why}"):
        survey(path)


def test_a_chunk_whose_checksum_does_not_fit(tmp_path):
    path, inner = tmp_path / "a.mcap", record(0x80, b"abc")
    path.write_bytes(mcap_records.MAGIC + chunk(inner, len(inner), "", inner, zlib.crc32(inner)))
    assert not survey(path).topics
    path.write_bytes(mcap_records.MAGIC + chunk(inner, len(inner), "", inner, 1))
    with pytest.raises(RecordError, match="checksum does not fit"):
        survey(path)


def test_no_file_a_folder_and_another_format(tmp_path):
    other = tmp_path / "a.wav"
    other.write_bytes(b"RIFF....WAVE")
    for path, why in (
        (tmp_path / "no.mcap", "no such file"),
        (tmp_path, "is a folder"),
        (other, "begins with 524946462e2e2e2e"),
    ):
        with pytest.raises(InputError, match=why):
            survey(path)


def test_random_damage_is_told_in_words(tmp_path):
    whole = write_drive(tmp_path / "whole.mcap", 0.5).read_bytes()
    path, rng = tmp_path / "a.mcap", random.Random(0)
    outcomes, told = {"read": 0, "refused": 0}, set()
    for trial in range(90):
        data = bytearray(whole[: rng.randrange(len(whole))] if trial % 3 == 0 else whole)
        if trial % 3:
            for _ in range(trial % 3):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(data))
        try:
            for message in read_messages(path):
                message.signal()
            list(read_drive(path, window=0.25, every=0.25))
            outcomes["read"] += 1
        except VeridicalError as error:
            told.add(str(error))
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10
    assert all(text.isprintable() for text in told)


def test_every_truncation_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "a.mcap"
    whole = write_drive(tmp_path / "whole.mcap", 2.5, compression="none").read_bytes()
    total = sum(1 for _ in read_messages(tmp_path / "whole.mcap"))
    counts = []
    for end in range(8, len(whole), 1499):
        path.write_bytes(whole[:end])
        counts.append(sum(1 for _ in read_messages(path)))
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] == total


def test_topics_that_are_not_there(tmp_path):
    path = write_drive(tmp_path / "a.mcap", 1.0)
    with pytest.raises(InputError, match="has no topic '/eye'; there are /camera, /instruction, /microphone"):
        list(read_messages(path, ["/eye"]))
    with pytest.raises(InputError, match="has no topic '/eye'"):
        list(read_drive(path, topics={"vision": "/eye"}))
    assert {m.topic for m in read_messages(path, ["/camera"])} == {"/camera"}


def test_the_moments_of_a_drive(tmp_path):
    start = 1_700_000_000.0
    moments = list(read_drive(write_drive(tmp_path / "a.mcap", 6.0, start)))
    assert [m.at for m in moments] == [3, 4, 5]
    assert moments[0].time == "2023-11-14T22:13:23.000+00:00"
    whole = sound(6.0)
    for moment in moments:
        at = round(moment.at)
        assert not moment.notes
        assert [int(f[0, 0, 0]) for f in moment.observation["vision"]] == [2 * at - 4, 2 * at - 2, 2 * at]
        samples, rate = moment.observation["audio"]
        assert rate == RATE
        assert np.array_equal(samples, whole[(at - 3) * RATE : at * RATE])
        assert moment.observation["text"] == ("Go home." if at < 4 else "Wait.")


def test_other_windows_and_rates(tmp_path):
    path = write_drive(tmp_path / "a.mcap", 4.0)
    moments = list(read_drive(path, every=0.5, window=1.0, rate=2.0, topics={"vision": "/camera"}))
    assert [m.at for m in moments] == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    for moment in moments:
        assert set(moment.observation) == {"vision"}
        last = round(moment.at * 2)
        assert [int(f[0, 0, 0]) for f in moment.observation["vision"]] == [last - 1, last]


def test_a_sense_may_have_another_name(tmp_path):
    path = write_drive(tmp_path / "a.mcap", 3.5)
    (moment,) = read_drive(path, topics={"eyes": "/camera", "vision": "/camera"})
    assert [f.shape for f in moment.observation["eyes"]] == [f.shape for f in moment.observation["vision"]]


def test_a_drive_shorter_than_a_window(tmp_path):
    (moment,) = read_drive(write_drive(tmp_path / "a.mcap", 1.0))
    assert moment.at == 0.75
    assert len(moment.observation["vision"]) == 1
    assert any("1 of 3 frames had come" in note for note in moment.notes)
    assert any("s of the sound are missing, and stand as silence" in note for note in moment.notes)


def test_what_this_package_said_of_a_drive_is_not_what_was_seen(tmp_path):
    path = tmp_path / "a.mcap"
    with DriveWriter(path) as drive:
        for index in range(5):
            drive.frame(frame(index), index)
            drive.frame(frame(200), index, "/veridical/saliency")
    for moment in read_drive(path):
        assert all(f[0, 0, 0] < 200 for f in moment.observation["vision"])


def test_topics_that_stand_one_after_another(tmp_path):
    side_by_side = write_drive(tmp_path / "a.mcap", 6.0)
    path = tmp_path / "b.mcap"
    messages = sorted(read_messages(side_by_side), key=lambda m: m.topic)
    file = Foreign(path, chunk_size=2000)
    channels: dict[str, int] = {}
    for message in messages:
        if message.topic not in channels:
            channels[message.topic] = file.channel(message.topic, message.schema, "json", "jsonschema")
        file.say(channels[message.topic], message.ns, message.data)
    file.done()
    for here, there in zip(read_drive(side_by_side), read_drive(path), strict=True):
        assert (here.at, here.notes, set(here.observation)) == (there.at, there.notes, set(there.observation))
        assert np.array_equal(here.observation["audio"][0], there.observation["audio"][0])
        assert np.array_equal(here.observation["vision"], there.observation["vision"])


def test_a_clock_that_was_set_back_for_all_topics(tmp_path):
    path = tmp_path / "a.mcap"
    with DriveWriter(path) as drive:
        for base, first in ((1000.0, 0), (10.0, 40)):
            for index in range(40):
                drive.frame(frame(first + index), base + index / 4)
                drive.words(f"{first + index}", base + index / 4 + 0.1)
    moments = list(read_drive(path))
    assert sum("set back by 998 s" in note for m in moments for note in m.notes) == 1
    assert [m.at for m in moments] == [float(at) for at in range(3, 18)]
    last = moments[-1].observation
    assert abs(int(last["text"]) - int(last["vision"][-1][0, 0, 0])) <= 1


def test_two_cameras_must_be_told_apart(tmp_path):
    path = tmp_path / "a.mcap"
    with DriveWriter(path) as drive:
        for index in range(5):
            drive.frame(frame(index), index, "/left")
            drive.frame(frame(100 + index), index, "/right")
    with pytest.raises(InputError, match="2 topics for vision: /left, /right; choose by topics="):
        list(read_drive(path))
    (moment, *_) = read_drive(path, topics={"vision": "/right"})
    assert [int(f[0, 0, 0]) for f in moment.observation["vision"]] == [101, 102, 103]


def test_no_topic_that_serves_a_sense(tmp_path):
    file = Foreign(tmp_path / "a.mcap")
    file.say(file.channel("/scan", "sensor_msgs/msg/LaserScan", "cdr", "ros2msg"), 0, b"")
    path = file.done()
    with pytest.raises(InputError, match=r"no topic that serves a sense; there are /scan \(sensor_msgs/msg/LaserScan"):
        list(read_drive(path))
    with pytest.raises(InputError, match="/scan holds sensor_msgs/msg/LaserScan, which serves no sense"):
        list(read_drive(path, topics={"vision": "/scan"}))


def test_a_damaged_frame_is_told_when_it_is_looked_at(tmp_path):
    file = Foreign(tmp_path / "a.mcap")
    channel = file.channel("/eye", "foxglove.CompressedImage", "json", "jsonschema")
    for second in range(5):
        file.say(channel, second * 10**9, b'{"data": "AAAA", "format": "png"}')
    with pytest.raises(RecordError, match="/eye: 3 bytes, said to be png, are no picture"):
        list(read_drive(file.done()))


def test_only_words(tmp_path):
    moments = list(read_drive(said(tmp_path / "a.mcap", (0, "go"), (2, "wait"), (5, "stop")), window=1.0))
    assert [(m.at, m.observation["text"]) for m in moments][:3] == [(1.0, "go"), (2.0, "wait"), (3.0, "wait")]
    assert (moments[-1].at, moments[-1].observation["text"]) == (5.0, "stop")
    assert "nothing came for 3 s" in moments[-1].notes[0]
