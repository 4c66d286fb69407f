import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Clock, RegistryConfig, Transport } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { expandHome } from "./directories.ts";
import { readTextIfExists } from "./files.ts";

/** Name of the file that says what a bundle holds. */
export const BUNDLE_FILE = "bundle.json";
const FORMAT = "lading-bundle/1";

/** A package file in a bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly target: string;
  readonly blob: string;
}

/** What of one registry a bundle holds. */
export interface BundledRegistry {
  /** Canonical address. */
  readonly url: string;
  /** Below the bundle: its files, laid out as a registry's. */
  readonly directory: string;
  readonly packages: readonly BundledPackage[];
}

/** What a bundle says of itself; none of it is trusted, only the signed files below it are. */
export interface BundleFile {
  readonly format: typeof FORMAT;
  /** RFC 3339. */
  readonly created: string;
  readonly registries: readonly BundledRegistry[];
}

/** A bundle on disk. */
export interface OpenedBundle extends BundleFile {
  readonly directory: string;
}

/** The text of `bundle.json`. */
export function renderBundle(bundle: Omit<BundleFile, "format">): string {
  return `${JSON.stringify({ format: FORMAT, ...bundle }, undefined, 2)}\n`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPackage(value: unknown): value is BundledPackage {
  return isRecord(value) && ["name", "version", "target", "blob"].every((key) => typeof value[key] === "string");
}

function isRegistry(value: unknown): value is BundledRegistry {
  if (!isRecord(value) || typeof value["url"] !== "string" || typeof value["directory"] !== "string") return false;
  // What is read must not lead out of the bundle.
  const inside = /^registries\/[0-9]{1,4}$/.test(value["directory"]);
  return inside && Array.isArray(value["packages"]) && value["packages"].every(isPackage);
}

/**
 * Reads a bundle.
 * @throws {EngineError} `BUNDLE_INVALID`
 */
export async function readBundle(directory: string): Promise<OpenedBundle> {
  const file = path.join(directory, BUNDLE_FILE);
  const refuse = (problem: string): EngineError =>
    new EngineError({ code: "BUNDLE_INVALID", message: `Cannot use the bundle "${directory}": ${problem}` });
  const text = await readTextIfExists(file);
  if (text === undefined) throw refuse(`it has no "${BUNDLE_FILE}"`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse(`"${BUNDLE_FILE}" is not JSON`);
  }
  if (!isRecord(value) || value["format"] !== FORMAT) throw refuse(`its format is not "${FORMAT}"`);
  const { created, registries } = value;
  if (typeof created !== "string" || !Array.isArray(registries) || !registries.every(isRegistry))
    throw refuse(`"${BUNDLE_FILE}" is damaged`);
  return { format: FORMAT, created, registries, directory };
}

/** The bundle that setting `registry.bundle` names. */
export async function openBundle(named: string, context: EngineContext): Promise<OpenedBundle> {
  return readBundle(path.resolve(context.cwd, expandHome(named, context.home)));
}

/** Reads the files of a registry from a bundle, in place of its address. Opens no socket. */
export async function bundleTransport(
  bundle: OpenedBundle,
  held: BundledRegistry,
  registry: RegistryConfig,
): Promise<Transport> {
  const { directoryTransport } = await import("@lading/registry-client/node");
  const base = pathToFileURL(`${path.join(bundle.directory, held.directory)}${path.sep}`).href;
  const inner = directoryTransport({ ...registry, url: base });
  const moved = (url: string): string => {
    const own = url.startsWith(registry.url) ? new URL(url.slice(registry.url.length), base).href : base;
    // A name from outside must not lead out of the bundle.
    return fileURLToPath(own).startsWith(fileURLToPath(base)) ? own : new URL("outside", base).href;
  };
  return {
    ...inner,
    partial: true,
    metadata: (url, options) => inner.metadata(moved(url), options),
    blob: (url, options) => inner.blob(moved(url), options),
  };
}

/**
 * The time by which what a bundle holds is judged: signatures may have run out for as long as offline work may be old. A
 * state that nobody renewed for longer is refused, as a freeze attack would look like it.
 */
export function bundleClock(clock: Clock, maxAgeMs: number): Clock {
  return { ...clock, now: () => clock.now() - maxAgeMs };
}

/** When the signed state of a bundled registry ends, by its timestamp; only for showing. */
export async function bundledUntil(bundle: OpenedBundle, { directory }: BundledRegistry): Promise<number | undefined> {
  const file = path.join(bundle.directory, directory, "metadata/timestamp.json");
  const text = await readTextIfExists(file);
  const expires = /"expires":"([^"]{20})"/.exec(text ?? "")?.[1];
  const time = expires === undefined ? Number.NaN : Date.parse(expires);
  return Number.isNaN(time) ? undefined : time;
}

/** Tells that a registry is read from a bundle, and how old that is. */
export async function sayBundle(bundle: OpenedBundle, held: BundledRegistry, context: EngineContext): Promise<void> {
  const until = await bundledUntil(bundle, held);
  const days = until === undefined ? 0 : Math.ceil((context.now() - until) / 86_400_000);
  const stale = days > 0 ? `; its signatures ran out ${days} days ago` : "";
  context.onEvent({
    type: days > 0 ? "warning" : "info",
    message: `${held.url} is read from the bundle ${bundle.directory}, made ${bundle.created}${stale}: newer versions, yanks and revocations are not seen`,
  });
}
