import { defineConfig } from "vitest/config";

/** Two tiers: `fast` is `npm test`; `slow` (files named *.slow.test.ts) is `npm run test:slow`. */
export default defineConfig({
  test: {
    // By itself vitest leaves one core out: of two, half of them.
    maxWorkers: "100%",
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.slow.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "slow",
          include: ["test/**/*.slow.test.ts"],
          testTimeout: 1_200_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
