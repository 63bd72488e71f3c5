/** Sequences of different lengths, from their ends to their starts. */
import * as tf from "@tensorflow/tfjs";
import { withGradient } from "./kernel.ts";

/**
 * y[t, b] = x[length_b − 1 − t, b] for t < length_b, else x[t, b]. Its own inverse, and its own
 * gradient.
 *
 * @param x float32 [time, batch, width]
 * @param lengths int32 [batch], each 1 to time; null: all of the whole time
 * @returns float32 of the shape of x; the caller disposes it
 */
export function reverseSequence(x: tf.Tensor3D, lengths: tf.Tensor1D | null): tf.Tensor3D {
  const places = reversedPlaces(x.shape[0], x.shape[1], lengths);
  const reversed = withGradient(
    [x],
    (save) => {
      save([places]);
      return gatherRows(x, places);
    },
    (dy, [saved]) => [gatherRows(dy as tf.Tensor3D, saved as tf.Tensor1D)],
  );
  places.dispose();
  return reversed as tf.Tensor3D;
}

function gatherRows(x: tf.Tensor3D, places: tf.Tensor1D): tf.Tensor3D {
  const [time, batch, width] = x.shape;
  return tf.tidy(() =>
    tf.reshape(tf.gather(tf.reshape(x, [time * batch, width]), places), x.shape),
  );
}

/** int32 [time · batch]: which row of x becomes which row of the result. */
function reversedPlaces(time: number, batch: number, lengths: tf.Tensor1D | null): tf.Tensor1D {
  return tf.tidy(() => {
    const at = tf.expandDims(tf.range(0, time, 1, "int32"), 1); // [time, 1]
    const length = lengths ?? tf.fill([batch], time, "int32");
    const mirrored = tf.sub(tf.sub(length, tf.scalar(1, "int32")), at); // [time, batch]
    const from = tf.where(tf.less(at, length), mirrored, tf.add(at, tf.zerosLike(mirrored)));
    const sentence = tf.range(0, batch, 1, "int32");
    const places = tf.add(tf.mul(from, tf.scalar(batch, "int32")), sentence);
    return tf.reshape<tf.Rank.R1>(places, [time * batch]);
  });
}

/**
 * x with zeros at t ≥ length_b.
 *
 * @param x float32 [time, batch, width]
 * @param lengths int32 [batch]; null: x itself
 */
export function zeroPadding(x: tf.Tensor3D, lengths: tf.Tensor1D | null): tf.Tensor3D {
  if (lengths === null) return x;
  const at = tf.expandDims(tf.range(0, x.shape[0], 1, "int32"), 1);
  const isReal = tf.cast(tf.less(at, lengths), "float32"); // [time, batch]
  return tf.mul(x, tf.expandDims(isReal, 2));
}
