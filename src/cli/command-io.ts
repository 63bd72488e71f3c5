/** The outside of a command: streams, terminal and interruption. Tests give their own. */
export interface CommandIo {
  /** Writes a line on standard output: results. */
  out(line: string): void;
  /** Writes a line on standard error: progress, notes, errors. */
  err(line: string): void;
  /** Writes text without a line end on standard error: a progress bar. */
  draw(text: string): void;
  /** All of standard input, as UTF-8 text. */
  readInput(): Promise<string>;
  /** True if standard error is a terminal that may be drawn on. */
  readonly isTerminal: boolean;
  /** True if colours may be used: a terminal, and NO_COLOR is not set. */
  readonly hasColor: boolean;
  readonly columns: number;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Seconds since some moment, for rates. */
  now(): number;
  /** True under `--json`: the command writes nothing on standard output itself. */
  readonly json: boolean;
}
