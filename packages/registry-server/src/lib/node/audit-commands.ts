import { checkAuditTrail, type AuditReport } from "../governance/audit-check.ts";
import { AUDIT_FORMATS, exportAudit, type AuditFormat } from "../governance/audit-export.ts";
import type { AuditFilter, SealedHead } from "../governance/audit-trail.ts";
import { RegistryError } from "../registry-error.ts";
import type { TrustService } from "../trust/trust-service.ts";
import type { ServerIo } from "./server-io.ts";
import type { Stores } from "./stores.ts";

/** The stores of a registry, or of a tree of private packages, and its log where it has keys. */
export interface AuditedPlace {
  readonly stores: Stores;
  readonly trust: TrustService | undefined;
}

/** What {@link verifyAudit} found. */
export interface AuditVerification extends AuditReport {
  /** Whether the log's entries are those that were signed for; `unsigned` where the registry has no keys. */
  readonly log: "signed" | "unsigned" | "altered";
}

async function logState({ trust }: AuditedPlace): Promise<AuditVerification["log"]> {
  if (trust === undefined) return "unsigned";
  try {
    await trust.verifyLog();
    return "signed";
  } catch (error) {
    if (error instanceof RegistryError && error.code === "METADATA_DAMAGED") return "altered";
    throw error;
  }
}

/** Checks an audit trail, and the log that states its heads. */
export async function verifyAudit(place: AuditedPlace): Promise<AuditVerification> {
  return { ...(await checkAuditTrail(place.stores.metadata)), log: await logState(place) };
}

/** Whether nothing is wrong. */
export function isWhole({ problems, log }: AuditVerification): boolean {
  return problems.length === 0 && log !== "altered";
}

/**
 * States the trail's head in the log.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID` where the registry has no keys to sign a log with
 */
export async function sealAudit({ stores, trust }: AuditedPlace): Promise<SealedHead | { readonly sealed: "already" }> {
  if (trust === undefined) {
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: "Cannot state the audit trail's head in the log: the registry has no keys to sign one with",
      hint: "Start the server once: it makes keys where there are none",
    });
  }
  return (await stores.metadata.auditTrail.seal({ at: Date.now(), intervalMs: 0 })) ?? { sealed: "already" };
}

const DAY = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/;

function readTime(flag: "since" | "until", text: string): number {
  const day = DAY.test(text);
  const at =
    day || INSTANT.test(text) ? Date.parse(day && flag === "until" ? `${text}T23:59:59.999Z` : text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use --${flag} "${text.slice(0, 60)}": allowed is a day as 2030-01-31, or a time as 2030-01-31T08:00:00Z`,
    hint: `Give --${flag} 2030-01-31`,
  });
}

function readFormat(text: string): AuditFormat {
  const format = AUDIT_FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use --format "${text.slice(0, 60)}": allowed are ${AUDIT_FORMATS.map((known) => `"${known}"`).join(" and ")}`,
    hint: "Give --format csv",
  });
}

/** What the flags of `admin audit export` ask for. */
export function readAuditExport(flags: Readonly<Record<string, string>>): {
  readonly format: AuditFormat;
  readonly filter: AuditFilter;
} {
  const { since, until, actor, action, package: name, format = "jsonl" } = flags;
  return {
    format: readFormat(format),
    filter: {
      ...(since === undefined ? {} : { since: readTime("since", since) }),
      ...(until === undefined ? {} : { until: readTime("until", until) }),
      ...(actor === undefined ? {} : { actor }),
      ...(action === undefined ? {} : { action }),
      ...(name === undefined ? {} : { package: name }),
    },
  };
}

/** Writes the records that the flags name, oldest first. */
export async function writeAudit(
  { stores }: AuditedPlace,
  io: ServerIo,
  options: ReturnType<typeof readAuditExport>,
): Promise<void> {
  for await (const piece of exportAudit(stores.metadata.auditTrail, options)) io.out(piece);
}
