import type { CanonicalName } from "@lading/core-manifest";
import type { AuditEntry } from "../records.ts";
import { RegistryError } from "../registry-error.ts";

/** What a quota counts: packages, their versions, and the bytes of their files. */
export const QUOTA_MEASURES: readonly ["packages", "versions", "bytes"] = ["packages", "versions", "bytes"];
export type QuotaMeasure = (typeof QUOTA_MEASURES)[number];

/** Whom a quota can be about. */
export const QUOTA_KINDS: readonly ["user", "organisation", "package", "registry"] = [
  "user",
  "organisation",
  "package",
  "registry",
];
export type QuotaKind = (typeof QUOTA_KINDS)[number];

/** How much is allowed; what is absent is not limited. */
export type QuotaLimits = Readonly<Partial<Record<QuotaMeasure, number>>>;

/**
 * How much is stored: what is published and what waits for a reviewer or was rejected, without versions whose files may be
 * deleted. `packages` are those of which any of that is stored.
 */
export type Usage = Readonly<Record<QuotaMeasure, number>>;

/** What is counted: the publications of an account, those in an organisation's namespaces, a package's, or all. */
export type UsageScope =
  | { readonly kind: "registry" }
  | { readonly kind: "package"; readonly canonical: CanonicalName }
  | { readonly kind: "user"; readonly username: string; readonly accountId: string }
  | { readonly kind: "organisation"; readonly name: string; readonly namespaces: readonly string[] };

/** A limit that a publication must stay within. */
export interface QuotaCheck {
  readonly scope: UsageScope;
  readonly limits: QuotaLimits;
}

/** Limits of a subject that were set by an administrator, in place of those of the configuration. */
export interface QuotaRecord {
  /** As {@link quotaSubject} writes it. */
  readonly subject: string;
  readonly limits: QuotaLimits;
}

/** Limits that administrators set. Changes are one transaction with their audit record. */
export interface QuotaStore {
  /** Those of the subjects that have any, in no order. */
  limits(subjects: readonly string[]): Promise<readonly QuotaRecord[]>;
  /** In order of the subjects. */
  all(): Promise<readonly QuotaRecord[]>;
  /** Sets all limits of a subject; `undefined` forgets them. */
  set(subject: string, limits: QuotaLimits | undefined, audit: AuditEntry): Promise<void>;
}

/** How a subject is written: `registry`, `user:ada`, `organisation:company`, `package:company/tool`. */
export function quotaSubject(scope: UsageScope): string {
  switch (scope.kind) {
    case "registry":
      return "registry";
    case "package":
      return `package:${scope.canonical}`;
    case "user":
      return `user:${scope.username}`;
    case "organisation":
      return `organisation:${scope.name}`;
  }
}

const SHOWN: Readonly<Record<QuotaKind, (name: string) => string>> = {
  registry: () => "the registry",
  package: (name) => `package "${name}"`,
  user: (name) => `account "${name}"`,
  organisation: (name) => `organisation "${name}"`,
};

/** A subject in words. */
function shownSubject(subject: string): string {
  const [kind = "", name = ""] = subject.split(/:(.*)/s);
  return SHOWN[kind as QuotaKind](name);
}

/**
 * Demands that there is room for what a publication adds.
 * @throws {RegistryError} `QUOTA_EXCEEDED` with `subject`, `measure`, `found` (with what is added) and `allowed`
 */
export function requireRoom(
  what: { readonly name: string; readonly version: string },
  { scope, limits }: QuotaCheck,
  { usage, added }: { readonly usage: Usage; readonly added: Usage },
): void {
  for (const measure of QUOTA_MEASURES) {
    const [allowed, found] = [limits[measure], usage[measure] + added[measure]];
    if (allowed === undefined || added[measure] === 0 || found <= allowed) continue;
    const subject = quotaSubject(scope);
    throw new RegistryError({
      code: "QUOTA_EXCEEDED",
      message: `Cannot publish "${what.name}" ${what.version}: ${shownSubject(subject)} would have ${found} ${measure}, allowed are ${allowed}`,
      hint: "Ask the operator of this registry for a higher quota, or to remove what is not needed any more",
      subject,
      measure,
      found,
      allowed,
    });
  }
}

/** What a version or artefact adds to what is there. */
export function addedBy(
  size: number,
  { newPackage, newVersion }: { readonly newPackage: boolean; readonly newVersion: boolean },
): Usage {
  return { packages: newPackage ? 1 : 0, versions: newVersion ? 1 : 0, bytes: size };
}
