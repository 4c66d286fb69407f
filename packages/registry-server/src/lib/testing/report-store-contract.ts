import { canonicalName, parsePackageName, type CanonicalName } from "@lading/core-manifest";
import type { MetadataStore } from "../ports.ts";
import { dayOf } from "../reports/report-store.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakeDigest, fakePublication } from "./fixtures.ts";

const DAY = 86_400_000;
const AT = fakeAudit().at;
const ADA = fakeAccount("ada");
const BOB = fakeAccount("bob");
const named = (name: string): CanonicalName => canonicalName(parsePackageName(name));

/** Checks what `ReportStore` promises, on the stores of a metadata store. */
export function reportStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("counts downloads by day, publishers, versions and bytes of the packages that are asked for", async (store) => {
    for (const account of [ADA, BOB]) await store.createAccount(account, fakeAudit());
    await store.publish(fakePublication(ADA, "tool", "1.0.0", { tree: 1, at: AT - 9 * DAY }));
    await store.publish(fakePublication(ADA, "tool", "1.1.0", { tree: 2, at: AT }));
    await store.publish(fakePublication(BOB, "tool", "1.2.0", { tree: 3, at: AT, override: true }));
    await store.publish(fakePublication(ADA, "other", "1.0.0", { tree: 4, at: AT }));
    await store.addDownloads(new Map([[fakeDigest(1), 2]]), AT - 5 * DAY);
    await store.addDownloads(
      new Map([
        [fakeDigest(1), 3],
        [fakeDigest(2), 1],
        [fakeDigest(99), 7],
      ]),
      AT,
    );
    await store.addDownloads(new Map([[fakeDigest(3), 1]]), AT + 1000);
    const query = { packages: [named("tool"), named("none")], first: dayOf(AT - 2 * DAY), last: dayOf(AT) };
    const usage = {
      package: "tool",
      downloads: [{ day: dayOf(AT), count: 5 }],
      publishers: [
        { username: "ada", versions: 1 },
        { username: "bob", versions: 1 },
      ],
      versions: 3,
      bytes: 306,
    };
    same(await store.reports.usage(query), [usage], "three days");
    const [longer] = await store.reports.usage({ ...query, first: dayOf(AT - 5 * DAY) });
    same(
      longer?.downloads,
      [
        { day: dayOf(AT - 5 * DAY), count: 2 },
        { day: dayOf(AT), count: 5 },
      ],
      "six days",
    );
    same(
      (await store.reports.usage({ ...query, packages: [named("other"), named("tool")] })).map((one) => one.package),
      ["other", "tool"],
      "by name",
    );
    same(await store.reports.usage({ ...query, packages: [] }), [], "none");
  });
  it("names an organisation's packages with its teams", async (store) => {
    await store.createAccount(ADA, fakeAudit());
    await store.organisations.createOrganisation({ id: "o", name: "acme", created: 1 }, ADA, fakeAudit());
    const team = { id: "t", name: "core", role: "publish", created: 1 } as const;
    await store.organisations.createTeam({ ...team, organisationId: "o" }, fakeAudit());
    await store.organisations.claimNamespace(
      { name: "acme", organisationId: "o", skeleton: "acme", proof: "name", created: 1 },
      fakeAudit(),
    );
    for (const [name, tree] of [
      ["acme/lib", 1],
      ["tool", 2],
      ["foreign", 3],
    ] as const)
      await store.publish(fakePublication(ADA, name, "1.0.0", { tree }));
    await store.organisations.addOwnerTeam(named("tool"), { ...team, organisation: "acme" }, fakeAudit());
    const found = [
      { package: "acme/lib", teams: [] },
      { package: "tool", teams: ["core"] },
    ];
    same(await store.reports.packagesOf("o"), found, "packages");
    same(await store.reports.packagesOf("none"), [], "of another");
  });
  it("tells each version's licence, some at a time", async (store) => {
    await store.createAccount(ADA, fakeAudit());
    await store.publish(fakePublication(ADA, "tool", "1.0.0", { tree: 1, at: AT, manifest: { license: "MIT" } }));
    await store.publish(
      fakePublication(ADA, "tool", "2.0.0", { tree: 2, at: AT + 1, manifest: { license: "Apache-2.0" } }),
    );
    await store.publish(fakePublication(ADA, "other", "1.0.0", { tree: 3, at: AT + 2 }));
    const first = await store.reports.licensedVersions(0, 2);
    same(
      first.map(({ package: name, version, license, published }) => [name, version, license, published]),
      [
        ["tool", "1.0.0", "MIT", AT],
        ["tool", "2.0.0", "Apache-2.0", AT + 1],
      ],
      "first",
    );
    const rest = await store.reports.licensedVersions(first.at(-1)!.id, 2);
    same(
      rest.map(({ package: name, license }) => [name, license]),
      [["other", undefined]],
      "rest",
    );
    same(await store.reports.licensedVersions(rest.at(-1)!.id, 2), [], "no more");
  });
}
