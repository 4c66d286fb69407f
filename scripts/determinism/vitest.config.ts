import { defineConfig } from "vitest/config";

// The resolver's answers under every order, on every Node and at every size: `pnpm resolver:determinism`.
const conditions = ["@lading/source", "module", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["scripts/determinism/**/*.test.ts"],
    root: new URL("../..", import.meta.url).pathname,
    testTimeout: 600_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
