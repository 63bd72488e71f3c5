/** The base of all layers: weights and activations that know how they are quantized. */
import * as tf from "@tensorflow/tfjs";
import type { QuantKind } from "../core/qtype.ts";
import { ConfigError, UnknownNameError } from "../errors.ts";
import { AffineQuantizer } from "../quant/affine-quantizer.ts";
import { quantConfigFromHost, quantConfigToHost, type QuantConfig } from "../quant/config.ts";
import { Float16Quantizer } from "../quant/float16-quantizer.ts";
import { makeQuantizer, type QuantizerSite, type ValueUse } from "../quant/make-quantizer.ts";
import { withPass, type Pass, type TensorGrid } from "../quant/pass.ts";
import { QuantPolicy } from "../quant/policy.ts";
import { type Quantizer, StaticQuantizer } from "../quant/quantizers.ts";
import { SeedSequence } from "../quant/seed-sequence.ts";
import { QUANT_STRATEGIES } from "../quant/strategies.ts";
import type { Initializer } from "./initial-weights.ts";
import type { AccumulatorRules } from "./product.ts";
import { cachedWeight, gridIn, keepIn, recordGrid } from "./pass-cache.ts";
import { type QuantizedWeightView, viewWeight } from "./quantized-weight-view.ts";
import { reportQuantized } from "./report.ts";

type Layer = tf.layers.Layer;
type HostLayerArgs = NonNullable<ConstructorParameters<typeof tf.layers.Layer>[0]>;
/** Keyword arguments of `call`: `training` from the host, `pass` from our models. */
export type CallArgs = Parameters<Layer["call"]>[1];

/** Arguments common to all layers. `name` is the full path of the layer's variables. */
export interface QuantLayerArgs extends HostLayerArgs {
  /** Settings for this layer and its sublayers; null or absent keeps them float. */
  readonly quantConfig?: QuantConfig | null;
  /** The model's policy; takes the place of quantConfig. */
  readonly policy?: QuantPolicy;
  /** Seed of initial weights, and of dropout under model.fit [default: 1]. */
  readonly seed?: number;
}

/** What an activation quantizer serves; `linear`, `tanh` and `gelu` results have both signs. */
export type ActivationKind = Exclude<QuantKind, "weight">;

/**
 * A layer whose weights (all but biases) get a quantizer by themselves, and whose activations get
 * one by {@link addActivationQuantizer}. Its settings belong to the instance. In float it has no
 * further variables and no further operations.
 */
export abstract class QuantLayer extends tf.layers.Layer {
  /** Decides the settings of every quantizer here and in the sublayers. */
  readonly policy: QuantPolicy;
  /** Seed of initial weights and of dropout under model.fit. */
  readonly seed: number;
  readonly #variables = new Map<string, tf.LayerVariable>();
  readonly #weightQuantizers = new Map<tf.LayerVariable, Quantizer>();
  readonly #quantizers = new Map<string, Quantizer>();
  readonly #activationNames = new Set<string>();
  readonly #sublayers: QuantLayer[] = [];
  readonly #hostSeeds: SeedSequence;

  constructor(args: QuantLayerArgs = {}) {
    super(args);
    this.policy = args.policy ?? new QuantPolicy(quantConfigFromHost(args.quantConfig ?? null));
    this.seed = args.seed ?? 1;
    this.#hostSeeds = new SeedSequence(this.seed);
  }

  /** The settings that this layer was made with, or null for float. */
  get quantConfig(): QuantConfig | null {
    return this.policy.config;
  }

  /** Layers inside this one, in the order in which they were tracked. */
  get sublayers(): readonly QuantLayer[] {
    return this.#sublayers;
  }

  /** This layer and all layers inside, depth first. */
  allLayers(): QuantLayer[] {
    return [this, ...this.#sublayers.flatMap((layer) => layer.allLayers())];
  }

  /** Quantizers of this layer (not of its sublayers) by weight or activation name. */
  get quantizers(): ReadonlyMap<string, Quantizer> {
    return this.#quantizers;
  }

  /** Full paths of the weights, inputs and results of this layer that are in half precision. */
  get float16Places(): readonly string[] {
    const all = [...this.#quantizers.values()];
    return all.filter((q) => q instanceof Float16Quantizer).map(({ path }) => path);
  }

  /** Whether a weight, an input or a result of this layer is in half precision. */
  get isFloat16(): boolean {
    return this.float16Places.length > 0;
  }

  /** Variables of this layer (not of its sublayers), ranges included, by checkpoint name. */
  namedVariables(): ReadonlyMap<string, tf.Variable> {
    return new Map(
      [...this.#variables].map(([name, v]) => [`${this.name}/${name}`, engineVariable(v)]),
    );
  }

  /** The integer codes and range of a quantized weight. Waits for the backend. */
  quantizedWeight(name: string): QuantizedWeightView {
    const weight = this.#variables.get(name);
    const quantizer = this.#quantizers.get(name);
    const isWeight = quantizer instanceof StaticQuantizer && quantizer.kind === "weight";
    if (weight === undefined || !isWeight) {
      const known = [...this.#quantizers].filter(([, q]) => q.kind === "weight").map(([n]) => n);
      throw new UnknownNameError(
        `quantizedWeight of ${this.name}`,
        "quantized weight",
        name,
        known,
      );
    }
    return viewWeight(quantizer, weight.read());
  }

  /** Whether a weight gets a quantizer; layers override it where their weights stay float. */
  protected quantizesWeight(name: string): boolean {
    return name !== "bias";
  }

  /** Axis of the output channels of a weight, for one clip each. */
  protected channelAxis(_name: string, shape: tf.Shape): number {
    return shape.length - 1;
  }

  /** Creates the variable `<layer>/<name>`, and those of its range; see `quant/clip-name.ts`. */
  protected override addWeight(
    name: string,
    shape: tf.Shape,
    dtype?: tf.DataType,
    initializer?: Initializer,
    ...rest: [regularizer?: never, trainable?: boolean]
  ): tf.LayerVariable {
    const weight = this.#addVariable(name, shape, dtype ?? "float32", initializer, rest[1]);
    if (!this.quantizesWeight(name)) return weight;
    const quantizer = this.#addQuantizer(name, "weight", "product", (settings) => {
      if (!settings.perChannel || shape.length < 2) return null;
      const axis = this.channelAxis(name, shape);
      return { axis, count: shape[axis]! };
    });
    if (quantizer !== null) this.#weightQuantizers.set(weight, quantizer);
    return weight;
  }

  /**
   * Creates an activation quantizer, with the variables of its range.
   * @param activation what makes the values; every other than relu and softmax has both signs
   * @param use where they go: `cell` is an LSTM's cell state, with bits of its own
   */
  protected addActivationQuantizer(
    name: string,
    activation: string = "act",
    use: ValueUse = "product",
  ): void {
    const kind: ActivationKind =
      activation === "relu" || activation === "softmax" ? activation : "act";
    this.#activationNames.add(name);
    this.#addQuantizer(name, kind, use);
  }

  /** The weight's values on its grid, or as they are in float; made once for each pass. */
  protected quantWeight(weight: tf.LayerVariable, pass?: Pass): tf.Tensor {
    const quantizer = this.#weightQuantizers.get(weight);
    if (quantizer === undefined || pass?.skipQuantization === true) return weight.read();
    if (pass === undefined) return quantizer.apply(weight.read());
    const cached = cachedWeight(pass, weight);
    if (cached.values === null) {
      cached.values = keepIn(pass, quantizer.apply(weight.read()));
      if (quantizer instanceof StaticQuantizer) {
        recordGrid(cached.values, quantizer, pass, { codes: false, weight: cached });
      } else {
        pass.float16.add(cached.values.dataId);
      }
    }
    return cached.values;
  }

  /** The weight as products take it: codes where the pass multiplies codes, else its values. */
  protected weightOperand(weight: tf.LayerVariable, pass: Pass): tf.Tensor {
    const quantizer = this.#weightQuantizers.get(weight);
    const isStatic = quantizer instanceof StaticQuantizer;
    if (!isStatic || pass.products === "values" || pass.skipQuantization === true) {
      return this.quantWeight(weight, pass);
    }
    const cached = cachedWeight(pass, weight);
    if (cached.codes === null) {
      cached.codes = keepIn(pass, quantizer.codes(weight.read()));
      recordGrid(cached.codes, quantizer, pass, { codes: true, weight: cached });
    }
    return cached.codes;
  }

  /**
   * How a linear map with this weight treats the sums of its integer products; null: they are scaled,
   * then the float32 bias is added.
   */
  protected accumulatorRules(weight: tf.LayerVariable): AccumulatorRules | null {
    if (!this.policy.roundsEach) return null;
    const quantizer = this.#weightQuantizers.get(weight);
    const isAffine = quantizer instanceof AffineQuantizer;
    return { scaleApproxMultBits: isAffine ? quantizer.spec.scaleApproxMultBits : null };
  }

  /** x on the grid of an activation quantizer, as values; x itself in float. */
  protected quant(x: tf.Tensor, name: string, pass?: Pass): tf.Tensor {
    const quantizer = this.#activationQuantizer(name);
    if (pass?.onOperation !== undefined) this.#report(x, name, pass);
    if (quantizer === null) return x;
    pass?.observe?.(quantizer.path, x, pass.positions ?? null);
    if (pass?.skipQuantization === true) return x;
    const values = quantizer.apply(x);
    if (pass === undefined || !(quantizer instanceof StaticQuantizer)) return values;
    pass.onCodes?.(quantizer.path, quantizer.codes(x));
    recordGrid(values, quantizer, pass, { codes: false });
    return values;
  }

  /**
   * x on the grid of an activation quantizer for use in products alone: codes where the pass
   * multiplies codes, else values. Each tensor's own grid is forgotten: then products multiply values.
   */
  protected quantOperand(x: tf.Tensor, name: string, pass: Pass): tf.Tensor {
    const quantizer = this.#staticQuantizer(name);
    if (quantizer === null || pass.products === "values" || pass.skipQuantization === true) {
      return this.quant(x, name, pass);
    }
    if (pass.onOperation !== undefined) this.#report(x, name, pass);
    pass.observe?.(quantizer.path, x, pass.positions ?? null);
    const codes = quantizer.codes(x);
    pass.onCodes?.(quantizer.path, codes);
    return this.markOperand(codes, name, pass);
  }

  /** Records that a rearranged {@link quantOperand} (transposed, cached) lies on the same grid. */
  protected markOperand<T extends tf.Tensor>(x: T, name: string, pass: Pass): T {
    const quantizer = this.#staticQuantizer(name);
    if (quantizer !== null && pass.skipQuantization !== true) {
      recordGrid(x, quantizer, pass, { codes: pass.products === "codes" });
    }
    return x;
  }

  /** The grid of {@link quantOperand} results in a pass; null where they are on no lasting one. */
  protected operandGrid(name: string, pass: Pass): TensorGrid | null {
    const quantizer = this.#staticQuantizer(name);
    if (quantizer === null || pass.skipQuantization === true) return null;
    return gridIn(pass, quantizer, { codes: pass.products === "codes" });
  }

  /**
   * Whether the layer tells the pass' watcher itself of the operation that an activation quantizer
   * follows; if not, of each the base class does.
   */
  protected isReported(quantizer: string): boolean {
    return !this.#activationNames.has(quantizer);
  }

  /** Makes a layer's weights part of this one's: listed, saved, loaded and disposed with it. */
  protected track<T extends QuantLayer>(sublayer: T): T {
    this.#sublayers.push(sublayer);
    return sublayer;
  }

  /** Arguments for a sublayer: its full name, and this layer's settings. */
  protected sublayerArgs(name: string): QuantLayerArgs & { name: string } {
    return { name: `${this.name}/${name}`, policy: this.policy, seed: this.seed };
  }

  /** Runs `body` in the model's pass; without one (host models), in a pass of this call. */
  protected inPass<T extends tf.Tensor | tf.Tensor[]>(
    kwargs: CallArgs,
    body: (pass: Pass) => T,
  ): T {
    const { pass, training } = kwargs as { pass?: Pass; training?: boolean };
    // No tidy of its own: what the pass keeps for later layers must outlive this call.
    if (pass !== undefined) return body(pass);
    const options = { training: training === true, dropout: this.#hostSeeds };
    return withPass(options, (ownPass) => tf.tidy(() => body(ownPass)));
  }

  /** Builds before the host enters its name scope, so that names are exactly `<layer>/<weight>`. */
  override apply(...args: Parameters<Layer["apply"]>): ReturnType<Layer["apply"]> {
    const inputs = Array.isArray(args[0]) ? args[0] : [args[0]];
    if (!this.built) {
      const shapes = inputs.map((input) => input.shape as tf.Shape);
      this.build(shapes.length === 1 ? shapes[0]! : shapes);
      const initial = this.initialWeights as tf.Tensor[] | null;
      if (initial !== null) this.setWeights(initial);
      if (inputs[0] instanceof tf.Tensor) this._refCount ??= 1;
    }
    return super.apply(...args);
  }

  override get trainableWeights(): tf.LayerVariable[] {
    if (!this.trainable) return [];
    return [...super.trainableWeights, ...this.#sublayers.flatMap((l) => l.trainableWeights)];
  }

  override set trainableWeights(weights: tf.LayerVariable[]) {
    super.trainableWeights = weights;
  }

  override get nonTrainableWeights(): tf.LayerVariable[] {
    const inner = this.#sublayers.flatMap((l) =>
      this.trainable ? l.nonTrainableWeights : l.weights,
    );
    return [...super.nonTrainableWeights, ...inner];
  }

  override set nonTrainableWeights(weights: tf.LayerVariable[]) {
    super.nonTrainableWeights = weights;
  }

  /** Frees the variables, also of a layer that a model built without the host's `apply`. */
  override dispose(): ReturnType<Layer["dispose"]> {
    if (this.built) this._refCount ??= 1;
    return super.dispose();
  }

  override getConfig(): tf.serialization.ConfigDict {
    const quantConfig = quantConfigToHost(this.quantConfig);
    return { ...super.getConfig(), quantConfig, seed: this.seed };
  }

  #addVariable(
    name: string,
    shape: tf.Shape,
    dtype: tf.DataType,
    initializer?: Initializer,
    trainable = true,
  ): tf.LayerVariable {
    const path = `${this.name}/${name}`;
    const start = initializer ?? tf.initializers.zeros();
    const variable = super.addWeight(path, shape, dtype, start, undefined, trainable);
    this.#variables.set(name, variable);
    return variable;
  }

  #addQuantizer(
    name: string,
    kind: QuantKind,
    use: ValueUse,
    channelsBy: (settings: QuantizerSite["settings"]) => QuantizerSite["channels"] = () => null,
  ): Quantizer | null {
    const settings = this.policy.for(`${this.name}/${name}`);
    if (settings === null) return null;
    if (this.#quantizers.has(name)) {
      throw new ConfigError(
        `${this.name}: expected a new quantizer name, received "${name}" twice. ` +
          `Give each weight and activation of a layer its own name.`,
      );
    }
    const strategy = QUANT_STRATEGIES[this.quantConfig!.strategy];
    const channels = channelsBy(settings);
    const site = { layer: this.name, name, kind, use, channels, settings, strategy };
    const quantizer = makeQuantizer(site, (variable, { shape, value, trainable }) => {
      const initializer = tf.initializers.constant({ value });
      return this.#addVariable(variable, shape, "float32", initializer, trainable);
    });
    if (quantizer !== null) this.#quantizers.set(name, quantizer);
    return quantizer;
  }

  #report(x: tf.Tensor, name: string, pass: Pass): void {
    if (!this.isReported(name)) reportQuantized(this.name, name, x, pass);
  }

  #activationQuantizer(name: string): Quantizer | null {
    if (!this.#activationNames.has(name)) {
      const known = [...this.#activationNames];
      throw new UnknownNameError(`quant of ${this.name}`, "activation quantizer", name, known);
    }
    return this.#quantizers.get(name) ?? null;
  }

  /** The same where its grid lasts; null where each tensor has its own. */
  #staticQuantizer(name: string): StaticQuantizer | null {
    const quantizer = this.#activationQuantizer(name);
    return quantizer instanceof StaticQuantizer ? quantizer : null;
  }
}

/** The engine's variable inside the host's, whose type hides it. */
function engineVariable(variable: tf.LayerVariable): tf.Variable {
  const inner: tf.Tensor = variable.read();
  if (inner instanceof tf.Variable) return inner as tf.Variable;
  throw new ConfigError(
    `${variable.name}: expected a variable, received a tensor. Use TensorFlow.js 4.22.`,
  );
}
