import { decodeLogEvent } from "@lading/signing/log";
import { checkAuditTrail } from "../governance/audit-check.ts";
import { CHAIN_START, auditRecords, chainHash, type ChainedRecord } from "../governance/audit-trail.ts";
import type { MetadataStore } from "../ports.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit } from "./fixtures.ts";

const AT = fakeAudit().at;
const HOUR = 3_600_000;

async function write(store: MetadataStore, name: string, change: Parameters<typeof fakeAudit>[0] = {}): Promise<void> {
  await store.createAccount(fakeAccount(name), fakeAudit(change));
}

async function trail(store: MetadataStore): Promise<ChainedRecord[]> {
  const found: ChainedRecord[] = [];
  for await (const record of auditRecords(store.auditTrail)) found.push(record);
  return found;
}

/** Checks what `AuditTrailStore` promises, on the stores of a metadata store. */
export function auditTrailStoreContract(
  it: (name: string, body: (store: MetadataStore) => Promise<void>) => void,
): void {
  it("chains every record to the one before it, whatever its text", async (store) => {
    const details = { z: 1, a: ["\ud800", 'quoted "text"', "\u2028"], 7: null };
    await write(store, "ada", { details, package: "tool", version: "1.0.0", traceId: "t", address: "::1" });
    await write(store, "bob", { actor: "broken \ud800 text" });
    await write(store, "cyd");
    const records = await trail(store);
    same(records.length, 3, "records");
    let previous = CHAIN_START;
    for (const one of records) {
      same(one.previous, previous, "previous");
      same(one.hash, chainHash(previous, one), "hash");
      previous = one.hash!;
    }
    same(JSON.parse(records[0]!.details), JSON.parse(JSON.stringify(details)), "details");
    same(await store.auditTrail.recordOf(previous), records[2]!.id, "by hash");
    same(await store.auditTrail.recordOf("ab".repeat(32)), undefined, "unknown hash");
  });

  it("chains writes that come in together, those that fail left out", async (store) => {
    await write(store, "ada");
    const names = Array.from({ length: 40 }, (_, at) => `user${at}`);
    // Every second one is there already and writes nothing.
    await Promise.all(names.flatMap((name) => [write(store, name), write(store, "ada")]));
    const { problems, records } = await checkAuditTrail(store);
    same({ problems, records }, { problems: [], records: 41 }, "whole");
  });

  it("gives records out oldest first, filtered, some at a time", async (store) => {
    for (const [at, name] of ["ada", "bob", "cyd", "dan"].entries())
      await write(store, name, { at: AT + at, actor: at % 2 === 0 ? "even" : "odd", package: name });
    const names = async (filter: Parameters<typeof store.auditTrail.records>[0], limit = 10): Promise<unknown> =>
      (await store.auditTrail.records(filter, 0, limit)).map((record) => record.package);
    same(await names({}), ["ada", "bob", "cyd", "dan"], "all");
    same(await names({}, 2), ["ada", "bob"], "limit");
    same(await names({ actor: "odd" }), ["bob", "dan"], "actor");
    same(await names({ package: "cyd" }), ["cyd"], "package");
    same(await names({ action: "other" }), [], "action");
    same(await names({ since: AT + 1, until: AT + 2 }), ["bob", "cyd"], "time, both ends included");
    const [first] = await store.auditTrail.records({}, 0, 1);
    same((await store.auditTrail.records({}, first!.id, 1))[0]?.package, "bob", "after");
  });

  it("states the head in the log when something was added and it is time", async (store) => {
    const seal = async (at: number, intervalMs = HOUR) => store.auditTrail.seal({ at, intervalMs });
    same(await seal(AT, 0), undefined, "nothing to state");
    await write(store, "ada");
    same(await seal(AT + HOUR - 1), undefined, "too early after the first record");
    const [both, none] = await Promise.all([seal(AT + HOUR), seal(AT + HOUR)]);
    same([both, none].filter((one) => one !== undefined).length, 1, "one of two");
    const { leaf, record, hash } = (both ?? none)!;
    const head = (await trail(store)).at(-1)!;
    same({ record, hash }, { record: head.id, hash: head.hash }, "head");
    const [entry] = await store.logEntries(leaf, 1);
    const event = decodeLogEvent(entry!);
    same(event.type === "audit" && [event.record, event.head], [record, `sha256:${hash}`], "entry");
    same(await seal(AT + 9 * HOUR), undefined, "nothing was added");
    await write(store, "bob");
    same(await seal(AT + 2 * HOUR - 1), undefined, "too early");
    same((await seal(AT + 2 * HOUR - 1, 0))?.leaf, leaf + 1, "at once");
    const report = await checkAuditTrail(store);
    same([report.sealed, report.unsealed, report.problems], [2, 0, []], "checked");
    await write(store, "cyd");
    same((await checkAuditTrail(store)).unsealed, 1, "one more");
  });
}
