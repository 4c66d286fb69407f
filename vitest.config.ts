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
    projects: [...folders("packages"), ...folders("apps")].map((root) => ({
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      root,
      test: { name: root.split("/").at(-1)!, include: ["src/**/*.test.ts", "test/**/*.test.ts"] },
    })),
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**", "apps/*/src/**"],
      reporter: ["text-summary", "html", "json-summary"],
    },
  },
});
