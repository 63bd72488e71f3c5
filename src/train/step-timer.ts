/** How fast steps are made. */

/** Adds up the time between `start` and `stop`, and what was done in it. */
export class StepTimer {
  readonly #clock: () => number;
  #startedAt = 0;
  #seconds = 0;
  #steps = 0;
  #tokens = 0;

  /** @param clock seconds */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  start(): void {
    this.#startedAt = this.#clock();
  }

  /** Ends a step over so many target tokens. */
  stop(tokens: number): void {
    this.#seconds += this.#clock() - this.#startedAt;
    this.#steps++;
    this.#tokens += tokens;
  }

  get tokensPerSecond(): number {
    return this.#seconds > 0 ? this.#tokens / this.#seconds : 0;
  }

  get stepsPerSecond(): number {
    return this.#seconds > 0 ? this.#steps / this.#seconds : 0;
  }

  /** Seconds that further steps will take at the mean rate so far. */
  secondsFor(steps: number): number {
    return this.#steps > 0 ? (steps * this.#seconds) / this.#steps : 0;
  }
}
