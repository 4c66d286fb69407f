import {
  LATEST_CHANNEL,
  canonicalName,
  latestVersion,
  parsePackageName,
  parseVersion,
  type CanonicalName,
  type Digest,
} from "@lading/core-manifest";
import type { KeyStatementChange, MetadataStore, SearchQuery } from "../ports.ts";
import type { Account, PackageSummary, TokenRecord } from "../records.ts";
import { same, type ContractTest } from "./contract.ts";
import { accountStoreContract } from "./account-store-contract.ts";
import { identityStoreContract } from "./identity-store-contract.ts";
import { reviewStoreContract } from "./review-store-contract.ts";
import { auditTrailStoreContract } from "./audit-trail-store-contract.ts";
import { quotaStoreContract } from "./quota-store-contract.ts";
import { uploadSessionStoreContract } from "./upload-session-store-contract.ts";
import { upstreamStoreContract } from "./upstream-store-contract.ts";
import { ownershipStoreContract } from "./ownership-store-contract.ts";
import { reportStoreContract } from "./report-store-contract.ts";
import { deliveryStoreContract } from "./delivery-store-contract.ts";
import { webhookStoreContract } from "./webhook-store-contract.ts";
import { configurationStoreContract } from "./configuration-store-contract.ts";
import { organisationStoreContract } from "./organisation-store-contract.ts";
import { fakeAccount, fakeAudit, fakeDigest, fakeKeyStatement, fakePublication } from "./fixtures.ts";

const canonical = (name: string): CanonicalName => canonicalName(parsePackageName(name));
const QUERY: SearchQuery = { text: "", page: 1, perPage: 20, sort: "relevance", publishedOnly: false };

async function withAccounts(store: MetadataStore, ...names: string[]): Promise<Account[]> {
  const accounts = names.map((name) => fakeAccount(name));
  for (const account of accounts) await store.createAccount(account, fakeAudit());
  return accounts;
}

/** Whole numbers below a bound, the same for the same seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}

async function names(store: MetadataStore, query: Partial<SearchQuery>): Promise<string[]> {
  return (await store.search({ ...QUERY, ...query })).items.map(({ name }) => name);
}

function token(account: Account, change: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id: "token-1",
    accountId: account.id,
    name: "ci",
    hash: "ab".repeat(32),
    scopes: ["read", "publish"],
    packages: ["company/*"],
    created: 1,
    expires: 2,
    ...change,
  };
}

/** Checks what {@link MetadataStore} promises; `create` makes an empty one. */
export function metadataStoreContract(test: ContractTest, create: () => Promise<MetadataStore>): void {
  const it = (name: string, body: (store: MetadataStore) => Promise<void>): void =>
    test.it(name, async () => {
      const store = await create();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });

  test.describe("MetadataStore contract: identities", () => identityStoreContract(it));
  test.describe("MetadataStore contract: how accounts go on and end", () => accountStoreContract(it));
  test.describe("MetadataStore contract: audit trail", () => auditTrailStoreContract(it));
  test.describe("MetadataStore contract: reviews", () => reviewStoreContract(it));
  test.describe("MetadataStore contract: quotas", () => quotaStoreContract(it));
  test.describe("MetadataStore contract: uploads", () => uploadSessionStoreContract(it));
  test.describe("MetadataStore contract: upstreams", () => upstreamStoreContract(it));
  test.describe("MetadataStore contract: organisations", () => organisationStoreContract(it));
  test.describe("MetadataStore contract: reports", () => reportStoreContract(it));
  test.describe("MetadataStore contract: deliveries", () => deliveryStoreContract(it));
  test.describe("MetadataStore contract: webhooks", () => webhookStoreContract(it));
  test.describe("MetadataStore contract: shared configurations", () => configurationStoreContract(it));
  test.describe("MetadataStore contract: packages that change hands", () => ownershipStoreContract(it));

  test.describe("MetadataStore contract: accounts", () => {
    it("creates an account once, whatever the case of its name", async (store) => {
      const account = fakeAccount("ada", { email: "ada@example.com", admin: true });
      same(await store.createAccount(account, fakeAudit(), token(account)), "created", "first");
      same(await store.createAccount(fakeAccount("ADA"), fakeAudit()), "exists", "second");
      same(await store.accountByName("Ada"), account, "by name");
      same(await store.accountById(account.id), account, "by id");
      same(await store.accountById("nobody"), undefined, "unknown");
      same(await store.accountCount(), 1, "count");
      same((await store.tokensOf(account.id)).length, 1, "the token that came with it");
      await store.setPassword(account.id, "new", fakeAudit());
      same((await store.accountByName("ada"))?.passwordHash, "new", "password");
    });
    it("finds a token by its hash until it is revoked by its owner", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      await store.createToken(token(ada!), fakeAudit());
      same(await store.tokenByHash("ab".repeat(32)), token(ada!), "found");
      await store.touchTokens(new Map([["token-1", 77]]));
      same((await store.tokensOf(ada!.id))[0]?.lastUsed, 77, "last use");
      same(await store.revokeToken(bob!.id, "token-1", fakeAudit()), undefined, "by another");
      same(await store.revokeToken(ada!.id, "token-1", fakeAudit()), "ab".repeat(32), "by its owner");
      same(await store.revokeToken(ada!.id, "token-1", fakeAudit()), undefined, "again");
      same(await store.tokenByHash("ab".repeat(32)), undefined, "revoked");
      same(await store.tokensOf(ada!.id), [], "list");
    });
    it("keeps the networks that a token is limited to", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const limited = token(ada!, { cidr: ["192.0.2.0/24", "2001:db8::/32"] });
      await store.createToken(limited, fakeAudit());
      same(await store.tokenByHash(limited.hash), limited, "by hash");
      same(await store.tokensOf(ada!.id), [limited], "in the list");
    });
    it("knows a session until it is ended", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const session = { id: "s1", accountId: ada!.id, created: 1, expires: 9_000_000_000_000 };
      await store.createSession(session, fakeAudit());
      same(await store.session("s1"), session, "open");
      await store.endSession("s1", fakeAudit());
      same(await store.session("s1"), undefined, "ended");
    });
    it("registers a key with one account", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      const key = {
        fingerprint: `ed25519:${"00".repeat(32)}`,
        accountId: ada!.id,
        pem: "PEM",
        name: "laptop",
        created: 5,
      };
      same(await store.addKey(key, fakeAudit()), "created", "first");
      same(await store.addKey(key, fakeAudit()), "created", "again");
      same(await store.addKey({ ...key, accountId: bob!.id }, fakeAudit()), "taken", "another account");
      same(
        (await store.keysOf(ada!.id)).map(({ name }) => name),
        ["laptop"],
        "list",
      );
      same(await store.removeKey(bob!.id, key.fingerprint, fakeAudit()), false, "remove by another");
      same(await store.removeKey(ada!.id, key.fingerprint, fakeAudit()), true, "remove");
      same(await store.keysOf(ada!.id), [], "list after");
    });
  });

  test.describe("MetadataStore contract: statements about keys", () => {
    const key = (account: Account, number: string) => ({
      fingerprint: `ed25519:${number.repeat(32)}`,
      accountId: account.id,
      pem: "PEM",
      created: 5,
    });
    it("addKeyStatement() logs once, registers the new key, and changes the packages of the account", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      await store.addKey(key(ada!, "aa"), fakeAudit());
      await store.publish(fakePublication(ada!, "hers", "1.0.0", { tree: 1 }));
      const { artifact, ...other } = fakePublication(bob!, "signed", "1.0.0", { tree: 2 });
      await store.publish({ ...other, artifact: { ...artifact, signers: [key(ada!, "aa").fingerprint] } });
      await store.publish(fakePublication(bob!, "other", "1.0.0", { tree: 3 }));
      const statement = fakeKeyStatement(ada!, "bb", { previous: key(ada!, "aa").fingerprint });
      const newKey = { ...key(ada!, "bb"), origin: "rotation" as const };
      const seen: unknown[] = [];
      const change = {
        statement,
        newKey,
        audit: fakeAudit({ action: "key.rotate" }),
        check: ({ keys, statements, next }: Parameters<NonNullable<KeyStatementChange["check"]>>[0]) =>
          void seen.push(keys.length, statements.length, next),
      };
      same(
        await store.addKeyStatement(change),
        { status: "logged", leaf: 4, packages: ["hers", "signed"] },
        "the log has a key and three versions before it",
      );
      same(await store.addKeyStatement(change), { status: "same", leaf: 4, packages: [] }, "again");
      same(seen, [1, 0, 4], "what the check saw");
      same(
        (await store.keysOf(ada!.id)).map(({ fingerprint, origin }) => [fingerprint.slice(8, 10), origin]),
        [
          ["aa", undefined],
          ["bb", "rotation"],
        ],
        "keys",
      );
      same(await store.keyStatementsOf(ada!.id), [{ ...statement, leaf: 4 }], "statements");
      same(await store.keyStatementsOf(bob!.id), [], "of another");
      same((await store.logEntries(0, 10)).length, 5, "one entry");
      same((await store.audits({ page: 1, perPage: 5, action: "key.rotate" })).total, 1, "audit");
      same((await store.package(canonical("hers")))?.sequence, 2, "sequence of a package");
      same((await store.package(canonical("other")))?.sequence, 1, "of another's");
      const pending = (await store.pendingMetadataUpdates(10)).map((update) => update.canonical);
      same(pending, ["hers", "signed", "other", "hers", "signed"], "metadata to sign");
      const document = await store.indexDocument(canonical("signed"));
      same(
        [(document?.extra?.["keys"] as { entry: number }[] | undefined)?.[0]?.entry, document?.extra?.["entries"]],
        [4, { "1.0.0": [2] }],
        "what the index says",
      );
      same((await store.indexDocument(canonical("other")))?.extra, undefined, "of another's");
      const referenced = await store.referencedBlobs();
      same(
        [statement.statement, `sha256:${"bb".repeat(32)}`].every((digest) => referenced.has(digest as Digest)),
        true,
        "blobs",
      );
    });
    it("addKeyStatement() changes nothing where the new key is taken or the check objects", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      await store.addKey(key(bob!, "bb"), fakeAudit());
      const statement = fakeKeyStatement(ada!, "bb", { previous: key(ada!, "aa").fingerprint });
      const change = { statement, newKey: { ...key(ada!, "bb"), origin: "rotation" as const }, audit: fakeAudit() };
      same(await store.addKeyStatement(change), { status: "taken" }, "taken");
      const check = (): void => {
        throw new Error("objection");
      };
      const refused = await store
        .addKeyStatement({ ...change, newKey: { ...key(ada!, "cc"), origin: "rotation" }, check })
        .then(String, (error: Error) => error.message);
      same(refused, "objection", "objection");
      same([await store.keyStatementsOf(ada!.id), await store.keysOf(ada!.id)], [[], []], "nothing kept");
      same((await store.logEntries(0, 10)).length, 1, "nothing logged");
    });
    it("setPolicy() stores, logs and shows what a package's owners demand", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await store.publish(fakePublication(ada!, "tool", "1.0.0"));
      const policy = { threshold: 2, trustedPublishers: ["ada"] };
      const change = {
        canonical: canonical("tool"),
        digest: fakeDigest(9),
        audit: fakeAudit({ action: "policy.set" }),
      };
      same((await store.setPolicy({ ...change, policy }))?.policy, policy, "set");
      same((await store.package(canonical("tool")))?.policy, policy, "of the package");
      same((await store.indexDocument(canonical("tool")))?.extra, { policy }, "in the index");
      await store.publish(fakePublication(ada!, "tool", "1.0.1", { tree: 2 }));
      same((await store.package(canonical("tool")))?.policy, policy, "after a publication");
      const seen: unknown[] = [];
      same(
        (await store.setPolicy({ ...change, check: ({ policy: was }) => void seen.push(was) }))?.policy,
        undefined,
        "none",
      );
      same(seen, [policy], "what the check saw");
      same((await store.package(canonical("tool")))?.sequence, 4, "sequence");
      same((await store.logEntries(0, 10)).length, 4, "log");
      same(await store.setPolicy({ ...change, canonical: canonical("nothing") }), undefined, "unknown package");
    });
  });

  test.describe("MetadataStore contract: channels", () => {
    const tool = canonical("tool");
    const channelsNow = async (store: MetadataStore): Promise<unknown> => (await store.indexDocument(tool))?.channels;
    const publishIn = async (
      store: MetadataStore,
      owner: Account,
      version: string,
      channel?: string,
    ): Promise<void> => {
      const tree = version.length + Number(version.replaceAll(/\D/g, ""));
      const publication = fakePublication(owner, "tool", version, { tree });
      await store.publish(channel === undefined ? publication : { ...publication, channel });
    };

    it("publish() in a channel lets it name the version, and latest stays", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await publishIn(store, ada!, "1.0.0");
      await publishIn(store, ada!, "2.0.0", "beta");
      same(await channelsNow(store), { beta: "2.0.0", latest: "1.0.0" }, "after the beta");
      same((await store.package(tool))?.latest, "1.0.0", "latest of the package");
      await publishIn(store, ada!, "0.9.1");
      same(await channelsNow(store), { beta: "2.0.0", latest: "1.0.0" }, "after a lower version");
      await publishIn(store, ada!, "1.1.0");
      same(await channelsNow(store), { beta: "2.0.0", latest: "1.1.0" }, "after a higher version");
      const log = (await store.logEntries(0, 20)).map((entry) => new TextDecoder().decode(entry));
      same(log.filter((entry) => entry.includes('"type":"channel"')).length, 1, "logged changes");
    });
    it("setChannel() moves, adds and removes channels, and says nothing of what is so already", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await publishIn(store, ada!, "1.0.0");
      await publishIn(store, ada!, "2.0.0");
      const audit = fakeAudit({ action: "channel.set" });
      const set = (channel: string, version?: string): Promise<PackageSummary | undefined> =>
        store.setChannel({
          canonical: tool,
          channel,
          audit,
          ...(version === undefined ? {} : { version: parseVersion(version) }),
        });
      same((await set("latest", "1.0.0"))?.latest, "1.0.0", "latest");
      await set("next", "2.0.0");
      const { sequence } = (await set("next", "2.0.0"))!;
      same(sequence, 4, "sequence after a change that changes nothing");
      same(await channelsNow(store), { latest: "1.0.0", next: "2.0.0" }, "channels");
      same(await set("next", "3.0.0"), undefined, "a version that is not there");
      await set("next");
      same(await channelsNow(store), { latest: "1.0.0" }, "after the removal");
      const objection = store
        .setChannel({
          canonical: tool,
          channel: "x1",
          version: parseVersion("1.0.0"),
          audit,
          check: () => {
            throw new Error("objection");
          },
        })
        .then(String, (error: Error) => error.message);
      same(await objection, "objection", "objection");
      same(await channelsNow(store), { latest: "1.0.0" }, "after the objection");
      const seen: unknown[] = [];
      for (const version of ["1.0.0", undefined])
        await store.setChannel({
          canonical: tool,
          channel: "x1",
          audit,
          ...(version === undefined ? {} : { version: parseVersion(version) }),
          check: (_, named) => seen.push(named?.version, named?.status),
        });
      same(seen, ["1.0.0", "active", undefined, undefined], "what is checked");
    });
    it("latest is the highest release again while the version that it names is yanked", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await publishIn(store, ada!, "1.0.0");
      await publishIn(store, ada!, "1.1.0");
      await store.setChannel({
        canonical: tool,
        channel: "latest",
        version: parseVersion("1.0.0"),
        audit: fakeAudit({ action: "channel.set" }),
      });
      await store.setStatus({
        canonical: tool,
        version: parseVersion("1.0.0"),
        status: "yanked",
        audit: fakeAudit({ action: "version.yank" }),
      });
      same(await channelsNow(store), { latest: "1.1.0" }, "channels");
    });
    it("latest and headline are those of the rule over all versions, after whatever was published and changed", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const next = numbers(7);
      const published = new Set<string>();
      for (let step = 0; step < 60; step += 1) {
        const version = `${next(3)}.${next(4)}.0${next(3) === 0 ? "-rc.1" : ""}`;
        const description = next(2) === 0 ? "a tool" : `release ${version}`;
        if (published.has(version)) {
          const status = (["active", "yanked", "deprecated"] as const)[next(3)]!;
          await store.setStatus({ canonical: tool, version: parseVersion(version), status, audit: fakeAudit() });
        } else {
          const publication = fakePublication(ada!, "tool", version, { tree: step + 1, manifest: { description } });
          await store.publish(next(8) === 0 ? { ...publication, channel: "beta" } : publication);
          published.add(version);
        }
        const summary = (await store.package(tool))!;
        const versions = await store.versions(tool);
        const expected = latestVersion(versions, summary.channels?.[LATEST_CHANNEL]);
        same(summary.latest, expected, `latest after step ${step}`);
        const manifest = versions.find((one) => one.version === expected)?.manifest;
        same(summary.description, manifest?.description, `description after step ${step}`);
        same(
          await names(store, { text: "release" }),
          manifest?.description === "a tool" ? [] : ["tool"],
          "found by it",
        );
        same(summary.sequence, step + 1, "sequence");
      }
    });
  });

  test.describe("MetadataStore contract: publishing", () => {
    it("publish() makes package, version and artefact visible together", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const publication = fakePublication(ada!, "actor_utils", "1.0.0", {
        manifest: { description: "Actors", keywords: ["actor"] },
      });
      const outcome = await store.publish(publication);
      same([outcome.status, (outcome as { sequence?: number }).sequence], ["created", 1], "outcome");
      const summary = await store.package(canonical("actor.utils"));
      same(
        [summary?.name, summary?.latest, summary?.description, summary?.keywords],
        ["actor_utils", "1.0.0", "Actors", ["actor"]],
        "summary",
      );
      const version = await store.version(canonical("actor-utils"), parseVersion("1.0.0"));
      same(
        [version?.artifacts, version?.publisher, version?.status],
        [[{ ...publication.artifact, leaf: 0 }], "ada", "active"],
        "version",
      );
      same(await store.owners(canonical("actor-utils")), ["ada"], "owners");
      same(
        (await store.pendingIndexUpdates(10)).map((update) => update.canonical),
        ["actor-utils"],
        "outbox",
      );
      same((await store.audits({ page: 1, perPage: 10, package: "actor_utils" })).total, 1, "audit");
      same([...(await store.referencedBlobs())], [publication.artifact.blob], "referenced");
    });
    it("logs every change once, in order and without gaps, and nothing that was refused or changed nothing", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      const tool = fakePublication(ada!, "tool", "1.0.0");
      await store.publish(tool);
      await store.publish(tool);
      await store.publish({ ...tool, account: bob! });
      const yank = { canonical: tool.canonical, version: tool.version, status: "yanked", audit: fakeAudit() } as const;
      await store.setStatus({ ...yank, reason: "broken" });
      await store.setStatus({ ...yank, version: parseVersion("9.0.0") });
      await store.addOwner(tool.canonical, bob!, fakeAudit());
      await store.addOwner(tool.canonical, bob!, fakeAudit());
      await store.removeOwner(tool.canonical, bob!, fakeAudit());
      const key = { fingerprint: `ed25519:${"ab".repeat(32)}`, accountId: ada!.id, pem: "PEM", created: 5 };
      await store.addKey(key, fakeAudit({ actor: "ada" }));
      await store.addKey(key, fakeAudit());
      await store.removeKey(ada!.id, key.fingerprint, fakeAudit({ actor: "ada" }));
      const name = { name: parsePackageName("other"), canonical: canonical("other"), skeleton: "other", account: ada! };
      await store.createPackage(name, fakeAudit());
      await store.createPackage(name, fakeAudit());
      await store.appendLog(new TextEncoder().encode("any"), fakeAudit());
      const entries = (await store.logEntries(0, 100)).map((entry) => new TextDecoder().decode(entry));
      const types = entries.map((entry) => /"type":"(\w+)"/.exec(entry)?.[1] ?? entry);
      same(types, ["publish", "status", "owner", "owner", "key", "key", "owner", "any"], "types");
      same((await store.logEntries(6, 1)).length, 1, "a part");
      same((await store.logEntries(8, 10)).length, 0, "after the end");
      const later = fakePublication(ada!, "tool", "2.0.0", { tree: 2 });
      const outcome = await store.publish(later);
      const artifact = "version" in outcome ? outcome.version.artifacts[0] : undefined;
      same(artifact?.leaf, 8, "leaf of the publication");
      same((await store.version(later.canonical, later.version))?.artifacts[0]?.leaf, 8, "leaf as stored");
      const known = "version" in outcome ? await store.publish(later) : outcome;
      same("version" in known ? known.version.artifacts[0]?.leaf : undefined, 8, "leaf of the same again");
    });
    it("putSignedFiles() replaces, supersedes and forgets files, and completes updates, together", async (store) => {
      const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
      const [ada] = await withAccounts(store, "ada");
      await store.publish(fakePublication(ada!, "tool", "1.0.0"));
      const pending = await store.pendingMetadataUpdates(10);
      same(
        pending.map(({ canonical: name }) => name),
        ["tool"],
        "pending",
      );
      const nothing = { put: [], superseded: [], completed: [], at: 10, forgetBefore: 0 };
      await store.putSignedFiles({
        ...nothing,
        put: [
          { path: "a", bytes: bytes("1") },
          { path: "b", bytes: bytes("2") },
        ],
      });
      await store.putSignedFiles({
        ...nothing,
        put: [{ path: "a", bytes: bytes("3") }],
        superseded: ["b"],
        completed: pending.map(({ id }) => id),
      });
      same(await store.pendingMetadataUpdates(10), [], "completed");
      same((await store.pendingIndexUpdates(10)).length, 1, "the document's own update stays");
      const read = async (path: string): Promise<unknown> => {
        const file = await store.signedFile(path);
        return file && [new TextDecoder().decode(file.bytes), file.superseded, file.sha256.length];
      };
      same(
        [await read("a"), await read("b"), await read("c")],
        [["3", undefined, 64], ["2", 10, 64], undefined],
        "files",
      );
      await store.putSignedFiles({ ...nothing, at: 20, forgetBefore: 10 });
      same([...(await store.signedFilePaths())].sort(), ["a", "b"], "kept");
      await store.putSignedFiles({ ...nothing, at: 20, forgetBefore: 11 });
      same(await store.signedFilePaths(), ["a"], "forgotten");
      await store.dropSignedFiles(["a", "unknown"]);
      same(await store.signedFilePaths(), [], "dropped");
    });
    it("feed() has every change that index documents show, once, in order, and no other", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      same(await store.feed(1, 10), { entries: [], latest: 0 }, "nothing yet");
      await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 1 }));
      await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 1 }));
      await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 2 }));
      await store.publish(fakePublication(ada!, "other", "1.0.0"));
      await store.addOwner(canonical("tool"), bob!, fakeAudit());
      const change = { canonical: canonical("tool"), version: parseVersion("1.0.0"), audit: fakeAudit() };
      await store.setStatus({ ...change, status: "yanked", reason: "broken" });
      const { entries, latest } = await store.feed(1, 10);
      same(
        [entries.map(({ id, name, sequence }) => [id, name, sequence]), latest],
        [
          [
            [1, "tool", 1],
            [2, "other", 1],
            [3, "tool", 2],
          ],
          3,
        ],
        "entries",
      );
      same((await store.feed(2, 2)).entries.length, 1, "a part");
      same(await store.feed(4, 10), { entries: [], latest: 3 }, "beyond the end");
    });
    it("finds the statement of a package file, and none where there is none", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const signed = fakePublication(ada!, "tool", "1.0.0", { tree: 1 });
      const statement = fakeDigest(99);
      await store.publish({ ...signed, artifact: { ...signed.artifact, statement } });
      const unsigned = fakePublication(ada!, "tool", "1.1.0", { tree: 2 });
      await store.publish(unsigned);
      same(await store.statementOf(signed.artifact.blob), statement, "signed");
      same(await store.statementOf(unsigned.artifact.blob), undefined, "unsigned");
      const key = "ab".repeat(32);
      const other = fakePublication(ada!, "tool", "1.2.0", { tree: 3 });
      const artifact = { ...other.artifact, signers: [`ed25519:${key}`], verified: true, readme: fakeDigest(98) };
      await store.publish({ ...other, artifact });
      same(
        [...(await store.referencedBlobs())].sort(),
        [
          signed.artifact.blob,
          statement,
          unsigned.artifact.blob,
          artifact.blob,
          fakeDigest(98),
          `sha256:${key}`,
        ].sort(),
        "all that is needed, with the key of a verified signer",
      );
      same(await store.statementOf(statement), undefined, "unknown");
    });
    it("answers the same tree with the first artefact, and other content with a conflict", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 1 }));
      const again = await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 1, at: 1_800_000_000_000 }));
      same(
        [again.status, again.status === "same" && again.version.artifacts[0]?.published],
        ["same", 1_700_000_000_000],
        "same",
      );
      const reasons = [
        await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 2 })),
        await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 1, kind: "source" })),
        await store.publish(
          fakePublication(ada!, "tool", "1.0.0", { tree: 3, target: "wasm32", manifest: { license: "MIT" } }),
        ),
      ].map((outcome) => outcome.status === "conflict" && outcome.reason);
      same(reasons, ["bytes", "kind", "manifest"], "conflicts");
      same((await store.package(canonical("tool")))?.sequence, 1, "sequence stays");
    });
    it("adds a file for another target to a version with the same manifest", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 1 }));
      const outcome = await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 2, target: "x86_64-linux" }));
      same(
        [outcome.status, outcome.status === "created" && outcome.version.artifacts.map(({ target }) => target)],
        ["created", ["any", "x86_64-linux"]],
        "targets",
      );
    });
    it("lets exactly one of racing publications win", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const outcomes = await Promise.all(
        [1, 2, 3, 4, 5].map((tree) => store.publish(fakePublication(ada!, "tool", "1.0.0", { tree }))),
      );
      same(outcomes.filter(({ status }) => status === "created").length, 1, "winners");
      same(outcomes.filter(({ status }) => status === "conflict").length, 4, "losers");
    });
    it("lets owners publish, others not, and whoever overrides", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      await store.publish(fakePublication(ada!, "tool", "1.0.0"));
      same((await store.publish(fakePublication(bob!, "tool", "1.1.0"))).status, "not-owner", "stranger");
      same(
        (await store.publish(fakePublication(bob!, "tool", "1.1.0", { override: true }))).status,
        "created",
        "override",
      );
      same(await store.addOwner(canonical("tool"), bob!, fakeAudit()), "changed", "add");
      same(await store.addOwner(canonical("tool"), bob!, fakeAudit()), "unchanged", "add again");
      same((await store.publish(fakePublication(bob!, "tool", "1.2.0"))).status, "created", "owner");
      same(await store.removeOwner(canonical("tool"), ada!, fakeAudit()), "changed", "remove");
      same(await store.removeOwner(canonical("tool"), bob!, fakeAudit()), "last-owner", "remove the last");
      same(await store.owners(canonical("tool")), ["bob"], "owners");
    });
    it("changes nothing where a change's check objects, and shows it what is there", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      await store.publish(fakePublication(ada!, "tool", "1.0.0"));
      const [tool, version] = [canonical("tool"), parseVersion("1.0.0")];
      await store.setChannel({ canonical: tool, channel: "beta", version, audit: fakeAudit() });
      const seen: unknown[] = [];
      const object = (current: unknown): never => {
        seen.push(current);
        throw new Error("objection");
      };
      const outcomes = await Promise.all(
        [
          () => store.addOwner(canonical("tool"), bob!, fakeAudit(), object),
          () => store.removeOwner(canonical("tool"), ada!, fakeAudit(), object),
          () =>
            store.setStatus({
              canonical: tool,
              version,
              status: "yanked",
              audit: fakeAudit(),
              check: ({ status }, { latest, channels }) => object([status, latest, channels?.["beta"]]),
            }),
        ].map((work) => work().then(String, (error: Error) => error.message)),
      );
      same(outcomes, ["objection", "objection", "objection"], "outcomes");
      same(seen, [["ada"], ["ada"], ["active", "1.0.0", "1.0.0"]], "what the checks saw");
      same(await store.owners(canonical("tool")), ["ada"], "owners");
      same((await store.version(canonical("tool"), parseVersion("1.0.0")))?.status, "active", "status");
      same((await store.package(canonical("tool")))?.sequence, 2, "sequence");
    });
    it("creates a name, finds look-alikes and knows namespaces", async (store) => {
      const [ada, bob] = await withAccounts(store, "ada", "bob");
      const entry = {
        name: parsePackageName("company/tool"),
        canonical: canonical("company/tool"),
        skeleton: "company/tool",
        account: ada!,
      };
      same(await store.createPackage(entry, fakeAudit()), "created", "first");
      same(await store.createPackage({ ...entry, account: bob! }, fakeAudit()), "exists", "second");
      same(await store.similarNames("company/tool", canonical("company/t00l")), ["company/tool"], "similar");
      same(await store.similarNames("company/tool", canonical("company/tool")), [], "not itself");
      same(await store.namespaceAccess("company", ada!.id), { exists: true, owned: true }, "its owner");
      same(await store.namespaceAccess("company", bob!.id), { exists: true, owned: false }, "another");
      same(await store.namespaceAccess("other", ada!.id), { exists: false, owned: false }, "free");
      same(await store.indexDocument(canonical("company/tool")), undefined, "no document without versions");
    });
    it("setStatus() changes status, latest version, sequence and outbox", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      for (const version of ["1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"])
        await store.publish(fakePublication(ada!, "tool", version));
      const change = { canonical: canonical("tool"), version: parseVersion("1.10.0"), audit: fakeAudit() };
      same((await store.package(canonical("tool")))?.latest, "1.10.0", "latest before");
      const yanked = await store.setStatus({ ...change, status: "yanked", reason: "broken" });
      same([yanked?.status, yanked?.reason], ["yanked", "broken"], "yanked");
      same(
        [(await store.package(canonical("tool")))?.latest, (await store.package(canonical("tool")))?.sequence],
        ["1.9.0", 5],
        "latest after",
      );
      const back = await store.setStatus({ ...change, status: "active" });
      same([back?.status, back?.reason], ["active", undefined], "active again");
      same(
        await store.setStatus({ ...change, version: parseVersion("9.9.9"), status: "yanked" }),
        undefined,
        "unknown version",
      );
      same(
        (await store.versions(canonical("tool"))).map(({ version }) => version),
        ["1.0.0", "1.9.0", "1.10.0", "2.0.0-rc.1"],
        "order",
      );
      const document = await store.indexDocument(canonical("tool"));
      same(
        [document?.sequence, document?.channels, document?.versions.length],
        [6, { latest: "1.10.0" }, 4],
        "document",
      );
    });
    it("keeps index updates pending until they are completed", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await store.publish(fakePublication(ada!, "one", "1.0.0"));
      await store.publish(fakePublication(ada!, "two", "1.0.0"));
      const pending = await store.pendingIndexUpdates(10);
      await store.completeIndexUpdates([pending[0]!.id, 999_999]);
      same(
        (await store.pendingIndexUpdates(10)).map((update) => update.canonical),
        ["two"],
        "left",
      );
      same(await store.packageNames(), ["one", "two"], "names");
    });
    it("adds downloads to the version that owns the blob", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await store.publish(fakePublication(ada!, "tool", "1.0.0", { tree: 1 }));
      await store.addDownloads(
        new Map([
          [fakeDigest(1), 3],
          [fakeDigest(200), 5],
        ]),
        50,
      );
      await store.addDownloads(new Map([[fakeDigest(1), 1]]), 70);
      same((await store.package(canonical("tool")))?.downloads, 4, "package");
      const [version] = await store.versions(canonical("tool"));
      same([version?.downloads, version?.downloaded], [4, 70], "version");
      same(await store.counts(), { packages: 1, versions: 1, accounts: 1 }, "counts");
    });
  });

  test.describe("MetadataStore contract: search and audit", () => {
    it("finds all words, in names before descriptions, exact name first", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const publish = async (name: string, manifest: object): Promise<void> => {
        await store.publish(fakePublication(ada!, name, "1.0.0", { manifest }));
      };
      await publish("helper", { description: "Helps an actor system along", keywords: ["misc"] });
      await publish("actor-extras", { description: "More", keywords: ["system"], categories: ["Concurrency"] });
      await publish("actor", { description: "The original", categories: ["concurrency"] });
      await publish("unrelated", { description: "Nothing of the kind" });
      same(await names(store, { text: "actor" }), ["actor", "actor-extras", "helper"], "one word");
      same((await names(store, { text: "actor system" })).sort(), ["actor-extras", "helper"], "two words");
      same((await names(store, { text: "act" })).length, 3, "a prefix");
      same(
        await names(store, { text: "", category: "CONCURRENCY", sort: "name" }),
        ["actor", "actor-extras"],
        "category",
      );
      same(await names(store, { text: "actor", keyword: "misc" }), ["helper"], "keyword");
      same(await names(store, { text: '"*(' }), [], "nothing to search for");
      same(await names(store, { text: 'actor" NOT "zzz' }), [], "no operators");
      same(
        (await store.search({ ...QUERY, sort: "name", page: 2, perPage: 3 })).items.map(({ name }) => name),
        ["unrelated"],
        "second page",
      );
      same((await store.search({ ...QUERY, perPage: 1 })).total, 4, "total");
    });
    it("sorts by downloads and can leave out names without versions", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      await store.publish(fakePublication(ada!, "one", "1.0.0", { tree: 1 }));
      await store.publish(fakePublication(ada!, "two", "1.0.0", { tree: 2 }));
      const entry = {
        name: parsePackageName("three"),
        canonical: canonical("three"),
        skeleton: "three",
        account: ada!,
      };
      await store.createPackage(entry, fakeAudit());
      await store.addDownloads(new Map([[fakeDigest(2), 9]]), 1);
      same(await names(store, { sort: "downloads", publishedOnly: true }), ["two", "one"], "downloads");
      same(await names(store, { sort: "name" }), ["one", "three", "two"], "all");
    });
    it("finds packages with a version for hosts, at the newest such version, page by page", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      let tree = 0;
      const publish = async (name: string, version: string, hosts?: Record<string, string>): Promise<void> => {
        const manifest = hosts === undefined ? {} : { hosts };
        await store.publish(fakePublication(ada!, name, version, { tree: (tree += 1), manifest }));
      };
      await publish("walls", "1.0.0", { revit: ">=2023.0.0 <2025.0.0-0" });
      await publish("walls", "1.1.0", { revit: ">=2023.0.0 <2025.0.0-0", python: ">=3.9.0" });
      await publish("walls", "2.0.0", { revit: ">=2025.0.0" });
      await publish("walls", "3.0.0-beta.1", { revit: ">=2024.0.0" });
      await publish("roofs", "1.0.0", { revit: ">=2026.0.0" });
      await publish("doors", "1.0.0");
      await publish("floors", "0.9.0", {});
      await publish("floors", "1.0.0", { revit: "<2024.0.0" });
      const find = async (hosts: Record<string, string>, change: Partial<SearchQuery> = {}): Promise<string[]> => {
        const { items, total } = await store.search({ ...QUERY, sort: "name", publishedOnly: true, hosts, ...change });
        return [...items.map(({ name, fitting }) => `${name} ${fitting}`), `of ${total}`];
      };
      const of2024 = ["doors 1.0.0", "floors 0.9.0", "walls 1.1.0", "of 3"];
      same(await find({ revit: "2024" }), of2024, "ranges of one axis, releases first");
      same(await find({ revit: "2024", python: "3.8" }), [...of2024.slice(0, 2), "walls 1.0.0", "of 3"], "of two axes");
      same(await find({ revit: "2025" }), ["doors 1.0.0", "floors 0.9.0", "walls 2.0.0", "of 3"], "another");
      same(await find({ revit: "2022" }), ["doors 1.0.0", "floors 1.0.0", "of 2"], "without the package");
      same(await find({ cad: "1" }), ["doors 1.0.0", "floors 1.0.0", "roofs 1.0.0", "walls 2.0.0", "of 4"], "no axis");
      same(await find({ revit: "2024" }, { page: 2, perPage: 2 }), ["walls 1.1.0", "of 3"], "second page");
      same(await find({ revit: "2024" }, { text: "wal" }), ["walls 1.1.0", "of 1"], "with words");
      const status = async (version: string, to: "yanked" | "deprecated" | "active"): Promise<void> => {
        const change = {
          canonical: canonical("walls"),
          version: parseVersion(version),
          status: to,
          audit: fakeAudit(),
        };
        await store.setStatus(change);
      };
      await status("1.1.0", "yanked");
      await status("1.0.0", "deprecated");
      same(await find({ revit: "2024" }, { text: "walls" }), ["walls 1.0.0", "of 1"], "may be chosen");
      await status("1.0.0", "yanked");
      same(await find({ revit: "2024" }, { text: "walls" }), ["walls 3.0.0-beta.1", "of 1"], "only a pre-release");
      await status("3.0.0-beta.1", "yanked");
      same(await find({ revit: "2024" }, { text: "walls" }), ["of 0"], "none");
      await status("1.1.0", "active");
      await store.rebuildHosts();
      same(await find({ revit: "2024" }), of2024, "rebuilt");
      same((await store.search({ ...QUERY, text: "walls" })).items[0]?.fitting, undefined, "where nobody asks");
    });
    it("keeps what it needs of a removed version, and names its files until it is back", async (store) => {
      const [ada] = await withAccounts(store, "ada");
      const tool = canonical("tool");
      const readme = fakeDigest(99);
      const first = fakePublication(ada!, "tool", "1.0.0", { tree: 1 });
      const second = fakePublication(ada!, "tool", "2.0.0", { tree: 2 });
      for (const { artifact, ...rest } of [first, second])
        await store.publish({ ...rest, artifact: { ...artifact, readme, statement: fakeDigest(artifact.size) } });
      const change = { canonical: tool, version: first.version, audit: fakeAudit({ action: "version.takedown" }) };
      const removal = { reason: "malware", at: 5, purge: false, before: { status: "active" } } as const;
      const removed = await store.setStatus({ ...change, status: "yanked", reason: "gone", removal });
      same([removed?.status, removed?.removed], ["yanked", removal], "removed");
      same((await store.version(tool, first.version))?.removed, removal, "stored");
      same(
        await store.removedBlobs(),
        [{ digest: fakeDigest(1), reason: "malware" }],
        "not the readme that another has",
      );
      same((await store.referencedBlobs()).has(fakeDigest(1)), true, "kept");
      same((await store.setStatus({ ...change, status: "deprecated" }))?.removed, removal, "as it was unless told");
      const purge = { ...removal, purge: true };
      await store.setStatus({ ...change, status: "yanked", removal: purge });
      const needed = await store.referencedBlobs();
      same([needed.has(fakeDigest(1)), needed.has(fakeDigest(101)), needed.has(readme)], [false, true, true], "purged");
      const back = await store.setStatus({ ...change, status: "active", removal: null });
      same([back?.status, back !== undefined && "removed" in back], ["active", false], "back");
      same(await store.removedBlobs(), [], "nothing removed");
    });
    it("lists audit records newest first, by every condition", async (store) => {
      await store.createAccount(fakeAccount("ada"), fakeAudit({ at: 10, actor: "ada", action: "a" }));
      await store.createAccount(
        fakeAccount("bob"),
        fakeAudit({ at: 20, actor: "bob", action: "b", details: { x: [1] }, address: "::1" }),
      );
      const page = { page: 1, perPage: 10 };
      same(
        (await store.audits(page)).items.map(({ action }) => action),
        ["b", "a"],
        "all",
      );
      same((await store.audits({ ...page, actor: "ada" })).total, 1, "actor");
      same((await store.audits({ ...page, action: "b" })).items[0]?.details, { x: [1] }, "action");
      same(
        (await store.audits({ ...page, since: 11, until: 20 })).items.map(({ actor }) => actor),
        ["bob"],
        "time",
      );
      same(
        (await store.audits({ page: 2, perPage: 1 })).items.map(({ action }) => action),
        ["a"],
        "second page",
      );
    });
    it("check() resolves while the store works", async (store) => {
      await store.check();
    });
  });
}
