import { defineConfig } from "vitest/config";
import { projects } from "./vitest.projects.ts";

// The long unit tests and nothing else: `pnpm test:long`.
export default defineConfig({
  test: {
    maxWorkers: "100%",
    projects: projects({ include: ["test/**/*.long.test.ts"], exclude: ["**/node_modules/**"] }),
  },
});
