/** The public names of tfjs-qat. */

export {
  CaptureError,
  CheckpointError,
  ConfigError,
  DataError,
  type ErrorCode,
  ExportError,
  FormatError,
  KernelError,
  ShapeError,
  TfjsQatError,
  TrainingError,
  UnknownNameError,
} from "./errors.ts";

// Arithmetic
export { codeOf, type Grid, gridOf, valueOf } from "./core/affine.ts";
export { qtypeOf, type QType, type QuantKind, type Rounding } from "./core/qtype.ts";

// Backends
export {
  type BackendName,
  type BackendOptions,
  type BackendReport,
  selectBackend,
} from "./backends/select.ts";
export { registerKernels } from "./backends/register.ts";

// Captured steps
export {
  CapturedStep,
  type CaptureOptions,
  type CaptureReport,
  captureStep,
  type StepResult,
} from "./graph/captured-step.ts";

// Quantization
export { type QuantConfig, type QuantParamsInput, resolveQuantConfig } from "./quant/config.ts";
export { createPass, disposePass, type Pass } from "./quant/pass.ts";
export { Quantizer, StaticQuantizer } from "./quant/quantizers.ts";
export { fakeQuant, type FakeQuantSpec } from "./ops/fake-quant.ts";

// Layers
export { BahdanauAttention, type BahdanauAttentionArgs } from "./layers/bahdanau-attention.ts";
export { calibrateLayersModel } from "./layers/calibrate-layers-model.ts";
export {
  type ConversionReport,
  type ConvertedRecurrent,
  convertLstm,
  type ConvertLstmOptions,
  type SkippedRecurrent,
} from "./layers/convert-lstm.ts";
export { QuantDense, type QuantDenseArgs } from "./layers/dense.ts";
export {
  BatchMatmul,
  Concat,
  EltwiseAdd,
  EltwiseMult,
  Matmul,
  QuantActivation,
  type QuantActivationArgs,
  type QuantOperationArgs,
} from "./layers/elementwise.ts";
export { TokenEmbedding, type TokenEmbeddingArgs } from "./layers/embedding.ts";
export { FeedForward, type FeedForwardArgs } from "./layers/feed-forward.ts";
export { QuantGRUCell, type QuantGRUCellArgs } from "./layers/gru-cell.ts";
export { QuantGRU, type QuantGRUArgs } from "./layers/gru.ts";
export { LayerNorm, type LayerNormArgs } from "./layers/layer-norm.ts";
export { QuantLSTMCell } from "./layers/lstm-cell.ts";
export { QuantLSTM } from "./layers/lstm.ts";
export { MultiHeadDense, type MultiHeadDenseArgs } from "./layers/multi-head-dense.ts";
export { product } from "./layers/product.ts";
export { type CallArgs, QuantLayer, type QuantLayerArgs } from "./layers/quant-layer.ts";
export type { QuantizedWeightView } from "./layers/quantized-weight-view.ts";
export type {
  CellStates,
  GateActivation,
  RecurrentCellArgs as QuantLSTMCellArgs,
} from "./layers/recurrent-cell.ts";
export type {
  RecurrentResult,
  RecurrentRun,
  RecurrentStackArgs as QuantLSTMArgs,
} from "./layers/recurrent-stack.ts";
export { registerLayers } from "./layers/register.ts";
export { assignTorchRecurrentWeights, type TorchTensor } from "./layers/torch-recurrent-weights.ts";

// Models
export { Gnmt } from "./models/gnmt.ts";
export type { AttendedStep, ModelArgs, Seq2SeqModel } from "./models/model.ts";
export { type PlacedProduct, placementReport } from "./models/placement.ts";
export { createModelScorer, type ModelScorer } from "./models/scorer.ts";
export { traceModel } from "./models/traced-model.ts";
export { Transformer } from "./models/transformer.ts";

// Statistics
export { collectStats } from "./ptq/collect-stats.ts";
export type {
  ModelStatistics,
  OperationStatistics,
  TensorStatistics,
  ValueHistogram,
} from "./core/tensor-statistics.ts";
export { formatStatisticsYaml, parseStatisticsYaml } from "./formats/distiller-statistics.ts";
export { formatHistograms, withHistograms } from "./formats/statistics-histograms.ts";
export { calibrateText } from "./recipe/calibrate.ts";

// Metrics
export { type BleuScore, corpusBleu } from "./metrics/bleu.ts";
export { pairedBootstrap, type PairedComparison } from "./metrics/bootstrap.ts";
export { corpusChrf } from "./metrics/chrf.ts";

// Post-training quantization
export {
  type BiasCorrectionReport,
  correctBiases,
  type FloatWeights,
} from "./ptq/bias-correction.ts";
export {
  type LearnedRoundingReport,
  learnRounding,
  type LearnRoundingOptions,
} from "./ptq/learned-rounding.ts";
export { collectMoments, type MomentOptions, type ProductMoments } from "./ptq/product-moments.ts";
export { copyRoundedWeights } from "./ptq/quantized-weights.ts";
export { type OverridesDialect, type OverridesFile, parseOverrides } from "./ptq/overrides.ts";
export type { PlanEntry, QuantPlan } from "./ptq/plan.ts";
export { printPlan } from "./ptq/print-plan.ts";
export {
  applyQuantization,
  type PreparedQuantization,
  prepareQuantization,
  type QuantizedModel,
  quantizeModel,
  type QuantizeOptions,
} from "./ptq/quantize-model.ts";
export type { FloatReport, QuantizedTensorReport, QuantReport } from "./ptq/report.ts";
export {
  type Treatment,
  treatmentLines,
  type Treatments,
  type TreatmentSettings,
} from "./ptq/treatments.ts";

// Export and integer execution
export { exportInt8 } from "./export/int8.ts";
export { loadInt8 } from "./export/load-int8.ts";
export { saveInt8 } from "./export/save-int8.ts";
export { checkParity, type ParityReport } from "./runtime/parity.ts";
export { loadReference } from "./runtime/reference/load.ts";
export type { ReferenceExecutor } from "./runtime/reference/executor.ts";

// Recipes
export { packageVersion } from "./recipe/package-version.ts";
export { loadModel, type LoadedModel } from "./recipe/load-model.ts";
export { modelConfigFiles } from "./recipe/model-configs.ts";
export { runRecipe } from "./recipe/run.ts";
export type { RunReporter } from "./recipe/run-reporter.ts";
export { resolveRecipe } from "./recipe/sources.ts";
export { translate } from "./recipe/translate.ts";
export { terminalReporter } from "./cli/progress.ts";
