import { defineConfig } from "vitest/config";
import { projects } from "./vitest.projects.ts";

export default defineConfig({
  test: {
    // Vitest leaves one processor idle; on a machine of two that is half.
    maxWorkers: "100%",
    // What takes seconds a file runs by its own name, `pnpm test:long`, to keep the default within a minute and a half.
    projects: projects({
      include: ["src/**/*.test.ts", "test/**/*.test.ts"],
      exclude: ["**/node_modules/**", "**/*.long.test.ts"],
    }),
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**", "apps/*/src/**"],
      reporter: ["text-summary", "html", "json-summary"],
    },
  },
});
