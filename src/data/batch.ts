/** One padded batch of parallel token ids, as plain arrays. */
export interface Batch {
  readonly size: number;
  readonly sourceTime: number;
  readonly targetTime: number;
  /** [size · sourceTime] ids, EOS-terminated, padded with EOS. */
  readonly source: Int32Array;
  /** [size], lengths with EOS. */
  readonly sourceLengths: Int32Array;
  /** [size · targetTime] ids to predict, EOS-terminated, padded with EOS. */
  readonly target: Int32Array;
  /** [size], lengths with EOS. */
  readonly targetLengths: Int32Array;
  /** [size · targetTime] decoder input: BOS, then the target shifted right by one. */
  readonly targetInput: Int32Array;
  /** Indices of the examples in their data set. */
  readonly indices: Int32Array;
}
