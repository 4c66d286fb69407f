import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { canonicalName, parsePackageName } from "@lading/core-manifest";
import { packageRow } from "../src/lib/node/sql-packages.ts";
import { SqliteMetadataStore } from "../src/node.ts";
import { fakeAccount, fakeAudit, fakePublication } from "../src/testing.ts";

let directory: string;
let store: SqliteMetadataStore;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-snapshots-"));
  store = new SqliteMetadataStore(join(directory, "registry.db"));
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

it("a snapshot of an SQLite store keeps its moment, and no read beside it is answered from that moment", async () => {
  const ada = fakeAccount("ada");
  const tool = canonicalName(parsePackageName("tool"));
  await store.createAccount(ada, fakeAudit());
  await store.publish(fakePublication(ada, "tool", "1.0.0", { tree: 1 }));
  let beside: Promise<unknown> = Promise.resolve();
  const seen = await store.engine.snapshot(async (session) => {
    const before = await packageRow(session, tool);
    await store.publish(fakePublication(ada, "tool", "2.0.0", { tree: 2 }));
    // It has to wait for the end of the snapshot, and is asked for before.
    beside = store.package(tool);
    return [before?.latest, (await packageRow(session, tool))?.latest];
  });
  expect(seen).toEqual(["1.0.0", "1.0.0"]);
  expect(await beside).toMatchObject({ latest: "2.0.0", sequence: 2 });
  expect(await store.package(tool)).toMatchObject({ latest: "2.0.0" });
});
