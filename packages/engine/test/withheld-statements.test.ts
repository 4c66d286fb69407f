import type { IndexDocument } from "@lading/core-manifest";
import type { RegistryClient } from "@lading/registry-client";
import type { KeyEvent, LogEvent } from "@lading/signing/log";
import { describe, expect, it } from "vitest";
import { KeyChanges } from "../src/lib/withheld-statements.ts";

const STOLEN = `ed25519:${"1".repeat(64)}`;
const NEXT = `ed25519:${"2".repeat(64)}`;
const TIME = "2030-01-01T00:00:00Z";

const change = (rest: Partial<KeyEvent>): KeyEvent => ({
  type: "key",
  change: "revoke",
  time: TIME,
  account: "ann",
  key: STOLEN,
  statement: `sha256:${"3".repeat(64)}` as NonNullable<KeyEvent["statement"]>,
  ...rest,
});

/** A registry whose index lists these entries of changes, from the so-manieth look on. */
function registry(listed: readonly number[], from = 1, by = { publisher: "ann", signers: [STOLEN] }) {
  let looks = 0;
  const client = {
    registry: { name: "main" },
    packageDocument: () => {
      looks += 1;
      const versions = [{ version: "1.0.0", ...by }];
      const keys = looks >= from ? listed.map((entry) => ({ entry })) : [];
      return Promise.resolve({ name: "tool", versions, extra: { keys } } as unknown as IndexDocument);
    },
  };
  return { client: client as unknown as RegistryClient, looks: () => looks };
}

function logged(...events: readonly KeyEvent[]): KeyChanges {
  const changes = new KeyChanges();
  for (const [at, event] of events.entries()) changes.note({ index: at + 10, event });
  return changes;
}

const noPause = (): Promise<void> => Promise.resolve();

describe("KeyChanges.requireListed()", () => {
  it.each([
    ["revocation", change({})],
    ["rotation", change({ change: "rotate", key: NEXT, previous: STOLEN })],
    ["recovery", change({ change: "recover", key: NEXT, previous: STOLEN })],
  ])("refuses an index that leaves out a %s that the log has", async (_, event) => {
    const { client } = registry([11]);
    await expect(logged(event).requireListed(client, ["tool"], noPause)).rejects.toMatchObject({
      code: "PUBLISHER_STATEMENT_WITHHELD",
      message: expect.stringContaining("entry 10") as string,
      hint: expect.stringContaining("An attack would look like this") as string,
    });
  });

  it("counts what is listed, and gives a registry the time to show what it has just logged", async () => {
    const late = registry([10, 11], 3);
    expect(
      await logged(change({}), change({ key: NEXT, previous: STOLEN })).requireListed(late.client, ["tool"], noPause),
    ).toBe(2);
    expect(late.looks()).toBe(3);
  });

  it.each([
    ["whoever is said to have published it", { publisher: "mallory", signers: [STOLEN] }],
    ["whoever is said to have signed it: the log says who did", { publisher: "mallory", signers: [] }],
  ])("refuses an index that leaves out a revocation, %s", async (_, by) => {
    const changes = logged(change({}));
    const artifacts = [{ target: "any", signers: [STOLEN] }];
    const publish = { type: "publish", time: TIME, name: "tool", version: "1.0.0", kind: "binary", artifacts };
    changes.note({ index: 9, event: publish as unknown as LogEvent });
    const { client } = registry([], 1, by);
    await expect(changes.requireListed(client, ["tool"], noPause)).rejects.toMatchObject({
      code: "PUBLISHER_STATEMENT_WITHHELD",
    });
  });

  it("leaves alone what concerns other keys, and keys that were added or removed by hand", async () => {
    const { statement: _, ...byHand } = change({});
    const other = [change({ key: NEXT }), change({ change: "add" }), byHand];
    expect(await logged(...other).requireListed(registry([]).client, ["tool"], noPause)).toBe(0);
  });

  it("lets the registry's client remember what an index has to list, and nothing else", async () => {
    const noted: unknown[] = [];
    const trust = { noteKeyChanges: (changes: readonly unknown[]) => Promise.resolve(noted.push(...changes)) };
    const client = { trust } as unknown as RegistryClient;
    const { statement: _, ...byHand } = change({});
    await logged(byHand).remember(client);
    expect(noted).toEqual([]);
    await logged(byHand, change({ change: "rotate", key: NEXT, previous: STOLEN })).remember(client);
    const known = { entry: 11, logged: TIME, account: "ann", change: "rotate", key: NEXT, previous: STOLEN };
    expect(noted).toEqual([{ ...known, packages: [] }]);
  });
});
