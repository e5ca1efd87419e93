"""A labelled image set of our own making (idx files): bars, crosses and discs of 8 x 8 pixels with noise."""
import gzip
import os
import random
import struct
import sys


def image(rng, label):
    x, y = rng.randrange(2, 6), rng.randrange(2, 6)
    shapes = [lambda i, j: i == x, lambda i, j: j == y, lambda i, j: i == x or j == y,
              lambda i, j: (i - x) ** 2 + (j - y) ** 2 <= 4]
    return bytes(min(255, max(0, (220 if shapes[label](i, j) else 20) + rng.randrange(-15, 16)))
                 for i in range(8) for j in range(8))


def write(path, data):
    with (gzip.open if path.endswith(".gz") else open)(path, "wb") as f:
        f.write(data)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    rng = random.Random(1)
    for split, count, image_name, label_name in (("train", 400, "train-images.idx", "train-labels.idx.gz"),
                                                 ("test", 120, "test-images.idx.gz", "test-labels.idx")):
        labels = [i % 4 for i in range(count)]
        pixels = b"".join(image(rng, label) for label in labels)
        write(os.path.join(folder, image_name), struct.pack(">IIII", 0x803, count, 8, 8) + pixels)
        write(os.path.join(folder, label_name), struct.pack(">II", 0x801, count) + bytes(labels))


main(sys.argv[1])
