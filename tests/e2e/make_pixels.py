"""Folders of small PNG files that differ in what is not samples: make_pixels.py FOLDER

plain; gamma: with gAMA; alpha: with an alpha channel; black, white: alpha laid over that; exif: an orientation; turned: as it says.
"""
import os
import random
import struct
import sys
import zlib

SIDE = 8


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows, alpha=None, extra=b""):
    """rows: grey values; alpha likewise."""
    lines = [row if alpha is None else [v for pair in zip(row, opaque) for v in pair] for row, opaque in zip(rows, alpha or rows)]
    data = b"".join(b"\0" + bytes(line) for line in lines)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0 if alpha is None else 4, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def main(folder):
    rng = random.Random(5)
    for name in ("plain", "gamma", "alpha", "black", "white", "exif", "turned"):
        os.makedirs(os.path.join(folder, name))
    orientation = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    for i in range(12):
        grey = [[rng.randrange(256) for _ in range(SIDE)] for _ in range(SIDE)]
        alpha = [[rng.choice((0, 100, 255)) for _ in range(SIDE)] for _ in range(SIDE)]

        def over(ground):
            return [[(v * a + ground * (255 - a) + 127) // 255 for v, a in zip(*rows)] for rows in zip(grey, alpha)]

        turned = [[grey[SIDE - 1 - x][y] for x in range(SIDE)] for y in range(SIDE)]  # a quarter to the right
        for name, data in (("plain", png(grey)), ("gamma", png(grey, extra=chunk(b"gAMA", struct.pack(">I", 100000)))),
                           ("alpha", png(grey, alpha)), ("black", png(over(0))), ("white", png(over(255))),
                           ("exif", png(grey, extra=chunk(b"eXIf", orientation))), ("turned", png(turned))):
            with open(os.path.join(folder, name, f"{i}.png"), "wb") as file:
                file.write(data)


main(sys.argv[1])
