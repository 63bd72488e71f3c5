import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { WasmBackend } from "../../src/backends/wasm/memory.ts";
import { GRID_BYTES, writePlaceGrids } from "../../src/backends/wasm/place-grids.ts";
import type { SimdModule } from "../../src/backends/wasm/simd-module.ts";
import { BackendThreads, dividedModule } from "../../src/backends/wasm/threads/backend-threads.ts";
import { divide, type Job } from "../../src/backends/wasm/threads/job.ts";
import {
  nodeWorkerClass,
  type NodeWorker,
  type NodeWorkerClass,
} from "../../src/backends/wasm/threads/node-host.ts";
import { SPLITS } from "../../src/backends/wasm/threads/splits.ts";
import { ThreadPool, type ThreadPoolOptions } from "../../src/backends/wasm/threads/thread-pool.ts";
import { gridOf } from "../../src/core/affine.ts";
import { makeSharedKernels, type SharedKernels } from "../helpers/shared-kernels.ts";

let kernels: SharedKernels;
let pools: ThreadPool[];

beforeAll(async () => {
  kernels = await makeSharedKernels();
  pools = await Promise.all(
    [2, 3].map((threads) => ThreadPool.start({ ...kernels.options, threads })),
  );
});

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.dispose()));
});

/** Calls a kernel with new outputs of the given sizes; what it has written. */
type Call = (module: SimdModule, out: readonly number[]) => void;

interface Case {
  readonly name: keyof typeof SPLITS;
  readonly of: string;
  /** Sizes of the outputs. */
  readonly sizes: readonly number[];
  readonly prepare: () => Call;
}

function softmaxCases(): Case[] {
  const [batch, heads, queries, keys] = [3, 5, 37, 41];
  const rows = batch * heads * queries;
  const size = rows * keys;
  return [0, 1].map((causal) => ({
    name: "attentionSoftmax",
    of: causal === 1 ? "causal" : "with lengths",
    sizes: [size],
    prepare: () => {
      const x = kernels.normal(size);
      const lengths = causal === 1 ? 0 : kernels.integers(batch, keys + 1);
      const ahead = causal === 1 ? keys - queries + 1 : keys;
      return (module, out) =>
        module.attentionSoftmax(
          ...[x, out[0]!, 0, rows, keys, lengths, heads * queries, queries, ahead],
        );
    },
  }));
}

function rowCases(): Case[] {
  const [rows, width] = [83, 203];
  const size = rows * width;
  return [
    {
      name: "softmaxGrad",
      of: "odd rows",
      sizes: [size],
      prepare: () => {
        const [dp, p] = [kernels.normal(size), kernels.normal(size)];
        return (module, out) => module.softmaxGrad(dp, p, out[0]!, 0, rows, width);
      },
    },
    {
      name: "logSoftmax",
      of: "odd rows",
      sizes: [size],
      prepare: () => {
        const x = kernels.normal(size);
        return (module, out) => module.logSoftmax(x, out[0]!, 0, rows, width);
      },
    },
    {
      name: "crossEntropy",
      of: "odd rows",
      sizes: [rows, size],
      prepare: () => {
        const [x, targets] = [kernels.normal(size), kernels.integers(rows, width)];
        return (module, out) =>
          module.crossEntropy(
            ...[x, targets, out[0]!, out[1]!, 0, rows, width, 0.9, 0.1 / (width - 1), 0.3],
          );
      },
    },
    {
      name: "crossEntropyGrad",
      of: "odd rows",
      sizes: [size],
      prepare: () => {
        const [dloss, p] = [kernels.normal(rows), kernels.normal(size)];
        const targets = kernels.integers(rows, width);
        return (module, out) =>
          module.crossEntropyGrad(
            ...[dloss, p, targets, out[0]!, 0, rows, width, 0.9, 0.1 / (width - 1)],
          );
      },
    },
    {
      name: "layerNorm",
      of: "odd rows",
      sizes: [size],
      prepare: () => {
        const [x, gamma, beta] = [size, width, width].map((n) => kernels.normal(n));
        return (module, out) =>
          module.layerNorm(...[x!, gamma!, beta!, out[0]!, 0, rows, width, 1e-6]);
      },
    },
  ];
}

function codeCases(): Case[] {
  const sizes = [
    ...[
      { k: 64, width: 1 },
      { k: 513, width: 1 },
      { k: 2047, width: 1 },
      { k: 513, width: 2 },
    ],
  ];
  return sizes.map(({ k, width }): Case => {
    const [m, n] = [83, 203];
    return {
      name: "codeGemm",
      of: `common axis of ${k}, ${width} bytes a code`,
      sizes: [m * n],
      prepare: () => {
        const { direct } = kernels;
        const codes = (count: number): number => {
          const address = kernels.normal(count);
          const view = kernels.floats(address, count);
          const most = 128 * width;
          view.set(
            view.map((v) => Math.max(-most, Math.min(most - 1, Math.round(40 * width * v)))),
          );
          return address;
        };
        const [a, b] = [codes(m * k), codes(k * n)];
        const packed = kernels.allocate(direct.packedCodeBytes(n, k, width));
        direct.packCodes(b, n, k, 0, packed, width);
        const [scales, bias] = [kernels.normal(n), kernels.normal(n)];
        const scratch = kernels.allocate(direct.codeGemmScratchBytes(k));
        return (module, out) =>
          module.codeGemm(...[a, packed, out[0]!, 0, m, n, k, scales, bias, scratch, width]);
      },
    };
  });
}

function elementCases(): Case[] {
  return [5001, 5002, 5003, 5004].flatMap((size): Case[] => [
    {
      name: "adam",
      of: `${size} elements`,
      sizes: [size, size, size],
      prepare: () => {
        const from = [1, 2, 3, 4].map(() => kernels.normal(size));
        const squares = kernels.floats(from[3]!, size);
        squares.set(squares.map(Math.abs));
        return (module, out) => module.adam(...from, ...out, 0, size, 1e-3, 0.1, 0.02, 1e-9);
      },
    },
    {
      name: "dropout",
      of: `${size} elements`,
      sizes: [size],
      prepare: () => {
        const x = kernels.normal(size);
        return (module, out) => module.dropout(x, out[0]!, 0, size, 12345, 429496730, 0.9);
      },
    },
  ]);
}

function activationCases(): Case[] {
  return (["sigmoid", "tanh"] as const).flatMap((name) =>
    [5001, 5003].map((size): Case => ({
      name,
      of: `${size} elements`,
      sizes: [size],
      prepare: () => {
        const x = kernels.normal(size);
        return (module, out) => module[name](x, out[0]!, 0, size);
      },
    })),
  );
}

/** Grids of places, at an address that has room behind them. */
function placeGrids(address: number, clips: readonly number[]): void {
  const { buffer } = kernels.options.memory;
  const views = {
    floatsAt: (at: number, count: number) => kernels.floats(at, count),
    intsAt: (at: number, count: number) => new Int32Array(buffer, at, count),
  };
  const grids = clips.map((clip) => (clip === 0 ? null : gridOf("act", 8, clip, "half_even")));
  writePlaceGrids(views, address, grids);
}

function lstmCases(): Case[] {
  const [time, batch, units] = [3, 37, 21];
  const states = time * batch * units;
  const clips = [1, 1, 0.5, 2, 0.3, 0.4];
  const packed = (transposed: 0 | 1): number => {
    const { direct } = kernels;
    const [n, k] = transposed === 1 ? [units, 4 * units] : [4 * units, units];
    const address = kernels.allocate(direct.packedBytes(n, k));
    direct.packRight(kernels.normal(4 * units * units), address, n, k, transposed);
    return address;
  };
  const lanes = batch * 6 * 16;
  return [0, 1].flatMap((isStarted): Case[] => [
    {
      name: "lstmCell",
      of: isStarted === 1 ? "with a cell" : "without a cell",
      sizes: [states, states],
      prepare: () => {
        const sums = kernels.normal(4 * states);
        const cell = isStarted === 1 ? kernels.normal(states) : 0;
        const grids = kernels.allocate(6 * GRID_BYTES);
        placeGrids(grids, clips);
        return (module, out) => module.lstmCell(sums, cell, ...out, grids, 0, time * batch, units);
      },
    },
    {
      name: "lstmSequence",
      of: isStarted === 1 ? "with states" : "without states",
      sizes: [states, states, 4 * states],
      prepare: () => {
        const [gates, bias] = [kernels.normal(4 * states), kernels.normal(4 * units)];
        const start = [0, 0].map(() => (isStarted === 1 ? kernels.normal(batch * units) : 0));
        const grids = kernels.allocate(6 * GRID_BYTES);
        placeGrids(grids, clips);
        const [kernel, tile] = [packed(0), kernels.allocate(160)];
        const sizes = [time, batch, units, 0, batch];
        return (module, out) =>
          module.lstmSequence(gates, kernel, bias, ...start, ...out, grids, ...sizes, tile);
      },
    },
    {
      name: "lstmSequenceGrad",
      of: isStarted === 1 ? "with states" : "without states",
      sizes: [4 * states, batch * units, batch * units, 6 * (GRID_BYTES / 4) + lanes],
      prepare: () => {
        const [dhidden, dcells, cells] = [1, 2, 3].map(() => kernels.normal(states));
        const cell = isStarted === 1 ? kernels.normal(batch * units) : 0;
        const sums = kernels.normal(4 * states);
        const [kernel, tile] = [packed(1), kernels.allocate(160)];
        const sizes = [time, batch, units, 0, batch];
        return (module, out) => {
          placeGrids(out[3]!, clips);
          const given = [dhidden!, dcells!, kernel, cell, cells!, sums];
          module.lstmSequenceGrad(...given, ...out, ...sizes, tile);
        };
      },
    },
  ]);
}

function scoreCases(): Case[] {
  const [batch, time, sourceTime, units] = [17, 3, 5, 23];
  const [queries, keys] = [batch * time * units, batch * sourceTime * units];
  const inputs = (): number[] => [queries, keys, units, units].map((n) => kernels.normal(n));
  return [
    {
      name: "additiveScores",
      of: "odd sizes",
      sizes: [batch * time * sourceTime],
      prepare: () => {
        const [given, grid] = [inputs(), kernels.allocate(GRID_BYTES)];
        placeGrids(grid, [0.7]);
        const sizes = [0, batch * time, time, sourceTime, units];
        return (module, out) => module.additiveScores(...given, out[0]!, grid, ...sizes);
      },
    },
    {
      name: "additiveScoresGrad",
      of: "odd sizes",
      sizes: [queries, keys, batch * units, GRID_BYTES / 4 + batch * 16],
      prepare: () => {
        const given = [kernels.normal(batch * time * sourceTime), ...inputs()];
        const sizes = [0, batch, time, sourceTime, units];
        return (module, out) => {
          placeGrids(out[3]!, [0.7]);
          module.additiveScoresGrad(...given, ...out, ...sizes);
        };
      },
    },
  ];
}

function quantCases(): Case[] {
  const layouts = [
    { of: "one channel", outer: 1, channels: 1, inner: 10_003 },
    { of: "one channel in runs", outer: 7, channels: 1, inner: 1001 },
    { of: "channels last", outer: 101, channels: 67, inner: 1 },
    { of: "channels first", outer: 1, channels: 67, inner: 103 },
    { of: "channels in the middle", outer: 5, channels: 13, inner: 103 },
  ];
  return layouts.flatMap(({ of, outer, channels, inner }) =>
    [0, 1].map((roundsUp): Case => {
      const size = outer * channels * inner;
      return {
        name: "fakeQuant",
        of: `${of}, ${roundsUp === 1 ? "half up" : "half even"}`,
        sizes: [size],
        prepare: () => {
          const x = kernels.normal(size);
          const grids = kernels.allocate(4 * 6 * channels);
          const view = kernels.floats(grids, 6 * channels);
          for (let c = 0; c < channels; c++) {
            const scale = Math.fround(0.01 + 0.001 * c);
            [scale, scale, -128, 127, -128 * scale, 127 * scale].forEach((value, i) => {
              view[i * channels + c] = value;
            });
          }
          return (module, out) =>
            module.fakeQuant(
              ...[x, out[0]!, 0, outer * channels, channels, inner, grids, roundsUp],
            );
        },
      };
    }),
  );
}

function gemmCases(): Case[] {
  const products = [
    { count: 1, m: 401, n: 67, k: 259 },
    { count: 1, m: 12, n: 530, k: 61 },
    { count: 1, m: 257, n: 9, k: 300 },
    { count: 11, m: 33, n: 35, k: 29 },
    { count: 2, m: 64, n: 63, k: 65 },
    { count: 6, m: 31, n: 33, k: 32, sharesB: true },
  ];
  return products.flatMap(({ count, m, n, k, sharesB = false }) =>
    [0, 1, 2, 3].map((transposes): Case => {
      const [ta, tb] = [transposes >> 1, transposes & 1];
      return {
        name: "gemm",
        of: `${count} × [${m}, ${k}]·[${k}, ${n}]${ta === 1 ? ", a transposed" : ""}${tb === 1 ? ", b transposed" : ""}`,
        sizes: [count * m * n],
        prepare: () => {
          const [a, b] = [kernels.normal(count * m * k), kernels.normal(count * k * n)];
          const bias = kernels.normal(n);
          const scratch = kernels.allocate(kernels.direct.gemmScratchBytes());
          const strides = [4 * m * k, sharesB ? 0 : 4 * k * n, 4 * m * n];
          return (module, out) =>
            module.gemm(a, b, out[0]!, m, n, k, ta, tb, count, ...strides, bias, scratch);
        },
      };
    }),
  );
}

const CASES = [
  ...softmaxCases(),
  ...rowCases(),
  ...codeCases(),
  ...elementCases(),
  ...activationCases(),
  ...lstmCases(),
  ...scoreCases(),
  ...quantCases(),
  ...gemmCases(),
];

/** What a call writes, bit by bit, into memory that held something else. */
function written(module: SimdModule, { sizes, call }: { sizes: readonly number[]; call: Call }) {
  const out = sizes.map((size) => kernels.allocate(4 * size));
  out.forEach((address, i) => kernels.floats(address, sizes[i]!).fill(NaN));
  call(module, out);
  return out.map((address, i) => Buffer.from(kernels.floats(address, sizes[i]!).slice().buffer));
}

/** Seven parts, whatever the size. */
function inParts(pool: ThreadPool, name: keyof typeof SPLITS): SimdModule {
  const run = (...values: number[]): number => {
    const job = SPLITS[name](values);
    const units = job.end - job.begin;
    const step = Math.ceil(units / 7 / job.grain) * job.grain;
    pool.run(job, { parts: Math.ceil(units / step), step });
    return 0;
  };
  return { ...kernels.direct, [name]: run };
}

describe("kernels on several threads", () => {
  it("are all tested here", () => {
    expect(new Set(CASES.map(({ name }) => name))).toEqual(new Set(Object.keys(SPLITS)));
  });

  it.each(CASES)("write the bits of one thread: $name, $of", ({ name, sizes, prepare }) => {
    const call = prepare();
    const expected = written(kernels.direct, { sizes, call });
    for (const pool of pools) {
      for (let again = 0; again < 3; again++) {
        const out = written(inParts(pool, name), { sizes, call });
        out.forEach((bytes, i) => {
          expect(bytes.equals(expected[i]!)).toBe(true);
        });
      }
    }
  });

  it("are divided where they are large, and otherwise run on the calling thread", () => {
    const [rows, width] = [500, 203];
    const x = kernels.normal(rows * width);
    const module = dividedModule(kernels.direct, () => pools[0]!);
    const run = vi.spyOn(pools[0]!, "run");
    const callOf =
      (count: number): Call =>
      (simd, out) =>
        simd.logSoftmax(x, out[0]!, 0, count, width);
    for (const [count, times] of [
      [8, 0],
      [rows, 1],
    ] as const) {
      const [sizes, call] = [[count * width], callOf(count)];
      const [out, expected] = [module, kernels.direct].map((simd) =>
        written(simd, { sizes, call }),
      );
      expect(out![0]!.equals(expected![0]!)).toBe(true);
      expect(run).toHaveBeenCalledTimes(times);
    }
    run.mockRestore();
  });

  it("are shared out between all threads", () => {
    const size = 512;
    const [a, b, c] = [1, 2, 3].map(() => kernels.normal(size * size));
    const scratch = kernels.allocate(kernels.direct.gemmScratchBytes());
    const own = vi.fn(kernels.direct.gemm);
    return withPool({ threads: 2, functions: { ...kernels.direct, gemm: own } }, (pool) => {
      const values = [a!, b!, c!, size, size, size, 0, 0, 30, 0, 0, 0, 0, scratch];
      // A busy computer may keep the other thread asleep for a while.
      untilDeadline(() => {
        own.mockClear();
        pool.run(SPLITS.gemm(values), { parts: 30, step: 1 });
        return own.mock.calls.length < 30;
      });
      expect(own.mock.calls.length).toBeLessThan(30);
    });
  });
});

/** Repeats until true is returned, for 20 seconds at most. */
function untilDeadline(isDone: () => boolean): void {
  const end = performance.now() + 20_000;
  while (!isDone() && performance.now() < end);
}

async function withPool(
  options: Partial<ThreadPoolOptions> & { threads: number },
  use: (pool: ThreadPool) => void | Promise<void>,
): Promise<void> {
  const pool = await ThreadPool.start({ ...kernels.options, ...options });
  try {
    await use(pool);
  } finally {
    await pool.dispose();
  }
}

describe("the division of a job", () => {
  const job: Job = {
    ...{ name: "adam", values: [], strides: [] },
    ...{ begin: 0, end: 1000, grain: 1, unitNanoseconds: 1000 },
  };

  it.each([
    ["four parts for each thread", {}, 2, { parts: 8, step: 125 }],
    ["parts that start at multiples of the grain", { grain: 60 }, 2, { parts: 6, step: 180 }],
    ["as many parts for each thread", { leastUnits: 150 }, 2, { parts: 6, step: 167 }],
    ["a part for each thread, however small", { leastUnits: 5000 }, 3, { parts: 3, step: 334 }],
    ["fewer parts where they would be short", { unitNanoseconds: 100 }, 2, { parts: 4, step: 250 }],
    ["none where there is little to do", { unitNanoseconds: 30 }, 2, null],
    ["none of what is one grain", { grain: 1000 }, 2, null],
    ["none of nothing", { end: 0 }, 2, null],
  ] as const)("makes %s", (_, change, threads, expected) => {
    expect(divide({ ...job, ...change }, threads)).toEqual(expected);
  });
});

/** Node's threads, noted as they are made. */
function notingWorkers(workers: NodeWorker[]): NodeWorkerClass {
  return class extends nodeWorkerClass()! {
    constructor(...values: ConstructorParameters<NodeWorkerClass>) {
      super(...values);
      workers.push(this);
    }
  };
}

describe("the threads of a backend", () => {
  it("are as many as were last asked for, and end with the backend", async () => {
    const workers: NodeWorker[] = [];
    const dispose = vi.fn();
    const free = vi.fn();
    const backend = {
      dispose,
      wasm: { _malloc: (bytes: number) => kernels.allocate(bytes), _free: free },
    };
    const threads = new BackendThreads(backend as unknown as WasmBackend, {
      ...{ memory: kernels.options.memory, direct: kernels.direct, Worker: notingWorkers(workers) },
    });
    expect(threads.count).toBe(1);
    const ends = (): number[] => workers.map((worker) => (worker as unknown as Worker).threadId);
    await threads.use(3);
    await threads.use(3);
    expect([threads.count, workers.length]).toEqual([3, 2]);
    await threads.use(1);
    expect([threads.count, ...ends()]).toEqual([1, -1, -1]);
    // The job block and the scratch memory of three threads.
    expect(free).toHaveBeenCalledTimes(4);
    await threads.use(2);
    backend.dispose();
    expect([threads.count, dispose.mock.calls.length]).toEqual([1, 1]);
    await vi.waitFor(() => {
      expect(ends()).toEqual([-1, -1, -1]);
    });
    expect(free).toHaveBeenCalledTimes(4);
  });
});

describe("a thread that fails", () => {
  /** A product of which nothing lies in the memory, beside one that takes a while. */
  function trapJob(): Job {
    const size = 384;
    const [a, c] = [kernels.normal(size * size), kernels.allocate(4 * size * size)];
    const beyond = 2 ** 32 - 2 ** 26;
    const values = [a, a, c, size, size, size, 0, 0, 2, beyond - a, 0, 0, 0, 0];
    return SPLITS.gemm(values);
  }

  it("is an error on the calling thread, and the next job runs", async () => {
    await withPool({ threads: 2 }, (pool) => {
      for (let again = 0; again < 3; again++) {
        expect(() => {
          pool.run(trapJob(), { parts: 2, step: 1 });
        }).toThrow(/threads: expected every part .* received RuntimeError: memory access/);
      }
      const x = kernels.normal(1000);
      const out = kernels.allocate(4000);
      const values = [x, out, 0, 1000, 5, 0, 1];
      pool.run(SPLITS.dropout(values), { parts: 2, step: 500 });
      expect(kernels.floats(out, 1000)).toEqual(kernels.floats(x, 1000));
    });
  });

  it("is an error when it has ended", async () => {
    const workers: NodeWorker[] = [];
    const Worker = notingWorkers(workers);
    await withPool({ threads: 2, Worker }, async (pool) => {
      await workers[0]!.terminate();
      expect(() => {
        pool.run(trapJob(), { parts: 2, step: 1 });
      }).toThrow(/received the end of a thread\. Run again/);
    });
  });

  it("is an error when it does not answer", async () => {
    await withPool({ threads: 2, patience: 0 }, (pool) => {
      const size = 512;
      const [a, c] = [kernels.normal(size * size), kernels.allocate(4 * size * size)];
      const values = [a, a, c, size, size, size, 0, 0, 1, 0, 0, 0, 0, 0];
      const job = SPLITS.gemm(values);
      const run = (): void => {
        untilDeadline(() => {
          pool.run(job, { parts: 3, step: 171 });
          return false;
        });
      };
      expect(run).toThrow(/no answer of a thread in 0 ms/);
      expect(run).toThrow(/no answer of a thread/);
    });
  });

  it("is an error when it does not start", async () => {
    const Worker = class extends nodeWorkerClass()! {
      constructor(_: string, options: ConstructorParameters<NodeWorkerClass>[1]) {
        super("throw new Error('no room')", options);
      }
    };
    const start = ThreadPool.start({ ...kernels.options, threads: 3, Worker });
    await expect(start).rejects.toThrow(/received Error: no room/);
  });
});
