/** Statistics of every operation of a model, collected while it runs. */
import type * as tf from "@tensorflow/tfjs";
import type { OperationRecord, Positions } from "./pass.ts";
import { RunningStatistics, type RunningState } from "./running-statistics.ts";
import { TensorWatch } from "./tensor-watch.ts";
import type { ModelStatistics } from "../core/tensor-statistics.ts";

interface OperationRecords {
  readonly inputs: Map<number, RunningStatistics>;
  output: RunningStatistics | null;
}

/** What a collector knows, by `<operation>` and input number, or null for the output. */
export interface CollectedState {
  readonly operation: string;
  readonly input: number | null;
  readonly state: RunningState;
}

/**
 * Collects in one pass over the data, in memory that depends on the model alone: give
 * {@link onOperation} to a pass, and end each pass by {@link flush}.
 */
export class StatisticsCollector {
  readonly #shortPath: (fullName: string) => string;
  readonly #operations = new Map<string, OperationRecords>();
  readonly #watch = new TensorWatch();

  /** @param shortPath names the operations of a model in statistics */
  constructor(shortPath: (fullName: string) => string) {
    this.#shortPath = shortPath;
  }

  /**
   * Sees one operation.
   * @throws {TrainingError} naming the operation, here or in {@link flush}, for NaN or an infinity
   */
  readonly onOperation = (record: OperationRecord): void => {
    const operation = this.#shortPath(record.operation);
    const { inputs, output, positions } = record;
    for (const [number, x] of inputs) {
      this.#see(x, positions, this.#record(operation, number), `${operation}, input ${number}`);
    }
    if (output !== null) this.#see(output, positions, this.#record(operation, null), operation);
  };

  /** Reads what waits; call it at the end of each pass. */
  flush(): void {
    this.#watch.flush();
  }

  /** Forgets what waits, after a pass that failed. */
  discard(): void {
    this.#watch.discard();
  }

  /** The statistics so far, in the order in which the model ran. */
  statistics(): ModelStatistics {
    return new Map(
      [...this.#operations].map(([operation, { inputs, output }]) => {
        const numbers = [...inputs].sort(([a], [b]) => a - b);
        const seen = numbers.flatMap(([number, running]) => {
          const statistics = running.statistics();
          return statistics === null ? [] : [[number, statistics] as const];
        });
        return [operation, { inputs: new Map(seen), output: output?.statistics() ?? null }];
      }),
    );
  }

  /** A copy of all that is known. */
  state(): CollectedState[] {
    return [...this.#operations].flatMap(([operation, { inputs, output }]) => [
      ...[...inputs].map(([input, running]) => ({ operation, input, state: running.state() })),
      ...(output === null ? [] : [{ operation, input: null, state: output.state() }]),
    ]);
  }

  /** Takes up what {@link state} returned. */
  restore(states: readonly CollectedState[]): void {
    for (const { operation, input, state } of states) {
      this.#put(operation, input, RunningStatistics.from(state));
    }
  }

  #see(x: tf.Tensor, at: Positions | null, to: RunningStatistics, where: string): void {
    if (x.dtype === "float32") this.#watch.see(x, at, to, where);
  }

  #record(operation: string, input: number | null): RunningStatistics {
    const known = this.#operations.get(operation);
    const found = input === null ? known?.output : known?.inputs.get(input);
    return found ?? this.#put(operation, input, new RunningStatistics());
  }

  #put(operation: string, input: number | null, running: RunningStatistics): RunningStatistics {
    let records = this.#operations.get(operation);
    if (records === undefined) {
      records = { inputs: new Map<number, RunningStatistics>(), output: null };
      this.#operations.set(operation, records);
    }
    if (input === null) records.output = running;
    else records.inputs.set(input, running);
    return running;
  }
}
