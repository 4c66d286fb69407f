import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { isLadingError, type EcosystemProfile } from "@lading/core-manifest";
import type { RegistryClientErrorCode, SharedConfiguration } from "@lading/registry-client";
import { offlineMaxAge, readRegistries } from "./configured-registries.ts";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { readTextIfExists, writeFileAtomic } from "./files.ts";
import { parseToml, readSetting, settingsIn } from "./settings.ts";

/** How long a shared configuration is used without asking whether there is another one, milliseconds. */
export const TEAM_CONFIG_MAX_AGE_MS: number = 15 * 60 * 1000;

/** A shared configuration, ready to be a layer of settings. */
export interface TeamConfiguration {
  readonly table: Readonly<Record<string, unknown>>;
  /** For people: its name, its revision and when the registry was asked. */
  readonly source: string;
  /** File in which its text is kept. */
  readonly file: string;
}

/** `acme/default` in its two parts. */
export interface TeamConfigurationName {
  readonly organisation: string;
  readonly name: string;
}

/** What is kept beside the text. */
interface Stored {
  readonly registry: string;
  readonly revision: number;
  readonly digest: string;
  /** When the registry was asked last, milliseconds since the epoch. */
  readonly checked: number;
}

interface Copy extends Stored {
  readonly text: string;
}

const NAME = /^([a-z0-9]+(?:-[a-z0-9]+)*)\/([a-z0-9]+(?:-[a-z0-9]+)*)$/;

/** @throws {EngineError} `CONFIG_VALUE_INVALID` */
export function parseTeamConfigurationName(text: string, source: string): TeamConfigurationName {
  const [, organisation, name] = NAME.exec(text) ?? [];
  if (organisation !== undefined && name !== undefined) return { organisation, name };
  throw new EngineError({
    code: "CONFIG_VALUE_INVALID",
    message: `Cannot use "${text.slice(0, 140)}" from ${source}: allowed is ORGANISATION/NAME, such as acme/default`,
  });
}

const WHOM = "It says whom this machine talks to and trusts";
const RUNS = "It says what runs on this machine";
const PLACE = "It is a place on this machine";

/** What no shared configuration may set, by the key or its first parts, and why: it is decided by whoever owns the machine. */
const REFUSED: readonly (readonly [prefix: string, reason: string])[] = [
  ["registry", WHOM],
  ["registries", WHOM],
  ["auth", WHOM],
  ["credentials", WHOM],
  ["trust", WHOM],
  ["keys", WHOM],
  ["signing.key", "It is a private key of whoever works on this machine"],
  ["native", RUNS],
  ["hooks", RUNS],
  ["scripts", RUNS],
  ["installer.cache_dir", PLACE],
  ["environments.base_dir", PLACE],
  ["security.offline_max_age", "It is needed before the registry can be asked for what is shared"],
  ["team", "What is shared cannot name another configuration"],
];

function refusal(key: string): string | undefined {
  return REFUSED.find(([prefix]) => key === prefix || key.startsWith(`${prefix}.`))?.[1];
}

/**
 * The settings of a shared configuration's text. What this release does not know is left out, unless `strict`.
 * @throws {EngineError} `CONFIG_FILE_INVALID`, `TEAM_CONFIG_REFUSED`, `CONFIG_VALUE_INVALID`, `CONFIG_KEY_UNKNOWN` where strict
 */
export function readSharedSettings(
  text: string,
  source: string,
  { profile, home, strict }: { readonly profile: EcosystemProfile; readonly home: string; readonly strict: boolean },
): Readonly<Record<string, unknown>> {
  const table = parseToml(text, source);
  for (const { key, value, known } of settingsIn(table, profile)) {
    const reason = refusal(key);
    if (reason !== undefined) {
      throw new EngineError({
        code: "TEAM_CONFIG_REFUSED",
        message: `Cannot use the shared configuration ${source}: it sets "${key}", which no shared configuration may set`,
        hint: reason,
        key,
      });
    }
    if (known) readSetting(key, value, source, home);
    else if (strict) {
      throw new EngineError({
        code: "CONFIG_KEY_UNKNOWN",
        message: `Cannot share the configuration in ${source}: there is no setting "${key}"`,
        key,
      });
    }
  }
  return table;
}

/** Failures of the way to the registry; whatever else it answers, it has answered. */
const UNREACHED: ReadonlySet<string> = new Set<RegistryClientErrorCode>([
  "REGISTRY_UNREACHABLE",
  "REGISTRY_TIMEOUT",
  "REGISTRY_TOO_SLOW",
  "REGISTRY_UNAVAILABLE",
  "REGISTRY_RATE_LIMITED",
  "REGISTRY_OFFLINE",
]);

function placeOf(
  context: EngineContext,
  registry: string,
  name: string,
): { readonly text: string; readonly facts: string } {
  const id = createHash("sha256").update(`${registry} ${name}`).digest("hex").slice(0, 32);
  const base = path.join(context.directories.data, "team", id);
  return { text: `${base}.toml`, facts: `${base}.json` };
}

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

async function readCopy(place: { readonly text: string; readonly facts: string }): Promise<Copy | undefined> {
  const [text, facts] = await Promise.all([readTextIfExists(place.text), readTextIfExists(place.facts)]);
  if (text === undefined || facts === undefined) return undefined;
  try {
    const stored = JSON.parse(facts) as Partial<Stored>;
    const { registry, revision, digest, checked } = stored;
    const whole = typeof registry === "string" && Number.isSafeInteger(revision) && Number.isSafeInteger(checked);
    // A copy that was cut off or altered is none; the registry is asked.
    return whole && digest === digestOf(text)
      ? { registry, revision: revision!, digest, checked: checked!, text }
      : undefined;
  } catch {
    return undefined;
  }
}

async function writeCopy(place: { readonly text: string; readonly facts: string }, copy: Copy): Promise<void> {
  const { text, ...facts } = copy;
  await mkdir(path.dirname(place.text), { recursive: true });
  // The text keeps its stamp where it is the same, so that an installation that went by it needs no second look.
  if ((await readTextIfExists(place.text)) !== text) await writeFileAtomic(place.text, text, 0o600);
  await writeFileAtomic(place.facts, `${JSON.stringify(facts)}\n`, 0o600);
}

/** Reads a shared configuration from the default registry, as the registry's log states it. */
export async function fetchSharedConfiguration(
  wanted: TeamConfigurationName & { readonly revision?: number | undefined },
  context: EngineContext,
): Promise<SharedConfiguration> {
  const { openRegistries } = await import("./registries.ts");
  // What is shared belongs to the registry that is the default one, whichever is chosen for one command.
  const configured = (await readRegistries(context)).registries.length > 0;
  const set = await openRegistries(configured ? { ...context, registry: undefined } : context);
  try {
    return await set.default.sharedConfiguration(wanted, { signal: context.signal });
  } finally {
    await set.close();
  }
}

function unavailable(named: string, problem: string, cause?: unknown): EngineError {
  return new EngineError({
    code: "TEAM_CONFIG_UNAVAILABLE",
    message: `Cannot read the shared configuration "${named}": ${problem}`,
    hint: "Ask whether you are a member and logged in, or work without it after: config unset team.config",
    ...(cause === undefined ? {} : { cause }),
  });
}

function rolledBack(named: string, known: Copy, found: SharedConfiguration): EngineError {
  return new EngineError({
    code: "TEAM_CONFIG_ROLLED_BACK",
    message: `Cannot use the shared configuration "${named}": the registry gives ${found.revision === known.revision ? "another text for revision" : "revision"} ${found.revision}, and gave revision ${known.revision} before`,
    hint: "An attack would look like this: somebody wants you to go by rules that were given up. Ask the registry's operator",
  });
}

async function ask(
  named: string,
  wanted: TeamConfigurationName,
  known: { readonly copy: Copy | undefined; readonly registry: string },
  context: EngineContext,
): Promise<Copy> {
  const found = await fetchSharedConfiguration(wanted, context);
  const { copy, registry } = known;
  const older = copy !== undefined && found.revision < copy.revision;
  const other = copy !== undefined && found.revision === copy.revision && found.digest !== copy.digest;
  if (copy !== undefined && (older || other)) throw rolledBack(named, copy, found);
  const { revision, digest, text } = found;
  return { registry, revision, digest, text, checked: context.now() };
}

/** What stands in where the registry cannot be reached: the copy, as long as it is not too old. */
async function standIn(
  named: string,
  copy: Copy | undefined,
  failure: { readonly problem: string; readonly cause: unknown },
  context: EngineContext,
): Promise<Copy> {
  if (copy === undefined) throw unavailable(named, `${failure.problem}, and there is no copy of it`, failure.cause);
  const age = context.now() - copy.checked;
  if (age > (await offlineMaxAge(context)))
    throw unavailable(
      named,
      `${failure.problem}, and its copy is of ${whenOf(copy)}, older than allowed`,
      failure.cause,
    );
  context.onEvent({
    type: "warning",
    code: "TEAM_CONFIG_OLD",
    message: `Using revision ${copy.revision} of the shared configuration "${named}" as of ${whenOf(copy)}: ${failure.problem}`,
  });
  return copy;
}

function whenOf({ checked }: Stored): string {
  return `${new Date(checked).toISOString().slice(0, 19)}Z`;
}

async function currentCopy(
  named: string,
  wanted: TeamConfigurationName,
  refresh: boolean,
  context: EngineContext,
): Promise<{ readonly copy: Copy; readonly file: string }> {
  const { defaultRegistry, registries } = await readRegistries(context);
  const registry = registries.find(({ name }) => name === defaultRegistry)?.url ?? context.registry ?? "";
  const place = placeOf(context, registry, named);
  const copy = await readCopy(place);
  const age = copy === undefined ? Number.POSITIVE_INFINITY : context.now() - copy.checked;
  if (copy !== undefined && !refresh && age >= 0 && age < TEAM_CONFIG_MAX_AGE_MS) return { copy, file: place.text };
  try {
    const found = await ask(named, wanted, { copy, registry }, context);
    // Before it is kept: what may not be used must not be found there by the next command.
    readSharedSettings(found.text, sourceOf(named, found), { ...context, strict: false });
    await writeCopy(place, found);
    return { copy: found, file: place.text };
  } catch (cause) {
    context.signal.throwIfAborted();
    if (cause instanceof EngineError) throw cause;
    const problem = cause instanceof Error ? cause.message.replace(/^Cannot [^:]*: /, "") : String(cause);
    if (isLadingError(cause) && UNREACHED.has(cause.code))
      return { copy: await standIn(named, copy, { problem, cause }, context), file: place.text };
    // What the log does not bear out is told as what it is.
    if (isLadingError(cause) && cause.code.startsWith("LOG_")) throw cause;
    throw unavailable(named, problem, cause);
  }
}

function sourceOf(named: string, copy: Copy): string {
  return `${named} revision ${copy.revision} (${whenOf(copy)})`;
}

/**
 * The configuration that `team.config` names: kept for {@link TEAM_CONFIG_MAX_AGE_MS}, then asked for again; where the
 * registry cannot be reached, the copy stands in with a warning that says its age.
 * @throws {EngineError} `CONFIG_VALUE_INVALID`, `CONFIG_FILE_INVALID`, `TEAM_CONFIG_UNAVAILABLE`, `TEAM_CONFIG_REFUSED`, `TEAM_CONFIG_ROLLED_BACK`
 * @throws {LogError} the registry's log does not state it
 */
export async function teamConfiguration(
  context: EngineContext,
  { refresh = false }: { readonly refresh?: boolean } = {},
): Promise<TeamConfiguration> {
  const setting = (await context.localSettings()).get("team.config")!;
  const named = String(setting.value);
  const wanted = parseTeamConfigurationName(named, setting.source ?? setting.origin);
  const { copy, file } = await currentCopy(named, wanted, refresh, context);
  const source = sourceOf(named, copy);
  return { table: readSharedSettings(copy.text, source, { ...context, strict: false }), source, file };
}

/** Asks the registry for what a team shares, where one is named, so that what follows goes by it. */
export async function refreshTeamConfiguration(context: EngineContext): Promise<void> {
  if ((await context.localSettings()).string("team.config") === undefined) return;
  await teamConfiguration(context, { refresh: true });
}
