import { encodeCanonicalJson } from "@lading/core-manifest";
import type { MetadataLifetimes } from "@lading/signing/metadata";
import { StaticRegistryError } from "./static-error.ts";

/** What a static registry is, as its maintainer has decided; kept beside the keys, not among the files that are served. */
export interface StaticSettings {
  readonly name: string;
  /** Whether only signed packages are taken. */
  readonly signatures: "required" | "optional";
  /** For how many days a signed timestamp is good; it is to be renewed in half of that. */
  readonly expiryDays: number;
}

/** Thirty days: a weekly job may fail three times. */
export const DEFAULT_EXPIRY_DAYS = 30;
const MAX_EXPIRY_DAYS = 365;
const DAY_MS = 86_400_000;

function invalid(problem: string): StaticRegistryError {
  return new StaticRegistryError({
    code: "STATIC_SETTINGS_INVALID",
    message: `Cannot use the settings of the registry: ${problem}`,
  });
}

/**
 * Checks settings.
 * @throws {StaticRegistryError} `STATIC_SETTINGS_INVALID`
 */
export function checkSettings(settings: StaticSettings): StaticSettings {
  const { name, signatures, expiryDays } = settings;
  // oxlint-disable-next-line no-control-regex
  if (typeof name !== "string" || name === "" || name.length > 100 || /[\u0000-\u001f\u007f]/.test(name))
    throw invalid('"name" is empty, too long, or has control characters');
  if (signatures !== "required" && signatures !== "optional")
    throw invalid('"signatures" is neither "required" nor "optional"');
  if (!Number.isSafeInteger(expiryDays) || expiryDays < 1 || expiryDays > MAX_EXPIRY_DAYS)
    throw invalid(`"expiryDays" is ${JSON.stringify(expiryDays)}, allowed are 1 to ${MAX_EXPIRY_DAYS}`);
  return { name, signatures, expiryDays };
}

/**
 * Reads the settings file.
 * @throws {StaticRegistryError} `STATIC_SETTINGS_INVALID`
 */
export function parseSettings(text: string): StaticSettings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("the file is not JSON");
  }
  if (typeof value !== "object" || value === null) throw invalid("the file is not an object");
  return checkSettings(value as StaticSettings);
}

/** The settings file. */
export function renderSettings(settings: StaticSettings): string {
  return `${JSON.stringify(checkSettings(settings), undefined, 2)}\n`;
}

/** How long each file is good for: what changes rarely longer than the timestamp, so that a renewal renews little. */
export function lifetimesOf({ expiryDays }: StaticSettings): MetadataLifetimes {
  const days = expiryDays * DAY_MS;
  return { timestampMs: days, snapshotMs: 2 * days, targetsMs: 4 * days, binsMs: 4 * days };
}

/** What the log's policy entries state the digest of. */
export function policyText({ signatures }: Pick<StaticSettings, "signatures">): string {
  return encodeCanonicalJson({ signatures });
}
