"""Ten steps of Keras' Adam.

Writes test/fixtures/train/adam.json: initial values, gradients and values after each step.

    python scripts/oracles/adam.py
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

OUT = Path(__file__).resolve().parents[2] / "test" / "fixtures" / "train" / "adam.json"
BETA_1, BETA_2, EPSILON = 0.9, 0.98, 1e-9
STEPS = 10


def main():
    rng = np.random.default_rng(7)
    shapes = {"kernel": (3, 4), "bias": (4,), "clip_max": ()}
    initial = {n: rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    variables = {n: tf.Variable(v) for n, v in initial.items()}
    rates = [0.001 * min(1.0, (t + 1) / 4) for t in range(STEPS)]
    rate = tf.Variable(0.0)
    optimizer = tf.keras.optimizers.Adam(
        learning_rate=lambda: rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON
    )
    optimizer.build(list(variables.values()))
    steps = []
    for learning_rate in rates:
        rate.assign(learning_rate)
        # Sizes differ over five orders of magnitude: Adam must even them out.
        gradients = {
            n: (rng.normal(size=s) * 10.0 ** rng.integers(-4, 2)).astype(np.float32)
            for n, s in shapes.items()
        }
        optimizer.apply_gradients([(tf.constant(gradients[n]), variables[n]) for n in shapes])
        steps.append(
            {
                "learning_rate": learning_rate,
                "gradients": {n: g.ravel().tolist() for n, g in gradients.items()},
                "values": {n: v.numpy().ravel().tolist() for n, v in variables.items()},
            }
        )
    fixture = {
        "source": f"tf.keras.optimizers.Adam of TensorFlow {tf.__version__}, scripts/oracles/adam.py",
        "beta_1": BETA_1,
        "beta_2": BETA_2,
        "epsilon": EPSILON,
        "shapes": {n: list(s) for n, s in shapes.items()},
        "initial": {n: v.ravel().tolist() for n, v in initial.items()},
        "steps": steps,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
