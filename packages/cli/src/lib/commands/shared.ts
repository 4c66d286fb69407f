import type { Diagnostic } from "@lading/core-manifest";
import type {
  HereInput,
  InstallOutcome,
  InstallProjectInput,
  LockChanges,
  LockInput,
  LockMode,
  LockOutcome,
} from "@lading/engine";
import type { ReadyInstallation } from "@lading/engine/start";
import type { GlobalOptions } from "../spec.ts";
import { count } from "../render/table.ts";
import type { Style } from "../render/style.ts";

/** Flags of every command that resolves. */
export const RESOLVE_FLAGS = {
  features: { type: "list", summary: "Switch on these features of this package", placeholder: "A,B" },
  "no-default-features": { type: "boolean", summary: "Leave this package's default features off" },
  "all-features": { type: "boolean", summary: "Switch on every feature of this package" },
  profile: { type: "text", summary: "Use this build profile's features", placeholder: "NAME" },
  host: { type: "list", summary: "Resolve for this version of a host", placeholder: "AXIS=VERSION" },
  "accept-publisher": {
    type: "list",
    summary: "Accept that this package is signed by another key",
    placeholder: "NAME",
  },
  "minimum-release-age": {
    type: "text",
    summary: "Pass over versions younger than this, such as 24h or 3d; 0s for none",
    placeholder: "AGE",
  },
  "exclude-newer": {
    type: "text",
    summary: "See nothing that was published after this date or instant",
    placeholder: "DATE",
  },
} as const;

/** Flags of the commands that may record what they resolve. */
export const RECORD_FLAGS = {
  record: {
    type: "text",
    summary: "Write the resolution to this file, to replay it elsewhere",
    placeholder: "FILE",
  },
} as const;

/** Flags of commands that look at one environment of the lock. */
export const HERE_FLAGS = {
  host: { type: "list", summary: "Look at the environment of this version of a host", placeholder: "AXIS=VERSION" },
  target: { type: "list", summary: "Look at the environment of this target", placeholder: "TRIPLE" },
} as const;

/** The engine's input of {@link HERE_FLAGS}. */
export function hereInput(flags: { readonly host: readonly string[]; readonly target: readonly string[] }): HereInput {
  return { hosts: flags.host, ...(flags.target.length === 0 ? {} : { targets: flags.target }) };
}

/** Flags of every command that installs. */
export const INSTALL_FLAGS = {
  production: { type: "boolean", summary: "Leave dev dependencies out" },
  omit: { type: "list", summary: "Leave out dev, build, peer or optional dependencies", placeholder: "KIND" },
  target: { type: "list", summary: "Prefer packages for this target", placeholder: "TRIPLE" },
  link: { type: "enum", summary: "How files come from the store", values: ["auto", "hardlink", "reflink", "copy"] },
  "skip-tests": { type: "boolean", summary: "Run no tests of what is installed" },
} as const;

/** `--locked` and `--frozen` as the engine takes them. */
export function lockMode({ locked, frozen }: GlobalOptions): LockMode {
  if (frozen) return "frozen";
  return locked ? "locked" : "update";
}

interface ResolveFlagValues {
  readonly features: readonly string[];
  readonly "no-default-features": boolean;
  readonly "all-features": boolean;
  readonly profile: string | undefined;
  readonly host: readonly string[];
  readonly "accept-publisher": readonly string[];
  readonly "minimum-release-age": string | undefined;
  readonly "exclude-newer": string | undefined;
}

/** The engine's input of {@link RESOLVE_FLAGS} and the global flags. */
export function resolveInput(flags: ResolveFlagValues, options: GlobalOptions): LockInput {
  return {
    features: flags.features,
    noDefaultFeatures: flags["no-default-features"],
    allFeatures: flags["all-features"],
    profile: flags.profile,
    ...hostInput(flags, options),
  };
}

/** The part of {@link resolveInput} that is not about this package's own features. */
export function hostInput(
  flags: Pick<ResolveFlagValues, "host" | "accept-publisher" | "minimum-release-age" | "exclude-newer">,
  options: GlobalOptions,
): Pick<LockInput, "hosts" | "acceptPublishers" | "mode" | "dryRun" | "minimumReleaseAge" | "excludeNewer"> {
  return {
    minimumReleaseAge: flags["minimum-release-age"],
    excludeNewer: flags["exclude-newer"],
    hosts: flags.host,
    acceptPublishers: flags["accept-publisher"],
    mode: lockMode(options),
    dryRun: options.dryRun,
  };
}

const KINDS = ["dev", "build", "peer", "optional"] as const;
type Omitted = (typeof KINDS)[number];

interface InstallFlagValues {
  readonly production: boolean;
  readonly omit: readonly string[];
  readonly target: readonly string[];
  readonly link: string | undefined;
  readonly "skip-tests": boolean;
}

/** The engine's input of {@link INSTALL_FLAGS}. */
export async function installInput(
  flags: InstallFlagValues,
): Promise<Pick<InstallProjectInput, "omit" | "targets" | "link" | "skipTests">> {
  const unknown = flags.omit.find((kind) => !(KINDS as readonly string[]).includes(kind));
  if (unknown !== undefined) {
    const { CliError } = await import("../cli-error.ts");
    throw new CliError({
      code: "CLI_FLAG_INVALID",
      message: `Cannot use "${unknown}" for --omit: allowed are ${KINDS.map((kind) => `"${kind}"`).join(", ")}`,
    });
  }
  return {
    omit: [...new Set([...(flags.omit as readonly Omitted[]), ...(flags.production ? (["dev"] as const) : [])])],
    ...(flags.target.length === 0 ? {} : { targets: flags.target }),
    ...(flags["skip-tests"] ? { skipTests: true } : {}),
    ...(flags.link === undefined ? {} : { link: flags.link as "auto" | "hardlink" | "reflink" | "copy" }),
  };
}

/** A lock's changes, one line each. */
export function changeLines({ added, removed, updated }: LockChanges, style: Style): string[] {
  return [
    ...updated.map(({ name, from, to }) => `${style.yellow("~")} ${name} ${from} -> ${to}`),
    ...added.map(({ name, version }) => `${style.green("+")} ${name} ${version}`),
    ...removed.map(({ name, version }) => `${style.red("-")} ${name} ${version}`),
  ];
}

/** What a lock came to, in one line. */
export function lockLine({ lock, changed, fresh, changes, environments }: LockOutcome, dryRun: boolean): string {
  const grid = environments.length === 1 ? "" : ` for ${environments.length} environments`;
  const packages = `${count(lock.packages.length, "package")}${grid}`;
  if (fresh) return `Lock is up to date: ${packages}`;
  if (!changed) return `Lock did not change: ${packages}`;
  const { added, updated, removed } = changes;
  const verb = dryRun ? "Would lock" : "Locked";
  return `${verb} ${packages}: ${added.length} added, ${updated.length} updated, ${removed.length} removed`;
}

/** What an installation came to, in one line. */
export function installLine({ packages, downloaded, verified, result, upToDate }: InstallOutcome): string {
  if (upToDate) return readyLine({ packages, generation: result.generation.number });
  const parts = [
    `${downloaded} downloaded`,
    `${count(verified, "signature")} verified`,
    `generation ${result.generation.number}`,
  ];
  return `Installed ${count(packages, "package")} (${parts.join(", ")})`;
}

/** What an installation with nothing to do came to, in one line. */
export function readyLine({ packages, generation }: Pick<ReadyInstallation, "packages" | "generation">): string {
  return `Everything is installed: ${count(packages, "package")}, generation ${generation}`;
}

/** The same as {@link summaryData} says of a lock and an environment in which nothing changes. */
export function readyData({ locked, environments, packages, generation }: ReadyInstallation): object {
  return {
    lock: { packages: locked, changed: false, fresh: true, environments, added: [], removed: [], updated: [] },
    install: {
      upToDate: true,
      packages,
      downloaded: 0,
      downloadedBytes: 0,
      verified: 0,
      skipped: [],
      generation,
      previous: generation,
      added: [],
      removed: [],
      changed: [],
    },
  };
}

/** A lock and an installation as JSON. */
export function summaryData(lock: LockOutcome, install: InstallOutcome | undefined): object {
  return {
    lock: {
      packages: lock.lock.packages.length,
      changed: lock.changed,
      fresh: lock.fresh,
      environments: lock.environments,
      ...lock.changes,
    },
    ...(install === undefined
      ? {}
      : {
          install: {
            upToDate: install.upToDate,
            packages: install.packages,
            downloaded: install.downloaded,
            downloadedBytes: install.downloadedBytes,
            verified: install.verified,
            skipped: install.skipped,
            ...(wasValidated(install) ? { validation: install.validation } : {}),
            generation: install.result.generation.number,
            previous: install.result.previous,
            added: install.result.added.map(({ name, version }) => ({ name, version })),
            removed: install.result.removed.map(({ name, version }) => ({ name, version })),
            changed: install.result.changed.map(({ from, to }) => ({
              name: to.name,
              from: from.version,
              to: to.version,
            })),
          },
        }),
  };
}

/** Whether anything was needed of this machine; most packages need nothing. */
function wasValidated({ validation }: InstallOutcome): boolean {
  return validation !== undefined && validation.runtimes.length + validation.hosts.length > 0;
}

/** A finding in one line. */
export function findingLine({ severity, message, location, hint }: Diagnostic, style: Style): string {
  const mark = severity === "error" ? style.red("✗") : style.yellow("⚠");
  const place = `${location.file}:${location.line}`;
  return `  ${mark} ${place}: ${message}${hint === undefined ? "" : style.dim(` (${hint})`)}`;
}

/** Changes that were tried and help, one line each. */
export function hintLines(suggestions: readonly { readonly message: string }[], style: Style): string[] {
  if (suggestions.length === 0) return [];
  const [only, ...others] = suggestions;
  const help = style.bold(style.cyan("help"));
  if (others.length === 0) return [`${help}: ${only!.message}`];
  return [`${help}: any one of these was tried and helps:`, ...suggestions.map(({ message }) => `  - ${message}`)];
}
