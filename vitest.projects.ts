import { readdirSync } from "node:fs";
import type { TestProjectConfiguration } from "vitest/config";

// Tests run from the TypeScript sources: no build step.
const conditions = ["@lading/source", "module", "node", "development|production"];
const folders = (parent: string): string[] =>
  readdirSync(new URL(parent, import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${parent}/${entry.name}`);

/** One project a package, with the test files that `files` chooses. */
export function projects(files: { include: string[]; exclude: string[] }): TestProjectConfiguration[] {
  return [...folders("packages"), ...folders("apps")].map((root) => ({
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    root,
    test: {
      name: root.split("/").at(-1)!,
      ...files,
      // Generous, for a loaded machine must not make a test fail; nothing here measures time.
      testTimeout: 60_000,
      hookTimeout: 60_000,
      // Files share a worker: a fifth less work, and no test may leave anything behind anyway.
      isolate: false,
    },
  }));
}
