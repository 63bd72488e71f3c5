/** Figures of a run: `metrics.jsonl`, the same for every run of the same command, and TensorBoard. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { encodeTfEvent, fileVersionEvent } from "../formats/tfevents.ts";

/** Figures by name. */
export type Figures = Readonly<Record<string, number>>;

/** One line of `metrics.jsonl`. */
export interface LogEntry {
  readonly kind: "training" | "validation" | "average";
  readonly step: number;
  /** Must not depend on the clock. */
  readonly figures: Figures;
  /** Figures that depend on the clock; they go to TensorBoard alone. */
  readonly rates?: Figures;
}

/** TensorBoard's prefix of each kind. */
const TAG_PREFIX = { training: "training", validation: "valid", average: "valid_average" } as const;

/** An append-only file that is cut back to its committed length when a run is resumed. */
class LogFile {
  readonly #file: number;
  #length: number;

  constructor(path: string, committedLength: number) {
    mkdirSync(dirname(path), { recursive: true });
    this.#file = openSync(path, existsSync(path) ? "r+" : "w+");
    this.#length = Math.min(committedLength, statSync(path).size);
    ftruncateSync(this.#file, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const written = writeSync(this.#file, bytes, done, bytes.length - done, this.#length);
      done += written;
      this.#length += written;
    }
  }

  sync(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Writes both logs. */
export class RunLog {
  readonly #clock: () => number;
  readonly #metrics: LogFile;
  readonly #events: LogFile;
  /** Key of the TensorBoard file in {@link lengths}. */
  readonly #eventsKey: string;

  /**
   * @param directory the model directory
   * @param tensorboardDir directory of the event file
   * @param committed lengths at the last commit; what was written after it is cut off
   * @param clock seconds since 1970, for TensorBoard's wall time
   */
  constructor(
    directory: string,
    tensorboardDir: string,
    committed: Readonly<Record<string, number>>,
    clock: () => number,
  ) {
    this.#clock = clock;
    // A fixed name: a resumed run goes on in the same file.
    const events = join(tensorboardDir, "events.out.tfevents.0.tfjs-qat");
    this.#eventsKey = relative(directory, events).replaceAll("\\", "/");
    this.#metrics = new LogFile(join(directory, METRICS_NAME), committed[METRICS_NAME] ?? 0);
    this.#events = new LogFile(events, committed[this.#eventsKey] ?? 0);
    if (this.#events.length === 0) this.#events.append(encodeTfEvent(fileVersionEvent(clock())));
  }

  append({ kind, step, figures, rates = {} }: LogEntry): void {
    const line = JSON.stringify({ kind, step, ...figures });
    this.#metrics.append(new TextEncoder().encode(`${line}\n`));
    const values = Object.entries({ ...figures, ...rates }).map(([name, scalar]) => {
      return { tag: `${TAG_PREFIX[kind]}/${name}`, scalar };
    });
    this.#events.append(encodeTfEvent({ wallTime: this.#clock(), step, values }));
  }

  /** Makes the logs durable and gives their lengths, for the commit. */
  sync(): Record<string, number> {
    this.#metrics.sync();
    this.#events.sync();
    return { [METRICS_NAME]: this.#metrics.length, [this.#eventsKey]: this.#events.length };
  }

  close(): void {
    this.#metrics.close();
    this.#events.close();
  }
}

const METRICS_NAME = "metrics.jsonl";
