"""Golden values of fake quantization: TensorFlow's op and its gradient, and half-to-even codes.

Writes test/fixtures/core/fake-quant.json. Inputs are seeded (philox.py), so the fixture holds
hashes of all values, and the first values of every case.

    python scripts/oracles/fake_quant.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from philox import uniform

f32 = np.float32
SEED = 20240607
OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "core" / "fake-quant.json"


def case_list():
    cases = []
    for bits in range(2, 9):
        for kind, clips in (("weight", (0.37, 1.0)), ("relu", (2.9, 16.0)), ("softmax", (1.0,))):
            cases += [(kind, bits, clip, 28000) for clip in clips]
    cases += [("act", bits, 16.0, 10000) for bits in (8, 12, 16)]
    cases += [(kind, 8, clip, 2000) for kind in ("weight", "relu") for clip in (0.0, -0.5)]
    cases += [("act", 8, 1e-20, 2000), ("act", 8, 3e20, 2000), ("relu", 3, 0.1, 2000)]
    return cases


def inputs(kind, bits, clip, stream, count):
    """Half of the values anywhere in and around the range, half on multiples of half a step."""
    qmax = 2 ** (bits - 1) - 1 if kind in ("weight", "act") else 2**bits - 1
    top = f32(clip) if clip > 0 else f32(1)
    x = (uniform(SEED, 2 * stream, count) - f32(0.5)) * f32(5) * top
    half_step = f32(f32(top / f32(qmax)) * f32(0.5))
    x[1::2] = np.rint(x[1::2] / half_step) * half_step
    g = uniform(SEED, 2 * stream + 1, count) - f32(0.25)
    assert x.dtype == f32 and g.dtype == f32
    return x, g


def tensorflow_result(kind, bits, clip, x, g):
    """Forward and gradients with the ranges that NeurST derives from one clip variable."""
    variable = tf.Variable(f32(clip))
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        top = tf.maximum(variable, 0.0)
        if kind == "softmax":
            low, high = tf.constant(0.0), tf.constant((2.0**bits - 1) / 2.0**bits)
        elif kind == "relu":
            low, high = tf.constant(0.0), top
        else:
            half = float(2 ** (bits - 1))
            low, high = -top * half / (half - 1), top
        y = tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=bits)
    dclip = tape.gradient(y, variable, output_gradients=tf.constant(g))
    dx, dlow, dhigh = tf.raw_ops.FakeQuantWithMinMaxVarsGradient(
        gradients=tf.constant(g), inputs=x, min=low, max=high, num_bits=bits, narrow_range=False
    )
    dclip = 0.0 if dclip is None else float(dclip)
    # Out of range TensorFlow multiplies by 0 and can give -0; adding 0 makes it +0.
    return y.numpy(), dx.numpy() + f32(0), float(dlow), float(dhigh), dclip


def half_even_codes(kind, bits, clip, x):
    signed = kind in ("weight", "act")
    qmin, qmax = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if kind != "softmax" and clip <= 0:
        return np.zeros(len(x), np.int32)
    scale = f32(2.0**-bits) if kind == "softmax" else f32(f32(clip) / f32(qmax))
    return np.clip(np.rint(x / scale), qmin, qmax).astype(np.int32)


def short(value):
    """The shortest decimal that gives the float32 back."""
    return float(np.format_float_positional(value, unique=True, trim="-")) if value else 0.0


def sha256(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


# min, max, bits, inputs: rows of TensorFlow's fake_quant_ops_test.cc whose zero is no tie
RANGES = [
    (-10, 53.75, 8, [-10.1, -10, -9.9, -9.75, 53.75, 53.8]),
    (-0.1, 63.65, 8, [-0.1, 0, 0.1, 0.25, 63.75, 63.8]),
    (-63.65, 0.1, 8, [-63.8, -63.75, -63.7, -63.5, 0, 0.1]),
    (-6, 1.5, 4, [-6.1, -6, -5.9, -5.5, 1.5, 1.6]),
    (-0.4, 7.1, 4, [-0.6, -0.5, -0.24, 0, 7, 7.1]),
    (-7.3, 0.2, 4, [-7.6, -7.5, -7.4, -7.2, 0, 0.1]),
    (-0.1, 1.4, 2, [-0.2, 0.1, 0.7, 1.0, 1.3, 1.6]),
    (0, 0, 8, [-1.0, 0, 1.0]),
]


def range_rows():
    rows = []
    for low, high, bits, x in RANGES:
        y = tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=bits)
        rows.append({"min": low, "max": high, "bits": bits, "x": x, "y": y.numpy().tolist()})
    return rows


def main():
    cases = []
    for stream, (kind, bits, clip, count) in enumerate(case_list()):
        x, g = inputs(kind, bits, clip, stream, count)
        y, dx, dlow, dhigh, dclip = tensorflow_result(kind, bits, clip, x, g)
        codes = half_even_codes(kind, bits, clip, x)
        first = 240
        cases.append(
            {
                "kind": kind,
                "bits": bits,
                "clip": float(f32(clip)),
                "stream": stream,
                "count": count,
                "x_sha256": sha256(x),
                "half_up": {
                    "values_sha256": sha256(y),
                    "dx_sha256": sha256(dx),
                    "dmin": dlow,
                    "dmax": dhigh,
                    "dclip": dclip,
                    "first_values": [short(v) for v in y[:first]],
                },
                "half_even": {
                    "codes_sha256": sha256(codes),
                    "first_codes": codes[:first].tolist(),
                },
            }
        )
    total = sum(case["count"] for case in cases)
    document = {
        "source": f"TensorFlow {tf.__version__} fake_quant_with_min_max_vars on CPU (half_up), "
        f"numpy {np.__version__} rint of the float32 quotient (half_even); "
        "scripts/oracles/fake_quant.py",
        "seed": SEED,
        "total": total,
        "cases": cases,
        "ranges": range_rows(),
    }
    text = json.dumps(document).replace('{"kind"', '\n{"kind"').replace('{"min"', '\n{"min"')
    OUT.write_text(text + "\n")
    print(total, "values,", sum(len(c["half_even"]["first_codes"]) for c in cases), "stored")


if __name__ == "__main__":
    main()
