import type { ExternalUser } from "../identity/external-user.ts";
import type { TrustedPublisher } from "../identity/trusted-publisher.ts";
import type { MetadataStore } from "../ports.ts";
import { same } from "./contract.ts";
import { fakeAccount, fakeAudit } from "./fixtures.ts";

const ANN: ExternalUser = {
  origin: "ldap",
  subject: "uuid-1",
  username: "ann",
  email: "ann@company.test",
  groups: ["employees"],
  admin: false,
};

async function actions(store: MetadataStore): Promise<string[]> {
  return (await store.audits({ page: 1, perPage: 100 })).items.map(({ action }) => action);
}

function publisher(change: Partial<TrustedPublisher> = {}): TrustedPublisher {
  return {
    id: "publisher-1",
    package: "company/tool",
    issuer: "https://ci.test",
    claims: { repository_id: "7", repository_owner_id: "8" },
    accountId: "id-ada",
    account: "ada",
    created: 1,
    ...change,
  };
}

/** Checks what `IdentityStore` promises, on the stores of a metadata store. */
export function identityStoreContract(it: (name: string, body: (store: MetadataStore) => Promise<void>) => void): void {
  it("creates the account of a person known elsewhere once, and keeps it up to date", async (store) => {
    const { identities } = store;
    const account = await identities.externalAccount(ANN, "a1", fakeAudit());
    const expected = fakeAccount("ann", { id: "a1", email: "ann@company.test", origin: "ldap" });
    same(account, expected, "created");
    same(await store.accountByName("ann"), expected, "by name");
    same(await identities.groupsOf("a1"), ["employees"], "groups");
    await identities.externalAccount(ANN, "a2", fakeAudit());
    same(await actions(store), ["account.create"], "an unchanged person leaves no record");
    const changed = { ...ANN, groups: ["makers", "employees"], admin: true, username: "ann.married" };
    same(await identities.externalAccount(changed, "a3", fakeAudit()), { ...expected, admin: true }, "same account");
    same(await identities.groupsOf("a1"), ["employees", "makers"], "groups follow, sorted");
    same(await actions(store), ["account.update", "account.create"], "recorded");
  });
  it("gives a person's name to nobody else", async (store) => {
    await store.createAccount(fakeAccount("Ann"), fakeAudit());
    same(await store.identities.externalAccount(ANN, "a1", fakeAudit()), "name-taken", "a local account has it");
    const bob = { ...ANN, username: "bob" };
    await store.identities.externalAccount(bob, "b1", fakeAudit());
    const other = { ...bob, subject: "uuid-2" };
    same(await store.identities.externalAccount(other, "b2", fakeAudit()), "name-taken", "another person of that name");
  });
  it("lets a second factor be enrolled, confirmed, used once a step, and removed", async (store) => {
    const { identities } = store;
    await store.createAccount(fakeAccount("ada"), fakeAudit());
    same(await identities.secondFactor("id-ada"), undefined, "none");
    same(await identities.enrolSecondFactor("id-ada", "first", fakeAudit()), "started", "first");
    same(await identities.enrolSecondFactor("id-ada", "second", fakeAudit()), "started", "in place of the first");
    const confirmation = { step: 5, recoveryCodes: ["aa", "bb"] };
    same(await identities.confirmSecondFactor("id-ada", confirmation, fakeAudit()), true, "confirmed");
    same(await identities.confirmSecondFactor("id-ada", confirmation, fakeAudit()), false, "only once");
    same(
      await identities.enrolSecondFactor("id-ada", "third", fakeAudit()),
      "exists",
      "not in place of a confirmed one",
    );
    const factor = { secret: "second", confirmed: true, lastStep: 5, recoveryCodes: 2 };
    same(await identities.secondFactor("id-ada"), factor, "as stored");
    same(await identities.useStep("id-ada", 5), false, "the step of the confirmation");
    same(await identities.useStep("id-ada", 7), true, "a later one");
    same(await identities.useStep("id-ada", 6), false, "one before it");
    same(await identities.useRecoveryCode("id-ada", "aa", fakeAudit()), true, "a recovery code");
    same(await identities.useRecoveryCode("id-ada", "aa", fakeAudit()), false, "the same again");
    same(await identities.removeSecondFactor("id-ada", fakeAudit()), true, "removed");
    same(await identities.removeSecondFactor("id-ada", fakeAudit()), false, "nothing to remove");
    same(await identities.useRecoveryCode("id-ada", "bb", fakeAudit()), false, "the codes are gone with it");
  });
  it("keeps passkeys by id, and takes each counter once", async (store) => {
    const { identities } = store;
    for (const name of ["ada", "bo"]) await store.createAccount(fakeAccount(name), fakeAudit());
    const passkey = {
      id: "credential-1",
      accountId: "id-ada",
      name: "laptop",
      publicKey: "pQECAyYg",
      counter: 0,
      transports: ["internal"],
      created: 5,
    };
    same(await identities.addPasskey(passkey, fakeAudit()), "created", "first");
    same(await identities.addPasskey({ ...passkey, accountId: "id-bo" }, fakeAudit()), "exists", "somebody else's");
    same(await identities.passkeysOf("id-ada"), [passkey], "of its account");
    same(await identities.passkeysOf("id-bo"), [], "of another");
    same(await identities.usePasskey("credential-1", { counter: 0, at: 6 }), true, "without counting");
    same(await identities.usePasskey("credential-1", { counter: 0, at: 7 }), true, "again");
    same(await identities.passkey("credential-1"), { ...passkey, lastUsed: 7 }, "its last use");
    const use = () => identities.usePasskey("credential-1", { counter: 3, at: 8 });
    same((await Promise.all([use(), use()])).filter(Boolean).length, 1, "one of two that race");
    same(await identities.usePasskey("credential-1", { counter: 2, at: 9 }), false, "one that went back");
    same(await identities.usePasskey("credential-1", { counter: 0, at: 9 }), false, "one that stopped counting");
    same(await identities.passkey("credential-1"), { ...passkey, counter: 3, lastUsed: 8 }, "as it was");
    same(await identities.usePasskey("credential-2", { counter: 9, at: 9 }), false, "an unknown one");
    same(await identities.removePasskey("id-bo", "credential-1", fakeAudit()), false, "by another");
    same(await identities.removePasskey("id-ada", "credential-1", fakeAudit()), true, "by its account");
    same(await identities.passkey("credential-1"), undefined, "gone");
  });
  it("keeps trusted publishers by package and by issuer", async (store) => {
    const { identities } = store;
    await store.createAccount(fakeAccount("ada"), fakeAudit());
    same(await identities.addTrustedPublisher(publisher(), "7", fakeAudit()), "created", "first");
    const again = publisher({ id: "publisher-2", claims: { repository_owner_id: "8", repository_id: "7" } });
    same(await identities.addTrustedPublisher(again, "7", fakeAudit()), "exists", "the same claims in another order");
    const other = publisher({ id: "publisher-3", package: "other", created: 2 });
    await identities.addTrustedPublisher(other, "7", fakeAudit());
    same(await identities.trustedPublishersOf("company/tool"), [publisher()], "of a package");
    same(await identities.trustedPublishersAt("https://ci.test", "7"), [publisher(), other], "of a project");
    same(await identities.trustedPublishersAt("https://ci.test", "8"), [], "of no project");
    same(await identities.trustedPublishersAt("https://other.test", "7"), [], "of no issuer");
    same(await identities.removeTrustedPublisher("other", "publisher-1", fakeAudit()), false, "of another package");
    same(await identities.removeTrustedPublisher("company/tool", "publisher-1", fakeAudit()), true, "removed");
    same(await identities.trustedPublishersOf("company/tool"), [], "gone");
  });
  it("lets an id be used once until it expires, also by callers that race", async (store) => {
    const use = () => store.identities.useOnce("token-1", { expires: 100, now: 50 });
    const uses = await Promise.all([use(), use(), use()]);
    same(uses.filter(Boolean).length, 1, "one of three");
    same(await store.identities.useOnce("token-2", { expires: 300, now: 200 }), true, "another");
    same(await store.identities.useOnce("token-1", { expires: 300, now: 200 }), true, "after it expired");
  });
}
