import { canonicalName, parsePackageName, type CanonicalName } from "@lading/core-manifest";
import { decodeLogEvent } from "@lading/signing/log";
import type { MetadataStore } from "../ports.ts";
import type { SessionRecord, TokenRecord } from "../records.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit, fakePublication } from "./fixtures.ts";

const AT = fakeAudit().at;
const ADA = fakeAccount("ada", { email: "ada@example.com" });
const BO = fakeAccount("bo");
const ROOT = fakeAccount("root", { admin: true });

const tool: CanonicalName = canonicalName(parsePackageName("tool"));

function session(id: string, change: Partial<SessionRecord> = {}): SessionRecord {
  return { id, accountId: ADA.id, created: AT, expires: AT + 1000, ...change };
}

function token(id: string): TokenRecord {
  const hash = id.repeat(64).slice(0, 64);
  return { id, accountId: ADA.id, name: id, hash, scopes: ["read"], packages: [], created: AT };
}

async function people(store: MetadataStore): Promise<void> {
  for (const account of [ADA, BO, ROOT]) await store.createAccount(account, fakeAudit());
}

async function actions(store: MetadataStore): Promise<string[]> {
  return (await store.audits({ page: 1, perPage: 100 })).items.map(({ action }) => action);
}

/** Checks what `AccountStore` promises, on the stores of a metadata store. */
export function accountStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("lists an account's open sessions, newest first, and ends one or all others", async (store) => {
    await people(store);
    const { accounts } = store;
    for (const each of [
      session("s1"),
      session("s2", { created: AT + 2 }),
      session("s3", { created: AT + 1 }),
      session("other", { accountId: BO.id }),
    ])
      await store.createSession(each, fakeAudit());
    const open = async (now = AT): Promise<string[]> => (await accounts.sessionsOf(ADA.id, now)).map(({ id }) => id);
    same(await accounts.sessionsOf(BO.id, AT), [session("other", { accountId: BO.id })], "as stored");
    same(await open(), ["s2", "s3", "s1"], "newest first");
    same(await open(AT + 1000), [], "expired ones are none");
    const end = fakeAudit({ action: "session.end" });
    same(await accounts.endSessions(BO.id, { id: "s1" }, end), [], "of somebody else");
    same(await accounts.endSessions(ADA.id, { id: "s1" }, end), ["s1"], "one");
    same(await accounts.endSessions(ADA.id, { id: "s1" }, end), [], "again");
    same(await accounts.endSessions(ADA.id, { except: "s2" }, end), ["s3"], "all others");
    same(await open(), ["s2"], "the one that is left");
    same(await accounts.endSessions(ADA.id, {}, end), ["s2"], "all");
    same((await store.session("other"))?.id, "other", "nobody else's");
    same((await actions(store)).filter((action) => action === "session.end").length, 3, "recorded where any ended");
  });
  it("changes a password together with the end of other sessions", async (store) => {
    await people(store);
    for (const id of ["s1", "s2"]) await store.createSession(session(id), fakeAudit());
    const change = { passwordHash: "new", keep: "s1" };
    same(await store.accounts.changePassword(ADA.id, change, fakeAudit()), ["s2"], "ended");
    same((await store.accountById(ADA.id))?.passwordHash, "new", "the password");
    same((await store.session("s1"))?.id, "s1", "the one that is kept");
    same(await store.session("s2"), undefined, "the other");
    same(await store.accounts.changePassword(ADA.id, { passwordHash: "newer" }, fakeAudit()), ["s1"], "all");
  });
  it("replaces recovery codes of a confirmed second factor alone", async (store) => {
    await people(store);
    const { accounts, identities } = store;
    same(await accounts.replaceRecoveryCodes(ADA.id, ["aa"], fakeAudit()), false, "without a factor");
    await identities.enrolSecondFactor(ADA.id, "secret", fakeAudit());
    same(await accounts.replaceRecoveryCodes(ADA.id, ["aa"], fakeAudit()), false, "before it is confirmed");
    await identities.confirmSecondFactor(ADA.id, { step: 1, recoveryCodes: ["aa", "bb"] }, fakeAudit());
    same(await accounts.replaceRecoveryCodes(ADA.id, ["cc"], fakeAudit()), true, "replaced");
    same((await identities.secondFactor(ADA.id))?.recoveryCodes, 1, "how many");
    same(await identities.useRecoveryCode(ADA.id, "aa", fakeAudit()), false, "an old one");
    same(await identities.useRecoveryCode(ADA.id, "cc", fakeAudit()), true, "a new one");
  });
  it("deletes no account that a package, an organisation or the registry needs, and changes nothing then", async (store) => {
    await people(store);
    await store.publish(fakePublication(ADA, "tool", "1.0.0"));
    await store.organisations.createOrganisation({ id: "o1", name: "acme", created: AT }, ADA, fakeAudit());
    await store.createSession(session("s1"), fakeAudit());
    const before = (await actions(store)).length;
    const needs = { packages: [tool], organisations: ["acme"], lastAdmin: false };
    same(await store.accounts.deleteAccount(ADA.id, fakeAudit()), { status: "needed", needs }, "what needs it");
    const root = { packages: [], organisations: [], lastAdmin: true };
    same(await store.accounts.deleteAccount(ROOT.id, fakeAudit()), { status: "needed", needs: root }, "the last admin");
    same(await store.accountById(ADA.id), ADA, "as it was");
    same((await store.session("s1"))?.id, "s1", "its session too");
    same((await actions(store)).length, before, "no record");
  });
  it("deletes an account with all that opens it, once others own what it owned; its name stays taken", async (store) => {
    await people(store);
    const { identities, organisations, ownership } = store;
    await store.publish(fakePublication(ADA, "tool", "1.0.0"));
    await store.addOwner(tool, BO, fakeAudit());
    await organisations.createOrganisation({ id: "o1", name: "acme", created: AT }, BO, fakeAudit());
    await organisations.setMember("o1", ADA, "member", fakeAudit());
    await identities.enrolSecondFactor(ADA.id, "secret", fakeAudit());
    await identities.confirmSecondFactor(ADA.id, { step: 1, recoveryCodes: ["aa"] }, fakeAudit());
    const key = { id: "c1", accountId: ADA.id, name: "key", publicKey: "pQ", counter: 0, transports: [], created: AT };
    await identities.addPasskey(key, fakeAudit());
    const publisher = { id: "p1", package: "tool", issuer: "https://ci.test", claims: { sub: "x" }, account: "ada" };
    await identities.addTrustedPublisher({ ...publisher, accountId: ADA.id, created: AT }, "x", fakeAudit());
    await ownership.offerTransfer(
      { id: "x1", canonical: tool, senderId: ADA.id, accountId: BO.id, created: AT, expires: AT + 1000 },
      fakeAudit(),
    );
    await store.createSession(session("s1"), fakeAudit());
    await store.createToken(token("a"), fakeAudit());
    const entries = (await store.logEntries(0, 100)).length;
    const audit = fakeAudit({ action: "account.delete" });
    const ended = { sessions: ["s1"], tokens: ["a".repeat(64)] };
    same(await store.accounts.deleteAccount(ADA.id, audit), { status: "deleted", ended }, "deleted");
    same(await store.owners(tool), ["bo"], "the other owner");
    const [event, ...more] = (await store.logEntries(entries, 100)).map((entry) => decodeLogEvent(entry));
    same([event?.type === "owner" && `${event.change} ${event.account}`, more], ["remove ada", []], "in the log");
    same(await store.session("s1"), undefined, "the session");
    same(await store.tokenByHash("a".repeat(64)), undefined, "the token");
    same(await identities.secondFactor(ADA.id), undefined, "the second factor");
    same(await identities.passkeysOf(ADA.id), [], "passkeys");
    same(await identities.trustedPublishersOf("tool"), [], "what published in its name");
    same((await organisations.membershipsOf(ADA.id)).organisations, [], "memberships");
    same((await ownership.transfer("x1"))?.state, "withdrawn", "its offer");
    const { email: _, ...rest } = ADA;
    same(await store.accountById(ADA.id), { ...rest, deleted: AT }, "what is left");
    same(await store.createAccount(fakeAccount("Ada", { id: "again" }), fakeAudit()), "exists", "the name");
    same((await actions(store))[0], "account.delete", "recorded");
  });
  it("gives a deleted person's name to nobody, the person included", async (store) => {
    const person = { origin: "ldap", subject: "uuid-1", username: "ann", groups: ["staff"], admin: false };
    const account = await store.identities.externalAccount(person, "a1", fakeAudit());
    if (account === "name-taken") throw new Error("the name is free");
    same((await store.accounts.deleteAccount("a1", fakeAudit())).status, "deleted", "deleted");
    same(await store.identities.groupsOf("a1"), [], "groups");
    same(await store.identities.externalAccount(person, "a2", fakeAudit()), "name-taken", "again");
  });
}
