import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "@lading/core-manifest";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../test/helpers.ts";
import { StoreIndex } from "./store-index.ts";

const digest = `sha256:${"0".repeat(64)}` as Digest;

it("StoreIndex.add() does not end the process when what it puts off fails; the next call tells", async () => {
  const file = join(temporaryDirectory(), "index.sqlite");
  const index = new StoreIndex(file);
  const other = new DatabaseSync(file);
  other.exec("ALTER TABLE packages RENAME TO away");
  const dates = { storedAt: 1, lastUsedAt: 1 };
  const stored = { tree: digest, blob: digest, name: "tool", version: "1.0.0", size: 0, fileCount: 0, ...dates };
  index.add({ package: { ...stored, signers: [] }, files: [] });
  await sleep(400);
  expect(index.get(digest)?.name).toBe("tool");
  expect(() => index.flush()).toThrow("no such table");
  other.exec("ALTER TABLE away RENAME TO packages");
  other.close();
  index.close();
  const again = new StoreIndex(file);
  expect(again.get(digest)?.name).toBe("tool");
  again.close();
});
