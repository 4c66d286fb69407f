import { readFile } from "node:fs/promises";
import path from "node:path";
import { parsePackageRecord, satisfiesLicensePolicy, validateLicense, type LockPackage } from "@lading/core-manifest";
import type { Store } from "@lading/installer";
import type { EngineContext } from "../engine-context.ts";
import type { HereInput } from "../environments.ts";
import { hasErrno } from "../files.ts";
import { allowedLicenses } from "../license-policy.ts";
import { loadProject } from "../project.ts";
import { needLock } from "./inspect-lock.ts";

/** How a dependency's licence stands to `[security] allowed_licenses`; `unknown`: it states none that can be read. */
export type LicenseVerdict = "allowed" | "refused" | "unknown";

/** The licence of one dependency. */
export interface DependencyLicense {
  readonly name: string;
  readonly version: string;
  /** As its author wrote it; absent where nothing is stated. */
  readonly license?: string;
  readonly verdict: LicenseVerdict;
  /** Why it is not allowed. */
  readonly reason?: string;
}

/** What {@link licenses} found. */
export interface LicenseReport {
  /** Licences that the project allows; empty: it has no policy, and every licence is allowed. */
  readonly allowed: readonly string[];
  readonly packages: readonly DependencyLicense[];
  /** Whether `install` takes all of them. */
  readonly compliant: boolean;
}

/** The verdict on a licence, as `install` comes to it. */
export function licenseVerdict(
  license: string | undefined,
  allowed: readonly string[],
): Pick<DependencyLicense, "verdict" | "reason"> {
  if (license === undefined || license === "") return { verdict: "unknown", reason: "it states no licence" };
  const { valid, problem } = validateLicense(license);
  if (!valid) return { verdict: "unknown", reason: `its licence is no SPDX expression: ${problem ?? "unknown"}` };
  if (allowed.length === 0 || satisfiesLicensePolicy(license, allowed)) return { verdict: "allowed" };
  return { verdict: "refused", reason: "[security] allowed_licenses does not list it" };
}

/** The licence in a package's own record, where the store has the package. */
async function storedLicense(
  store: Store,
  { tree }: LockPackage,
): Promise<{ readonly license: string | undefined } | undefined> {
  if (tree === undefined || store.get(tree) === undefined) return undefined;
  try {
    const text = await readFile(path.join(store.path(tree), ".lading", "package.json"), "utf8");
    return { license: parsePackageRecord(JSON.parse(text)).manifest.license };
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function indexedLicense(context: EngineContext, entry: LockPackage): Promise<string | undefined> {
  const { name, version, source } = entry;
  if (source !== undefined && source.type !== "registry") return undefined;
  const registries = await context.registries();
  const client =
    source?.url === undefined || context.registry !== undefined ? registries.default : registries.client(source.url);
  const document = await client.packageDocument(name, { signal: context.signal });
  return document?.versions.find((one) => one.version === version)?.license;
}

/**
 * The licence of every locked package with the verdict that `install` comes to: from the package itself where the store has
 * it, else from the registry's index.
 * @throws {EngineError} `LOCK_MISSING`, `LOCK_ENVIRONMENT_MISSING`, `LOCK_ENVIRONMENT_AMBIGUOUS`
 * @throws {RegistryClientError}
 */
export async function licenses(input: HereInput, context: EngineContext): Promise<LicenseReport> {
  const project = await loadProject(context);
  const { lock } = await needLock(context, project, input);
  const allowed = [...new Set(allowedLicenses(project))];
  const members = new Set(project.members.map(({ name }) => name));
  const store = await context.store();
  const packages: DependencyLicense[] = [];
  for (const entry of lock.packages) {
    if (members.has(entry.name) && entry.source?.type !== "registry") continue;
    const stored = await storedLicense(store, entry);
    const license = stored === undefined ? await indexedLicense(context, entry) : stored.license;
    const { name, version } = entry;
    packages.push({
      name,
      version,
      ...(license === undefined ? {} : { license }),
      ...licenseVerdict(license, allowed),
    });
  }
  const isTaken = ({ verdict }: DependencyLicense): boolean => verdict === "allowed" || allowed.length === 0;
  return { allowed, packages, compliant: packages.every(isTaken) };
}
