/** The training loop: steps, summaries, validation, checkpoints, and taking up where a run was left. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CheckpointError, ConfigError, TrainingError } from "../errors.ts";
import { assignWeights } from "../models/load-weights.ts";
import { BestCheckpoints, NO_VALIDATION } from "./best-checkpoints.ts";
import { INDEX_NAME, type CheckpointEntry } from "./checkpoint-index.ts";
import { CheckpointStore, weightsPath } from "./checkpoint-store.ts";
import { StepDropout } from "./dropout-source.ts";
import { Adam } from "./optimizer.ts";
import { RunLog } from "./run-log.ts";
import { runSpan, type RunSpan } from "./run-span.ts";
import { highestRate, type Schedule } from "./schedule.ts";
import { StepTimer } from "./step-timer.ts";
import { EMPTY_WINDOW, meansOf, withStep } from "./summary-window.ts";
import type { TrainerOptions, TrainProgress, TrainResult } from "./train-options.ts";
import { TrainStep, type StepFigures, type StepSetup } from "./train-step.ts";
import { trainedVariables } from "./trained-variables.ts";
import type { RunProgress, SummaryWindow } from "./training-state.ts";
import { readWeights, type Weights } from "./weights.ts";

/** Trains a model in its directory. Owns the optimizer, not the model. */
export class Trainer {
  readonly #options: TrainerOptions;
  readonly #setup: StepSetup;
  readonly #trainStep: TrainStep;
  readonly #store: CheckpointStore;
  readonly #best: BestCheckpoints | null;
  readonly #log: RunLog;
  readonly #timer: StepTimer;
  readonly #span: RunSpan;
  readonly #schedule: Schedule;
  readonly #highestRate: number;
  /** Step of the checkpoint that the run goes on from, or null for a new run. */
  readonly resumedFrom: number | null;
  #step: number;
  #window: SummaryWindow = EMPTY_WINDOW;
  /** True if there is something that the last commit does not have. */
  #isDirty = true;
  readonly #notices: string[] = [];
  #onNotice: (line: string) => void = (line) => this.#notices.push(line);

  /**
   * Opens the model directory. If it holds a checkpoint, the model, the optimizer, the data and the
   * validation take its state; otherwise the run starts with the model as it is.
   * @throws {ConfigError} if the settings contradict the run that is resumed
   * @throws {CheckpointError} if a checkpoint is damaged or does not fit the model
   */
  constructor(options: TrainerOptions) {
    this.#options = options;
    const { model, modelDir, validation } = options;
    const trained = trainedVariables(model.variables, options.freezeVariables);
    this.#best = validation === null ? null : new BestCheckpoints(validation);
    if (!existsSync(join(modelDir, INDEX_NAME))) this.#best?.assertEmpty();
    this.#store = CheckpointStore.open(modelDir);
    const entry = this.#store.entries.at(-1);
    const saved = entry === undefined ? null : this.#store.readState(entry);
    this.#span = runSpan(options.initialStep, options.trainSteps, saved?.progress ?? null);
    this.#schedule = options.schedule(this.#span);
    this.#highestRate = highestRate(this.#schedule, this.#span.initialStep, this.#span.targetStep);
    this.resumedFrom = entry?.step ?? null;
    this.#step = entry?.step ?? this.#span.initialStep;
    const optimizer = new Adam(trained, options.adam);
    this.#setup = { ...options, trained, optimizer };
    this.#trainStep = new TrainStep(this.#setup, {
      name: "training step",
      ...options.capture,
      onNotice: (line) => {
        this.#onNotice(line);
      },
    });
    try {
      if (saved !== null) optimizer.restore(saved.optimizer);
      this.#restore(entry, saved?.progress ?? null);
    } catch (error) {
      optimizer.dispose();
      throw error;
    }
    const clock = options.clock ?? (() => Date.now() / 1000);
    this.#timer = new StepTimer(clock);
    const tensorboardDir = options.tensorboardDir ?? join(modelDir, "train");
    this.#log = new RunLog(modelDir, tensorboardDir, this.#store.logs, clock);
  }

  /** Steps made, counted from the first run of the model. */
  get step(): number {
    return this.#step;
  }

  /** Step at which the run ends. */
  get targetStep(): number {
    return this.#span.targetStep;
  }

  /**
   * Trains up to the target step. When `signal` is aborted, the step in progress is finished and a
   * checkpoint saved.
   * @throws {TrainingError} if a loss is not finite; the last checkpoint stays as it is
   */
  async train(progress: TrainProgress = {}, signal?: AbortSignal): Promise<TrainResult> {
    for (const notice of this.#notices.splice(0)) progress.onNotice?.(notice);
    this.#onNotice = (line) => progress.onNotice?.(line);
    if (this.#isFinished() && !this.#isValidationDue()) return this.#result("already_finished");
    for (;;) {
      if (signal?.aborted === true) return this.#interrupt(progress);
      if (this.#isValidationDue()) {
        const isDone = await this.#validate(progress, signal);
        if (!isDone) return this.#interrupt(progress);
      }
      const isFinished = this.#isFinished();
      if (isFinished || this.#isCheckpointDue()) await this.#save(progress);
      if (isFinished) break;
      await this.#makeStep(progress);
      // Lets signals and timers in: on wasm and cpu nothing else here leaves the microtask queue.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return this.#result(this.#step < this.targetStep ? "stopped_early" : "finished");
  }

  /** Frees the captured steps and the optimizer's tensors, and closes the logs. */
  dispose(): void {
    this.#trainStep.dispose();
    this.#setup.optimizer.dispose();
    this.#log.close();
  }

  #restore(entry: CheckpointEntry | undefined, saved: RunProgress | null): void {
    const { seed, model, modelDir, batches } = this.#options;
    if (entry === undefined || saved === null) {
      this.#best?.restore(NO_VALIDATION);
      return;
    }
    if (saved.seed !== seed) {
      throw new ConfigError(
        `seed: expected ${saved.seed}, with which the run was started, received ${seed}. ` +
          "Resume with the same seed, or train in another model_dir.",
      );
    }
    batches.restore(saved.data);
    const path = weightsPath(modelDir, entry.name);
    const missing = assignWeights(model, this.#store.readWeights(entry), path);
    if (missing.length > 0) {
      throw new CheckpointError(
        `${path}: expected all clips of the model, received none for ${missing.length} of them ` +
          `(${missing[0]!} …). Resume with the quantization that the run was started with.`,
      );
    }
    this.#window = saved.window;
    this.#isDirty = false;
    this.#store.deleteObsolete();
    const isSameRun = this.targetStep === saved.target_step;
    const { validation } = saved;
    const restored = isSameRun ? validation : { ...validation, worse: 0, stopped_early: false };
    for (const path of this.#best?.restore(restored) ?? []) {
      this.#notices.push(`${path} is gone: it no longer counts`);
    }
    if (isSameRun) return;
    this.#notices.push(
      `the run in ${modelDir} was to end at step ${saved.target_step}; ` +
        `it is now to end at step ${this.targetStep}`,
    );
  }

  #isFinished(): boolean {
    return this.#step >= this.targetStep || this.#best?.progress.stopped_early === true;
  }

  #isValidationDue(): boolean {
    const { validation } = this.#options;
    if (validation === null || this.#best === null) return false;
    const { last_step: lastStep, stopped_early: hasStopped } = this.#best.progress;
    if (lastStep === this.#step || hasStopped) return false;
    if (this.#step === this.targetStep) return true;
    if (this.#step === this.#span.initialStep) return validation.onBegin;
    return this.#step >= validation.startAt && this.#step % validation.everySteps === 0;
  }

  #isCheckpointDue(): boolean {
    const { initialStep } = this.#span;
    return this.#step > initialStep && this.#step % this.#options.checkpointSteps === 0;
  }

  async #makeStep(progress: TrainProgress): Promise<void> {
    const { batches, quant, seed, updateCycle } = this.#options;
    const cycle = Array.from({ length: updateCycle }, () => batches.next());
    const tokens = cycle.reduce((sum, { targetLengths }) => targetLengths.reduce(add, sum), 0);
    const rate = this.#schedule.rate(this.#step);
    // Clips have a rate of their own; it follows the schedule, whose highest rate counts as 1.
    const relative = this.#highestRate > 0 ? rate / this.#highestRate : 0;
    const rates = { weights: rate, clips: (quant?.clipLearningRate ?? 0) * relative };
    const dropout = new StepDropout(seed, this.#step);
    this.#timer.start();
    const figures = await this.#trainStep.run(cycle, dropout, rates);
    this.#timer.stop(tokens);
    this.#assertFinite(figures);
    const isFirst = this.#step === this.#span.initialStep;
    if (isFirst && figures.unreached.length > 0) {
      progress.onNotice?.(`no gradient reaches ${figures.unreached.join(", ")}: not trained`);
    }
    this.#step++;
    this.#isDirty = true;
    this.#report(figures, rate, progress);
  }

  #assertFinite(figures: StepFigures): void {
    const { taskLoss, clipPenalty, gradientNorm } = figures;
    const named = {
      "task loss": taskLoss,
      "clip penalty": clipPenalty,
      "gradient norm": gradientNorm,
    };
    const wrong = Object.entries(named).find(([, value]) => !Number.isFinite(value));
    if (wrong === undefined) return;
    throw this.#diverged(`a finite ${wrong[0]}`, String(wrong[1]), this.#step + 1);
  }

  #diverged(expected: string, received: string, step: number): TrainingError {
    const last = this.#store.entries.at(-1)?.name;
    const kept =
      last === undefined
        ? "No checkpoint had been saved"
        : `The last good checkpoint is ${weightsPath(this.#options.modelDir, last)}`;
    return new TrainingError(
      `training step ${step}: expected ${expected}, received ${received}. ` +
        `${kept}; lower the learning rate or set clip_norm.`,
    );
  }

  #report(figures: StepFigures, learningRate: number, progress: TrainProgress): void {
    this.#window = withStep(this.#window, figures);
    const { tokensPerSecond, stepsPerSecond } = this.#timer;
    if (this.#step % this.#options.summarySteps === 0 || this.#step === this.targetStep) {
      this.#log.append({
        kind: "training",
        step: this.#step,
        figures: { ...meansOf(this.#window), learning_rate: learningRate },
        rates: { target_tokens_per_second: tokensPerSecond, steps_per_second: stepsPerSecond },
      });
      this.#window = EMPTY_WINDOW;
    }
    progress.onStep?.({
      step: this.#step,
      targetStep: this.targetStep,
      loss: figures.taskLoss + figures.clipPenalty,
      taskLoss: figures.taskLoss,
      clipPenalty: figures.clipPenalty,
      gradientNorm: figures.gradientNorm,
      learningRate,
      tokensPerSecond,
      secondsLeft: this.#timer.secondsFor(this.targetStep - this.#step),
    });
  }

  /** False if the signal ended it: the state then still lacks this validation. */
  async #validate(progress: TrainProgress, signal: AbortSignal | undefined): Promise<boolean> {
    const { model, validation } = this.#options;
    const best = this.#best!;
    try {
      const outcome = await best.add(model, this.#step, validation!.validator, signal);
      const { average } = outcome;
      const log = (
        kind: "validation" | "average",
        { score, metrics }: typeof outcome.validation,
      ) => {
        this.#log.append({ kind, step: this.#step, figures: { score, ...metrics } });
      };
      log("validation", outcome.validation);
      if (average !== null) log("average", average.validation);
      progress.onValidation?.(outcome);
    } catch (error) {
      if (signal?.aborted === true) return false;
      throw error;
    }
    const { patience } = validation!;
    if (patience > 0 && best.progress.worse >= patience) best.stopEarly();
    this.#isDirty = true;
    return true;
  }

  async #interrupt(progress: TrainProgress): Promise<TrainResult> {
    await this.#save(progress);
    return this.#result("interrupted");
  }

  async #save(progress: TrainProgress): Promise<void> {
    if (!this.#isDirty) return;
    const { model, modelDir, batches, seed, checkpointsToKeep } = this.#options;
    const { optimizer } = this.#setup;
    const weights = await readWeights(model.variables);
    this.#assertFiniteWeights(weights);
    const state: RunProgress = {
      version: 1,
      step: this.#step,
      initial_step: this.#span.initialStep,
      target_step: this.targetStep,
      optimizer_step: optimizer.step,
      seed,
      data: batches.state,
      window: this.#window,
      validation: this.#best?.progress ?? NO_VALIDATION,
    };
    const entry = { name: `ckpt-${this.#step}`, step: this.#step };
    this.#store.write(entry, weights, { progress: state, optimizer: await optimizer.state() });
    const others = this.#store.entries.filter(({ name }) => name !== entry.name);
    this.#store.commit([...others, entry].slice(-checkpointsToKeep), this.#log.sync());
    this.#isDirty = false;
    this.#store.deleteObsolete();
    this.#best?.deleteObsolete();
    progress.onCheckpoint?.(weightsPath(modelDir, entry.name));
  }

  #assertFiniteWeights(weights: Weights): void {
    for (const [name, { data }] of weights) {
      const wrong = data.find((value) => !Number.isFinite(value));
      if (wrong === undefined) continue;
      throw this.#diverged(`finite values in ${name}`, String(wrong), this.#step);
    }
  }

  #result(status: TrainResult["status"]): TrainResult {
    return {
      status,
      step: this.#step,
      targetStep: this.targetStep,
      best: this.#best?.progress.best.at(-1) ?? null,
      bestAverage: this.#best?.progress.best_average.at(-1) ?? null,
    };
  }
}

function add(a: number, b: number): number {
  return a + b;
}
