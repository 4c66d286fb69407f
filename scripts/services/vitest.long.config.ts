import { defineConfig } from "vitest/config";

// The same engines for as long as it takes: `pnpm services:long`.
const conditions = ["@lading/source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["scripts/services/**/*.long.test.ts"],
    exclude: ["**/node_modules/**"],
    root: new URL("../..", import.meta.url).pathname,
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
