"""Philox4x32-10 in numpy: the seeded inputs of the fixtures, as src/core/random.ts makes them."""

import numpy as np

MASK = np.uint64(0xFFFFFFFF)


def uniform(seed, stream, count):
    """Elements 0 ... count-1 of a stream: float32 in [0, 1)."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    c = [blocks & MASK, blocks >> np.uint64(32)]
    c += [np.full_like(blocks, stream & 0xFFFFFFFF), np.full_like(blocks, stream >> 32)]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a = np.uint64(0xD2511F53) * c[0]
        b = np.uint64(0xCD9E8D57) * c[2]
        c = [
            (b >> np.uint64(32)) ^ c[1] ^ np.uint64(k[0]),
            b & MASK,
            (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k[1]),
            a & MASK,
        ]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    words = np.stack(c, axis=1).reshape(-1)[:count]
    return ((words >> np.uint64(8)).astype(np.float64) * 2.0**-24).astype(np.float32)
