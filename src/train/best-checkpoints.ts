/** The best checkpoints by validation score, the mean of the last ones, and when to stop. */
import { join } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { CheckpointError, TrainingError } from "../errors.ts";
import { assignWeights } from "../models/load-weights.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { averageWeights } from "./average.ts";
import type { CheckpointEntry } from "./checkpoint-index.ts";
import { CheckpointStore, weightsPath } from "./checkpoint-store.ts";
import type { ValidationProgress } from "./training-state.ts";
import type { Validation, Validator } from "./validator.ts";
import { readWeights, type Weights } from "./weights.ts";

/** Where the best checkpoints go and how many there are. */
export interface BestOptions {
  /** Directory of the best checkpoints. */
  readonly bestDir: string;
  /** Best checkpoints kept, and validated checkpoints that the average is taken of. */
  readonly keep: number;
  /** Directory of the best average, or null for no averages. */
  readonly averageDir: string | null;
  /** Files that make each directory usable by itself (model_configs.yml, vocabulary), by name. */
  readonly companions: ReadonlyMap<string, Uint8Array | string>;
}

/** What one validation led to. */
export interface ValidationOutcome {
  readonly step: number;
  readonly validation: Validation;
  /** True if no earlier checkpoint scores higher. */
  readonly isBest: boolean;
  /** The average of the last validated checkpoints, if there are two at least. */
  readonly average: { readonly validation: Validation; readonly isBest: boolean } | null;
}

/** State before the first validation. */
export const NO_VALIDATION: ValidationProgress = {
  last_step: null,
  best: [],
  best_average: [],
  recent: [],
  worse: 0,
  stopped_early: false,
};

/**
 * Directories of the best checkpoints. Files that a validation drops stay until
 * {@link BestCheckpoints.deleteObsolete}, after the run's own commit: a run that is resumed from
 * that commit finds every file its state lists.
 */
export class BestCheckpoints {
  readonly #keep: number;
  readonly #best: CheckpointStore;
  readonly #average: CheckpointStore | null;
  /** The last validated checkpoints, members of the next average. */
  readonly #recent: CheckpointStore | null;
  readonly #companions: BestOptions["companions"];
  #progress: ValidationProgress = NO_VALIDATION;

  constructor(options: BestOptions) {
    this.#keep = options.keep;
    this.#best = CheckpointStore.open(options.bestDir);
    const { averageDir } = options;
    this.#average = averageDir === null ? null : CheckpointStore.open(averageDir);
    this.#recent = averageDir === null ? null : CheckpointStore.open(join(averageDir, "recent"));
    this.#companions = options.companions;
  }

  /** State of the validation, for the training state. */
  get progress(): ValidationProgress {
    return this.#progress;
  }

  /**
   * Checks that no other run has left its best checkpoints here: a new run would remove them.
   * @throws {CheckpointError} if a directory has entries
   */
  assertEmpty(): void {
    for (const store of [this.#best, this.#average]) {
      if (store === null || store.entries.length === 0) continue;
      throw new CheckpointError(
        `${store.directory}: expected no checkpoints of another run, received ` +
          `${store.entries.at(-1)!.name}. Move them away, or give a new run another directory.`,
      );
    }
  }

  /**
   * Takes over a saved state, removes checkpoints that were added after it, and writes the
   * companions. A listed file can be
   * gone only where an older commit was put back by hand; it no longer counts.
   * @returns paths of the files that are gone
   */
  restore(saved: ValidationProgress): string[] {
    const gone: string[] = [];
    const present = (
      store: CheckpointStore | null,
      entries: readonly CheckpointEntry[],
    ): CheckpointEntry[] => {
      if (store === null) return [];
      const isThere = ({ name }: CheckpointEntry): boolean => store.hasFile(name);
      const missing = entries.filter((entry) => !isThere(entry));
      gone.push(...missing.map(({ name }) => weightsPath(store.directory, name)));
      const kept = entries.filter(isThere);
      store.commit(kept);
      return kept;
    };
    this.#progress = {
      ...saved,
      best: present(this.#best, saved.best),
      best_average: present(this.#average, saved.best_average),
      recent: present(this.#recent, saved.recent),
    };
    this.deleteObsolete();
    for (const store of [this.#best, this.#average]) {
      if (store === null) continue;
      for (const [name, bytes] of this.#companions) {
        writeFileAtomic(join(store.directory, name), bytes);
      }
    }
    return gone;
  }

  /**
   * Validates the model as it is, and the mean of the last validated checkpoints; keeps what is
   * among the best. The model has its own weights again afterwards. If a validation throws, nothing
   * has happened.
   * @throws {TrainingError} if a score is not finite
   */
  async add(
    model: Seq2SeqModel,
    step: number,
    validator: Validator,
    signal?: AbortSignal,
  ): Promise<ValidationOutcome> {
    const judge = (): Promise<Validation> => validated(model, step, validator, signal);
    const weights = await readWeights(model.variables);
    const validation = await judge();
    const mean = this.#meanWith(weights);
    let average: Validation | null = null;
    if (mean !== null) {
      try {
        assignWeights(model, mean, "average of checkpoints");
        average = await judge();
      } finally {
        assignWeights(model, weights, `step ${step}`);
      }
    }
    const isBest = this.#keepBest({ name: `ckpt-${step}`, step, score: validation.score }, weights);
    this.#keepRecent({ name: `ckpt-${step}`, step, score: validation.score }, weights);
    if (mean === null || average === null) return { step, validation, isBest, average: null };
    const isBestAverage = this.#keepAverage(
      { name: `ckpt-${step}`, step, score: average.score },
      mean,
    );
    return { step, validation, isBest, average: { validation: average, isBest: isBestAverage } };
  }

  /** Ends the run early in the state. */
  stopEarly(): void {
    this.#progress = { ...this.#progress, stopped_early: true };
  }

  /** Deletes the files that validations have dropped; call it after the run's commit. */
  deleteObsolete(): void {
    this.#best.deleteObsolete();
    this.#average?.deleteObsolete();
    this.#recent?.deleteObsolete();
  }

  /** The mean of the last validated checkpoints and this one, or null if it is the only one. */
  #meanWith(weights: Weights): Weights | null {
    const recent = this.#recent;
    if (recent === null || this.#keep < 2 || this.#progress.recent.length === 0) return null;
    const earlier = this.#progress.recent.slice(1 - this.#keep);
    return averageWeights([...earlier.map((entry) => recent.readWeights(entry)), weights]);
  }

  #keepBest(entry: CheckpointEntry, weights: Weights): boolean {
    const best = ranked([...this.#progress.best, entry]).slice(-this.#keep);
    const isBest = best.at(-1) === entry;
    if (best.includes(entry)) this.#best.write(entry, weights);
    this.#best.commit(best);
    const worse = isBest ? 0 : this.#progress.worse + 1;
    this.#progress = { ...this.#progress, last_step: entry.step, best, worse };
    return isBest;
  }

  #keepRecent(entry: CheckpointEntry, weights: Weights): void {
    if (this.#recent === null) return;
    const recent = [...this.#progress.recent, entry].slice(-this.#keep);
    this.#recent.write(entry, weights);
    this.#recent.commit(recent);
    this.#progress = { ...this.#progress, recent };
  }

  /** One average is kept: the best. */
  #keepAverage(entry: CheckpointEntry, mean: Weights): boolean {
    const best = ranked([...this.#progress.best_average, entry]).slice(-1);
    const isBest = best.includes(entry);
    if (isBest) this.#average?.write(entry, mean);
    this.#average?.commit(best);
    this.#progress = { ...this.#progress, best_average: best };
    return isBest;
  }
}

/** Worst first; of equal scores the later checkpoint is the better one. */
function ranked<E extends CheckpointEntry>(entries: readonly E[]): E[] {
  return [...entries].sort((a, b) => a.score! - b.score! || a.step - b.step);
}

async function validated(
  model: Seq2SeqModel,
  step: number,
  validator: Validator,
  signal: AbortSignal | undefined,
): Promise<Validation> {
  const validation = await validator.validate(model, step, signal);
  if (Number.isFinite(validation.score)) return validation;
  throw new TrainingError(
    `validation at step ${step}: expected a finite score, received ${validation.score}. ` +
      "Check the dev text, or lower the learning rate.",
  );
}
