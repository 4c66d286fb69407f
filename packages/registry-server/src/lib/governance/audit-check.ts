import { decodeLogEvent } from "@lading/signing/log";
import { LadingError } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import { CHAIN_START, auditRecords, chainHash, type AuditTrailStore, type ChainedRecord } from "./audit-trail.ts";

/** What is wrong with the audit trail. */
export type AuditProblem =
  /** The record is not what was written. */
  | { readonly problem: "altered"; readonly record: number }
  /** The record was not written there by the registry. */
  | { readonly problem: "inserted"; readonly record: number }
  /** The record stood elsewhere. */
  | { readonly problem: "moved"; readonly record: number }
  /** Between two records, one or more are gone or were written anew; 0 is the trail's beginning. */
  | { readonly problem: "missing"; readonly after: number; readonly before: number }
  /** The log states a head that is not in the trail: it was cut off, or written anew. */
  | { readonly problem: "not-as-logged"; readonly record: number; readonly leaf: number };

/** What {@link checkAuditTrail} found. */
export interface AuditReport {
  /** Records in the trail. */
  readonly records: number;
  /** Hash of the last one that is in place; absent where there is none. */
  readonly head?: string;
  /** Heads that the log states. */
  readonly sealed: number;
  /** Records after the last head that the log states. */
  readonly unsealed: number;
  readonly problems: readonly AuditProblem[];
  /** Problems beyond the first thousand, which are the ones listed. */
  readonly more: number;
}

const PROBLEMS_MAX = 1000;
const LOG_CHUNK = 1000;
const AUDIT_MARK = Buffer.from('"type":"audit"');

interface LoggedHead {
  readonly leaf: number;
  readonly record: number;
}

function readHead(entry: Uint8Array): { readonly hash: string; readonly record: number } | undefined {
  if (!Buffer.from(entry.buffer, entry.byteOffset, entry.length).includes(AUDIT_MARK)) return undefined;
  try {
    const event = decodeLogEvent(entry);
    if (event.type !== "audit") return undefined;
    return { hash: event.head.slice("sha256:".length), record: event.record };
  } catch (error) {
    // What is wrong with the log's own entries is found by hashing them.
    if (error instanceof LadingError) return undefined;
    throw error;
  }
}

/** The heads that the log states, by hash. */
async function loggedHeads(metadata: Pick<MetadataStore, "logEntries">): Promise<Map<string, LoggedHead>> {
  const heads = new Map<string, LoggedHead>();
  for (let from = 0; ; from += LOG_CHUNK) {
    const entries = await metadata.logEntries(from, LOG_CHUNK);
    for (const [at, entry] of entries.entries()) {
      const head = readHead(entry);
      if (head !== undefined) heads.set(head.hash, { leaf: from + at, record: head.record });
    }
    if (entries.length < LOG_CHUNK) return heads;
  }
}

/** Walks the chain, oldest record first. */
class ChainCheck {
  readonly problems: AuditProblem[] = [];
  more = 0;
  records = 0;
  /** Records in place since the last one whose hash was asked for. */
  sinceSealed = 0;
  last: { readonly id: number; readonly hash: string } = { id: 0, hash: CHAIN_START };
  readonly #trail: AuditTrailStore;
  readonly #moved = new Set<number>();
  /** Those that wait to be chained, unless a chained one follows. */
  #waiting: number[] = [];

  constructor(trail: AuditTrailStore) {
    this.#trail = trail;
  }

  tell(problem: AuditProblem): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
    else this.more += 1;
  }

  async add(record: ChainedRecord): Promise<void> {
    this.records += 1;
    this.sinceSealed += 1;
    const { id, hash, previous } = record;
    if (hash === "") {
      this.#waiting.push(id);
      return;
    }
    for (const waiting of this.#waiting.splice(0)) this.tell({ problem: "altered", record: waiting });
    if (hash === undefined || previous === undefined) {
      this.tell({ problem: "inserted", record: id });
      return;
    }
    const isOwn = chainHash(previous, record) === hash;
    if (!isOwn) this.tell({ problem: "altered", record: id });
    else if (previous !== this.last.hash && !(await this.#explain(id, previous))) return;
    this.last = { id, hash };
  }

  /** Tells why a record does not follow the one before it; `false` where it is the one that is out of place. */
  async #explain(id: number, previous: string): Promise<boolean> {
    const wanted = previous === CHAIN_START ? 0 : await this.#trail.recordOf(previous);
    if (wanted !== undefined && wanted > id) {
      this.#moved.add(id);
      this.tell({ problem: "moved", record: id });
      return false;
    }
    // What it follows was told of where it stands now.
    if (wanted !== undefined && this.#moved.has(wanted)) return true;
    if (wanted === undefined) this.tell({ problem: "missing", after: this.last.id, before: id });
    else await this.#tellInserted(wanted, id);
    return true;
  }

  async #tellInserted(after: number, before: number): Promise<void> {
    for (const { id } of await this.#trail.records({}, after, PROBLEMS_MAX))
      if (id < before) this.tell({ problem: "inserted", record: id });
  }
}

/**
 * Checks the audit trail of a registry, or of a tree: every record against its hash and the one before it, and every head
 * that the log states against the record that it names. Whether the log is the one that was signed is for the log's own check.
 */
export async function checkAuditTrail(
  metadata: Pick<MetadataStore, "auditTrail" | "logEntries">,
): Promise<AuditReport> {
  // Before the records: those that are added meanwhile are in the trail when their head is looked for.
  const heads = await loggedHeads(metadata);
  const unseen = new Map(heads);
  const check = new ChainCheck(metadata.auditTrail);
  for await (const record of auditRecords(metadata.auditTrail)) {
    await check.add(record);
    if (record.hash !== undefined && unseen.delete(record.hash)) check.sinceSealed = 0;
  }
  for (const head of unseen.values()) check.tell({ problem: "not-as-logged", ...head });
  const { records, last, problems, more } = check;
  return {
    records,
    ...(last.id === 0 ? {} : { head: last.hash }),
    sealed: heads.size,
    unsealed: check.sinceSealed,
    problems,
    more,
  };
}
