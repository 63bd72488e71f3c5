/**
 * NeurST's keys that are refused, with what to do instead: without them a run would be another one
 * than was asked for.
 */
export const REFUSED_KEYS: Readonly<Record<string, string>> = {
  train_epochs: "Training is counted in optimizer steps: set train_steps",
  include: "There are no plug-in files here: use the package as a library for classes of your own",
  optimizer_controller: "Checkpoints are averaged instead: leave it out",
  optimizer_controller_args: "Checkpoints are averaged instead: leave it out",
  pruning_schedule: "Weights are not pruned here: leave it out",
  pruning_variable_pattern: "Weights are not pruned here: leave it out",
  nopruning_variable_pattern: "Weights are not pruned here: leave it out",
};
