import { createHash } from "node:crypto";
import type { SharedConfiguration } from "../configurations/configuration-store.ts";
import type { PackageSummary, VersionRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import type { RouteContext } from "./context.ts";

function etagOf(state: unknown): string {
  return `"${createHash("sha256").update(JSON.stringify(state)).digest("base64url")}"`;
}

/** The validator of a version: of what requests can change, so that a download does not change it. */
export function versionEtag({ version, status, reason, replacement, artifacts }: VersionRecord): string {
  return etagOf([version, status, reason, replacement, artifacts.map(({ target, blob }) => [target, blob])]);
}

/** The validator of a package's list of owners. */
export function ownersEtag(owners: readonly string[]): string {
  return etagOf(owners);
}

/** The validator of what a package's owners demand. */
export function policyEtag({ policy }: PackageSummary): string {
  return etagOf(["policy", policy ?? null]);
}

/** The validator of a package's channels. */
export function channelsEtag({ channels, latest }: PackageSummary): string {
  return etagOf(["channels", channels ?? {}, latest ?? null]);
}

/** The validator of a shared configuration: its revision. */
export function configurationEtag(configuration: Pick<SharedConfiguration, "revision"> | undefined): string {
  return `"${configuration?.revision ?? 0}"`;
}

/**
 * Demands that `If-Match`, where the request has one, names the resource as it is; strong comparison (RFC 9110 §13.1.1).
 * @throws {RegistryError} `PRECONDITION_FAILED`
 */
export function requireMatch(context: RouteContext, etag: string): void {
  const header = context.req.header("if-match");
  if (header === undefined || header.trim() === "*") return;
  if (header.split(",").some((part) => part.trim() === etag)) return;
  throw new RegistryError({
    code: "PRECONDITION_FAILED",
    message: `Cannot ${context.req.method} "${context.req.path.slice(0, 200)}": If-Match is ${header.slice(0, 100)}, the resource is ${etag} now`,
    hint: "Read it again, and repeat the change if it is still wanted",
  });
}
