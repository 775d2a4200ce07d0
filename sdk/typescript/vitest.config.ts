import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    globalSetup: "test/support/build.ts",
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Each file starts servers of its own; a small machine has two cores.
    maxWorkers: 2,
    fileParallelism: true,
  },
});
