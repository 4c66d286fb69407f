import type { MetadataStore } from "../ports.ts";
import type { UpstreamFile } from "../upstream/upstream-store.ts";
import { same } from "./contract.ts";
import { fakeAudit, fakeDigest } from "./fixtures.ts";

function file(path: string, change: Partial<UpstreamFile> = {}): UpstreamFile {
  return { path, digest: fakeDigest(1), held: true, published: 0, ...change };
}

/** Checks what `UpstreamStore` promises, on the stores of a metadata store. */
export function upstreamStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("keeps the files of each upstream apart, by path", async ({ upstreams }) => {
    const tool = file("blobs/sha256/aa", { package: "company/tool", version: "1.0.0", published: 5, held: false });
    await upstreams.update({ upstream: "one", put: [file("index/b"), file("index/a"), tool], at: 1 });
    await upstreams.update({ upstream: "two", put: [file("index/c")], at: 1 });
    same(await upstreams.file("one", "blobs/sha256/aa"), tool, "file");
    same(await upstreams.file("two", "blobs/sha256/aa"), undefined, "file of another");
    same(
      (await upstreams.files("one", "index/")).map(({ path }) => path),
      ["index/a", "index/b"],
      "by prefix",
    );
    same(await upstreams.files("one", "INDEX/"), [], "capitals differ");
  });

  it("changes the state of an upstream and its files together, for one of two servers", async ({ upstreams }) => {
    const first = { upstream: "one", put: [file("a")], state: { text: "1", follows: undefined }, at: 1 };
    same(await upstreams.update(first), true, "first");
    same(await upstreams.update({ ...first, put: [file("b")] }), false, "another first");
    same(await upstreams.file("one", "b"), undefined, "nothing of it");
    same(await upstreams.update({ ...first, put: [file("b")], state: { text: "2", follows: "1" } }), true, "next");
    same(await upstreams.state("one"), "2", "state");
    same(await upstreams.state("two"), undefined, "state of another");
  });

  it("keeps a file held under the same digest, and not under another", async ({ upstreams }) => {
    const put = (change: Partial<UpstreamFile>): Promise<boolean> =>
      upstreams.update({ upstream: "one", put: [file("a", change)], at: 1 });
    await put({});
    await put({ held: false, version: "1.0.0" });
    same(await upstreams.file("one", "a"), file("a", { version: "1.0.0" }), "same digest");
    await put({ held: false, digest: fakeDigest(2) });
    same((await upstreams.file("one", "a"))?.held, false, "another digest");
  });

  it("serves superseded files until they are forgotten, and names those that are held as referenced", async (store) => {
    const { upstreams } = store;
    const old = file("old", { digest: fakeDigest(3) });
    await upstreams.update({ upstream: "one", put: [old, file("gone"), file("dark", { held: false })], at: 1 });
    await upstreams.update({ upstream: "one", put: [], superseded: ["old"], removed: ["gone"], at: 100 });
    same(await upstreams.file("one", "old"), old, "superseded");
    same(
      (await upstreams.files("one", "")).map(({ path }) => path),
      ["dark"],
      "not listed",
    );
    same((await store.referencedBlobs()).has(fakeDigest(3)), true, "referenced");
    same((await store.referencedBlobs()).has(fakeDigest(1)), false, "without bytes");
    await upstreams.update({ upstream: "one", put: [], at: 200, forgetBefore: 100 });
    same(await upstreams.file("one", "old"), old, "not yet");
    await upstreams.update({ upstream: "one", put: [], at: 200, forgetBefore: 101 });
    same(await upstreams.file("one", "old"), undefined, "forgotten");
  });

  it("grants and revokes exceptions with their audit records", async (store) => {
    const { upstreams } = store;
    const exception = {
      upstream: "one",
      package: "tool",
      version: "1.0.0",
      reason: "a fix",
      by: "ada",
      created: 1,
      expires: 9,
    };
    await upstreams.grant(exception, fakeAudit({ action: "upstream.except" }), Uint8Array.of(1, 2));
    same((await store.logEntries(0, 9)).length, 1, "logged");
    await upstreams.grant({ ...exception, reason: "the fix" }, fakeAudit({ action: "upstream.except" }));
    same(await upstreams.exceptions(), [{ ...exception, reason: "the fix" }], "granted");
    same(await upstreams.revoke({ ...exception, version: "2.0.0" }, fakeAudit()), false, "another");
    same(await upstreams.revoke(exception, fakeAudit({ action: "upstream.revoke" })), true, "revoked");
    same(await upstreams.exceptions(), [], "none");
    const { items } = await store.audits({ page: 1, perPage: 10 });
    const actions = items.map(({ action }) => action);
    same(actions, ["upstream.revoke", "upstream.except", "upstream.except"], "audit");
  });
}
