#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, tiny files of every format: make_seeds.py [FOLDER]. Needs numpy and Pillow."""
import gzip
import hashlib
import io
import json
import os
import random
import struct
import sys
import tarfile

import numpy
from PIL import Image

root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")
rng = random.Random(7)


def put(target, name, data):
    os.makedirs(os.path.join(root, target), exist_ok=True)
    with open(os.path.join(root, target, name), "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def picture(kind, mode, **options):
    size = (5, 4) if kind == "PNG" else (9, 8)
    bands = len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, size, bytes(rng.randrange(256) for _ in range(size[0] * size[1] * bands)))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    numpy.save(out, array)
    return out.getvalue()


def npz(compressed=False, **arrays):
    out = io.BytesIO()
    (numpy.savez_compressed if compressed else numpy.savez)(out, **arrays)
    return out.getvalue()


def safetensors(header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def tar(members, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue().rstrip(b"\0") + b"\0" * 1024


small = numpy.arange(6, dtype="<f4").reshape(2, 3)
put("npy", "f4", npy(small))
put("npy", "u1", npy(numpy.zeros((2, 1, 2, 3), "u1")))
put("npy", "i8_empty", npy(numpy.zeros((0, 4), "<i8")))
put("npy", "fortran", npy(numpy.asfortranarray(small)))
put("npz", "stored", npz(arr_0=small, arr_1=numpy.arange(2)))
put("npz", "deflated", npz(True, arr_0=numpy.zeros((4, 4), "u1")))
put("statistics", "with_json", (lambda z: struct.pack("<I", len(z)) + z + b'{"count": 5, "features": 2}')(
    npz(mu=numpy.zeros(2), sigma=numpy.eye(2))))
put("statistics", "without", (lambda z: struct.pack("<I", len(z)) + z)(npz(mu=numpy.zeros(1), sigma=numpy.eye(1))))

idx = struct.pack(">IIII", 0x803, 2, 2, 3) + bytes(range(12))
put("idx", "images", idx)
put("idx", "images_gz", gzip.compress(idx, mtime=0))
put("idx", "labels", struct.pack(">II", 0x801, 3) + b"\1\2\3")
put("cifar10", "one", bytes([3]) + bytes(3072))

put("safetensors", "two", safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                                       "b": {"dtype": "U8", "shape": [], "data_offsets": [8, 9]},
                                       "__metadata__": {"key": "k"}}, bytes(9)))
put("safetensors", "empty", safetensors({}, b""))
put("safetensors", "bf16", safetensors({"x": {"dtype": "BF16", "shape": [0, 3], "data_offsets": [0, 0]}}, b""))

grey, colour = picture("PNG", "L"), picture("JPEG", "RGB", quality=50)
for number, data in enumerate([grey, picture("PNG", "RGB"), picture("PNG", "RGBA"), picture("PNG", "P"), picture("PNG", "1"),
                               picture("PNG", "LA"), colour, picture("JPEG", "L"), picture("JPEG", "CMYK"),
                               picture("JPEG", "RGB", progressive=True, subsampling=2)]):
    put("image", f"{number}", bytes([number]) + data)

put("tar", "webdataset", b"\0" + tar([("a/0.jpg", b"x"), ("a/0.cls", b"3\n"), ("a/1.png", b"y"), ("a/1.cls", b"4")]))
put("tar", "json", b"\1" + tar([("0.jpg", b"x"), ("0.json", b'{"label": 2}')], tarfile.PAX_FORMAT))
put("tar", "folders", b"\4" + tar([("set/cat/0.png", b"x"), ("set/dog/1.png", b"y")], tarfile.GNU_FORMAT))
put("tar", "inside", b"\2" + tar([("train/a/0.png", b"x"), ("test/a/1.png", b"y")]))
put("tar", "long_names", b"\0" + tar([("d" * 120 + "/0.png", b"x")], tarfile.GNU_FORMAT))
put("tar", "long_names_pax", b"\0" + tar([("d" * 300 + "/0.png", b"x")], tarfile.PAX_FORMAT))
put("tar", "gzip", b"\0" + gzip.compress(tar([("0.png", b"x")]), mtime=0))

put("config", "small", """name: a
data: {kind: toy, toy: ring}
train:
  steps: 4
  batch: 1e1
  ratio: {steps: 2, instance_noise: 0.5}
sample:
  methods: [ddls, mala]
  mala: {step_sizes: [0.1, 0.2]}
""")
put("config", "odd", "train: {steps: '5', steps: -1}\nmodle: [~, &a {b: *a}]\n---\nx: !!binary aGk=\n")
put("config", "comma", ",n: {s")
put("override", "some", "train.steps=5\nsample.methods=[ddls]\nname=\ntrain.ratio.steps=1e3\nx.y=1\nseed")

state = '{"step": 3, "key": "a"}'
manifest = json.dumps({"schema": 1, "files": {"state.json": {"bytes": len(state),
                                                            "sha256": hashlib.sha256(state.encode()).hexdigest()}}})
put("checkpoint", "whole", manifest + "\0" + state)
put("checkpoint", "state", "\0" + state)
put("checkpoint", "other", '{"files": {"a": {"sha256": 5}}}\0')
put("records", "metrics", '{"phase": "gan", "step": 4, "loss": 0.5}\n{"phase": "gan", "step": 8}\n{"phase": "ratio", "step": 9}\n{"pha')
put("records", "provenance", '{"schema": 1, "count": 10, "set": "a"}')
