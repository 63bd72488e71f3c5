/**
 * Error classes. Every message a user can meet reads
 * `<where>: expected <x>, received <y>. <how to fix>.` and carries a stable code; the command line
 * maps the code to an exit status.
 */

/** Stable identifiers of failure kinds, one for each error class. */
export type ErrorCode =
  | "E_CONFIG"
  | "E_UNKNOWN_NAME"
  | "E_SHAPE"
  | "E_DATA"
  | "E_FORMAT"
  | "E_CHECKPOINT"
  | "E_KERNEL"
  | "E_CAPTURE"
  | "E_EXPORT"
  | "E_TRAINING";

/** Root of all errors that this package throws on purpose. */
export class TfjsQatError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A configuration, flag or argument has a value that cannot be used (exit 2). */
export class ConfigError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_CONFIG", message, options);
  }
}

/** A name (flag, key, model, quantizer, pattern) is not among the known ones (exit 2). */
export class UnknownNameError extends TfjsQatError {
  readonly received: string;
  readonly known: readonly string[];
  /** The known name closest to the received one by edit distance, if one is near. */
  readonly nearest: string | undefined;

  /**
   * @param where the place that looked the name up, such as `quant_params`
   * @param kind what the name denotes, such as `key`
   * @param remedy what to do where no known name is near; default: use a known one
   */
  constructor(
    where: string,
    kind: string,
    received: string,
    known: readonly string[],
    remedy = `Use a known ${kind}.`,
  ) {
    const nearest = nearestName(received, known);
    const list = known.length <= 12 ? known.map((name) => `"${name}"`).join(", ") : undefined;
    const expected = list === undefined ? `a known ${kind}` : `one of ${list}`;
    const fix = nearest === undefined ? remedy : `Did you mean "${nearest}"?`;
    super("E_UNKNOWN_NAME", `${where}: expected ${expected}, received "${received}". ${fix}`);
    this.received = received;
    this.known = known;
    this.nearest = nearest;
  }
}

/** A tensor or array has the wrong shape (exit 1). */
export class ShapeError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_SHAPE", message, options);
  }
}

/** A text or data file is missing, misencoded or inconsistent (exit 3). */
export class DataError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_DATA", message, options);
  }
}

/** The bytes of a file do not follow their format (exit 3). */
export class FormatError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_FORMAT", message, options);
  }
}

/** A checkpoint's tensors do not fit the model (exit 3). */
export class CheckpointError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_CHECKPOINT", message, options);
  }
}

/** A backend or one of its kernels cannot be used (exit 1). */
export class KernelError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_KERNEL", message, options);
  }
}

/** A step cannot be captured as a graph (exit 1). */
export class CaptureError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_CAPTURE", message, options);
  }
}

/** A model cannot be exported (exit 1). */
export class ExportError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_EXPORT", message, options);
  }
}

/** Training cannot go on: the loss is not finite (exit 1). */
export class TrainingError extends TfjsQatError {
  constructor(message: string, options?: ErrorOptions) {
    super("E_TRAINING", message, options);
  }
}

/**
 * The name in `known` with the smallest Levenshtein distance to `received`, if that distance is at
 * most a third of the longer length (at least 2); ties go to the earlier name.
 */
export function nearestName(received: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of known) {
    const distance = editDistance(received, name);
    const limit = Math.max(2, Math.floor(Math.max(received.length, name.length) / 3));
    if (distance <= limit && distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance: insertions, deletions and substitutions, one each. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length]!;
}
