import { canonicalName, parsePackageName, parseVersion } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import type { QuotaCheck, UsageScope } from "../quotas/quota.ts";
import type { Account } from "../records.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakePublication } from "./fixtures.ts";

const canonical = (name: string) => canonicalName(parsePackageName(name));
const REGISTRY: UsageScope = { kind: "registry" };
const COMPANY: UsageScope = { kind: "organisation", name: "company", namespaces: ["company", "makers"] };
const userScope = ({ username, id }: Account): UsageScope => ({ kind: "user", username, accountId: id });
const packageScope = (name: string): UsageScope => ({ kind: "package", canonical: canonical(name) });

async function people(store: MetadataStore): Promise<readonly [Account, Account]> {
  const [ada, bob] = [fakeAccount("ada"), fakeAccount("bob")];
  for (const account of [ada, bob]) await store.createAccount(account, fakeAudit());
  return [ada, bob];
}

async function refusal(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
    return "done";
  } catch (error) {
    const { code, details } = error as { code: string; details: Record<string, unknown> };
    return [code, details["subject"], details["measure"], details["found"], details["allowed"]];
  }
}

/** Checks what `QuotaStore` promises, and what `MetadataStore` does about usage. */
export function quotaStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("keeps limits of subjects with their audit records", async (store) => {
    const { quotas } = store;
    await quotas.set("user:ada", { versions: 3 }, fakeAudit({ action: "quota.set" }));
    await quotas.set("registry", { bytes: 10, packages: 0 }, fakeAudit({ action: "quota.set" }));
    await quotas.set("user:ada", { bytes: 2 ** 40 }, fakeAudit({ action: "quota.set" }));
    const ada = { subject: "user:ada", limits: { bytes: 2 ** 40 } };
    same(await quotas.all(), [{ subject: "registry", limits: { bytes: 10, packages: 0 } }, ada], "all");
    same(await quotas.limits(["user:ada", "user:bob"]), [ada], "some");
    await quotas.set("registry", undefined, fakeAudit({ action: "quota.set" }));
    same(await quotas.all(), [ada], "forgotten");
    same((await store.audits({ page: 1, perPage: 9, action: "quota.set" })).total, 4, "audit");
  });
  it("counts packages, versions and bytes of accounts, namespaces, packages and all", async (store) => {
    const [ada, bob] = await people(store);
    await store.publish(fakePublication(ada, "tool", "1.0.0", { tree: 1 }));
    await store.publish(fakePublication(ada, "tool", "1.0.0", { tree: 2, target: "linux-x64" }));
    await store.publish(fakePublication(ada, "company/gear", "1.0.0", { tree: 3 }));
    await store.publish(fakePublication(bob, "makers/nut", "1.0.0", { tree: 4 }));
    same(await store.usage(REGISTRY), { packages: 3, versions: 3, bytes: 410 }, "all");
    same(await store.usage(userScope(ada)), { packages: 2, versions: 2, bytes: 306 }, "an account's");
    same(await store.usage(COMPANY), { packages: 2, versions: 2, bytes: 207 }, "in namespaces");
    same(await store.usage(packageScope("tool")), { packages: 1, versions: 1, bytes: 203 }, "a package's");
    same(await store.usage(packageScope("absent")), { packages: 0, versions: 0, bytes: 0 }, "nothing");
    const none: UsageScope = { kind: "organisation", name: "new", namespaces: [] };
    same(await store.usage(none), { packages: 0, versions: 0, bytes: 0 }, "without namespaces");
  });
  it("counts removed versions until their files may be deleted, and what waits or was rejected", async (store) => {
    const [ada] = await people(store);
    await store.publish(fakePublication(ada, "tool", "1.0.0", { tree: 1 }));
    await store.publish(fakePublication(ada, "tool", "2.0.0", { tree: 2 }));
    const publication = fakePublication(ada, "tool", "3.0.0", { tree: 3 });
    await store.reviews.submit({ id: "r1", publication, findings: [], audit: fakeAudit() });
    const take = (version: string, purge: boolean): Promise<unknown> =>
      store.setStatus({
        canonical: canonical("tool"),
        version: parseVersion(version),
        status: "removed",
        removal: { reason: 'says "purge":true', at: 1, purge, before: { status: "active" } },
        audit: fakeAudit(),
      });
    await take("1.0.0", false);
    same(await store.usage(userScope(ada)), { packages: 1, versions: 3, bytes: 306 }, "kept");
    await take("1.0.0", true);
    same(await store.usage(userScope(ada)), { packages: 1, versions: 2, bytes: 205 }, "given up");
    await store.reviews.reject({ id: "r1", reason: "no", check: () => {}, audit: fakeAudit() });
    for (const scope of [userScope(ada), REGISTRY, packageScope("tool")])
      same(await store.usage(scope), { packages: 1, versions: 2, bytes: 205 }, "rejected files are stored too");
  });
  it("refuses in the transaction what there is no room for, and leaves nothing of it", async (store) => {
    const [ada, bob] = await people(store);
    const limits = (check: QuotaCheck) => ({ quotas: [check] });
    const publish = (name: string, version: string, tree: number, check: QuotaCheck): Promise<unknown> =>
      store.publish({ ...fakePublication(ada, name, version, { tree }), ...limits(check) });
    const versions: QuotaCheck = { scope: userScope(ada), limits: { versions: 2 } };
    await publish("tool", "1.0.0", 1, versions);
    await publish("tool", "1.1.0", 2, versions);
    const found = ["QUOTA_EXCEEDED", "user:ada", "versions", 3, 2];
    same(await refusal(() => publish("gear", "1.0.0", 3, versions)), found, "too many versions");
    same(await store.package(canonical("gear")), undefined, "no name is left");
    const logged = (await store.logEntries(0, 99)).length;
    const bytes: QuotaCheck = { scope: packageScope("tool"), limits: { bytes: 203 } };
    const target = { ...fakePublication(ada, "tool", "1.0.0", { tree: 4, target: "linux-x64" }), ...limits(bytes) };
    same(
      await refusal(() => store.publish(target)),
      ["QUOTA_EXCEEDED", "package:tool", "bytes", 307, 203],
      "too many bytes",
    );
    same((await store.logEntries(0, 99)).length, logged, "nothing is logged");
    const same1 = { ...fakePublication(ada, "tool", "1.0.0", { tree: 1 }), ...limits(versions) };
    same((await store.publish(same1)).status, "same", "what is there needs no room");
    const packages: QuotaCheck = { scope: REGISTRY, limits: { packages: 1 } };
    same(await publish("tool", "1.2.0", 5, packages).then(() => "done"), "done", "a version of a known package");
    same(
      await refusal(() => publish("gear", "1.0.0", 6, packages)),
      ["QUOTA_EXCEEDED", "registry", "packages", 2, 1],
      "too many packages",
    );
    const waiting = { ...fakePublication(bob, "nut", "1.0.0", { tree: 7 }), ...limits(packages) };
    const submission = { id: "r1", publication: waiting, findings: [], audit: fakeAudit() };
    same(
      await refusal(() => store.reviews.submit(submission)),
      ["QUOTA_EXCEEDED", "registry", "packages", 2, 1],
      "nor may it wait",
    );
    same(await store.reviews.review("r1"), undefined, "nothing waits");
  });
  it("counts a name once that waits or was rejected, and lets no more names wait than are allowed", async (store) => {
    const [ada, bob] = await people(store);
    const scope = userScope(ada);
    const submit = (id: string, name: string, version: string, account = ada): Promise<unknown> => {
      const quotas: readonly QuotaCheck[] = [{ scope: userScope(account), limits: { packages: 2 } }];
      const publication = { ...fakePublication(account, name, version, { tree: Number(id) }), quotas };
      return store.reviews.submit({ id: `r${id}`, publication, findings: [], audit: fakeAudit() });
    };
    const found = ["QUOTA_EXCEEDED", "user:ada", "packages", 3, 2];
    await store.publish(fakePublication(ada, "tool", "1.0.0", { tree: 9 }));
    await submit("1", "tool", "1.1.0");
    same(await store.usage(scope), { packages: 1, versions: 2, bytes: 210 }, "of a published package");
    await submit("2", "gear", "1.0.0");
    same((await store.usage(scope)).packages, 2, "of a new name");
    same((await store.usage(packageScope("gear"))).packages, 1, "the name's own");
    same(await refusal(() => submit("3", "nut", "1.0.0")), found, "too many names");
    same(await refusal(() => submit("4", "gear", "1.1.0")), "done", "another version of the name");
    same((await store.usage(scope)).packages, 2, "once");
    await store.reviews.reject({ id: "r2", reason: "no", check: () => {}, audit: fakeAudit() });
    await store.reviews.reject({ id: "r4", reason: "no", check: () => {}, audit: fakeAudit() });
    same(await refusal(() => submit("5", "nut", "1.0.0")), found, "rejected ones are stored too");
    same(await refusal(() => submit("6", "gear", "1.0.0", bob)), "done", "another account's");
    same([(await store.usage(userScope(bob))).packages, (await store.usage(REGISTRY)).packages], [1, 2], "apart");
  });
  it("publishes what was taken in for a review, whatever the limits are by then", async (store) => {
    const [ada] = await people(store);
    const scope = userScope(ada);
    const publication = { ...fakePublication(ada, "tool", "1.0.0"), quotas: [{ scope, limits: { versions: 1 } }] };
    await store.reviews.submit({ id: "r1", publication, findings: [], audit: fakeAudit() });
    const approved = await store.reviews.approve({ id: "r1", check: () => {}, audit: fakeAudit() });
    same(approved?.outcome.status, "created", "approved");
    same(await store.usage(scope), { packages: 1, versions: 1, bytes: 101 }, "counted once");
  });
}
