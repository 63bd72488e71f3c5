"""Golden sinusoid positions, computed with TensorFlow's float32 operations as NeurST does.

Writes test/fixtures/core/positions.json.

    python scripts/oracles/positions.py
"""

import json
import math
from pathlib import Path

import tensorflow as tf

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "core" / "positions.json"


def signal(positions, units):
    n = units // 2
    increment = math.log(1.0e4) / (tf.cast(n, tf.float32) - 1)
    rates = tf.exp(tf.cast(tf.range(n), tf.float32) * -increment)
    angles = tf.constant(positions, tf.float32)[:, None] * rates[None, :]
    table = tf.concat([tf.sin(angles), tf.cos(angles)], axis=1)
    return tf.pad(table, [[0, 0], [0, units % 2]]).numpy().tolist()


if __name__ == "__main__":
    rows = [
        {"units": units, "positions": positions, "values": signal(positions, units)}
        for units, positions in ((128, [0, 1, 7, 63, 255]), (8, [0, 1, 2, 3]), (7, [0, 5]))
    ]
    source = f"TensorFlow {tf.__version__}, formula of NeurST; scripts/oracles/positions.py"
    OUT.write_text(json.dumps({"source": source, "rows": rows}) + "\n")
