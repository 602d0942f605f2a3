#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""npy.py: numpy's arrays in files, for test_npy.c: `python3 tests/golden/npy.py` writes tests/golden/npy/.

Arrays called TYPE_ORDER_BYTES, such as f2_fortran_big, hold 0 … 23 as [2, 3, 4], less 12 where the type has a sign; bool
has number % 2.
"""
import os
import zipfile
import numpy as np

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "npy")
os.makedirs(folder, exist_ok=True)


def numbers(kind):
    flat = np.arange(24)
    if kind == "b1":
        flat = flat % 2
    elif kind[0] in "if":
        flat = flat - 12
    return flat.reshape(2, 3, 4)


arrays = {}
for kind in "b1 u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8".split():
    for order in ("c", "fortran"):
        for ends, mark in (("little", "<"), ("big", ">")):
            typed = numbers(kind).astype(mark + kind)
            arrays[f"{kind}_{order}_{ends}"] = np.asfortranarray(typed) if order == "fortran" else typed
np.savez(os.path.join(folder, "stored.npz"), **arrays)
np.savez_compressed(os.path.join(folder, "deflated.npz"), **arrays)
for version in (2, 3):
    with open(os.path.join(folder, f"version{version}.npy"), "wb") as file:
        np.lib.format.write_array(file, numbers("f4").astype("<f4"), version=(version, 0))
np.save(os.path.join(folder, "scalar.npy"), np.float64(2.5))
np.save(os.path.join(folder, "empty.npy"), np.zeros((3, 0), np.float32))
np.save(os.path.join(folder, "complex.npy"), np.zeros(2, np.complex64))
np.save(os.path.join(folder, "records.npy"), np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
np.save(os.path.join(folder, "wide.npy"), np.array([1, 2**63], np.uint64))
np.save(os.path.join(folder, "large.npy"), np.array([1.0, 1e300]))
np.save(os.path.join(folder, "halves.npy"), np.array([1.5, 6e-8, -65504, np.inf, 6.104e-05], np.float16))
zipfile.ZIP64_LIMIT = 10  # so that all records are wide
np.savez(os.path.join(folder, "wide.npz"), first=numbers("u1").astype("u1"), a=numbers("f4").astype("<f4"))
