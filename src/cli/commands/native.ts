import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import type { InstallOptions } from "../../native/install-options.ts";
import type { NativeStatus } from "../../native/status.ts";
import type { CommandIo } from "../command-io.ts";
import { defineCommand, type CommandResult } from "../define-command.ts";
import { terminalReporter } from "../progress.ts";

/** Installs TensorFlow for Node, shows or removes it. */
export const nativeCommand = defineCommand({
  name: "native",
  flags: z.strictObject({
    action: z
      .enum(["install", "status", "remove"])
      .describe(
        "install: build TensorFlow for Node and verify it; status: what is installed; remove: delete it",
      ),
    cuda: z.boolean().default(false).describe("install TensorFlow with CUDA (Linux, NVIDIA GPUs)"),
    tensorflow: z
      .string()
      .optional()
      .meta({ description: "version of TensorFlow to install", defaultText: "2.21.0" }),
    python: z
      .string()
      .optional()
      .describe("Python whose pip downloads; a TensorFlow that it has is used in place"),
    wheel: z.string().optional().describe("wheel file of TensorFlow; needs no Python"),
    prefix: z.string().optional().meta({
      description: "folder of the installation",
      defaultText: "TFJS_QAT_NATIVE, or tfjs-qat/native in the user's data folder",
    }),
  }),
  positionals: ["action"],
  examples: [
    ["native install", "download TensorFlow and build the native backend"],
    ["native install --wheel tensorflow_cpu-2.21.0-…-x86_64.whl", "from a file"],
    ["native install --cuda --prefix /opt/tfjs-qat", "for NVIDIA GPUs, in a folder of one's own"],
    ["native status --json", "what is installed"],
    ["native remove", "delete it"],
  ],
  async run({ action, ...options }, io) {
    if (action === "install") return install(options, io);
    for (const [name, value] of Object.entries(options)) {
      if (name === "prefix" || value === false) continue;
      throw new ConfigError(
        `--${name}: expected only --prefix with "native ${action}", received --${name}. Leave it out.`,
      );
    }
    return action === "status" ? status(options.prefix) : remove(options.prefix);
  },
});

async function install(options: InstallOptions, io: CommandIo): Promise<CommandResult> {
  const { installNative } = await import("../../native/install.ts");
  const { thisHost } = await import("../../native/host.ts");
  const reporter = terminalReporter(io);
  const json = await installNative(options, { host: thisHost(), reporter, signal: io.signal });
  const how = {
    installed: "installed and verified",
    verified: "is installed already; verified again",
    stock: "of a stock package works",
  }[json.status];
  const device = json.uses_gpu ? "GPU" : "CPU";
  const text = `TensorFlow ${json.tensorflow} (${device}) ${how}: ${json.package}`;
  return { json, text };
}

async function status(prefix: string | undefined): Promise<CommandResult> {
  const { nativeStatus } = await import("../../native/status.ts");
  const { thisHost } = await import("../../native/host.ts");
  const json = nativeStatus(thisHost(), prefix);
  return { json, text: statusText(json), exitCode: json.package === null ? 1 : 0 };
}

function statusText({
  prefix,
  status,
  package: folder,
  missing,
  installation,
}: NativeStatus): string {
  if (status === "absent")
    return `nothing is installed in ${prefix}; "tfjs-qat native install" does it`;
  if (status === "stock") return `a stock package is used: ${folder!}`;
  const version = installation?.tensorflow ?? "of an unknown version";
  const what = `TensorFlow ${version} (${installation?.variant ?? "cpu"}) in ${prefix}`;
  if (status === "installed") return `${what}; "tfjs-qat doctor" tries it`;
  return `${what}, but ${missing.join(" and ")} is missing; run "tfjs-qat native install" again`;
}

async function remove(prefix: string | undefined): Promise<CommandResult> {
  const { removeNative } = await import("../../native/status.ts");
  const { thisHost } = await import("../../native/host.ts");
  const json = removeNative(thisHost(), prefix);
  const isNothing = json.removed.length === 0;
  const text = isNothing ? `nothing is installed in ${json.prefix}` : `removed ${json.prefix}`;
  return { json, text };
}
