import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { environmentIn, storedPackage, temporaryDirectory } from "../../test/helpers.ts";
import { rollback } from "./history.ts";
import { installGeneration } from "./install.ts";
import {
  checkInstallState,
  clearInstallState,
  contentOf,
  readContent,
  writeInstallState,
  type InstallInputs,
} from "./install-state.ts";
import { openStore } from "./store.ts";

async function installed(): Promise<{
  inputs: InstallInputs;
  lock: string;
  again: () => Promise<unknown>;
  removeAll: () => Promise<unknown>;
}> {
  const root = temporaryDirectory();
  const store = openStore(join(root, "v1"));
  onTestFinished(() => store.close());
  const environment = environmentIn(root);
  const tool = await storedPackage(store, root, "tool", "1.0.0");
  const again = (): Promise<unknown> => installGeneration({ environment, store, layout: "copied", packages: [tool] });
  await again();
  const lock = join(root, "project", "lading.lock");
  writeFileSync(lock, "version = 1\n");
  const inputs = {
    environment,
    files: [lock, join(root, "project", "lading.toml")],
    settings: "copied",
    store: store.directory,
  };
  writeInstallState(inputs, inputs.files.map(readContent));
  return { inputs, lock, again, removeAll: () => store.remove([tool.tree!]) };
}

describe("writeInstallState()", () => {
  it("records a file that was changed since as it was read", async () => {
    const { inputs, lock } = await installed();
    const absent = readContent(inputs.files[1]!);
    expect(readContent(lock)).toEqual(contentOf("version = 1\n"));
    writeFileSync(lock, "version = 2\n");
    writeInstallState(inputs, [contentOf("version = 1\n"), absent]);
    expect(checkInstallState(inputs)).toEqual({ fresh: false, reason: `"${lock}" changed` });
    writeFileSync(lock, "version = 1\n");
    expect(checkInstallState(inputs)).toMatchObject({ fresh: true });
  });

  it("records what appeared or went since as it was read", async () => {
    const { inputs, lock } = await installed();
    const read = inputs.files.map(readContent);
    writeFileSync(inputs.files[1]!, "");
    writeInstallState(inputs, read);
    expect(checkInstallState(inputs)).toEqual({ fresh: false, reason: `"${inputs.files[1]!}" changed` });
    rmSync(inputs.files[1]!);
    rmSync(lock);
    writeInstallState(inputs, read);
    expect(checkInstallState(inputs)).toEqual({ fresh: false, reason: `"${lock}" changed` });
  });
});

describe("checkInstallState()", () => {
  it("is fresh after an installation, and stale without one", async () => {
    const { inputs } = await installed();
    expect(checkInstallState(inputs)).toEqual({ fresh: true, generation: 1 });
    clearInstallState(inputs.environment);
    expect(checkInstallState(inputs)).toMatchObject({ fresh: false });
  });

  it("is stale when the lock changes, also when its size and time are put back", async () => {
    const { inputs, lock } = await installed();
    const { atime, mtime } = statSync(lock);
    writeFileSync(lock, "version = 2\n");
    utimesSync(lock, atime, mtime);
    expect(checkInstallState(inputs)).toEqual({ fresh: false, reason: `"${lock}" changed` });
  });

  it("is fresh when a file was only touched, or replaced by the same bytes", async () => {
    const { inputs, lock } = await installed();
    utimesSync(lock, new Date(), new Date(Date.now() + 5000));
    expect(checkInstallState(inputs)).toMatchObject({ fresh: true });
    writeFileSync(`${lock}.new`, "version = 1\n");
    renameSync(`${lock}.new`, lock);
    expect(checkInstallState(inputs)).toMatchObject({ fresh: true });
  });

  it.each<[string, (context: Awaited<ReturnType<typeof installed>>) => unknown]>([
    ["the settings differ", ({ inputs }) => Object.assign(inputs, { settings: "linked" })],
    ["a file that was absent appears", ({ inputs }) => writeFileSync(inputs.files[1]!, "")],
    ["a file is gone", ({ lock }) => rmSync(lock)],
    ["another generation is current", ({ again }) => again()],
    ["the environment's link is gone", ({ inputs }) => rmSync(inputs.environment.link)],
    ["the generation is gone", ({ inputs }) => rmSync(join(inputs.environment.state, "gen"), { recursive: true })],
    ["packages were removed from the store", ({ removeAll }) => removeAll()],
    ["the store is another one", ({ inputs }) => Object.assign(inputs, { store: `${inputs.store}2` })],
    ["other files decide it", ({ inputs }) => Object.assign(inputs, { files: inputs.files.slice(0, 1) })],
    ["the state is damaged", ({ inputs }) => writeFileSync(join(inputs.environment.state, "state.json"), "{")],
  ])("is stale when %s", async (_, change) => {
    const context = await installed();
    await change(context);
    expect(checkInstallState(context.inputs)).toMatchObject({ fresh: false });
  });

  it("is stale after a rollback", async () => {
    const { inputs, again } = await installed();
    await again();
    writeInstallState(inputs, inputs.files.map(readContent));
    await rollback(inputs.environment);
    expect(checkInstallState(inputs)).toMatchObject({ fresh: false });
  });

  it("sees through a link that was replaced by one to elsewhere", async () => {
    const { inputs } = await installed();
    rmSync(inputs.environment.link);
    mkdirSync(`${inputs.environment.link}-else`);
    symlinkSync(`${inputs.environment.link}-else`, inputs.environment.link);
    expect(checkInstallState(inputs)).toMatchObject({ fresh: false });
  });

  it("loads neither the database nor the archive reader", () => {
    const entry = fileURLToPath(new URL("../state.ts", import.meta.url));
    const script = `await import(${JSON.stringify(entry)}); console.log(process.moduleLoadList.filter((name) => /sqlite|zlib|undici/.test(name)).join())`;
    const loaded = execFileSync(process.execPath, ["-C", "@lading/source", "--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(loaded.trim()).toBe("");
  });
});
