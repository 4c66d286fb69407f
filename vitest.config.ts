import { readdirSync } from "node:fs";
import { defineConfig } from "vitest/config";

// Tests run from the TypeScript sources: no build step.
const conditions = ["@lading/source", "module", "node", "development|production"];
const folders = (parent: string): string[] =>
  readdirSync(new URL(parent, import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${parent}/${entry.name}`);

export default defineConfig({
  test: {
    // Vitest leaves one processor idle; on a machine of two that is half.
    maxWorkers: "100%",
    projects: [...folders("packages"), ...folders("apps")].map((root) => ({
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      root,
      test: {
        name: root.split("/").at(-1)!,
        include: ["src/**/*.test.ts", "test/**/*.test.ts"],
        // Generous, for a loaded machine must not make a test fail; nothing here measures time.
        testTimeout: 60_000,
        hookTimeout: 60_000,
        // Files share a worker: a fifth less work, and no test may leave anything behind anyway.
        isolate: false,
      },
    })),
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**", "apps/*/src/**"],
      reporter: ["text-summary", "html", "json-summary"],
    },
  },
});
