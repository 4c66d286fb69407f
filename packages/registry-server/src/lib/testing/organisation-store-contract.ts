import { canonicalName, parsePackageName, type CanonicalName } from "@lading/core-manifest";
import { decodeLogEvent } from "@lading/signing/log";
import type { Team } from "../organisations/organisation.ts";
import type { NewInvitation } from "../organisations/organisation-store.ts";
import { nameSkeleton } from "../package-name-rules.ts";
import type { MetadataStore } from "../ports.ts";
import type { Account } from "../records.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakePublication } from "./fixtures.ts";

const ADA = fakeAccount("ada");
const BO = fakeAccount("bo");
const CY = fakeAccount("cy");
const AT = fakeAudit().at;

async function people(store: MetadataStore, ...accounts: readonly Account[]): Promise<void> {
  for (const account of accounts) await store.createAccount(account, fakeAudit());
}

async function acme(store: MetadataStore): Promise<Team> {
  await people(store, ADA, BO, CY);
  await store.organisations.createOrganisation({ id: "o1", name: "acme", created: AT }, ADA, fakeAudit());
  const team = { id: "t1", organisationId: "o1", name: "core", role: "maintain", created: AT } as const;
  await store.organisations.createTeam(team, fakeAudit());
  return (await store.organisations.team("acme", "core"))!;
}

async function owned(store: MetadataStore, name: string, account: Account): Promise<CanonicalName> {
  const publication = fakePublication(account, name, "1.0.0");
  await store.publish(publication);
  return publication.canonical;
}

async function actions(store: MetadataStore): Promise<string[]> {
  return (await store.audits({ page: 1, perPage: 100 })).items.map(({ action }) => action);
}

function invitation(change: Partial<NewInvitation> = {}): NewInvitation {
  return {
    id: "i1",
    organisationId: "o1",
    accountId: BO.id,
    inviterId: ADA.id,
    role: "member",
    created: AT,
    expires: AT + 1000,
    ...change,
  };
}

/** Checks what `OrganisationStore` promises, on the stores of a metadata store. */
export function organisationStoreContract(
  it: (name: string, body: (store: MetadataStore) => Promise<void>) => void,
): void {
  it("creates an organisation once, with its first owner", async (store) => {
    await people(store, ADA, BO);
    const { organisations } = store;
    const acme = { id: "o1", name: "acme", title: "Acme", created: AT };
    same(await organisations.createOrganisation(acme, ADA, fakeAudit({ action: "a" })), "created", "first");
    same(await organisations.createOrganisation({ ...acme, id: "o2" }, BO, fakeAudit()), "exists", "second");
    same(await organisations.organisation("acme"), acme, "as stored");
    same(await organisations.organisation("other"), undefined, "unknown");
    same(await organisations.members("o1"), [{ username: "ada", role: "owner", since: AT }], "first owner");
    await organisations.createOrganisation({ id: "o0", name: "aaa", created: AT }, BO, fakeAudit());
    const page = await organisations.organisations({ page: 2, perPage: 1 });
    same([page.items.map(({ name }) => name), page.total], [["acme"], 2], "second page, by name");
    await organisations.setTitle("o1", undefined, fakeAudit({ action: "b" }));
    same(await organisations.organisation("acme"), { id: "o1", name: "acme", created: AT }, "without a title");
    same((await actions(store))[0], "b", "recorded");
  });

  it("keeps the last owner of an organisation, and forgets a member's teams with the member", async (store) => {
    await acme(store);
    const { organisations } = store;
    same(await organisations.setMember("o1", ADA, "member", fakeAudit()), "last-owner", "step down");
    same(await organisations.removeMember("o1", ADA, fakeAudit()), "last-owner", "leave");
    same(await organisations.removeMember("o1", BO, fakeAudit()), "not-member", "a stranger");
    same(await organisations.setMember("o1", BO, "member", fakeAudit()), "changed", "added");
    same(await organisations.setMember("o1", BO, "member", fakeAudit()), "unchanged", "again");
    same(await organisations.setTeamMember("t1", CY, "member", fakeAudit()), "not-member", "teams are of members");
    same(await organisations.setTeamMember("t1", BO, "member", fakeAudit()), "changed", "team");
    same(await organisations.setTeamMember("t1", BO, "maintainer", fakeAudit()), "changed", "role in the team");
    same(await organisations.setTeamMember("t1", BO, "maintainer", fakeAudit()), "unchanged", "again");
    same(await organisations.teamMembers("t1"), [{ username: "bo", role: "maintainer", since: AT }], "listed");
    same(
      await organisations.membershipsOf(BO.id),
      {
        organisations: [{ name: "acme", role: "member" }],
        teams: [{ organisation: "acme", name: "core", role: "maintain", memberRole: "maintainer" }],
      },
      "memberships",
    );
    same(await organisations.setMember("o1", BO, "owner", fakeAudit()), "changed", "a second owner");
    same(await organisations.setMember("o1", ADA, "member", fakeAudit()), "changed", "now the first may step down");
    same(await organisations.removeMember("o1", ADA, fakeAudit()), "changed", "and leave");
    same(await organisations.setMember("o1", ADA, "owner", fakeAudit()), "changed", "and come back");
    same(await organisations.removeMember("o1", BO, fakeAudit()), "changed", "removed");
    same(await organisations.membershipsOf(BO.id), { organisations: [], teams: [] }, "with the teams");
    same(await organisations.removeTeamMember("t1", BO, fakeAudit()), "not-member", "gone");
  });

  it("lets one of two owners leave who go at once", async (store) => {
    await acme(store);
    await store.organisations.setMember("o1", BO, "owner", fakeAudit());
    const outcomes = await Promise.all(
      [ADA, BO].map((who) => store.organisations.removeMember("o1", who, fakeAudit())),
    );
    same(outcomes.toSorted(), ["changed", "last-owner"], "one stays");
  });

  it("keeps teams by name, and changes them", async (store) => {
    const core = await acme(store);
    const { organisations } = store;
    same(core, { id: "t1", organisation: "acme", name: "core", role: "maintain", created: AT }, "as stored");
    const again = { id: "t2", organisationId: "o1", name: "core", role: "read", created: AT } as const;
    same(await organisations.createTeam(again, fakeAudit()), "exists", "a name is one team's");
    await organisations.createTeam({ ...again, name: "apps" }, fakeAudit());
    same(
      (await organisations.teams("o1")).map(({ name }) => name),
      ["apps", "core"],
      "by name",
    );
    await organisations.updateTeam("t2", { title: "Apps", role: "publish" }, fakeAudit());
    const { title, role } = (await organisations.team("acme", "apps"))!;
    same([title, role], ["Apps", "publish"], "changed");
    same(await organisations.team("acme", "none"), undefined, "unknown");
    same(await organisations.removeTeam("t2", fakeAudit()), "removed", "removed");
    same(await organisations.team("acme", "apps"), undefined, "gone");
  });

  it("gives a namespace to one organisation, and back", async (store) => {
    await acme(store);
    const { organisations } = store;
    await organisations.createOrganisation({ id: "o2", name: "other", created: AT }, BO, fakeAudit());
    const claim = (organisationId: string, name: string) => ({
      organisationId,
      name,
      skeleton: nameSkeleton(name as CanonicalName),
      proof: "name",
      created: AT,
    });
    same(await organisations.claimNamespace(claim("o1", "acme"), fakeAudit()), "claimed", "free");
    same(await organisations.claimNamespace(claim("o2", "acme"), fakeAudit()), "taken", "another's");
    same(await organisations.claimNamespace(claim("o1", "acme"), fakeAudit()), "taken", "one's own");
    const stored = { name: "acme", organisation: "acme", proof: "name", created: AT };
    same(await organisations.namespace("acme"), stored, "as stored");
    await organisations.setNamespaceTeam("acme", "t1", fakeAudit());
    same(await organisations.namespacesOf("o1"), [{ ...stored, team: "core" }], "of a team alone");
    await owned(store, "ta1l/tool", ADA);
    const similar = (name: string) => organisations.similarNamespaces(nameSkeleton(name as CanonicalName), name);
    same(
      [await similar("ac-me"), await similar("tall"), await similar("ta1l"), await similar("free")],
      [["acme"], ["ta1l"], [], []],
      "look-alikes",
    );
    same(await organisations.namespaceOwners("ta1l"), ["ada"], "owners of its packages");
    same(await organisations.removeOrganisation("o1", fakeAudit()), "in-use", "it has a namespace");
    await organisations.removeTeam("t1", fakeAudit());
    same(await organisations.namespace("acme"), stored, "every team's where the team is gone");
    same(await organisations.releaseNamespace("acme", fakeAudit()), true, "released");
    same(await organisations.releaseNamespace("acme", fakeAudit()), false, "again");
    same(await organisations.removeOrganisation("o1", fakeAudit()), "removed", "not in use any more");
    same(await organisations.organisation("acme"), undefined, "gone");
    same(await organisations.membershipsOf(ADA.id), { organisations: [], teams: [] }, "with its members");
  });

  it("keeps the name of an organisation that was removed, until it is released or given to somebody", async (store) => {
    await acme(store);
    const { organisations } = store;
    const again = { id: "o9", name: "acme", created: AT };
    same(await organisations.reservedOrganisations(), [], "nothing is reserved");
    await organisations.removeOrganisation("o1", fakeAudit());
    same(
      (await organisations.reservedOrganisations()).map(({ name }) => name),
      ["acme"],
      "reserved",
    );
    same(await organisations.createOrganisation(again, BO, fakeAudit({ action: "no" })), "reserved", "for strangers");
    same(await organisations.organisation("acme"), undefined, "nothing was made");
    const taken = await organisations.createOrganisation(again, BO, fakeAudit(), { takesReserved: true });
    same([taken, await organisations.reservedOrganisations()], ["created", []], "given to somebody");
    same(
      await organisations.createOrganisation(again, BO, fakeAudit(), { takesReserved: true }),
      "exists",
      "it is there",
    );
    await organisations.removeOrganisation("o9", fakeAudit());
    same(
      await organisations.releaseOrganisation("acme", fakeAudit({ action: "organisation.release" })),
      true,
      "released",
    );
    same(await organisations.releaseOrganisation("acme", fakeAudit({ action: "twice" })), false, "once");
    same((await actions(store))[0], "organisation.release", "recorded once");
    same(await organisations.createOrganisation({ ...again, id: "o10" }, BO, fakeAudit()), "created", "by anybody");
  });

  it("lets teams own packages, in the log as accounts do, and keeps the last owner of either kind", async (store) => {
    const core = await acme(store);
    const { organisations } = store;
    const tool = await owned(store, "acme/tool", ADA);
    const missing = canonicalName(parsePackageName("acme/missing"));
    same(await organisations.addOwnerTeam(missing, core, fakeAudit()), "unchanged", "no package");
    const before = (await store.logEntries(0, 100)).length;
    same(await organisations.addOwnerTeam(tool, core, fakeAudit({ actor: "ada" })), "changed", "added");
    same(await organisations.addOwnerTeam(tool, core, fakeAudit()), "unchanged", "again");
    same(await organisations.ownerTeams(tool), [core], "listed");
    same(await store.owners(tool), ["ada"], "beside the accounts");
    const seen: (readonly string[])[] = [];
    await organisations.addOwnerTeam(tool, core, fakeAudit(), (owners) => seen.push(owners));
    same(seen, [["ada", "team:acme/core"]], "what a check sees");
    same(await organisations.removeOrganisation("o1", fakeAudit()), "in-use", "a team of it owns a package");
    same(await store.removeOwner(tool, ADA, fakeAudit()), "changed", "the team remains");
    same(await organisations.removeOwnerTeam(tool, core, fakeAudit()), "last-owner", "the team is the last");
    same(await organisations.removeTeam("t1", fakeAudit()), "last-owner", "nor can it be removed");
    same(await store.addOwner(tool, BO, fakeAudit()), "changed", "another owner");
    same(await organisations.removeTeam("t1", fakeAudit()), "removed", "now it can");
    same(await organisations.ownerTeams(tool), [], "gone");
    const events = (await store.logEntries(before, 100)).map((entry) => decodeLogEvent(entry));
    const told = events.map((event) => (event.type === "owner" ? `${event.change} ${event.account}` : event.type));
    same(told, ["add team:acme/core", "remove ada", "add bo", "remove team:acme/core"], "the log");
  });

  it("lets an invitation be answered once, before it expires", async (store) => {
    await acme(store);
    const { organisations } = store;
    await organisations.createInvitation(invitation({ teamId: "t1" }), fakeAudit());
    const expected = {
      id: "i1",
      organisation: "acme",
      team: "core",
      role: "member",
      username: "bo",
      inviter: "ada",
      created: AT,
      expires: AT + 1000,
      state: "open",
    } as const;
    same(await organisations.invitation("i1"), expected, "as stored");
    same(await organisations.invitationsFor(BO.id, AT), [expected], "of the account");
    same(await organisations.invitationsOf("o1", AT), [expected], "of the organisation");
    same(await organisations.invitationsFor(BO.id, AT + 1000), [], "expired");
    same(await organisations.acceptInvitation("i1", BO, fakeAudit({ at: AT + 1000 })), "closed", "too late");
    const accept = () => organisations.acceptInvitation("i1", BO, fakeAudit());
    same((await Promise.all([accept(), accept()])).toSorted(), ["closed", "done"], "once");
    same((await organisations.invitation("i1"))?.state, "accepted", "its state");
    same(
      (await organisations.membershipsOf(BO.id)).teams.map(({ name }) => name),
      ["core"],
      "with the team",
    );
    await organisations.setMember("o1", BO, "owner", fakeAudit());
    await organisations.createInvitation(invitation({ id: "i2" }), fakeAudit());
    same(await organisations.acceptInvitation("i2", BO, fakeAudit()), "done", "of who is a member already");
    same((await organisations.membershipsOf(BO.id)).organisations[0]?.role, "owner", "a role is never lowered by it");
    await organisations.createInvitation(invitation({ id: "i3" }), fakeAudit());
    same(await organisations.closeInvitation("i3", "declined", fakeAudit()), "done", "declined");
    same(await organisations.acceptInvitation("i3", BO, fakeAudit()), "closed", "not any more");
  });

  it("finds an invitation by mail by its code, while it is open", async (store) => {
    await acme(store);
    const { organisations } = store;
    const { accountId: _, ...mailed } = invitation({ email: "bo@company.test", codeHash: "abc" });
    await organisations.createInvitation(mailed, fakeAudit());
    const found = await organisations.invitationByCode("abc");
    same([found?.id, found?.email, found?.username], ["i1", "bo@company.test", undefined], "by its code");
    same(await organisations.invitationByCode("abd"), undefined, "by another");
    await organisations.acceptInvitation("i1", BO, fakeAudit());
    same(await organisations.invitationByCode("abc"), undefined, "used up");
  });
}
