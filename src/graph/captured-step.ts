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

/** Results of a step: a tensor, or several by position or name. */
export type StepResult = tf.Tensor | tf.Tensor[] | tf.NamedTensorMap;

export interface CaptureOptions {
  /** What messages call the step [default: step]. */
  readonly name?: string;
  /**
   * Whether XLA compiles the graph [default: false]: a fifth to a third faster for Transformers after
   * seconds of compilation for each shape; of no use for recurrences unrolled over time.
   */
  readonly xla?: boolean;
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
/** Traces of one shape before the step is found to be another one each time. */
const MAX_TRACES = 4;

interface Shape {
  runs: number;
  trace: Trace | null;
  traces: number;
  graph: CapturedGraph | null;
}

export class CapturedStep<I extends tf.Tensor[], R extends StepResult> {
  readonly #step: (...inputs: I) => R;
  readonly #options: Required<Omit<CaptureOptions, "onNotice">>;
  readonly #notice: (line: string) => void;
  readonly #shapes = new Map<string, Shape>();
  #layout: R | null = null;
  #isWarm = false;
  #isChecked = false;
  #fallback: string | null = null;
  #replayed = 0;
  #eager = 0;

  constructor(step: (...inputs: I) => R, options: CaptureOptions = {}) {
    const { name = "step", xla = false, maxShapes = DEFAULT_MAX_SHAPES } = options;
    const { captureAfter = 0, onNotice } = options;
    this.#step = step;
    this.#options = { name, xla, maxShapes, captureAfter };
    this.#notice = onNotice ?? (() => undefined);
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
    const backend = nativeBackend();
    if (backend === null || this.#fallback !== null) return this.#runEagerly(inputs);
    const key = inputs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`).join();
    const shape = this.#shapes.get(key) ?? { runs: 0, trace: null, traces: 0, graph: null };
    // Last in the map is last used.
    this.#shapes.delete(key);
    this.#shapes.set(key, shape);
    if (shape.graph !== null) {
      if (shape.graph.isValid()) return this.#replay(shape.graph, inputs);
      shape.graph.dispose();
      shape.graph = null;
    }
    if (!this.#isWarm || shape.runs++ < this.#options.captureAfter) {
      // What the step makes on its first run and keeps is no part of the graph.
      this.#isWarm = true;
      return this.#runEagerly(inputs);
    }
    return this.#capture(backend, shape, inputs);
  }

  /** Frees the graphs; variables take their values back. */
  dispose(): void {
    for (const { graph } of this.#shapes.values()) graph?.dispose();
    this.#shapes.clear();
  }

  #runEagerly(inputs: I): R {
    this.#eager++;
    return tf.tidy(() => this.#step(...inputs));
  }

  #replay(graph: CapturedGraph, inputs: I): R {
    this.#replayed++;
    return tf.tidy(() => restored(this.#layout!, graph.run(inputs)));
  }

  /** Runs the step itself and traces it; a graph follows when two traces agree. */
  #capture(backend: NativeBackend, shape: Shape, inputs: I): R {
    const started = performance.now();
    this.#eager++;
    let trace: Trace;
    const result = tf.tidy(() => {
      const traced = traceStep(backend, inputs, () => {
        this.#layout = this.#step(...inputs);
        return tensorsOf(this.#layout);
      });
      ({ trace } = traced);
      return this.#layout!;
    });
    trace = trace!;
    const before = shape.trace;
    shape.trace = trace;
    shape.traces++;
    if (trace.obstacle !== null) this.#fallBack(trace.obstacle);
    if (trace.obstacle !== null || trace.madeVariables) return result;
    const difference = before === null ? null : firstDifference(before, trace);
    if (difference !== null && shape.traces >= MAX_TRACES) {
      this.#fallBack(difference);
      return result;
    }
    if (this.#isChecked || (before !== null && difference === null)) {
      this.#isChecked = true;
      shape.trace = null;
      try {
        shape.graph = new CapturedGraph(backend, trace, this.#options.xla);
      } catch (error) {
        this.#fallBack(`TensorFlow refuses the graph: ${(error as Error).message}`);
        return result;
      }
      const milliseconds = Math.round(performance.now() - started);
      this.#notice(
        `${this.#options.name}: captured ${shape.graph.operations} operations in ${milliseconds} ms`,
      );
      this.#makeRoom();
    }
    return result;
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
