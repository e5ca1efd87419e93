"""A grey PNG of noise: make_png.py FILE HEIGHT WIDTH"""
import random
import struct
import sys
import zlib

file, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(file)
rows = b"".join(b"\0" + bytes(rng.randrange(256) for _ in range(width)) for _ in range(height))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


with open(file, "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
