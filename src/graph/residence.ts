/**
 * Where the value of a variable is: in JavaScript's hands, or inside the session that wrote it last.
 * A value inside a session comes back when something asks for it, and not before.
 */
import type * as tf from "@tensorflow/tfjs";
import type { NativeBackend, TensorEntry } from "./native-backend.ts";

/** A session that holds values. */
export interface ValueHolder {
  /** Gives back every value that is here alone; see {@link Residence.comeBack}. */
  giveBack(): void;
  /** Gives back what is here alone and frees every value inside. */
  leave(): void;
}

/** What is known of one variable. */
export class Residence {
  /** Counts the values that the variable has had. */
  version = 0;
  readonly #backend: NativeBackend;
  readonly #variable: tf.Variable;
  #dataId: object;
  /** Session that alone has the present value, or null. */
  #holder: ValueHolder | null = null;

  constructor(backend: NativeBackend, variable: tf.Variable) {
    this.#backend = backend;
    this.#variable = variable;
    this.#dataId = variable.dataId;
  }

  /** The session that alone has the value, or null. Notices an assignment made in JavaScript. */
  holder(): ValueHolder | null {
    if (this.#variable.dataId !== this.#dataId) {
      this.#dataId = this.#variable.dataId;
      this.#holder = null;
      this.version++;
    }
    return this.#holder;
  }

  /** Whether another tensor shares the value, which a step therefore must not overwrite. */
  get isShared(): boolean {
    return this.#backend.tensorMap.get(this.#dataId).refCount > 1;
  }

  /** Notes that `holder` has written a new value, and frees the one in JavaScript. */
  moveTo(holder: ValueHolder): void {
    this.version++;
    if (this.#holder === holder) return;
    this.#holder = holder;
    const entry = this.#ownEntry();
    if (entry.id >= 0) this.#backend.binding.deleteTensor(entry.id);
    entry.values = null;
    Object.defineProperty(entry, "id", {
      configurable: true,
      enumerable: true,
      get: () => {
        holder.giveBack();
        return entry.id;
      },
    });
  }

  /** Takes the value over from its holder: `id` is a tensor of the binding, now the variable's. */
  comeBack(id: number): void {
    const entry = this.#backend.tensorMap.get(this.#dataId);
    Object.defineProperty(entry, "id", {
      configurable: true,
      enumerable: true,
      writable: true,
      value: id,
    });
    this.#holder = null;
  }

  /** The variable's entry, where no other tensor shares it: a copy made earlier keeps its value. */
  #ownEntry(): TensorEntry {
    const { tensorMap } = this.#backend;
    let entry = tensorMap.get(this.#dataId);
    if (entry.refCount > 1) {
      const dtype = entry.dtype;
      const empty = this.#backend.createOutputTensor({ id: -1, shape: [...entry.shape], dtype });
      this.#variable.assign(empty);
      empty.dispose();
      this.#dataId = this.#variable.dataId;
      entry = tensorMap.get(this.#dataId);
    }
    return entry;
  }
}

const residences = new WeakMap<tf.Variable, Residence>();

/** The one record of a variable. */
export function residenceOf(backend: NativeBackend, variable: tf.Variable): Residence {
  let residence = residences.get(variable);
  if (residence === undefined) {
    residence = new Residence(backend, variable);
    residences.set(variable, residence);
  }
  return residence;
}
