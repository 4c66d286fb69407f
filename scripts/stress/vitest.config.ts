import { defineConfig } from "vitest/config";

// Named tests that take minutes, kill processes or trace system calls: `pnpm stress`.
const conditions = ["@lading/source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["scripts/stress/**/*.test.ts"],
    root: new URL("../..", import.meta.url).pathname,
    testTimeout: 300_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
