import { canonicalName, parsePackageName, parseVersion } from "@lading/core-manifest";
import type { PolicyFinding } from "../governance/publication-policy.ts";
import type { Review, SubmitOutcome } from "../governance/review-store.ts";
import type { MetadataStore, Publication } from "../ports.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakeDigest, fakePublication } from "./fixtures.ts";

const FINDING: PolicyFinding = { rule: "review", action: "hold", problem: "it is reviewed", reviewers: ["rita"] };
const TOOL = canonicalName(parsePackageName("tool"));
const ONE = parseVersion("1.0.0");
const PAGE = { page: 1, perPage: 10 };

async function withPeople(store: MetadataStore): Promise<void> {
  for (const name of ["ada", "bob", "rita"]) await store.createAccount(fakeAccount(name), fakeAudit());
}

function submit(store: MetadataStore, id: string, publication: Publication, at = 10): Promise<SubmitOutcome> {
  const audit = fakeAudit({ at, actor: publication.account.username, action: "review.submit" });
  return store.reviews.submit({ id, publication, findings: [FINDING], audit });
}

function of(name: string, version = "1.0.0", tree = 1, account = "ada", target = "any"): Publication {
  return fakePublication(fakeAccount(account), name, version, { tree, target });
}

const step = (id: string, action: string, at = 20) => ({
  id,
  audit: fakeAudit({ at, actor: "rita", action }),
  check: () => {},
});

async function actions(store: MetadataStore): Promise<readonly string[]> {
  const { items } = await store.audits({ page: 1, perPage: 100 });
  return items.map(({ action }) => action).filter((action) => action !== "test");
}

/** Checks what `ReviewStore` promises, on the stores of a metadata store. */
export function reviewStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("holds a publication without a trace in what is published", async (store) => {
    await withPeople(store);
    const before = await store.logEntries(0, 100);
    const outcome = await submit(store, "r1", of("tool"));
    same(outcome.status, "held", "held");
    same(
      [(outcome as { review: Review }).review.state, await store.reviews.review("none")],
      ["held", undefined],
      "state",
    );
    same((await store.reviews.review("r1"))?.publication.account.passwordHash, "", "no secret is kept");
    same(await store.package(TOOL), undefined, "no package");
    same([await store.versions(TOOL), await store.indexDocument(TOOL)], [[], undefined], "no version");
    same((await store.feed(1, 10)).entries, [], "no change");
    same(await store.pendingMetadataUpdates(10), [], "nothing to sign");
    same((await store.logEntries(0, 100)).length, before.length, "no entry");
    const counts = await store.counts();
    same([counts.packages, counts.versions], [0, 0], "not counted");
    same(await store.reviews.heldBlobs(), [fakeDigest(1)], "its file is nobody's");
    same((await store.referencedBlobs()).has(fakeDigest(1)), true, "and kept");
    same(await actions(store), ["review.submit"], "recorded");
  });
  it("takes name, number and bytes while something waits", async (store) => {
    await withPeople(store);
    await submit(store, "r1", of("tool"));
    same((await submit(store, "r2", of("tool"))).status, "same", "the same bytes");
    same((await submit(store, "r3", of("tool", "1.0.0", 2))).status, "conflict", "other bytes");
    same((await submit(store, "r4", of("tool", "1.0.0", 2, "ada", "x86_64-linux"))).status, "held", "another target");
    same((await submit(store, "r5", of("tool", "2.0.0", 3, "bob"))).status, "name-taken", "another's name");
    same(await store.reviews.submittersOf(TOOL), ["id-ada"], "submitters");
    same((await store.reviews.reviewsOf(TOOL, ONE)).length, 2, "of the version");
    same(await actions(store), ["review.submit", "review.submit"], "only what was held is recorded");
  });
  it("asks who owns the package", async (store) => {
    await withPeople(store);
    await store.publish(of("tool"));
    same((await submit(store, "r1", of("tool", "2.0.0", 2, "bob"))).status, "not-owner", "a stranger");
    same((await submit(store, "r2", { ...of("tool", "2.0.0", 2, "bob"), override: true })).status, "held", "an admin");
  });
  it("publishes what was agreed to, at that time and in its publisher's name", async (store) => {
    await withPeople(store);
    await submit(store, "r1", of("tool"));
    const done = await store.reviews.approve(step("r1", "review.approve", 5000));
    same(
      [done?.outcome.status, done?.review.state, done?.review.decidedBy],
      ["created", "published", "rita"],
      "outcome",
    );
    const version = await store.version(TOOL, ONE);
    same([version?.publisher, version?.published, version?.status], ["ada", 5000, "active"], "version");
    same(await store.owners(TOOL), ["ada"], "owner");
    same((await store.feed(1, 10)).entries.length, 1, "one change");
    same((await store.logEntries(0, 10)).length, 1, "one entry");
    same(await store.reviews.heldBlobs(), [], "readable");
    same(await store.reviews.submittersOf(TOOL), [], "nobody waits");
    same(await actions(store), ["review.approve", "package.publish", "review.submit"], "recorded");
    const { items } = await store.audits({ ...PAGE, action: "package.publish" });
    same([items[0]?.actor, items[0]?.details["approvedBy"]], ["ada", "rita"], "who did what");
  });
  it("changes nothing where the step is refused, the review unknown, or the version cannot be published", async (store) => {
    await withPeople(store);
    await submit(store, "r1", of("tool"));
    const refused = { ...step("r1", "review.approve"), check: () => void JSON.parse("refused") };
    same(await store.reviews.approve(refused).catch(() => "thrown"), "thrown", "approve");
    same(await store.reviews.reject({ ...refused, reason: "x" }).catch(() => "thrown"), "thrown", "reject");
    same(await store.reviews.appeal({ ...refused, text: "x" }).catch(() => "thrown"), "thrown", "appeal");
    same(await store.reviews.approve(step("none", "review.approve")), undefined, "unknown");
    await store.publish(of("tool", "1.0.0", 9, "bob"));
    const done = await store.reviews.approve(step("r1", "review.approve"));
    same([done?.outcome.status, done?.review.state], ["not-owner", "held"], "the name is another's by now");
    same((await actions(store)).includes("review.approve"), false, "not recorded");
  });
  it("rejects with a reason, hears an appeal, and frees the number for other bytes", async (store) => {
    await withPeople(store);
    await submit(store, "r1", of("tool"));
    const rejected = await store.reviews.reject({ ...step("r1", "review.reject"), reason: "no tests" });
    same([rejected?.state, rejected?.reason, rejected?.decidedBy], ["rejected", "no tests", "rita"], "rejected");
    same((await submit(store, "r2", of("tool"))).status, "rejected", "the same bytes");
    same(await store.reviews.submittersOf(TOOL), [], "the name is free");
    same(await store.reviews.heldBlobs(), [fakeDigest(1)], "its file stays unread");
    const appealed = await store.reviews.appeal({ ...step("r1", "review.appeal", 30), text: "it has tests" });
    same([appealed?.state, appealed?.appeal, appealed?.updated], ["appealed", "it has tests", 30], "appealed");
    same((await submit(store, "r3", of("tool", "1.0.0", 2))).status, "conflict", "the number is taken again");
    await store.reviews.reject({ ...step("r1", "review.reject", 40), reason: "still none" });
    same((await submit(store, "r4", of("tool", "1.0.0", 2))).status, "held", "other bytes");
  });
  it("rejects what waits of an account that is deleted, and publishes nothing in its name any more", async (store) => {
    await withPeople(store);
    await submit(store, "r1", of("tool"));
    await submit(store, "r2", of("other", "1.0.0", 2));
    await submit(store, "r3", of("mine", "1.0.0", 3, "bob"));
    await store.reviews.reject({ ...step("r2", "review.reject"), reason: "no tests" });
    const { id } = fakeAccount("ada");
    const deletion = fakeAudit({ at: 30, actor: "ada", action: "account.delete" });
    same((await store.accounts.deleteAccount(id, deletion)).status, "deleted", "deleted");
    const shown = async (review: string): Promise<unknown> => {
      const { state, reason, decidedBy, updated } = (await store.reviews.review(review))!;
      return { state, reason, decidedBy, updated };
    };
    const ended = { state: "rejected", reason: "account deleted", decidedBy: "ada", updated: 30 };
    same(await shown("r1"), ended, "what waited");
    same(await shown("r2"), { ...ended, reason: "no tests", decidedBy: "rita", updated: 20 }, "what was decided");
    same((await store.reviews.review("r3"))?.state, "held", "another's");
    same(await store.reviews.submittersOf(TOOL), [], "the name is free");
    const done = await store.reviews.approve(step("r1", "review.approve", 40));
    same([done?.outcome.status, done?.review.state], ["publisher-deleted", "rejected"], "not in its name");
    same([await store.package(TOOL), await store.versions(TOOL)], [undefined, []], "nothing is published");
    same((await actions(store)).includes("review.approve"), false, "not recorded");
  });
  it("forgets a review that is still as it was seen, and with it its files", async (store) => {
    await withPeople(store);
    await submit(store, "r1", of("tool"));
    await store.reviews.reject({ ...step("r1", "review.reject", 20), reason: "no" });
    const forget = (state: Review["state"], updated: number): Promise<boolean> =>
      store.reviews.forget({ id: "r1", state, updated, audit: step("r1", "review.forget").audit });
    same([await forget("held", 20), await forget("rejected", 10)], [false, false], "it is not as it was seen");
    same(await forget("rejected", 20), true, "forgotten");
    same(await forget("rejected", 20), false, "once");
    same([await store.reviews.review("r1"), await store.reviews.heldBlobs()], [undefined, []], "nothing is left");
    same((await store.referencedBlobs()).has(fakeDigest(1)), false, "nor are its files needed");
    same((await actions(store)).filter((action) => action === "review.forget").length, 1, "recorded once");
    same((await submit(store, "r2", of("tool"))).status, "held", "the same bytes are new again");
  });
  it("shows a step what else of the package waits", async (store) => {
    await withPeople(store);
    await submit(store, "r1", of("tool"));
    await submit(store, "r2", of("tool", "2.0.0", 2));
    await submit(store, "r3", of("other", "1.0.0", 3));
    const seen: string[][] = [];
    const check = (current: Review, others: readonly Review[]): void => {
      seen.push([current.id, ...others.map(({ id }) => id)]);
    };
    await store.reviews.reject({ ...step("r1", "review.reject"), check, reason: "no" });
    await store.reviews.reject({ ...step("r2", "review.reject"), check, reason: "no" });
    same(seen, [["r1", "r2"], ["r2"]], "open ones alone");
  });
  it("lists reviews newest first, to whom they concern", async (store) => {
    await withPeople(store);
    await store.publish(of("owned", "1.0.0", 7, "bob"));
    await submit(store, "r1", of("tool"), 10);
    await submit(store, "r2", of("other", "1.0.0", 2), 20);
    await submit(store, "r3", { ...of("owned", "2.0.0", 3), override: true }, 30);
    await store.reviews.reject({ ...step("r2", "review.reject"), reason: "no" });
    const ids = async (query: object = {}): Promise<readonly string[]> =>
      (await store.reviews.reviews({ ...PAGE, ...query })).items.map(({ id }) => id);
    same(await ids(), ["r3", "r2", "r1"], "all");
    same(await ids({ states: ["held"] }), ["r3", "r1"], "state");
    same(await ids({ package: TOOL }), ["r1"], "package");
    same(await ids({ visibleTo: { accountId: "id-bob", reviewers: ["bob"] } }), ["r3"], "owner");
    same(await ids({ visibleTo: { accountId: "id-ada", reviewers: [] } }), ["r3", "r2", "r1"], "publisher");
    same(await ids({ visibleTo: { accountId: "id-rita", reviewers: ["rita"] } }), ["r3", "r2", "r1"], "reviewer");
    const page = await store.reviews.reviews({ page: 2, perPage: 2 });
    same([page.items.map(({ id }) => id), page.total], [["r1"], 3], "pages");
  });
}
