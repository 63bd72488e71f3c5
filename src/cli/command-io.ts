/** The outside of a command: streams, terminal and interruption. Tests give their own. */
export interface CommandIo {
  /** Writes a line on standard output: results. */
  readonly out: (line: string) => void;
  /** Writes a line on standard error: progress, notes, errors. */
  readonly err: (line: string) => void;
  /** Writes text without a line end on standard error: a progress bar. */
  readonly draw: (text: string) => void;
  /** All of standard input, as UTF-8 text. */
  readonly readInput: () => Promise<string>;
  /** True if standard error is a terminal that may be drawn on. */
  readonly isTerminal: boolean;
  /** True if colours may be used: a terminal, and NO_COLOR is not set. */
  readonly hasColor: boolean;
  readonly columns: number;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Seconds since some moment, for rates. */
  readonly now: () => number;
  /** True under `--json`: the command writes nothing on standard output itself. */
  readonly json: boolean;
}
