import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Environment } from "./install-types.ts";

// This module is all that a no-op installation loads: node:fs and node:crypto, no database, no archive reader.

const FORMAT = 1;
const STATE_FILE = "state.json";
/** A file changed this shortly before the state was written may change again within one tick of the clock. */
const RACY_MS = 50;

/** What an installation depended on. */
export interface InstallInputs {
  readonly environment: Environment;
  /** Manifests and lock, absolute or relative to the working directory. A file may be absent. */
  readonly files: readonly string[];
  /** Everything else that decides the result, as one text: layout, link strategy, omitted kinds, target, hosts. */
  readonly settings: string;
  /** Directory of the content store. */
  readonly store: string;
}

/** What a file held when it was read; `absent` where there was none. */
export type InputContent = "absent" | { readonly size: number; readonly sha256: string };

/** Whether an installation would change anything. */
export type InstallFreshness =
  | { readonly fresh: true; readonly generation: number }
  | { readonly fresh: false; readonly reason: string };

interface Stamp {
  readonly path: string;
  readonly size: number;
  /** Nanoseconds since the epoch, as text. */
  readonly mtimeNs: string;
  readonly ino: string;
  readonly sha256: string;
}

interface InstallState {
  readonly format: 1;
  readonly link: string;
  readonly settings: string;
  readonly store: string;
  readonly epoch: string;
  readonly writtenMs: number;
  readonly files: readonly (Stamp | { readonly path: string; readonly absent: true })[];
}

/** The content of text that was read from a file, or written to it. */
export function contentOf(text: string): InputContent {
  return { size: Buffer.byteLength(text), sha256: sha256(text) };
}

/** What a file holds now; for files that something else reads: call it before. */
export function readContent(file: string): InputContent {
  const stamp = stampOf(resolve(file));
  return stamp === undefined ? "absent" : { size: stamp.size, sha256: stamp.sha256 };
}

/**
 * Records that the environment now is what `inputs` asked for when they were read. Call it after the switch. A file that
 * was changed since is recorded as it was read, so that the next installation sees the change.
 * @param read content of each of `inputs.files`, in their order, as the installation used it
 */
export function writeInstallState(inputs: InstallInputs, read: readonly InputContent[]): void {
  const { environment } = inputs;
  const state: InstallState = {
    format: FORMAT,
    link: readlinkSync(environment.link),
    settings: sha256(inputs.settings),
    store: resolve(inputs.store),
    epoch: readEpoch(inputs.store),
    writtenMs: Date.now(),
    files: inputs.files.map((path, index) => recorded(resolve(path), read[index]!)),
  };
  mkdirSync(environment.state, { recursive: true });
  const file = join(environment.state, STATE_FILE);
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(state)}\n`);
  renameSync(temporary, file);
}

/** Forgets the state, so that the next installation does its work. */
export function clearInstallState(environment: Environment): void {
  rmSync(join(environment.state, STATE_FILE), { force: true });
}

/**
 * Whether the environment still is what `inputs` ask for, from a handful of `stat` calls: the files' stamps (their bytes
 * only where a stamp differs), the settings, the link, and the store's epoch. Packages themselves are not looked at;
 * `verifyInstalled` does that.
 */
export function checkInstallState(inputs: InstallInputs): InstallFreshness {
  const state = readState(inputs.environment);
  if (state === undefined) return stale("nothing is recorded of an earlier installation");
  if (state.settings !== sha256(inputs.settings)) return stale("settings changed");
  const link = readLink(inputs.environment.link);
  if (link === undefined || link !== state.link) return stale("the environment is another generation");
  // Relative targets lead from the link's directory; only whether it is there counts.
  if (statSync(inputs.environment.link, { throwIfNoEntry: false }) === undefined)
    return stale("the generation is gone");
  if (state.store !== resolve(inputs.store) || state.epoch !== readEpoch(inputs.store))
    return stale("packages were removed from the store");
  if (state.files.length !== inputs.files.length) return stale("other files decide it");
  const changed = inputs.files.findIndex(
    (path, index) => !sameFile(resolve(path), state.files[index]!, state.writtenMs),
  );
  if (changed !== -1) return stale(`"${inputs.files[changed]!}" changed`);
  return { fresh: true, generation: Number(/(\d+)[\\/]?$/.exec(link)?.[1]) };
}

function stale(reason: string): InstallFreshness {
  return { fresh: false, reason };
}

function sameFile(path: string, known: InstallState["files"][number], writtenMs: number): boolean {
  if (known.path !== path) return false;
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (found === undefined || "absent" in known) return found === undefined && "absent" in known;
  if (String(found.size) !== String(known.size)) return false;
  const sameStamp = String(found.mtimeNs) === known.mtimeNs && String(found.ino) === known.ino;
  // A stamp proves nothing for a file that was written just before the state: the clock may not have ticked between.
  const racy = Number(found.mtimeNs / 1_000_000n) > writtenMs - RACY_MS;
  return sameStamp && !racy ? true : sha256(readFileSync(path)) === known.sha256;
}

function recorded(path: string, read: InputContent): InstallState["files"][number] {
  if (read === "absent") return { path, absent: true };
  const now = stampOf(path);
  // The stamp of another content would vouch for it; one that no file has makes the next check compare bytes.
  return now?.sha256 === read.sha256 ? now : { path, ...read, mtimeNs: "", ino: "" };
}

function stampOf(path: string): Stamp | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (found === undefined) return undefined;
  return {
    path,
    size: Number(found.size),
    mtimeNs: String(found.mtimeNs),
    ino: String(found.ino),
    sha256: sha256(readFileSync(path)),
  };
}

// An unreadable state is no state: the installation then does its work and writes a good one.
function readState(environment: Environment): InstallState | undefined {
  try {
    const value = JSON.parse(readFileSync(join(environment.state, STATE_FILE), "utf8")) as Partial<InstallState> | null;
    return value?.format === FORMAT && Array.isArray(value.files) ? (value as InstallState) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** The store's epoch, without opening its index: `0` where nothing was ever removed, `absent` where there is no store. */
export function readEpoch(store: string): string {
  try {
    return readFileSync(join(store, "epoch"), "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return statSync(store, { throwIfNoEntry: false }) === undefined ? "absent" : "0";
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
