import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { builtinProfile, type BuiltinProfileId, type LadingEvent } from "@lading/core-manifest";
import { createContext } from "../context.ts";
import { type ContextInput, type EngineContext } from "../engine-context.ts";
import { createStaticRegistry, type StaticRegistry } from "./static-registry.ts";

/** A home directory, a project and a static registry of their own. */
export interface Sandbox {
  readonly root: string;
  readonly project: string;
  readonly home: string;
  readonly registry: StaticRegistry;
  /** Everything that contexts of this sandbox told. */
  readonly events: LadingEvent[];
  /** A context in the project, with the sandbox's registry as the default one. */
  context(change?: Partial<ContextInput>): EngineContext;
  /** Runs something with a context, and closes it. */
  use<Value>(run: (context: EngineContext) => Promise<Value>, change?: Partial<ContextInput>): Promise<Value>;
  /** Writes files below the project. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Reads a file below the project. */
  read(file: string): Promise<string>;
  remove(): Promise<void>;
}

/** Makes a sandbox in the system's temporary directory. */
export async function createSandbox(profile: BuiltinProfileId = "lading"): Promise<Sandbox> {
  const root = await realpath(await mkdtemp(path.join(tmpdir(), "lading-engine-")));
  const [project, home] = [path.join(root, "project"), path.join(root, "home")];
  await Promise.all([mkdir(project), mkdir(home)]);
  const registry = await createStaticRegistry(path.join(root, "registry"));
  const events: LadingEvent[] = [];
  const context = (change: Partial<ContextInput> = {}): EngineContext =>
    createContext({
      profile: builtinProfile(profile),
      cwd: project,
      home,
      env: { PATH: process.env["PATH"], [`${builtinProfile(profile).environmentPrefix}_REGISTRY_URL`]: registry.url },
      onEvent: (event) => events.push(event),
      ...change,
    });
  return {
    root,
    project,
    home,
    registry,
    events,
    context,
    async use(run, change) {
      const opened = context(change);
      try {
        return await run(opened);
      } finally {
        await opened.close();
      }
    },
    async write(files) {
      for (const [file, content] of Object.entries(files)) {
        const target = path.join(project, file);
        await mkdir(path.dirname(target), { recursive: true });
        await writeFile(target, content);
      }
    },
    read: (file) => readFile(path.join(project, file), "utf8"),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
