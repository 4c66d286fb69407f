import { defineConfig } from "vitest/config";

// The engines of a production registry, as Debian ships them, started on loopback: `pnpm services`.
const conditions = ["@lading/source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["scripts/services/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.long.test.ts"],
    root: new URL("../..", import.meta.url).pathname,
    testTimeout: 300_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
