import { canonicalName, parsePackageName, parseVersion } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import type { DeclaredUpload, UploadSession } from "../uploads/upload-store.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakeDigest } from "./fixtures.ts";

const LIMITS = { open: 3, now: 100 };

function declared(change: Partial<DeclaredUpload> = {}): DeclaredUpload {
  const name = parsePackageName("company/tool");
  const size = 1000;
  const version = parseVersion("1.0.0");
  return { name, canonical: canonicalName(name), version, target: "any", blob: fakeDigest(1), size, ...change };
}

function session(id: string, change: Partial<UploadSession> = {}): UploadSession {
  return { id, accountId: "id-ada", tree: "", declared: declared(), created: 100, expires: 200, ...change };
}

function other(id: string, digest: number, change: Partial<UploadSession> = {}): UploadSession {
  return session(id, { declared: declared({ blob: fakeDigest(digest) }), ...change });
}

/** Checks what `UploadSessionStore` promises, on the stores of a metadata store. */
export function uploadSessionStoreContract(
  it: (name: string, body: (store: MetadataStore) => Promise<void>) => void,
): void {
  const people = async (store: MetadataStore): Promise<void> => {
    for (const name of ["ada", "bob"]) await store.createAccount(fakeAccount(name), fakeAudit());
  };
  it("opens an upload once for what an account declares", async (store) => {
    await people(store);
    const { uploads } = store;
    const audit = fakeAudit({ action: "upload.open" });
    same(await uploads.open(session("one"), LIMITS, audit), { status: "created", session: session("one") }, "first");
    same(await uploads.session("one"), session("one"), "as stored");
    same(await uploads.session("two"), undefined, "another");
    const again = await uploads.open(session("two", { expires: 300 }), LIMITS, audit);
    same(again, { status: "known", session: session("one", { expires: 300 }) }, "the same again, prolonged");
    same((await uploads.open(session("two", { tree: "team" }), LIMITS, audit)).status, "created", "in another tree");
    same((await uploads.open(other("three", 2), LIMITS, audit)).status, "created", "other bytes");
    const bob = session("four", { accountId: "id-bob" });
    same((await uploads.open(bob, LIMITS, audit)).status, "created", "another account");
    const { items } = await store.audits({ page: 1, perPage: 20, action: "upload.open" });
    same(items.length, 4, "every upload that was opened is recorded once");
  });
  it("refuses more uploads than are allowed, of one account, of which expired and published ones are none", async (store) => {
    await people(store);
    const { uploads } = store;
    const audit = fakeAudit();
    for (const id of [1, 2, 3]) await uploads.open(other(`u${id}`, id), LIMITS, audit);
    same(await uploads.open(other("u4", 4), LIMITS, audit), { status: "too-many", found: 3 }, "too many");
    same((await uploads.open(other("b", 4, { accountId: "id-bob" }), LIMITS, audit)).status, "created", "another's");
    await uploads.finish("u1", { status: 201, body: "{}", location: "/x" });
    same((await uploads.open(other("u4", 4), LIMITS, audit)).status, "created", "after one was published");
    same((await uploads.open(other("u5", 5), { open: 3, now: 201 }, audit)).status, "created", "after all expired");
  });
  it("keeps the first answer to a publication, and opens the same upload anew after it", async (store) => {
    await people(store);
    const { uploads } = store;
    await uploads.open(session("one"), LIMITS, fakeAudit());
    const result = { status: 201, body: '{"name":"company/tool"}', location: "/api/v1/x" } as const;
    await uploads.finish("one", result);
    await uploads.finish("one", { status: 200, body: "{}", location: "" });
    same(await uploads.session("one"), session("one", { result }), "first answer");
    same((await uploads.open(session("two"), LIMITS, fakeAudit())).status, "created", "another upload");
  });
  it("tells what expired, oldest first, never shortens a life, and forgets", async (store) => {
    await people(store);
    const { uploads } = store;
    await uploads.open(other("late", 1, { expires: 190 }), LIMITS, fakeAudit());
    await uploads.open(other("early", 2, { expires: 150 }), LIMITS, fakeAudit());
    await uploads.open(other("long", 3), LIMITS, fakeAudit());
    await uploads.prolong("long", 400);
    await uploads.prolong("long", 300);
    same((await uploads.session("long"))?.expires, 400, "prolonged");
    same(await uploads.expired(150, 9), [], "not yet");
    same(await uploads.expired(300, 9), ["early", "late"], "expired");
    same(await uploads.expired(300, 1), ["early"], "some of them");
    same(await uploads.remove("early", fakeAudit({ action: "upload.expire" })), true, "forgotten");
    same(await uploads.remove("early", fakeAudit({ action: "upload.expire" })), false, "once");
    const cancel = fakeAudit({ action: "upload.cancel" });
    same(await uploads.end("long", 120, cancel), true, "ended");
    same([await uploads.end("long", 120, cancel), await uploads.end("none", 120, cancel)], [false, false], "once");
    same(await uploads.expired(300, 9), ["long", "late"], "ended before the other expired");
    same((await store.audits({ page: 1, perPage: 20, action: "upload.cancel" })).total, 1, "its end is recorded once");
    await uploads.remove("long", fakeAudit());
    const { items } = await store.audits({ page: 1, perPage: 20, action: "upload.expire" });
    same([items.length, await uploads.expired(300, 9)], [1, ["late"]], "recorded once");
  });
}
