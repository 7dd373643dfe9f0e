"""Files made wrong: a few changes each, some of them behind checksums that still fit."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random

NUMBERS = (0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63)
TOKENS = b"nan,inf,-inf,1e999,-1,256,255,1.5,1.0,+7, 7,007,1_0,0x1,1e2,NA,true,\xb2,\xd9\xa3".split(
    b","
)
TEXT = [*TOKENS, b"", b'"', b"'", b"\0", b",", b"\n", b"\r", b"\xff\xfe", b"9" * 400, b"[" * 2000]
Change = Callable[[Random, bytearray, bytes], None]


def mutated(random: Random, kind: str, content: bytes, other: bytes) -> bytes:
    """Return a file with some bytes changed; ``other`` is one to take bytes from."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        inside = INSIDE.get(kind.partition(" ")[2] or kind)
        if inside is not None and random.random() < 0.7:
            content = inside(random, content, other)
        else:
            content = _changed(random, content, other)
    return content


def _changed(random: Random, content: bytes, other: bytes) -> bytes:
    changed = bytearray(content)
    if changed:
        random.choice(CHANGES)(random, changed, other)
    return bytes(changed)


def _bits(random: Random, content: bytearray, _: bytes) -> None:
    for _round in range(random.choice((1, 1, 2, 8))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _run(random: Random, content: bytearray, _: bytes) -> None:
    start, length = _part(random, content)
    content[start : start + length] = (
        bytes([random.choice((0, 255, random.randrange(256)))]) * length
    )


def _truncate(random: Random, content: bytearray, _: bytes) -> None:
    del content[random.randrange(len(content)) :]


def _insert(random: Random, content: bytearray, _: bytes) -> None:
    start, length = _part(random, content)
    content[start:start] = random.randbytes(length)


def _splice(random: Random, content: bytearray, other: bytes) -> None:
    content[random.randrange(len(content)) :] = other[random.randrange(len(other) + 1) :]


def _repeat(random: Random, content: bytearray, _: bytes) -> None:
    start, length = _part(random, content)
    content[start:start] = content[start : start + length] * random.choice((1, 2, 50))


def _remove(random: Random, content: bytearray, _: bytes) -> None:
    start, length = _part(random, content)
    del content[start : start + length]


def _number(random: Random, content: bytearray, _: bytes) -> None:
    """Replace a binary number, most often in the header or the footer."""
    size, number = random.choice((1, 2, 4, 8)), random.choice(NUMBERS)
    near = random.randrange(min(64, len(content)))
    start = random.choice((near, len(content) - 1 - near, random.randrange(len(content))))
    bits = number % (1 << (8 * size))
    content[start : start + size] = bits.to_bytes(size, random.choice(("big", "little")))


def _word(random: Random, content: bytearray, _: bytes) -> None:
    """Replace a number or a word in text."""
    found = [match.span() for match in re.finditer(rb"[0-9.]+|[A-Za-z_]+", content)]
    if not found:
        return
    start, stop = random.choice(found[:200] if random.random() < 0.5 else found)
    content[start:stop] = random.choice([*TEXT, *(b"%d" % number for number in NUMBERS)])


def _part(random: Random, content: bytearray) -> tuple[int, int]:
    return random.randrange(len(content)), random.choice((1, 2, 4, 16, 200))


def _in_gzip(random: Random, content: bytes, other: bytes) -> bytes:
    try:
        inside = gzip.decompress(content), gzip.decompress(other)
    except (OSError, EOFError, zlib.error):
        return _changed(random, content, other)
    return gzip.compress(_changed(random, *inside), 1, mtime=0)


def _in_zip(random: Random, content: bytes, other: bytes) -> bytes:
    """Change a member and write the archive anew, so that its checksums fit."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:
        return _changed(random, content, other)
    which = random.randrange(len(members) + 1)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", random.choice((0, 8))) as archive:
        for i, (name, member) in enumerate(members):
            text = _changed(random, member, other) if i == which else member
            archive.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()


def _in_png(random: Random, content: bytes, other: bytes) -> bytes:
    """Change a chunk, a packed one inside, and give it the checksum that fits."""
    signature, rest, chunks = content[:8], content[8:], []
    while len(rest) >= 12:
        length = struct.unpack(">I", rest[:4])[0]
        chunks.append((rest[4:8], rest[8 : 8 + length]))
        rest = rest[12 + length :]
    if not chunks:
        return _changed(random, content, other)
    which = random.randrange(len(chunks))
    kind, body = chunks[which]
    try:
        chunks[which] = kind, zlib.compress(_changed(random, zlib.decompress(body), other))
    except zlib.error:
        chunks[which] = kind, _changed(random, body, other)
    sums = (struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    return signature + b"".join(
        struct.pack(">I", len(body)) + kind + body + end
        for (kind, body), end in zip(chunks, sums, strict=True)
    )


CHANGES: list[Change] = [
    *(_bits, _bits, _run, _truncate, _insert, _splice, _repeat, _remove),
    *(_number, _number, _word, _word, _word),
]
INSIDE = {
    "CSV.gz": _in_gzip,
    "IDX.gz": _in_gzip,
    "npz": _in_zip,
    "PNG": _in_png,
}
"""How to change packed content, by kind."""
