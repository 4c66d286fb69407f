import { defineConfig } from "vitest/config";

const conditions = ["@lading/source", "module", "node", "development|production"];

// End-to-end checks: real commands, real servers on loopback. Titles start with the requirement ids that they prove.
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  root: import.meta.dirname,
  test: {
    name: "acceptance",
    include: ["**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
