import { join } from "node:path";
import type { BundlerPlugin } from "./direct-imports.ts";

const signing = join(import.meta.dirname, "../../packages/signing/src/lib");

/** Modules in portable code, and what stands in for them here: the same functions by node:crypto (a test compares both). */
const STAND_INS: Readonly<Record<string, string>> = {
  [join(signing, "hashes.ts")]: join(signing, "node/hashes.ts"),
  [join(signing, "metadata/p256.ts")]: join(signing, "node/p256.ts"),
};

/** Leaves portable cryptography out of a program for Node: loading it takes as long as a small lock takes. */
export function nativeCode(): BundlerPlugin {
  return {
    name: "native-code",
    setup(build) {
      build.onLoad({ filter: /[/\\]signing[/\\]src[/\\]lib[/\\](?:hashes|metadata[/\\]p256)\.ts$/ }, ({ path }) => ({
        contents: `export * from ${JSON.stringify(STAND_INS[path])};`,
        loader: "ts",
      }));
    },
  };
}
