import type { CanonicalName } from "@lading/core-manifest";
import { decodeLogEvent } from "@lading/signing/log";
import type { NewNameClaim, NewTransfer } from "../organisations/ownership-store.ts";
import type { MetadataStore } from "../ports.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakePublication } from "./fixtures.ts";

const ADA = fakeAccount("ada");
const BO = fakeAccount("bo");
const AT = fakeAudit().at;

async function world(store: MetadataStore): Promise<CanonicalName> {
  for (const account of [ADA, BO]) await store.createAccount(account, fakeAudit());
  await store.organisations.createOrganisation({ id: "o1", name: "acme", created: AT }, BO, fakeAudit());
  const team = { id: "t1", organisationId: "o1", name: "core", role: "maintain", created: AT } as const;
  await store.organisations.createTeam(team, fakeAudit());
  const publication = fakePublication(ADA, "tool", "1.0.0");
  await store.publish(publication);
  return publication.canonical;
}

function offer(canonical: CanonicalName, change: Partial<NewTransfer> = {}): NewTransfer {
  return { id: "x1", canonical, senderId: ADA.id, created: AT, expires: AT + 1000, ...change };
}

async function ownerEvents(store: MetadataStore, from: number): Promise<string[]> {
  const events = (await store.logEntries(from, 100)).map((entry) => decodeLogEvent(entry));
  return events.map((event) => (event.type === "owner" ? `${event.change} ${event.account}` : event.type));
}

/** Checks what `OwnershipStore` promises, on the stores of a metadata store. */
export function ownershipStoreContract(
  it: (name: string, body: (store: MetadataStore) => Promise<void>) => void,
): void {
  it("hands a package over to an account once, before the offer expires, in the log", async (store) => {
    const tool = await world(store);
    const { ownership } = store;
    const expired = offer(tool, { id: "x0", accountId: BO.id, expires: AT });
    same(await ownership.offerTransfer(expired, fakeAudit()), "offered", "one that expires at once");
    same(await ownership.offerTransfer(offer(tool, { accountId: BO.id }), fakeAudit()), "offered", "takes its place");
    same(await ownership.offerTransfer(offer(tool, { id: "x2" }), fakeAudit()), "exists", "one at a time");
    const shown = {
      id: "x1",
      package: "tool",
      sender: "ada",
      username: "bo",
      created: AT,
      expires: AT + 1000,
      state: "open",
    };
    same(await ownership.transfer("x1"), shown, "as stored");
    same(
      (await ownership.transfersFor(BO.id, [], AT)).map(({ id }) => id),
      ["x1"],
      "of the receiver",
    );
    same(
      (await ownership.transfersFor(ADA.id, [], AT)).map(({ id }) => id),
      ["x1"],
      "of the sender",
    );
    same(await ownership.transfersFor("nobody", ["acme"], AT), [], "of nobody else");
    same(await ownership.acceptTransfer("x1", { account: BO }, fakeAudit({ at: AT + 1000 })), "closed", "too late");
    const before = (await store.logEntries(0, 100)).length;
    const accept = () => ownership.acceptTransfer("x1", { account: BO }, fakeAudit());
    same((await Promise.all([accept(), accept()])).toSorted(), ["closed", "done"], "once");
    same(await store.owners(tool), ["bo"], "the only owner");
    same(await ownerEvents(store, before), ["add bo", "remove ada"], "the log");
  });

  it("hands a package over to a team, and from a team to an account", async (store) => {
    const tool = await world(store);
    const { ownership, organisations } = store;
    const core = (await organisations.team("acme", "core"))!;
    await ownership.offerTransfer(offer(tool, { organisationId: "o1" }), fakeAudit());
    same(
      (await ownership.transfersFor("nobody", ["acme"], AT)).map(({ organisation }) => organisation),
      ["acme"],
      "of an organisation",
    );
    const before = (await store.logEntries(0, 100)).length;
    await ownership.acceptTransfer("x1", { team: core }, fakeAudit());
    same([await store.owners(tool), (await organisations.ownerTeams(tool)).length], [[], 1], "the team alone");
    await ownership.offerTransfer(offer(tool, { id: "x2", senderId: BO.id, accountId: ADA.id }), fakeAudit());
    await ownership.acceptTransfer("x2", { account: ADA }, fakeAudit());
    same([await store.owners(tool), (await organisations.ownerTeams(tool)).length], [["ada"], 0], "the account alone");
    const told = ["add team:acme/core", "remove ada", "add ada", "remove team:acme/core"];
    same(await ownerEvents(store, before), told, "the log");
    await ownership.offerTransfer(offer(tool, { id: "x3", accountId: BO.id }), fakeAudit());
    same(await ownership.closeTransfer("x3", "declined", fakeAudit()), "done", "declined");
    same(await ownership.closeTransfer("x3", "withdrawn", fakeAudit()), "closed", "not again");
    same(await store.owners(tool), ["ada"], "nothing changed");
  });

  it("keeps claims of names, and gives a package to the claimant with the claim's end", async (store) => {
    const tool = await world(store);
    const { ownership } = store;
    const claim = (id: string): NewNameClaim => ({
      id,
      canonical: tool,
      accountId: BO.id,
      reason: "it is abandoned",
      created: AT,
      decidable: AT + 10,
    });
    same(await ownership.createClaim(claim("c1"), fakeAudit()), "created", "first");
    same(await ownership.createClaim(claim("c2"), fakeAudit()), "exists", "while one is open");
    const shown = {
      id: "c1",
      package: "tool",
      claimant: "bo",
      reason: "it is abandoned",
      created: AT,
      decidable: AT + 10,
      state: "open",
    };
    same(await ownership.claims({ ownerId: ADA.id }), [shown], "of the owner");
    same(await ownership.claims({ claimantId: BO.id }), [shown], "of the claimant");
    same(await ownership.claims({ ownerId: BO.id }), [], "of nobody else");
    same(await ownership.closeClaim("c1", { state: "objected", note: "mine" }, fakeAudit()), "done", "objected");
    same(await ownership.closeClaim("c1", { state: "approved", owner: BO }, fakeAudit()), "closed", "ended");
    same(await ownership.claim("c1"), { ...shown, state: "objected", note: "mine", decided: AT }, "how it ended");
    same(await ownership.createClaim(claim("c2"), fakeAudit()), "created", "another");
    same(
      (await ownership.claims({ state: "open" })).map(({ id }) => id),
      ["c2"],
      "open ones",
    );
    const before = (await store.logEntries(0, 100)).length;
    same(await ownership.closeClaim("c2", { state: "approved", owner: BO }, fakeAudit()), "done", "approved");
    same(await store.owners(tool), ["bo"], "the only owner");
    same(await ownerEvents(store, before), ["add bo", "remove ada"], "the log");
  });
}
