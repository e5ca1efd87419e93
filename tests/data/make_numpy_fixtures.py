"""Writes the .npz and .npy files of this folder, as numpy itself writes them; tests/unit/tensor/npz_test.cpp reads them."""
import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
arrays = {
    "bytes": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    "ints": np.array([-1, 2**31 - 1], dtype=np.int32),
    "longs": np.array([[-(2**62)], [7]], dtype=np.int64),
    "floats": np.array([0.5, -1.25, 3.0], dtype=np.float32),
    "doubles": np.array(0.1),
    "empty": np.zeros((0, 5), dtype=np.float32),
}
np.savez(here / "numpy_stored.npz", **arrays)
np.savez_compressed(here / "numpy_deflated.npz", **arrays)
np.save(here / "numpy_float16.npy", np.zeros(2, np.float16))
np.save(here / "numpy_fortran.npy", np.asfortranarray(np.zeros((2, 3), np.float32)))
with open(here / "numpy_version2.npy", "wb") as f:
    np.lib.format.write_array(f, np.arange(3, dtype=np.int64), version=(2, 0))
