/**
 * A step of TensorFlow.js operations, captured once for each shape of its inputs and replayed as a
 * TensorFlow graph: `tf.function` for TensorFlow.js.
 */
import * as tf from "@tensorflow/tfjs";
import { CaptureError } from "../errors.ts";
import { CapturedGraph } from "./captured-graph.ts";
import { firstDifference } from "./compare-traces.ts";
import { nativeBackend, type NativeBackend } from "./native-backend.ts";
import { traceStep, type Trace } from "./trace.ts";
import { VariableSnapshot } from "./variable-snapshot.ts";

/** Results of a step: a tensor, or several by position or name. */
export type StepResult = tf.Tensor | tf.Tensor[] | tf.NamedTensorMap;

/** How a step is captured. */
export interface CaptureOptions {
  /** What messages call the step [default: step]. */
  readonly name?: string;
  /**
   * Whether XLA compiles the graph [default: false]: a tenth faster for Transformers after seconds of
   * compilation for each shape; of no use for recurrences unrolled over time.
   */
  readonly xla?: boolean;
  /** Whether the step is never captured [default: false]: the reference that graphs are held against. */
  readonly eager?: boolean;
  /** Most graphs kept; the one unused for the longest time makes room [default: 32]. */
  readonly maxShapes?: number;
  /**
   * Runs without a graph that a shape must have had before it is captured [default: 0]. What a capture
   * costs comes back after some runs only: more pays where many shapes are seen few times.
   */
  readonly captureAfter?: number;
  /** Told once why the step runs without a graph, and how long each capture took. */
  readonly onNotice?: (line: string) => void;
}

/** How often a step ran, and how. */
export interface CaptureReport {
  /** Runs replayed as a graph. */
  readonly replayed: number;
  /** Runs of the step itself. */
  readonly eager: number;
  /** Graphs kept now. */
  readonly graphs: number;
  /** Why the step is never captured, or null. */
  readonly fallback: string | null;
}

const DEFAULT_MAX_SHAPES = 32;
/** Traces of one shape after which the step is found to be another one each time. */
const MAX_TRACES = 4;

interface Shape {
  /** Runs without a graph. */
  runs: number;
  /** The trace that the graph was made from, until another one has confirmed it. */
  trace: Trace | null;
  traces: number;
  graph: CapturedGraph | null;
}

/** See {@link captureStep}. */
export class CapturedStep<I extends tf.Tensor[], R extends StepResult> {
  readonly #step: (...inputs: I) => R;
  readonly #options: Required<Omit<CaptureOptions, "onNotice">>;
  readonly #notice: (line: string) => void;
  readonly #shapes = new Map<string, Shape>();
  #layout: R | null = null;
  /** Whether two runs with one shape were found to be the same graph. */
  #isConfirmed = false;
  #fallback: string | null = null;
  #replayed = 0;
  #eager = 0;

  /** @param step see {@link captureStep} */
  constructor(step: (...inputs: I) => R, options: CaptureOptions = {}) {
    const { name = "step", xla = false, maxShapes = DEFAULT_MAX_SHAPES } = options;
    const { captureAfter = 0, eager = false, onNotice } = options;
    this.#step = step;
    this.#options = { name, xla, maxShapes, captureAfter, eager };
    this.#notice = onNotice ?? (() => undefined);
  }

  /** Whether the next run can use a graph. */
  get isCapturing(): boolean {
    return this.#backend() !== null;
  }

  get report(): CaptureReport {
    const graphs = [...this.#shapes.values()].filter(({ graph }) => graph !== null).length;
    return {
      replayed: this.#replayed,
      eager: this.#eager,
      graphs,
      fallback: this.#fallback,
    };
  }

  /**
   * Runs the step on `inputs`, which stay the caller's.
   * @returns what the step returns; the caller disposes it
   */
  run(...inputs: I): R {
    const backend = this.#backend();
    if (backend === null) return this.#runEagerly(inputs);
    const key = inputs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`).join();
    const shape = this.#shapes.get(key) ?? { runs: 0, trace: null, traces: 0, graph: null };
    // Last in the map is last used.
    this.#shapes.delete(key);
    this.#shapes.set(key, shape);
    if (shape.graph?.isValid() === false) {
      shape.graph.dispose();
      shape.graph = null;
    }
    if (shape.graph === null && shape.runs < this.#options.captureAfter) {
      shape.runs++;
      return this.#runEagerly(inputs);
    }
    if (shape.graph === null || (!this.#isConfirmed && shape.trace !== null)) {
      const result = this.#rehearse(backend, shape, inputs);
      if (result !== null) return result;
    }
    return this.#replay(shape.graph!, inputs);
  }

  /** Frees the graphs; variables take their values back. */
  dispose(): void {
    for (const { graph } of this.#shapes.values()) graph?.dispose();
    this.#shapes.clear();
  }

  /** The backend that has graphs, or null where the step runs as it is. */
  #backend(): NativeBackend | null {
    return this.#options.eager || this.#fallback !== null ? null : nativeBackend();
  }

  #runEagerly(inputs: I): R {
    this.#eager++;
    return tf.tidy(() => this.#step(...inputs));
  }

  #replay(graph: CapturedGraph, inputs: I): R {
    this.#replayed++;
    return tf.tidy(() => restored(this.#layout!, graph.run(inputs)));
  }

  /**
   * Runs the step itself to trace it, and undoes what it did to variables: so every step is made by a
   * graph, the first one too, and a run that is taken up again makes the very same steps.
   * @returns null where a graph is there for the run; or the result of the step itself
   */
  #rehearse(backend: NativeBackend, shape: Shape, inputs: I): R | null {
    const started = performance.now();
    const snapshot = new VariableSnapshot();
    let traced: { result: R; trace: Trace };
    try {
      traced = this.#trace(backend, inputs);
    } catch (error) {
      snapshot.restore();
      throw error;
    }
    const { result, trace } = traced;
    shape.traces++;
    if (trace.obstacle !== null) this.#fallBack(trace.obstacle);
    if (trace.obstacle !== null || trace.madeVariables) {
      snapshot.dispose();
      this.#eager++;
      return result;
    }
    const isForeign = (tensor: tf.Tensor): boolean =>
      inputs.includes(tensor) || tensor instanceof tf.Variable;
    tf.dispose(tensorsOf(result).filter((tensor) => !isForeign(tensor)));
    snapshot.restore();
    const difference = shape.trace === null ? null : firstDifference(shape.trace, trace);
    if (shape.trace !== null && difference === null) {
      this.#isConfirmed = true;
      shape.trace = null;
      return null;
    }
    if (difference !== null && (difference.isFinal || shape.traces > MAX_TRACES)) {
      this.#fallBack(difference.reason);
      return this.#runEagerly(inputs);
    }
    return this.#build(backend, shape, trace, started) ? null : this.#runEagerly(inputs);
  }

  #trace(backend: NativeBackend, inputs: I): { result: R; trace: Trace } {
    let trace: Trace | null = null;
    const result = tf.tidy(() => {
      const traced = traceStep(backend, inputs, (given) => {
        this.#layout = this.#step(...(given as I));
        return tensorsOf(this.#layout);
      });
      ({ trace } = traced);
      return this.#layout!;
    });
    return { result, trace: trace! };
  }

  /** @returns false if TensorFlow refuses the graph */
  #build(backend: NativeBackend, shape: Shape, trace: Trace, started: number): boolean {
    const { name, xla } = this.#options;
    shape.graph?.dispose();
    shape.graph = null;
    try {
      shape.graph = new CapturedGraph(backend, trace, xla);
    } catch (error) {
      this.#fallBack(`TensorFlow refuses the graph: ${(error as Error).message}`);
      return false;
    }
    shape.trace = this.#isConfirmed ? null : trace;
    const milliseconds = Math.round(performance.now() - started);
    this.#notice(`${name}: captured ${shape.graph.operations} operations in ${milliseconds} ms`);
    this.#makeRoom();
    return true;
  }

  #makeRoom(): void {
    const captured = [...this.#shapes].filter(([, { graph }]) => graph !== null);
    for (const [key, { graph }] of captured.slice(0, -this.#options.maxShapes)) {
      graph!.dispose();
      this.#shapes.delete(key);
    }
  }

  #fallBack(reason: string): void {
    if (this.#fallback !== null) return;
    this.#fallback = reason;
    this.dispose();
    this.#notice(`${this.#options.name}: runs without a graph: ${reason}`);
  }
}

/**
 * A step that is captured when it has been run with a shape before, and replayed from then on; see
 * docs/native.md for what a step may do.
 *
 * @param step operations on `inputs` and variables; makes no use of values in JavaScript. Numbers
 *   that change from run to run (rates, seeds) must be inputs
 */
export function captureStep<I extends tf.Tensor[], R extends StepResult>(
  step: (...inputs: I) => R,
  options?: CaptureOptions,
): CapturedStep<I, R> {
  return new CapturedStep(step, options);
}

function tensorsOf(result: StepResult): tf.Tensor[] {
  if (result instanceof tf.Tensor) return [result];
  const tensors = Object.values(result);
  if (tensors.every((value) => value instanceof tf.Tensor)) return tensors;
  throw new CaptureError(
    `captured step: expected a tensor, a list or a record of tensors as its result, received ` +
      `something else. Keep what is no tensor outside the step.`,
  );
}

/** `tensors` in the form of `layout`. */
function restored<R extends StepResult>(layout: R, tensors: tf.Tensor[]): R {
  if (layout instanceof tf.Tensor) return tensors[0] as R;
  if (Array.isArray(layout)) return tensors as R;
  return Object.fromEntries(Object.keys(layout).map((name, i) => [name, tensors[i]!])) as R;
}
