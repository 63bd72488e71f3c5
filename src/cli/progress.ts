/** Progress on standard error: a bar on a terminal, now and then a plain line elsewhere. */
import type { RunReporter, StepProgress } from "../recipe/run-reporter.ts";
import type { CommandIo } from "./command-io.ts";

type ProgressIo = Pick<CommandIo, "err" | "draw" | "isTerminal" | "hasColor" | "columns" | "now">;

const BAR_WIDTH = 24;
/** Seconds between two drawings of a bar, and between two plain lines. */
const DRAW_INTERVAL = 0.1;
const LINE_INTERVAL = 10;
const CLEAR_LINE = "\r\u001b[K";

/** Reports a run's notes and progress on the command's standard error. */
export function terminalReporter(io: ProgressIo): RunReporter {
  let open: Bar | undefined;
  return {
    note: (line) => {
      open?.clear();
      io.err(line);
      open?.redraw();
    },
    progress: (label, unit) => {
      open?.end();
      open = new Bar(io, label, unit);
      return open;
    },
  };
}

class Bar implements StepProgress {
  readonly #io: ProgressIo;
  readonly #label: string;
  readonly #unit: string;
  readonly #start: number;
  #first: number | undefined;
  #shownAt: number;
  #text = "";
  #isShown = true;
  #isOpen = true;

  constructor(io: ProgressIo, label: string, unit: string) {
    this.#io = io;
    this.#label = label;
    this.#unit = unit;
    this.#start = io.now();
    this.#shownAt = io.isTerminal ? -Infinity : this.#start;
  }

  update(done: number, total: number, note = ""): void {
    if (!this.#isOpen) return;
    this.#first ??= done;
    const seconds = this.#io.now() - this.#start;
    this.#text = this.#format({ done, total, note, seconds });
    this.#isShown = false;
    const interval = this.#io.isTerminal ? DRAW_INTERVAL : LINE_INTERVAL;
    if (this.#io.now() - this.#shownAt >= interval) this.#show();
  }

  end(): void {
    if (!this.#isOpen) return;
    if (!this.#isShown) this.#show();
    if (this.#io.isTerminal && this.#text !== "") this.#io.draw("\n");
    this.#isOpen = false;
  }

  /** Takes the bar off the screen while something else is written. */
  clear(): void {
    if (this.#isOpen && this.#io.isTerminal) this.#io.draw(CLEAR_LINE);
  }

  redraw(): void {
    if (this.#isOpen && this.#io.isTerminal) this.#io.draw(this.#text);
  }

  #show(): void {
    this.#shownAt = this.#io.now();
    this.#isShown = true;
    if (this.#io.isTerminal) this.#io.draw(CLEAR_LINE + this.#text);
    else this.#io.err(this.#text);
  }

  #format(at: { done: number; total: number; note: string; seconds: number }): string {
    const { done, total, note, seconds } = at;
    const counted = done - (this.#first === done ? 0 : this.#first!);
    const rate = seconds > 0 ? counted / seconds : 0;
    const left = rate > 0 && done < total ? `, ${durationText((total - done) / rate)} left` : "";
    const speed = rate > 0 ? `  ${rateText(rate)} ${this.#unit}/s${left}` : "";
    const words = `${done}/${total}${speed}${note === "" ? "" : `  ${note}`}`;
    const line = `${this.#label}  ${this.#io.isTerminal ? `${this.#bar(done / total)}  ` : ""}${words}`;
    return this.#io.isTerminal ? cut(line, this.#io) : line;
  }

  #bar(share: number): string {
    const full = Math.round(BAR_WIDTH * Math.min(Math.max(share, 0), 1));
    const done = "█".repeat(full);
    const rest = "░".repeat(BAR_WIDTH - full);
    return this.#io.hasColor ? `\u001b[36m${done}\u001b[0m${rest}` : done + rest;
  }
}

/** Keeps a line on one row; colour codes take no room. */
function cut(line: string, io: ProgressIo): string {
  const room = io.columns - 1 + (io.hasColor ? 9 : 0);
  return line.length <= room ? line : line.slice(0, room);
}

function rateText(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate >= 1 ? rate.toFixed(1) : rate.toFixed(2);
}

/** A time in words: `8 s`, `2 min 5 s`, `1 h 12 min`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
