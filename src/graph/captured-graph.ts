/** One captured graph: a step at fixed shapes, with the variables that it uses inside its session. */
import type * as tf from "@tensorflow/tfjs";
import { buildGraph, GRAPH_NAMES, type StateSpec } from "./build-graph.ts";
import { tensorId, type NativeBackend } from "./native-backend.ts";
import { residenceOf, type Residence, type ValueHolder } from "./residence.ts";
import { Session, type Feeds } from "./session.ts";
import type { Trace } from "./trace.ts";

/** A value inside the session. */
interface State {
  /** Of a variable; null for another tensor from outside, which never changes. */
  readonly residence: Residence | null;
  /** The tensor whose value enters. */
  readonly tensor: { readonly dataId: object };
  readonly isWritten: boolean;
  /** Version inside the session, or -1. */
  version: number;
}

export class CapturedGraph implements ValueHolder {
  readonly #backend: NativeBackend;
  readonly #session: Session;
  readonly #states: readonly State[];
  readonly #fetches: readonly string[];
  readonly #inputNames: readonly string[];
  readonly operations: number;

  constructor(backend: NativeBackend, trace: Trace, xla: boolean) {
    this.#backend = backend;
    const { states, nodes, updates, inputs, outputs } = trace;
    const specs = states.map(({ tensor, written }): StateSpec => {
      const { shape, dtype } = backend.tensorMap.get(tensor.dataId);
      return { shape, dtype, written };
    });
    const graph = buildGraph({ inputs, outputs, states: specs, nodes, updates, xla });
    this.#session = new Session(backend, graph);
    this.#inputNames = inputs.map((_, i) => GRAPH_NAMES.input(i));
    this.#fetches = outputs.map((_, i) => GRAPH_NAMES.output(i));
    this.#states = states.map(({ tensor, variable, written }) => ({
      residence: variable === null ? null : residenceOf(backend, variable),
      tensor,
      isWritten: written !== null,
      version: -1,
    }));
    this.operations = graph.length;
  }

  /** Whether everything that the graph was made from still exists. */
  isValid(): boolean {
    return this.#states.every(({ tensor }) => this.#backend.tensorMap.has(tensor.dataId));
  }

  /**
   * Runs the step.
   * @returns its results, tracked by the engine's scope
   */
  run(inputs: readonly tf.Tensor[]): tf.Tensor[] {
    this.#enter();
    // A copy that was made of a value inside is still without one of its own.
    if (this.#held().some(({ residence }) => residence.isShared)) this.giveBack();
    const feeds = inputs.map(
      (input, i) => [this.#inputNames[i]!, tensorId(this.#backend, input)] as const,
    );
    const made = this.#session.run(feeds, [...this.#fetches, GRAPH_NAMES.done]);
    this.#backend.binding.deleteTensor(made.pop()!.id);
    for (const state of this.#states) {
      if (!state.isWritten) continue;
      const residence = state.residence!;
      residence.moveTo(this);
      state.version = residence.version;
    }
    return made.map((metadata) => this.#backend.createOutputTensor(metadata));
  }

  giveBack(): void {
    if (this.#held().length > 0) this.#fetchHeld([]);
  }

  leave(): void {
    this.#fetchHeld([GRAPH_NAMES.left]);
    for (const state of this.#states) state.version = -1;
  }

  dispose(): void {
    this.giveBack();
    this.#session.dispose();
  }

  /** States whose present value is here alone. */
  #held(): { residence: Residence; i: number }[] {
    return this.#states.flatMap(({ residence }, i) =>
      residence?.holder() === this ? [{ residence, i }] : [],
    );
  }

  /** Gives values back in one run, with what else is to be done in it. */
  #fetchHeld(tokens: readonly string[]): void {
    const held = this.#held();
    const names = held.map(({ i }) => GRAPH_NAMES.state(i));
    const made = this.#session.run([], [...names, ...tokens]);
    for (const { id } of made.splice(held.length)) this.#backend.binding.deleteTensor(id);
    held.forEach(({ residence }, at) => {
      residence.comeBack(made[at]!.id);
    });
  }

  /** Takes over the values that the session does not have in their present version. */
  #enter(): void {
    const stale: number[] = [];
    this.#states.forEach((state, i) => {
      const { residence } = state;
      const holder = residence?.holder() ?? null;
      const version = residence?.version ?? 0;
      if (state.version === version) return;
      stale.push(i);
      if (holder !== null) {
        // What only reads leaves the values where they are, too.
        if (state.isWritten) holder.leave();
        else holder.giveBack();
      }
    });
    if (stale.length === 0) return;
    const feeds: Feeds = stale.map((i) => [
      GRAPH_NAMES.newState(i),
      tensorId(this.#backend, this.#states[i]!.tensor),
    ]);
    const made = this.#session.run(
      feeds,
      stale.map((i) => GRAPH_NAMES.entered(i)),
    );
    for (const { id } of made) this.#backend.binding.deleteTensor(id);
    for (const i of stale) this.#states[i]!.version = this.#states[i]!.residence?.version ?? 0;
  }
}
