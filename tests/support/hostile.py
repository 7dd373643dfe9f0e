"""Malicious files, all small, all to be refused."""

from __future__ import annotations

import gzip
import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy

import mnn_gpu
from mnn_gpu.data.idx import idx_header

LARGE = 40_000_000
"""Uncompressed bytes of a bomb; compressed it has less than a thousandth."""


def read(path: Path) -> Any:
    """Read a file by its extension."""
    if path.name.endswith((".png", ".jpg", ".webp", ".tif")):
        return mnn_gpu.prepare_digit(path)
    if path.name.startswith("weights"):
        return mnn_gpu.import_model(path)
    if path.name.endswith(".safetensors"):
        return mnn_gpu.load_model(path)
    return mnn_gpu.load_dataset(path, labelled="idx" not in path.name)


def npz(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


X, y = npy(np.zeros((4, 6), np.uint8)), npy(np.arange(4))
PAIR = {"x_train.npy": X, "y_train.npy": y}


def claiming_npz() -> bytes:
    """A member of 10 bytes whose header and directory claim 10^12."""
    about = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, about)
    return npz({"x_train.npy": file.getvalue() + bytes(10)}, zipfile.ZIP_STORED)


def duplicated_npz() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")
        for content in (X, npy(np.ones((4, 6), np.uint8)), y):
            archive.writestr("y_train.npy" if content is y else "x_train.npy", content)
    return file.getvalue()


def overlapping_npz() -> bytes:
    """A hundred directory entries for the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x_train.npy", npy(np.zeros((100, 784), np.uint8)))
        for i in range(100):
            entry = zipfile.ZipInfo(f"{i}.npy")
            vars_of = ("header_offset", "compress_size", "file_size", "CRC")
            for name in vars_of:
                setattr(entry, name, getattr(archive.filelist[0], name))
            archive.filelist.append(entry)
    return file.getvalue()


def flagged(content: bytes, flag: int) -> bytes:
    """Set a flag of every member, in its header and in the directory."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            changed[at + offset : at + offset + 2] = struct.pack("<H", flag)
            at = content.find(signature, at + 1)
    return bytes(changed)


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    content: bytes = pd.DataFrame(columns).to_parquet(engine="pyarrow", **options)
    return content


def claiming_parquet(rows: int = 10**9) -> bytes:
    """A file of 300 rows whose footer claims another number, everywhere."""
    content = parquet({"label": np.zeros(300, np.int64), "p0": np.zeros(300, np.int64)})
    length = struct.unpack("<I", content[-8:-4])[0]
    body, footer = content[: -8 - length], content[-8 - length : -8]
    footer = footer.replace(varint(300), varint(rows))
    return body + footer + struct.pack("<I", len(footer)) + b"PAR1"


def varint(number: int) -> bytes:
    """Encode a number in Thrift's compact protocol."""
    number, content = 2 * number if number >= 0 else -2 * number - 1, bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    return bytes([*content, number])


def tensors(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(shape: list[int], size: int) -> dict[str, Any]:
    return {"0.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}


def model(**about: str) -> bytes:
    description = {"format": "mnn_gpu model 2", "layer_sizes": "[2, 2]", "classes": "[0, 1]"}
    layer = {"0.weight": np.eye(2, dtype=np.float32), "0.bias": np.zeros(2, np.float32)}
    return safetensors.numpy.save(layer, {**description, "info": "{}", **about})


def png(width: int, height: int, depth: int = 8, kind: int = 0, extra: bytes = b"") -> bytes:
    """A complete PNG of zeros."""
    row = 1 + width * depth * {0: 1, 2: 3, 6: 4}[kind] // 8
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(row)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", header), extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def scanned_jpeg() -> bytes:
    """A JPEG with a hundred scans of the whole image."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (64, 64), 200).save(file, "JPEG", progressive=True)
    *before, last = file.getvalue().removesuffix(b"\xff\xd9").split(b"\xff\xda")
    return b"\xff\xda".join([*before, *[last] * 100]) + b"\xff\xd9"


def webp(width: int, height: int) -> bytes:
    """The header of a lossless WebP, without data."""
    body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(40)
    inner = b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    # Bombs.
    "rows.csv.gz": (
        lambda: gzip.compress(b"label,p\n" + b"1,1\n" * (LARGE // 4)),
        "over 200 times its size",
    ),
    "line.csv.gz": (lambda: gzip.compress(b"label,p\n1,1\n" + b"1," * 2**22), "line of over 4,194"),
    "cell.csv": (lambda: b"label,p\n1," + b"1" * 200_000, "limit"),
    "z-idx3-ubyte.gz": (
        lambda: gzip.compress(idx_header((LARGE, 1, 1)) + bytes(LARGE)),
        "declares 40000000 bytes",
    ),
    "zeros.npz": (lambda: npz({"x_train.npy": npy(np.zeros((LARGE, 1), np.uint8))}), "over 33,554"),
    "lzma.npz": (lambda: npz(PAIR, zipfile.ZIP_LZMA), "another method than deflate"),
    "weights-bzip2.npz": (lambda: npz({"W1.npy": X}, zipfile.ZIP_BZIP2), "than deflate"),
    "overlap.npz": (overlapping_npz, "declares more bytes than it has"),
    "weights-overlap.npz": (overlapping_npz, "declares more bytes than it has"),
    "rows.parquet": (
        lambda: parquet({name: np.zeros(LARGE // 2, np.uint8) for name in ("label", "p0")}),
        "declares 20,000,000 rows",
    ),
    "wide.png": (lambda: png(70_000, 1_000, 1), "above the limit of 50 million"),
    "wide.webp": (
        lambda: webp(16_383, 16_383),
        "above the limit of 50 million|could not create decoder",  # Pillow before 12
    ),
    "scans.jpg": (scanned_jpeg, "JPEG of 1[0-9]+ scans"),
    # Headers with false claims.
    "claim-idx3-ubyte": (lambda: idx_header((2**32 - 1,) * 3) + bytes(9), "declares"),
    "claim.npz": (claiming_npz, "declares 1000000000000 bytes"),
    "claim.parquet": (claiming_parquet, "declares 1,000,000,000 rows"),
    "fewer.parquet": (lambda: claiming_parquet(10), "more or fewer values than rows"),
    "none.parquet": (lambda: claiming_parquet(0), "declares 0 rows"),
    "claim.safetensors": (lambda: tensors(tensor([10**12], 4 * 10**12)), "not a complete model"),
    "overflow.safetensors": (lambda: tensors(tensor([2**62, 8], 0)), "not a complete model"),
    "length.safetensors": (lambda: struct.pack("<Q", 2**60) + b"{}", "does not begin like"),
    "weights-length.safetensors": (lambda: struct.pack("<Q", 2**60), "does not begin like"),
    "weights-shape.safetensors": (lambda: tensors(tensor([0] * 100, 0)), "cannot be read"),
    "weights-claim.safetensors": (lambda: tensors(tensor([2**31, 2**31], 2**64 - 4)), "cannot be"),
    "sizes.safetensors": (
        lambda: model(layer_sizes="[1000000000, 1000000000, 2]"),
        "layer 1 is not",
    ),
    "classes.safetensors": (lambda: model(classes="[0, 1e999]"), "wrong kind"),
    "deep.safetensors": (lambda: model(info="[" * 100_000), "is damaged"),
    "digits.safetensors": (lambda: model(info="9" * 10_000), "is damaged"),
    # NaN and infinities.
    "nan.csv": (lambda: b"label,p\n1,nan\n", "'nan' is not a whole number"),
    "inf.csv": (lambda: b"label,p\n1e999,1\n", "is not a whole number|not a class"),
    "nan.npz": (lambda: npz({**PAIR, "x_train.npy": npy(np.full((4, 6), np.nan))}), "nan is not"),
    "inf.npz": (
        lambda: npz({**PAIR, "y_train.npy": npy(np.full(4, np.inf))}),
        "inf is not a class",
    ),
    "nan.parquet": (lambda: parquet({"label": [1, 2], "p": [np.nan, 1]}), "nan is not"),
    "inf.parquet": (lambda: parquet({"label": [1, np.inf], "p": [1, 1]}), "inf is not a class"),
    "nan.safetensors": (
        lambda: model().replace(struct.pack("<f", 1), struct.pack("<f", np.nan)),
        "not finite",
    ),
    # Invalid text.
    "latin.csv": (lambda: "label,größe\n1,2\n".encode("latin-1"), "not a text file"),
    "names.npz": (
        lambda: flagged(npz({**PAIR, "zz.npy": X}), 0x800).replace(b"zz.npy", b"\xff\xfe.npy"),
        r"not a complete \.npz file",
    ),
    "utf.safetensors": (lambda: tensors(b'{"\xff": 1}'), "not a complete model file"),
    # Archives.
    "up.npz": (lambda: npz({"../../x_train.npy": X}), "has no array x_train"),
    "root.npz": (lambda: npz({"/x_train.npy": X}), "has no array x_train"),
    "weights-up.npz": (lambda: npz({"../../W1.npy": X}), "is not part of a Linear layer"),
    "twice.npz": (duplicated_npz, "two arrays or files with the same name"),
    "weights-twice.npz": (
        lambda: npz({"W1.npy": X, "W1": X}),
        "two arrays or files with the same name",
    ),
    "weights-names.npz": (lambda: npz({"W1.npy": X, "1.weight.npy": X}), "under two names"),
    "secret.npz": (lambda: flagged(npz(PAIR), 1), "encrypted"),
    "pickle.npz": (lambda: npz({"x_train.npy": npy(np.array([{}], object))}), "may run code"),
    "weights-pickle.npz": (lambda: npz({"W1.npy": npy(np.array([{}], object))}), "may run code"),
    # A program for Ghostscript.
    "eps.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
}
"""Content of each file, and the expected message."""
