import type { Stats } from "node:fs";
import path from "node:path";
import type { EcosystemProfile } from "@lading/core-manifest";
import type { ContextInput } from "./engine-context.ts";
import { resolveDirectories, storeDirectory, type Directories } from "./directories.ts";
import type { InstallInput } from "./install-step.ts";
import type { LockInput, LockOutcome } from "./lock-step.ts";
import type { MemberChoice } from "./project.ts";
import { settingVariable, SETTINGS } from "./settings-table.ts";
import { matchDirectories, type WorkspacePatterns } from "./workspace-match.ts";

// All that `install` loads where there is nothing to do. Importing node:fs or node:crypto as a module builds a facade
// over every export of theirs, which alone costs a fifth of an empty program's start.
const fs = process.getBuiltinModule("node:fs");

const FORMAT = 1;
/** Below the project's `.lading`. */
const STATE_FILE = "ready.json";
/** A file changed this shortly before the state was written may change again within one tick of the clock. */
const RACY_MS = 50;

/** How a project is to be installed. */
export interface ReadyInput
  extends
    LockInput,
    Pick<InstallInput, "omit" | "targets" | "link" | "verify" | "allowBuild" | "skipTests">,
    MemberChoice {}

/** An installation that needs nothing. */
export interface ReadyInstallation {
  /** Packages that the lock names. */
  readonly locked: number;
  /** Environments that the lock answers for. */
  readonly environments: LockOutcome["environments"];
  /** Packages that are installed. */
  readonly packages: number;
  readonly generation: number;
}

/** A file that decided an installation, as it was read. */
interface Stamp {
  readonly path: string;
  readonly size: number;
  /** Nanoseconds since the epoch, as text; empty where the file had changed again by the time it was recorded. */
  readonly mtimeNs: string;
  readonly ino: string;
  readonly sha256: string;
}

interface ReadyState extends ReadyInstallation {
  readonly format: 1;
  /** What was asked for, by whom: {@link readyKey}. */
  readonly key: string;
  /** Whether the lock was compared with the manifests; `--frozen` does not. */
  readonly compared: boolean;
  /** Where the environment's link is, and what it named. */
  readonly link: { readonly path: string; readonly target: string };
  /** {@link storeMark} */
  readonly store: string;
  readonly writtenMs: number;
  readonly files: readonly (Stamp | { readonly path: string; readonly absent: true })[];
  /** Manifests of the root and of every member. */
  readonly manifests: readonly string[];
  readonly workspace?: WorkspacePatterns & { readonly matched: readonly string[] };
}

/** Where something is asked. */
export type Surroundings = Pick<ContextInput, "profile" | "cwd" | "env"> & { readonly home: string };

/** What {@link writeReadyState} records. */
export interface ReadyRecord extends ReadyInstallation {
  readonly compared: boolean;
  /** Absolute. */
  readonly root: string;
  /** Absolute path of the environment's link. */
  readonly link: string;
  /** Every file that decided the installation, with the text that was read or `undefined` for none. */
  readonly files: ReadonlyMap<string, string | undefined>;
  readonly manifests: readonly string[];
  readonly workspace?: (WorkspacePatterns & { readonly matched: readonly string[] }) | undefined;
}

/**
 * Whether the project at or above `cwd` is installed as `input` asks, answered from a handful of `stat` calls: the stamps
 * of every file that was read when it was installed (their bytes only where a stamp differs), the settings, the
 * environment's link and the store's epoch. `undefined`: perhaps not, so do the work. Nothing is written, and no manifest
 * or lock is parsed. Packages themselves are not looked at; `verify` does that.
 */
export async function installedAlready(
  input: ReadyInput,
  given: Omit<Surroundings, "home"> & { readonly home?: string },
): Promise<ReadyInstallation | undefined> {
  if (!mayBeReady(input)) return undefined;
  const around = { ...given, home: given.home ?? (await homeOf(given)) };
  const root = findState(around.cwd);
  const state = root === undefined ? undefined : readState(root);
  if (root === undefined || state === undefined) return undefined;
  const ready =
    state.key === readyKey(input, around) &&
    (state.compared || input.mode === "frozen") &&
    isMember(state, root, around) &&
    sameEnvironment(state, around) &&
    state.files.every((file) => sameFile(file, state.writtenMs)) &&
    (await sameMembers(state, root));
  if (!ready) return undefined;
  const { locked, environments, packages, generation } = state;
  return { locked, environments, packages, generation };
}

/** A refresh, other publishers and a full verification are work, whatever is installed. */
function mayBeReady(input: ReadyInput): boolean {
  return (
    input.dryRun !== true &&
    input.verify !== "full" &&
    input.refresh === undefined &&
    (input.acceptPublishers ?? []).length === 0
  );
}

async function homeOf({ env }: Pick<ContextInput, "env">): Promise<string> {
  return (env ?? process.env)["HOME"] ?? (await import("node:os")).homedir();
}

/** Everything but files that decides what is installed, as one text. */
function readyKey(input: ReadyInput, { profile, env = process.env, home }: Surroundings): string {
  const { mode: _, dryRun: __, verify: ___, acceptPublishers: ____, refresh: _____, ...others } = input;
  // Tests are run before something new is installed, and never of what is installed already.
  const { skipTests: ______, ...asked } = others;
  const { manifest, lockfile, install, hosts, config, environmentPrefix, keyDirectory } = profile;
  const ecosystem = { manifest, lockfile, install, hosts, config, environmentPrefix, keyDirectory };
  return JSON.stringify([asked, ecosystem, settingsOf(profile, env), resolveDirectories(profile, env, home)]);
}

/** Where packages come from decides nothing once they are locked and installed. */
const ELSEWHERE = /^(?:registry|signing)\./;

function settingsOf(profile: EcosystemProfile, env: Readonly<Record<string, string | undefined>>): string[] {
  const keys = [...Object.keys(SETTINGS), ...profile.hosts.map(({ axis }) => `hosts.${axis}`)];
  return keys
    .filter((key) => !ELSEWHERE.test(key))
    .map((key) => env[settingVariable(profile.environmentPrefix, key)] ?? "");
}

const stateFile = (root: string): string => path.join(root, ".lading", STATE_FILE);

function findState(cwd: string): string | undefined {
  for (let directory = path.resolve(cwd); ; directory = path.dirname(directory)) {
    if (stat(stateFile(directory))?.isFile() === true) return directory;
    if (path.dirname(directory) === directory) return undefined;
  }
}

// An unreadable state is no state: the installation then does its work and writes a good one.
function readState(root: string): ReadyState | undefined {
  try {
    const value = JSON.parse(fs.readFileSync(stateFile(root), "utf8")) as Partial<ReadyState> | null;
    return value?.format === FORMAT &&
      Array.isArray(value.environments) &&
      Array.isArray(value.files) &&
      Array.isArray(value.manifests)
      ? (value as ReadyState)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a command started in `cwd` means the recorded project: the nearest manifest is one of the project's, and no
 * other lies between it and the root, for that one could be a workspace of its own.
 */
function isMember(state: ReadyState, root: string, { cwd, profile }: Surroundings): boolean {
  const known = new Set(state.manifests);
  const read = new Set(state.files.map(({ path: file }) => file));
  let found = false;
  for (let directory = path.resolve(cwd); ; directory = path.dirname(directory)) {
    const manifests = profile.manifest.files
      .map(({ name }) => path.join(directory, name))
      .filter((file) => stat(file) !== undefined);
    // One that was read and is no member's is another tool's file of the same name.
    const own = manifests.filter((file) => known.has(file) || !read.has(file));
    if (own.some((file) => !known.has(file))) return false;
    if (directory === root) return found || own.length > 0;
    if (own.length > 0 && found) return false;
    found ||= own.length > 0;
  }
}

function sameEnvironment(state: ReadyState, around: Surroundings): boolean {
  const { link } = state;
  const directories = resolveDirectories(around.profile, around.env ?? process.env, around.home);
  return (
    readLink(link.path) === link.target &&
    stat(link.path) !== undefined &&
    state.store === storeMark(storeDirectory({ directories }))
  );
}

function sameFile(known: ReadyState["files"][number], writtenMs: number): boolean {
  const found = fs.statSync(known.path, { bigint: true, throwIfNoEntry: false });
  if (found === undefined || "absent" in known) return found === undefined && "absent" in known;
  if (String(found.size) !== String(known.size)) return false;
  const sameStamp = String(found.mtimeNs) === known.mtimeNs && String(found.ino) === known.ino;
  // A stamp proves nothing for a file that was written just before the state: the clock may not have ticked between.
  const racy = Number(found.mtimeNs / 1_000_000n) > writtenMs - RACY_MS;
  return sameStamp && !racy ? true : sha256(fs.readFileSync(known.path)) === known.sha256;
}

async function sameMembers(state: ReadyState, root: string): Promise<boolean> {
  if (state.workspace === undefined) return true;
  const matched = await matchDirectories(root, state.workspace);
  return matched.join("\0") === state.workspace.matched.join("\0");
}

/**
 * Records that a project is installed as `input` asked. A file that was changed since it was read is recorded as it was
 * read, so that the next installation sees the change.
 */
export function writeReadyState(input: ReadyInput, record: ReadyRecord, context: ReadyContext): void {
  const { root, link, files, workspace, ...facts } = record;
  const target = readLink(link);
  // Somebody else installed in between: what is there now is not what was asked for here.
  if (target === undefined || Number(/(\d+)[\\/]?$/.exec(target)?.[1]) !== record.generation) return;
  const store = storeMark(storeDirectory(context));
  if (store === undefined) return;
  const state: ReadyState = {
    format: FORMAT,
    key: readyKey(input, context),
    ...facts,
    link: { path: link, target },
    store,
    writtenMs: Date.now(),
    files: [...files].map(([file, text]) => stampOf(file, text)),
    ...(workspace === undefined ? {} : { workspace }),
  };
  const file = stateFile(root);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    fs.writeFileSync(temporary, `${JSON.stringify(state)}\n`);
    fs.renameSync(temporary, file);
  } catch (error) {
    // It only saves time: a project that may not be written to is installed all the same.
    if (!["EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** What {@link writeReadyState} needs of a context. */
export interface ReadyContext extends Surroundings {
  readonly directories: Directories;
}

function stampOf(file: string, text: string | undefined): ReadyState["files"][number] {
  if (text === undefined) return { path: file, absent: true };
  const read = { path: file, size: Buffer.byteLength(text), sha256: sha256(text) };
  const now = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  // The stamp of another content would vouch for it; one that no file has makes the next check compare bytes.
  const same = now !== undefined && sha256(fs.readFileSync(file)) === read.sha256;
  return same ? { ...read, mtimeNs: String(now.mtimeNs), ino: String(now.ino) } : { ...read, mtimeNs: "", ino: "" };
}

function stat(file: string): Stats | undefined {
  return fs.statSync(file, { throwIfNoEntry: false });
}

function readLink(file: string): string | undefined {
  try {
    return fs.readlinkSync(file);
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/**
 * The store as it is now: which directory it is on this machine, and how often packages were removed from it. The former
 * cannot be known elsewhere, so that a state that comes with somebody's repository vouches for nothing here. `undefined`
 * where there is no store.
 */
function storeMark(store: string): string | undefined {
  const found = fs.statSync(store, { bigint: true, throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const file = path.join(store, "epoch");
  const epoch = stat(file) === undefined ? "0" : fs.readFileSync(file, "utf8").trim();
  return `${found.dev}:${found.ino}:${found.birthtimeNs}:${epoch}`;
}

function sha256(data: string | Uint8Array): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(data).digest("hex");
}
