/**
 * Helpers of the feature checks: packages are made by the real packer and go to a real registry process over HTTP, and
 * projects use the engine in this process, where the command line is not the point.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import {
  builtinProfile,
  isLadingError,
  parseDigest,
  parseLockfile,
  parseRequirement,
  type BuiltinProfileId,
  type Digest,
  type LadingEvent,
  type Lockfile,
  type PublishedManifest,
  type RecordedDependency,
} from "@lading/core-manifest";
import { packDirectory } from "@lading/archive/node";
import { createContext, type ContextInput, type EngineContext } from "@lading/engine";
import { createStatement, encodeEnvelope, generateKey, softwareSigner, type Signer } from "@lading/signing";
import type { RegistryProcess } from "./harness.ts";

/** What a package says and holds. */
export interface PackageSpec extends Partial<Omit<PublishedManifest, "dependencies">> {
  readonly name: string;
  readonly version: string;
  /** Name -> caret requirement, or a whole dependency. */
  readonly needs?: Readonly<Record<string, string | Partial<RecordedDependency>>>;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly kind?: "binary" | "source";
  readonly codec?: "zstd" | "gzip" | "lz4" | "none";
}

/** A package file in memory. */
export interface BuiltPackage {
  readonly name: string;
  readonly version: string;
  readonly kind: "binary" | "source";
  readonly bytes: Buffer<ArrayBuffer>;
  readonly blob: Digest;
  readonly size: number;
  readonly tree: Digest;
  readonly recordDigest: Digest;
}

/** A directory of its own, deleted by {@link removeTemporary}. */
export function temporary(): string {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), "lading-feature-")));
  made.push(directory);
  return directory;
}

const made: string[] = [];

/** Deletes every directory of {@link temporary}. */
export function removeTemporary(): void {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
}

/** Writes files below a directory. */
export function writeFiles(directory: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    writeFileSync(path.join(directory, file), content);
  }
}

/** `sha256:` and the digits. */
export const sha256 = (bytes: Uint8Array | string): Digest =>
  parseDigest(`sha256:${createHash("sha256").update(bytes).digest("hex")}`);

/** Packs real files with the real packer. */
export async function build(spec: PackageSpec): Promise<BuiltPackage> {
  const { needs = {}, files = {}, kind = "binary", codec = "zstd", ...manifest } = spec;
  const directory = temporary();
  const source = path.join(directory, "source");
  const text = `[package]\nname = "${spec.name}"\nversion = "${spec.version}"\n`;
  writeFiles(source, { "lading.toml": text, ...files });
  const dependencies = Object.entries(needs).map(([name, value]): RecordedDependency =>
    typeof value === "string"
      ? { name, kind: "normal", requirement: parseRequirement(value, "caret").canonical }
      : { name, kind: "normal", requirement: "*", ...value },
  );
  const record = { format: 1, kind, target: "any", manifestFile: "lading.toml", executables: [] } as const;
  const packed = await packDirectory({
    directory: source,
    record: { ...record, manifest: { ...manifest, ...(dependencies.length === 0 ? {} : { dependencies }) } },
    output: path.join(directory, "out.lpk"),
    codec,
  });
  const recordDigest = packed.files[0]!.sha256;
  const bytes = readFileSync(packed.path);
  rmSync(directory, { recursive: true });
  const { blob, size, tree } = packed;
  return { name: spec.name, version: spec.version, kind, bytes, size, recordDigest, blob, tree };
}

/** A new key that signs in memory. */
export function newSigner(): Signer {
  return softwareSigner(generateKey().seed);
}

/** The signed statement about a package; `change` forges single facts. */
export async function statementFor(
  built: BuiltPackage,
  signer: Signer,
  change: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const { name, version, kind, blob, tree, recordDigest } = built;
  const facts = { name, version, kind, target: "any", blob, tree, manifestDigest: recordDigest, ...change };
  return encodeEnvelope(createStatement(facts), [signer]);
}

/** How a package is sent. */
export interface UploadOptions {
  /** Default: the administrator's; empty: none. */
  readonly token?: string;
  readonly statement?: Uint8Array;
  readonly metadata?: string;
  readonly bytes?: Uint8Array;
  readonly route?: string;
}

/** Sends a package as `docs/spec/http-api.md` says. */
export async function upload(
  registry: RegistryProcess,
  built: BuiltPackage,
  options: UploadOptions = {},
): Promise<Response> {
  const { token = registry.token, statement, bytes = built.bytes } = options;
  const form = new FormData();
  const { blob, size, tree } = built;
  form.append("metadata", options.metadata ?? JSON.stringify({ blob, size, tree }));
  if (statement !== undefined) {
    form.append("statement", new Blob([statement.slice()], { type: "application/vnd.dsse+json" }), "statement.sig");
  }
  form.append("package", new Blob([bytes.slice()]), "package.lpk");
  const headers: Record<string, string> = token === "" ? {} : { authorization: `Bearer ${token}` };
  const route = options.route ?? "/api/v1/packages/";
  return fetch(`${registry.url}${route}`, { method: "POST", body: form, headers });
}

/** Builds and publishes a package that must be accepted; like a publishing client, waits until installers see it. */
export async function publishPackage(
  registry: RegistryProcess,
  spec: PackageSpec,
  options: UploadOptions & { readonly signer?: Signer } = {},
): Promise<BuiltPackage> {
  const built = await publishUnseen(registry, spec, options);
  await untilVisible(registry, built);
  return built;
}

/** Publishes packages one after the other, and waits for all of them together. */
export async function publishPackages(registry: RegistryProcess, specs: readonly PackageSpec[]): Promise<void> {
  const published: BuiltPackage[] = [];
  for (const spec of specs) published.push(await publishUnseen(registry, spec));
  for (const built of published) await untilVisible(registry, built);
}

async function publishUnseen(
  registry: RegistryProcess,
  spec: PackageSpec,
  options: UploadOptions & { readonly signer?: Signer } = {},
): Promise<BuiltPackage> {
  const built = await build(spec);
  const statement = options.signer === undefined ? undefined : await statementFor(built, options.signer);
  const answer = await upload(registry, built, { ...options, ...(statement === undefined ? {} : { statement }) });
  if (answer.status !== 201) throw new Error(`${spec.name} was answered ${answer.status}: ${await answer.text()}`);
  return built;
}

const SIGNED_WITHIN_MS = 10_000;

/** Metadata is signed up to a second after the answer to an upload (docs/spec/http-api.md, Publish). */
async function untilVisible(registry: RegistryProcess, { name, version }: BuiltPackage): Promise<void> {
  const url = `${registry.url}/api/v1/packages/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`;
  const end = Date.now() + SIGNED_WITHIN_MS;
  for (;;) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${registry.token}` } });
    const { trust } = (await answer.json()) as { trust?: { visible: boolean } };
    if (answer.ok && trust?.visible !== false) return;
    if (Date.now() > end) throw new Error(`${name} ${version} is not visible ${SIGNED_WITHIN_MS} ms after its upload`);
    await delay(20);
  }
}

/** A problem document. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
}

/** A project with a home of its own that uses the engine in this process. */
export interface Project {
  readonly root: string;
  readonly home: string;
  /** Everything that its contexts told. */
  readonly events: LadingEvent[];
  use<Value>(run: (context: EngineContext) => Promise<Value>, change?: Partial<ContextInput>): Promise<Value>;
  write(files: Readonly<Record<string, string>>): void;
  read(file: string): string;
  lock(): Lockfile;
}

/** How a project is made. */
export interface ProjectOptions {
  readonly profile?: BuiltinProfileId;
  /** URL of its default registry. */
  readonly registry?: string;
  readonly token?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Makes a project with these files. */
export function createProject(files: Readonly<Record<string, string>>, options: ProjectOptions = {}): Project {
  const root = temporary();
  const home = path.join(root, "home");
  const project = path.join(root, "project");
  mkdirSync(home);
  writeFiles(project, files);
  const profile = builtinProfile(options.profile ?? "lading");
  const events: LadingEvent[] = [];
  const env = {
    PATH: process.env["PATH"],
    ...(options.registry === undefined ? {} : { [`${profile.environmentPrefix}_REGISTRY_URL`]: options.registry }),
    ...(options.token === undefined ? {} : { [profile.tokenVariables[0]!]: options.token }),
    ...options.env,
  };
  const onEvent = (event: LadingEvent): void => void events.push(event);
  const read = (file: string): string => readFileSync(path.join(project, file), "utf8");
  return {
    root: project,
    home,
    events,
    async use(run, change = {}) {
      const context = createContext({ profile, cwd: project, home, env, onEvent, ...change });
      try {
        return await run(context);
      } finally {
        await context.close();
      }
    },
    write: (more) => writeFiles(project, more),
    read,
    lock: () => parseLockfile(read(profile.lockfile), profile.lockfile),
  };
}

/** The code with which something fails; a failure without one, and success, fail the check. */
export async function failure(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (isLadingError(error)) return error.code;
    throw error;
  }
  throw new Error("It succeeded, but should have been refused");
}

/** `name version` of every locked package. */
export const locked = (lock: Lockfile): string[] => lock.packages.map(({ name, version }) => `${name} ${version}`);

/** Packages used within the last minutes stay in any case: another installation may be linking them. */
export function anHourPasses(store: string): void {
  const file = readdirSync(store).find((name) => name.endsWith(".sqlite"));
  const database = new DatabaseSync(path.join(store, file!));
  database.exec("UPDATE packages SET used_at = used_at - 3600000, stored_at = stored_at - 3600000");
  database.close();
}
