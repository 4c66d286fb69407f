import { canonicalName, parsePackageName, parseVersion } from "@lading/core-manifest";
import { describe, expect, it } from "vitest";
import { DEFAULT_UPLOADS } from "../src/lib/uploads/upload-options.ts";
import { fakeAccount, fakeAudit, fakeDigest } from "../src/lib/testing/fixtures.ts";
import { UploadService } from "../src/lib/uploads/upload-service.ts";
import type { UploadSession, UploadStore } from "../src/lib/uploads/upload-store.ts";
import { FakeClock, MemoryMetadataStore, MemoryUploadStore } from "../src/testing.ts";

const START = 1_000_000;
const MINUTE_MS = 60_000;
const name = parsePackageName("tool");
const session: UploadSession = {
  id: "one",
  accountId: "id-ada",
  tree: "",
  declared: {
    name,
    canonical: canonicalName(name),
    version: parseVersion("1.0.0"),
    target: "any",
    blob: fakeDigest(1),
    size: 10,
  },
  created: START,
  expires: START + DEFAULT_UPLOADS.leaseMs,
};

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(10);
}

describe("UploadService.cancel()", () => {
  it("forgets what is sent to an address of the storage after the upload was ended", async () => {
    const [clock, metadata, memory] = [new FakeClock(START), new MemoryMetadataStore(), new MemoryUploadStore()];
    const store: UploadStore = Object.assign(memory, {
      partAddress: async () => ({ url: "https://bucket.example.com/one/0", headers: {} }),
    });
    const service = new UploadService({ metadata, store, clock, options: DEFAULT_UPLOADS });
    await metadata.createAccount(fakeAccount("ada"), fakeAudit());
    await metadata.uploads.open(session, { open: 1, now: START }, fakeAudit());
    await service.partAddress(session, 0);
    await service.cancel(session, fakeAudit({ action: "upload.cancel" }));
    const again = { ...session, id: "two" };
    const opened = await metadata.uploads.open(again, { open: 1, now: START }, fakeAudit());
    expect(opened.status, "no upload that is under way").toBe("created");
    clock.advance(14 * MINUTE_MS);
    await store.put("one", 0, bytes());
    await service.sweep();
    expect(await metadata.uploads.session("one"), "while the address is good").toBeDefined();
    clock.advance(3 * MINUTE_MS);
    await service.sweep();
    expect(await store.parts("one")).toEqual([]);
    expect(await metadata.uploads.session("one")).toBeUndefined();
    expect(await metadata.uploads.session("two")).toEqual(again);
  });
});
