import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSandbox, type Sandbox } from "@lading/engine/testing";
import { runIn } from "./harness.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../..", import.meta.url));
const tsup = path.join(root, "node_modules/.bin/tsup");
const bin = fileURLToPath(new URL("../../../apps/lading/src/main.ts", import.meta.url));
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Metafile {
  readonly outputs: Readonly<
    Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>
  >;
}

// What has nothing to do with a lock. Of signing, it verifies the registry's metadata and log, and no package's signature.
const NOT_FOR_LOCK = new RegExp(
  [
    "^(?:archive|installer)/src/(?!.*(?:state|input))",
    "^signing/src/lib/(?:dsse|envelope|statement|generate|key-(?!id)|pbes2|pkcs8|signature-policy|trust|foreign/|publisher/|metadata/repository|node/(?!verifier))",
    "^core-manifest/src/lib/(?:edit|import-|pack-|manifest-publish|manifest-write|dialects/write-)",
    "^registry-client/src/lib/(?:api|download|publish|multipart|login)",
    "^engine/src/lib/(?:install|signatures|edit|toml-edit|operations/(?!lock))",
  ].join("|"),
);

let directory: string;
let hook: string;

// Writes the path of every module that the process loads, Node's own apart.
const HOOK = `
import { registerHooks } from "node:module";
import { writeFileSync } from "node:fs";
const seen = [];
registerHooks({ load(url, context, next) { if (!url.startsWith("node:")) seen.push(url); return next(url, context); } });
process.on("exit", () => writeFileSync(process.env.LOADED_FILE, JSON.stringify(seen)));
`;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "lading-graph-"));
  hook = path.join(directory, "hook.mjs");
  await writeFile(hook, HOOK);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface LoadOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What Node is told before the command's own words. */
  readonly program?: readonly string[];
}

async function loadedBy(
  argv: readonly string[],
  { cwd = directory, env = {}, program = ["-C", "@lading/source", bin] }: LoadOptions = {},
): Promise<string[]> {
  const file = path.join(directory, `${argv.join("_")}.json`);
  const own = { ...process.env, HOME: directory, ...env, LOADED_FILE: file };
  await run(process.execPath, ["--import", hook, ...program, ...argv], { env: own, cwd });
  const urls = JSON.parse(await readFile(file, "utf8")) as string[];
  return urls.map((url) => url.replace(/^.*\/(?=(?:packages|apps|node_modules)\/)/, ""));
}

describe("start-up", () => {
  it("--version loads what makes the command line, and nothing else", async () => {
    expect(await loadedBy(["--version"])).toEqual([
      "apps/lading/src/main.ts",
      "packages/cli/src/start.ts",
      "packages/cli/src/lib/app.ts",
      "packages/cli/src/lib/version.ts",
    ]);
  });

  it("--help loads the router and the help renderer; no command, no other package", async () => {
    const loaded = await loadedBy(["--help"]);
    expect(loaded.length).toBeLessThanOrEqual(19);
    expect(
      loaded.filter((file) => file.includes("/commands/") || !/^(?:apps\/lading|packages\/cli)\/src\//.test(file)),
    ).toEqual([]);
  });

  it("a command's help loads that command alone, and no engine", async () => {
    const loaded = await loadedBy(["add", "--help"]);
    expect(
      loaded
        .filter((file) => file.includes("/commands/"))
        .map((file) => path.basename(file))
        .toSorted(),
    ).toEqual(["add.ts", "member-flags.ts", "shared.ts"]);
    expect(loaded.filter((file) => /packages\/(?:engine|registry-client|core-manifest)\//.test(file))).toEqual([]);
  });

  it("an installation with nothing to do loads a state file's reader: no parser, no other package", async () => {
    const box: Sandbox = await createSandbox();
    try {
      await box.registry.publish({ name: "leaf", version: "1.0.0" });
      await box.write({ "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nleaf = "1"\n' });
      expect((await runIn(box, ["install"])).code).toBe(0);
      const env = { HOME: box.home, LADING_REGISTRY_URL: box.registry.url };
      const loaded = await loadedBy(["install", "--json"], { cwd: box.project, env });
      expect(loaded.filter((file) => !/^(?:apps\/lading|packages\/cli)\/src\//.test(file)).toSorted()).toEqual([
        "packages/core-manifest/src/lib/builtin-profiles-data.ts",
        "packages/core-manifest/src/lib/builtin-profiles.ts",
        "packages/core-manifest/src/profiles.ts",
        "packages/engine/src/lib/directories.ts",
        "packages/engine/src/lib/ready-state.ts",
        "packages/engine/src/lib/settings-table.ts",
        "packages/engine/src/lib/workspace-match.ts",
        "packages/engine/src/start.ts",
      ]);
      expect(
        loaded
          .filter((file) => file.includes("/commands/"))
          .map((file) => path.basename(file))
          .toSorted(),
      ).toEqual(["install.ts", "member-flags.ts", "shared.ts"]);
    } finally {
      await box.remove();
    }
  });

  it("a cold lock loads what resolves, and nothing that edits, packs, signs, publishes or installs", async () => {
    const output = path.join(root, "apps/lading/node_modules/.cache", `lading-graph-${process.pid}`);
    const box: Sandbox = await createSandbox();
    try {
      await run(tsup, ["--out-dir", output], { cwd: path.join(root, "apps/lading") });
      await box.registry.publish({ name: "leaf", version: "1.0.0" });
      await box.write({ "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nleaf = "1"\n' });
      const env = { HOME: box.home, LADING_REGISTRY_URL: box.registry.url };
      const loaded = await loadedBy(["lock"], { cwd: box.project, env, program: [path.join(output, "main.js")] });
      const { outputs } = JSON.parse(await readFile(path.join(output, "metafile-esm.json"), "utf8")) as Metafile;
      const names = new Set(loaded.map((file) => path.basename(file)));
      const sources = Object.entries(outputs)
        .filter(([file]) => names.has(path.basename(file)))
        .flatMap(([, { inputs }]) => Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0))
        .map(([file]) => file.replace(/^.*\/packages\//, ""));
      expect(sources).toContain("resolver/src/lib/universal.ts");
      expect(sources.filter((file) => NOT_FOR_LOCK.test(file))).toEqual([]);
      expect(loaded.filter((file) => /node_modules\/(?:yaml|undici|@noble|fflate|tar-stream)\//.test(file))).toEqual(
        [],
      );
    } finally {
      await box.remove();
      await rm(output, { recursive: true, force: true });
    }
  }, 60_000);
});

describe("the bundled command", () => {
  it("depends on what the packages in it depend on, in the same versions", async () => {
    const read = async (folder: string): Promise<Manifest> =>
      JSON.parse(await readFile(path.join(root, folder, "package.json"), "utf8")) as Manifest;
    const others = (table: Readonly<Record<string, string>> = {}): [string, string][] =>
      Object.entries(table).filter(([name]) => !name.startsWith("@lading/"));
    const app = await read("apps/lading");
    const packages = (await readdir(path.join(root, "packages"))).filter((name) => name !== "registry-server");
    const manifests = await Promise.all(packages.map((name) => read(`packages/${name}`)));
    const needed = manifests.flatMap(({ dependencies }) => others(dependencies));
    // What is bundled is needed to build, and what is not is needed to run.
    expect({ ...app.dependencies, ...Object.fromEntries(others(app.devDependencies)) }).toEqual(
      Object.fromEntries(needed),
    );
    const optional = manifests.flatMap(({ optionalDependencies }) => others(optionalDependencies));
    expect(app.optionalDependencies).toEqual(Object.fromEntries(optional));
  });
});
