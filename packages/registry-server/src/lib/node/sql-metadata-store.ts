import { createHash } from "node:crypto";
import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import {
  withChannel,
  type CanonicalName,
  type Digest,
  type IndexDocument,
  type Version,
  parseDigest,
} from "@lading/core-manifest";
import type { AccountStore } from "../identity/account-store.ts";
import type { IdentityStore } from "../identity/identity-store.ts";
import type { UploadSessionStore } from "../uploads/upload-store.ts";
import type { UpstreamStore } from "../upstream/upstream-store.ts";
import type { DeliveryStore } from "../deliveries/delivery-store.ts";
import type { ReportStore } from "../reports/report-store.ts";
import type { WebhookStore } from "../webhooks/webhook-store.ts";
import type { ConfigurationStore } from "../configurations/configuration-store.ts";
import type { AuditTrailStore } from "../governance/audit-trail.ts";
import type { ReviewStore } from "../governance/review-store.ts";
import type { OwnershipStore } from "../organisations/ownership-store.ts";
import type { OrganisationStore } from "../organisations/organisation-store.ts";
import { indexDocumentOf, indexVersion, plainIndexDocument, sortVersions } from "../index-model.ts";
import type {
  AuditQuery,
  KeyStatementChange,
  KeyStatementOutcome,
  MetadataStore,
  PendingIndexUpdate,
  ChannelChange,
  PolicyChange,
  Publication,
  PublishOutcome,
  SearchQuery,
  SignedFilesUpdate,
  StatusChange,
  StoredSignedFile,
} from "../ports.ts";
import type { OwnerOutcome, OwnersCheck } from "../organisations/package-owners.ts";
import type {
  Account,
  AuditEntry,
  AuditRecord,
  FeedEntry,
  FoundPackage,
  KeyRecord,
  KeyStatementRecord,
  Page,
  PackageSummary,
  SessionRecord,
  TokenRecord,
  VersionRecord,
} from "../records.ts";
import { blobsOf, blobsOfStatement, neededBlobsOf, removableBlobsOf, searchedName } from "../publication-rules.ts";
import {
  keyEntry,
  keyStatementEntry,
  ownerEntry,
  channelEntry,
  policyEntry,
  statusEntry,
} from "../trust/log-entries.ts";
import { SqlDeliveryStore } from "./sql-delivery-store.ts";
import { SqlReportStore, countDay } from "./sql-report-store.ts";
import { SqlWebhookStore } from "./sql-webhook-store.ts";
import { SqlConfigurationStore } from "./sql-configuration-store.ts";
import { Prepared } from "./prepared.ts";
import { RememberedVersions } from "./remembered-versions.ts";
import { SqlAuditTrailStore, auditRows, record } from "./sql-audit.ts";
import type { SqlEngine } from "./sql-engine.ts";
import { appendEntry, isOwner, nextPosition, ownerCount, ownersOf, packageRow } from "./sql-packages.ts";
import { SqlAccountStore } from "./sql-account-store.ts";
import { SqlIdentityStore } from "./sql-identity-store.ts";
import type { QuotaStore, Usage, UsageScope } from "../quotas/quota.ts";
import { SqlQuotaStore, usageIn } from "./sql-quotas.ts";
import { SqlUploadSessionStore } from "./sql-upload-session-store.ts";
import { SqlUpstreamStore } from "./sql-upstream-store.ts";
import { SqlOwnershipStore } from "./sql-ownership-store.ts";
import { SqlOrganisationStore, ownerNames } from "./sql-organisation-store.ts";
import {
  accountKeys,
  insertKey,
  insertStatement,
  isAnyStated,
  isKnownKey,
  keysIn,
  leafOfStatement,
  packagesOfKeys,
  statementsAbout,
  statementsIn,
} from "./sql-publisher-keys.ts";
import { insertPackage, publishIn, refreshPackage, setChannels } from "./sql-publish.ts";
import { SqlReviewStore, reviewedArtifacts } from "./sql-review-store.ts";
import { fillHosts, fittingVersions, hasUnfilled, hostFilter, rangesFor } from "./sql-hosts.ts";
import { present, toAccount, toArtifact, toRemoval, toAudit, toSummary, toToken } from "./sql-rows.ts";
import type { Tables } from "./sql-schema.ts";
import { versionOf, versionsOf } from "./sql-versions.ts";

type Session = Kysely<Tables> | Transaction<Tables>;

const LOG_ENTRIES = new Prepared<{ from: number; limit: number }, { entry: Uint8Array }>((db, place) =>
  db.selectFrom("log_entries").select("entry").where("id", ">=", place("from")).orderBy("id").limit(place("limit")),
);

async function insertToken(session: Session, token: TokenRecord): Promise<void> {
  await session
    .insertInto("tokens")
    .values({
      id: token.id,
      account_id: token.accountId,
      name: token.name,
      hash: token.hash,
      scopes: JSON.stringify(token.scopes),
      packages: JSON.stringify(token.packages),
      cidr: token.cidr === undefined ? null : JSON.stringify(token.cidr),
      created: token.created,
      expires: token.expires ?? null,
    })
    .execute();
}

/**
 * The {@link MetadataStore} over SQL: every statement and every rule once, for whatever engine runs them. Writers take turns
 * (see {@link SqlEngine.write}), so that what is read in a transaction is still so when it is written.
 */
export class SqlMetadataStore implements MetadataStore {
  readonly #engine: SqlEngine;
  readonly #db: Kysely<Tables>;
  readonly identities: IdentityStore;
  readonly accounts: AccountStore;
  readonly reviews: ReviewStore;
  readonly upstreams: UpstreamStore;
  readonly organisations: OrganisationStore;
  readonly ownership: OwnershipStore;
  readonly auditTrail: AuditTrailStore;
  readonly uploads: UploadSessionStore;
  readonly configurations: ConfigurationStore;
  readonly deliveries: DeliveryStore;
  readonly webhooks: WebhookStore;
  readonly reports: ReportStore;
  readonly quotas: QuotaStore;
  readonly #remembered: RememberedVersions = new RememberedVersions();
  #closed: Promise<void> | undefined;

  constructor(engine: SqlEngine) {
    this.identities = new SqlIdentityStore(engine);
    this.accounts = new SqlAccountStore(engine);
    this.reviews = new SqlReviewStore(engine, (session, publication) => publishIn(session, publication, engine));
    this.upstreams = new SqlUpstreamStore(engine);
    this.organisations = new SqlOrganisationStore(engine);
    this.ownership = new SqlOwnershipStore(engine);
    this.auditTrail = new SqlAuditTrailStore(engine);
    this.quotas = new SqlQuotaStore(engine);
    this.uploads = new SqlUploadSessionStore(engine);
    this.configurations = new SqlConfigurationStore(engine);
    this.deliveries = new SqlDeliveryStore(engine);
    this.webhooks = new SqlWebhookStore(engine);
    this.reports = new SqlReportStore(engine);
    this.#engine = engine;
    this.#db = engine.db;
  }

  /** What runs the statements, for those who move whole tables. */
  get engine(): SqlEngine {
    return this.#engine;
  }

  async #write<Result>(work: (session: Transaction<Tables>) => Promise<Result>): Promise<Result> {
    return this.#engine.write(work);
  }

  async createAccount(account: Account, audit: AuditEntry, token?: TokenRecord): Promise<"created" | "exists"> {
    return this.#write(async (session) => {
      const folded = account.username.toLowerCase();
      const taken = await session
        .selectFrom("accounts")
        .select("id")
        .where("username_folded", "=", folded)
        .executeTakeFirst();
      if (taken !== undefined) return "exists";
      await session
        .insertInto("accounts")
        .values({
          id: account.id,
          username: account.username,
          username_folded: folded,
          email: account.email ?? null,
          password_hash: account.passwordHash,
          admin: account.admin ? 1 : 0,
          created: account.created,
        })
        .execute();
      if (token !== undefined) await insertToken(session, token);
      await record(session, audit);
      return "created";
    });
  }

  async accountByName(username: string): Promise<Account | undefined> {
    const row = await this.#db
      .selectFrom("accounts")
      .selectAll()
      .where("username_folded", "=", username.toLowerCase())
      .executeTakeFirst();
    return row === undefined ? undefined : toAccount(row);
  }

  async accountById(id: string): Promise<Account | undefined> {
    const row = await this.#db.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? undefined : toAccount(row);
  }

  async accountCount(): Promise<number> {
    return (await this.counts()).accounts;
  }

  async setPassword(accountId: string, passwordHash: string, audit: AuditEntry): Promise<void> {
    await this.#write(async (session) => {
      await session.updateTable("accounts").set({ password_hash: passwordHash }).where("id", "=", accountId).execute();
      await record(session, audit);
    });
  }

  async createToken(token: TokenRecord, audit: AuditEntry): Promise<void> {
    await this.#write(async (session) => {
      await insertToken(session, token);
      await record(session, audit);
    });
  }

  async tokenByHash(hash: string): Promise<TokenRecord | undefined> {
    const row = await this.#db
      .selectFrom("tokens")
      .selectAll()
      .where("hash", "=", hash)
      .where("revoked", "is", null)
      .executeTakeFirst();
    return row === undefined ? undefined : toToken(row);
  }

  async tokensOf(accountId: string): Promise<readonly TokenRecord[]> {
    const rows = await this.#db
      .selectFrom("tokens")
      .selectAll()
      .where("account_id", "=", accountId)
      .where("revoked", "is", null)
      .orderBy("created")
      .execute();
    return rows.map(toToken);
  }

  async revokeToken(accountId: string, id: string, audit: AuditEntry): Promise<string | undefined> {
    return this.#write(async (session) => {
      const row = await session
        .updateTable("tokens")
        .set({ revoked: audit.at })
        .where("id", "=", id)
        .where("account_id", "=", accountId)
        .where("revoked", "is", null)
        .returning("hash")
        .executeTakeFirst();
      if (row === undefined) return undefined;
      await record(session, audit);
      return row.hash;
    });
  }

  async touchTokens(uses: ReadonlyMap<string, number>): Promise<void> {
    await this.#write(async (session) => {
      for (const [id, at] of uses)
        await session.updateTable("tokens").set({ last_used: at }).where("id", "=", id).execute();
    });
  }

  async createSession(entry: SessionRecord, audit: AuditEntry): Promise<void> {
    await this.#write(async (session) => {
      await session.deleteFrom("sessions").where("expires", "<", audit.at).execute();
      await session
        .insertInto("sessions")
        .values({ id: entry.id, account_id: entry.accountId, created: entry.created, expires: entry.expires })
        .execute();
      await record(session, audit);
    });
  }

  async session(id: string): Promise<SessionRecord | undefined> {
    const row = await this.#db
      .selectFrom("sessions")
      .selectAll()
      .where("id", "=", id)
      .where("ended", "is", null)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return { id: row.id, accountId: row.account_id, created: row.created, expires: row.expires };
  }

  async endSession(id: string, audit: AuditEntry): Promise<void> {
    await this.#write(async (session) => {
      await session.updateTable("sessions").set({ ended: audit.at }).where("id", "=", id).execute();
      await record(session, audit);
    });
  }

  async addKey(key: KeyRecord, audit: AuditEntry): Promise<"created" | "taken"> {
    return this.#write(async (session) => {
      const existing = await session
        .selectFrom("keys")
        .selectAll()
        .where("fingerprint", "=", key.fingerprint)
        .executeTakeFirst();
      if (existing !== undefined) return existing.account_id === key.accountId ? "created" : "taken";
      await insertKey(session, key);
      await appendEntry(session, keyEntry("add", key.fingerprint, audit));
      await record(session, audit);
      return "created";
    });
  }

  async keysOf(accountId: string): Promise<readonly KeyRecord[]> {
    return keysIn(this.#db, accountId);
  }

  async addKeyStatement(change: KeyStatementChange): Promise<KeyStatementOutcome> {
    return this.#write(async (session) => {
      const { statement, newKey, audit } = change;
      const logged = await leafOfStatement(session, statement.statement);
      if (logged !== undefined) return { status: "same", leaf: logged, packages: [] };
      change.check?.(await accountKeys(session, statement.accountId));
      if (newKey !== undefined && (await isKnownKey(session, newKey.fingerprint))) return { status: "taken" };
      if (newKey !== undefined) await insertKey(session, newKey);
      const leaf = await appendEntry(session, keyStatementEntry(statement, audit));
      await insertStatement(session, { ...statement, leaf });
      const packages = await packagesOfKeys(session, statement);
      for (const { id, canonical } of packages) {
        await refreshPackage(session, { packageId: id, canonical, at: audit.at }, this.#engine.text);
      }
      await record(session, audit);
      return { status: "logged", leaf, packages: packages.map(({ canonical }) => canonical as CanonicalName) };
    });
  }

  async keyStatementsOf(accountId: string): Promise<readonly KeyStatementRecord[]> {
    return statementsIn(this.#db, accountId);
  }

  async removeKey(accountId: string, fingerprint: string, audit: AuditEntry): Promise<boolean> {
    return this.#write(async (session) => {
      const row = await session
        .deleteFrom("keys")
        .where("fingerprint", "=", fingerprint)
        .where("account_id", "=", accountId)
        .returning("fingerprint")
        .executeTakeFirst();
      if (row === undefined) return false;
      await appendEntry(session, keyEntry("revoke", fingerprint, audit));
      await record(session, audit);
      return true;
    });
  }

  async package(canonical: CanonicalName): Promise<PackageSummary | undefined> {
    const row = await packageRow(this.#db, canonical);
    return row === undefined ? undefined : toSummary(row);
  }

  async createPackage(
    entry: Parameters<MetadataStore["createPackage"]>[0],
    audit: AuditEntry,
  ): Promise<"created" | "exists"> {
    return this.#write(async (session) => {
      if ((await packageRow(session, entry.canonical)) !== undefined) return "exists";
      const id = await insertPackage(session, entry, audit.at);
      await this.#engine.text.put(session, { id, name: entry.name, title: "", keywords: "", description: "" });
      await appendEntry(session, ownerEntry("add", entry.canonical, entry.account.username, audit));
      await record(session, audit);
      return "created";
    });
  }

  async similarNames(skeleton: string, canonical: CanonicalName): Promise<readonly CanonicalName[]> {
    const rows = await this.#db
      .selectFrom("packages")
      .select("canonical")
      .where("skeleton", "=", skeleton)
      .where("canonical", "!=", canonical)
      .execute();
    return rows.map((row) => row.canonical as CanonicalName);
  }

  async namespaceAccess(
    namespace: string,
    accountId: string,
  ): Promise<{ readonly exists: boolean; readonly owned: boolean }> {
    const exists = await this.#db
      .selectFrom("packages")
      .select("id")
      .where("namespace", "=", namespace)
      .limit(1)
      .executeTakeFirst();
    const owned = await this.#db
      .selectFrom("packages")
      .innerJoin("owners", "owners.package_id", "packages.id")
      .select("packages.id")
      .where("packages.namespace", "=", namespace)
      .where("owners.account_id", "=", accountId)
      .limit(1)
      .executeTakeFirst();
    return { exists: exists !== undefined, owned: owned !== undefined };
  }

  async publish(publication: Publication): Promise<PublishOutcome> {
    const outcome = await this.#write((session) => publishIn(session, publication, this.#engine));
    // Committed: only now it may be told.
    if (outcome.status === "created")
      this.#remembered.add(publication.canonical, outcome.sequence, indexVersion(outcome.version));
    return outcome;
  }

  async setStatus(change: StatusChange): Promise<VersionRecord | undefined> {
    return this.#write(async (session) => {
      const row = await packageRow(session, change.canonical);
      if (row === undefined) return undefined;
      const before = change.check && (await versionOf(session, row.id, change.version));
      if (before !== undefined) change.check?.(before, toSummary(row));
      const updated = await session
        .updateTable("versions")
        .set({
          status: change.status,
          reason: change.reason ?? null,
          replacement: change.replacement ?? null,
          ...(change.removal === undefined ? {} : { removal: change.removal && JSON.stringify(change.removal) }),
        })
        .where("package_id", "=", row.id)
        .where("version", "=", change.version)
        .returning("id")
        .executeTakeFirst();
      if (updated === undefined) return undefined;
      const { canonical, audit } = change;
      await refreshPackage(session, { packageId: row.id, canonical, at: audit.at }, this.#engine.text);
      await appendEntry(session, statusEntry(change));
      await record(session, change.audit);
      return versionOf(session, row.id, change.version);
    });
  }

  async setPolicy({ canonical, policy, digest, audit, check }: PolicyChange): Promise<PackageSummary | undefined> {
    return this.#write(async (session) => {
      const row = await packageRow(session, canonical);
      if (row === undefined) return undefined;
      check?.(toSummary(row));
      await session
        .updateTable("packages")
        .set({ policy: policy === undefined ? null : JSON.stringify(policy) })
        .where("id", "=", row.id)
        .execute();
      await appendEntry(session, policyEntry(digest, audit, canonical));
      await refreshPackage(session, { packageId: row.id, canonical, at: audit.at }, this.#engine.text);
      await record(session, audit);
      return toSummary((await packageRow(session, canonical))!);
    });
  }

  async setChannel({ canonical, audit, check, ...change }: ChannelChange): Promise<PackageSummary | undefined> {
    return this.#write(async (session) => {
      const row = await packageRow(session, canonical);
      if (row === undefined) return undefined;
      const { channel, version } = change;
      const named = version === undefined ? undefined : await versionOf(session, row.id, version);
      if (version !== undefined && named === undefined) return undefined;
      const summary = toSummary(row);
      check?.(summary, named);
      if (summary.channels?.[channel] === version) return summary;
      await setChannels(session, row.id, withChannel(summary.channels, change));
      await appendEntry(session, channelEntry(change, canonical, audit));
      await refreshPackage(session, { packageId: row.id, canonical, at: audit.at }, this.#engine.text);
      await record(session, audit);
      return toSummary((await packageRow(session, canonical))!);
    });
  }

  async versions(canonical: CanonicalName): Promise<readonly VersionRecord[]> {
    const row = await packageRow(this.#db, canonical);
    return row === undefined ? [] : sortVersions(await versionsOf(this.#db, row.id));
  }

  async version(canonical: CanonicalName, version: Version): Promise<VersionRecord | undefined> {
    const row = await packageRow(this.#db, canonical);
    return row === undefined ? undefined : versionOf(this.#db, row.id, version);
  }

  async rebuildHosts(): Promise<void> {
    await this.#write(async (session) => {
      await session.updateTable("versions").set({ hosts: null }).execute();
      await session.deleteFrom("host_ranges").execute();
      await fillHosts(session);
    });
  }

  async #hostRanges(hosts: SearchQuery["hosts"]): Promise<readonly string[] | undefined> {
    if (hosts === undefined) return undefined;
    if (await hasUnfilled(this.#db)) await this.#write(fillHosts);
    return rangesFor(this.#db, hosts);
  }

  async search(query: SearchQuery): Promise<Page<FoundPackage>> {
    const match = this.#engine.text.match(query.text);
    if (match === undefined && query.text.trim() !== "") return { items: [], total: 0 };
    const ranges = await this.#hostRanges(query.hosts);
    const filters = [
      sql`1 = 1`,
      ...(query.publishedOnly ? [sql`packages.latest is not null`] : []),
      ...(match === undefined ? [] : [match.where]),
      ...(query.keyword === undefined ? [] : [termFilter("keyword", query.keyword)]),
      ...(query.category === undefined ? [] : [termFilter("category", query.category)]),
      ...(ranges === undefined ? [] : [hostFilter(this.#engine, ranges)]),
    ];
    const where = sql.join(filters, sql` and `);
    const source = match?.from ?? sql`packages`;
    const order = searchOrder(query, match?.order);
    const { rows } = await sql<Parameters<typeof toSummary>[0]>`select packages.* from ${source} where ${where}
      order by ${order}, packages.canonical limit ${query.perPage} offset ${(query.page - 1) * query.perPage}`.execute(
      this.#db,
    );
    const count = await sql<{ total: number }>`select count(*) as total from ${source} where ${where}`.execute(
      this.#db,
    );
    const { total } = count.rows[0]!;
    if (ranges === undefined) return { items: rows.map(toSummary), total };
    const fitting = await fittingVersions(this.#db, this.#engine, { packages: rows.map(({ id }) => id), ranges });
    return {
      items: rows.map((row) => ({ ...toSummary(row), ...present({ fitting: fitting.get(row.id) ?? null }) })),
      total,
    };
  }

  async owners(canonical: CanonicalName): Promise<readonly string[]> {
    return ownersOf(this.#db, canonical);
  }

  async addOwner(
    canonical: CanonicalName,
    account: Account,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    return this.#write(async (session) => {
      const row = await packageRow(session, canonical);
      if (row !== undefined) check?.(await ownerNames(session, row));
      if (row === undefined || (await isOwner(session, row.id, account.id))) return "unchanged";
      await session
        .insertInto("owners")
        .values({ package_id: row.id, account_id: account.id, position: nextPosition(row.id) })
        .execute();
      await appendEntry(session, ownerEntry("add", canonical, account.username, audit));
      await record(session, audit);
      return "changed";
    });
  }

  async removeOwner(
    canonical: CanonicalName,
    account: Account,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    return this.#write(async (session) => {
      const row = await packageRow(session, canonical);
      if (row !== undefined) check?.(await ownerNames(session, row));
      if (row === undefined || !(await isOwner(session, row.id, account.id))) return "unchanged";
      if ((await ownerCount(session, row.id)) === 1) return "last-owner";
      await session
        .deleteFrom("owners")
        .where("package_id", "=", row.id)
        .where("account_id", "=", account.id)
        .execute();
      await appendEntry(session, ownerEntry("remove", canonical, account.username, audit));
      await record(session, audit);
      return "changed";
    });
  }

  async indexDocument(canonical: CanonicalName): Promise<IndexDocument | undefined> {
    return (await this.#rememberedDocument(canonical)) ?? this.#readDocument(canonical);
  }

  /** The document of the sequence that the package has now, where its versions are remembered and nobody made a statement. */
  async #rememberedDocument(canonical: CanonicalName): Promise<IndexDocument | undefined> {
    const row = await packageRow(this.#db, canonical);
    const known = row && this.#remembered.get(canonical, row.sequence);
    // No moment has to be held for both: statements never go, so that there was none when the row was read either.
    if (known === undefined || (await isAnyStated(this.#db))) return undefined;
    return plainIndexDocument(toSummary(row!), known);
  }

  async #readDocument(canonical: CanonicalName): Promise<IndexDocument | undefined> {
    return this.#engine.snapshot(async (session) => {
      const row = await packageRow(session, canonical);
      if (row === undefined) return undefined;
      const stated = await isAnyStated(session);
      const versions = await versionsOf(session, row.id);
      if (versions.length === 0) return undefined;
      const statements = stated ? await statementsAbout(session, versions, this.#engine) : [];
      const document = indexDocumentOf(toSummary(row), versions, statements);
      this.#remembered.put(canonical, row.sequence, document.versions);
      return document;
    });
  }

  async packageNames(): Promise<readonly CanonicalName[]> {
    const rows = await this.#db.selectFrom("packages").select("canonical").orderBy("canonical").execute();
    return rows.map((row) => row.canonical as CanonicalName);
  }

  async pendingIndexUpdates(limit: number): Promise<readonly PendingIndexUpdate[]> {
    return this.#pending("index", limit);
  }

  async pendingMetadataUpdates(limit: number): Promise<readonly PendingIndexUpdate[]> {
    return this.#pending("metadata", limit);
  }

  async logEntries(from: number, limit: number): Promise<readonly Uint8Array[]> {
    const rows = await LOG_ENTRIES.all(this.#db, { from, limit });
    return rows.map(({ entry }) => Uint8Array.from(entry));
  }

  async appendLog(entry: Uint8Array, audit: AuditEntry): Promise<void> {
    await this.#write(async (session) => {
      await appendEntry(session, entry);
      await record(session, audit);
    });
  }

  async signedFilePaths(): Promise<readonly string[]> {
    const rows = await this.#db.selectFrom("signed_files").select("path").execute();
    return rows.map(({ path }) => path);
  }

  async signedFile(path: string): Promise<StoredSignedFile | undefined> {
    const row = await this.#db.selectFrom("signed_files").selectAll().where("path", "=", path).executeTakeFirst();
    if (row === undefined) return undefined;
    const { sha256, superseded } = row;
    return { path, bytes: Uint8Array.from(row.bytes), sha256, ...(superseded === null ? {} : { superseded }) };
  }

  async putSignedFiles(update: SignedFilesUpdate): Promise<boolean> {
    const { put, superseded, completed, follows, at, forgetBefore } = update;
    return this.#write(async (session) => {
      if (follows !== undefined && (await storedDigest(session, follows.path)) !== follows.sha256) return false;
      for (const path of superseded)
        await session.updateTable("signed_files").set({ superseded: at }).where("path", "=", path).execute();
      for (const { path, bytes } of put) {
        const sha256 = createHash("sha256").update(bytes).digest("hex");
        await sql`insert into signed_files (path, bytes, sha256, superseded) values (${path}, ${Buffer.from(bytes)}, ${sha256}, null)
          on conflict (path) do update set bytes = excluded.bytes, sha256 = excluded.sha256, superseded = null`.execute(
          session,
        );
      }
      await session.deleteFrom("outbox").where("id", "in", this.#engine.ids(completed)).execute();
      await session.deleteFrom("signed_files").where("superseded", "<", forgetBefore).execute();
      return true;
    });
  }

  async dropSignedFiles(paths: readonly string[]): Promise<void> {
    await this.#write((session) =>
      session.deleteFrom("signed_files").where("path", "in", this.#engine.texts(paths)).execute(),
    );
  }

  async #pending(kind: string, limit: number): Promise<readonly PendingIndexUpdate[]> {
    const rows = await this.#db
      .selectFrom("outbox")
      .select(["id", "canonical"])
      .where("kind", "=", kind)
      .orderBy("id")
      .limit(limit)
      .execute();
    return rows.map((row) => ({ id: row.id, canonical: row.canonical as CanonicalName }));
  }

  async completeIndexUpdates(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#write((session) => session.deleteFrom("outbox").where("id", "in", this.#engine.ids(ids)).execute());
  }

  async feed(
    first: number,
    last: number,
  ): Promise<{ readonly entries: readonly FeedEntry[]; readonly latest: number }> {
    const rows = await this.#db
      .selectFrom("feed")
      .selectAll()
      .where("id", ">=", first)
      .where("id", "<=", last)
      .orderBy("id")
      .execute();
    const { latest } = await this.#db
      .selectFrom("feed")
      .select((eb) => eb.fn.max("id").as("latest"))
      .executeTakeFirstOrThrow();
    const entries = rows.map(({ id, canonical, sequence, at }) => ({
      id,
      name: canonical as CanonicalName,
      sequence,
      at,
    }));
    return { entries, latest: latest ?? 0 };
  }

  async addDownloads(counts: ReadonlyMap<Digest, number>, at: number): Promise<void> {
    await this.#write(async (session) => {
      for (const [blob, count] of counts) {
        await sql`update packages set downloads = downloads + ${count} where id =
          (select versions.package_id from artifacts join versions on versions.id = artifacts.version_id where artifacts.blob = ${blob} limit 1)`.execute(
          session,
        );
        await sql`update versions set downloads = downloads + ${count}, downloaded = ${at} where id =
          (select version_id from artifacts where blob = ${blob} limit 1)`.execute(session);
        await countDay(session, { blob, count, at });
      }
    });
  }

  async usage(scope: UsageScope): Promise<Usage> {
    return usageIn(this.#db, scope, this.#engine);
  }

  async statementOf(blob: Digest): Promise<Digest | undefined> {
    const row = await this.#db
      .selectFrom("artifacts")
      .select("statement")
      .where("blob", "=", blob)
      .orderBy("id")
      .limit(1)
      .executeTakeFirst();
    return (row?.statement ?? undefined) as Digest | undefined;
  }

  async removedBlobs(): Promise<readonly { readonly digest: Digest; readonly reason: string }[]> {
    const files = this.#db
      .selectFrom("artifacts")
      .innerJoin("versions", "versions.id", "artifacts.version_id")
      .selectAll("artifacts")
      .select("versions.removal");
    const removed = (await files.where("versions.removal", "is not", null).execute()).flatMap(({ removal, ...row }) =>
      removableBlobsOf(toArtifact(row)).map((digest) => ({ digest, reason: toRemoval(removal)!.reason })),
    );
    const digests = this.#engine.texts(removed.map(({ digest }) => digest));
    const shared = await files
      .where("versions.removal", "is", null)
      .where((eb) => eb.or([eb("artifacts.blob", "in", digests), eb("artifacts.readme", "in", digests)]))
      .execute();
    const kept = new Set(shared.flatMap((row) => removableBlobsOf(toArtifact(row))));
    return removed.filter(({ digest }) => !kept.has(digest));
  }

  async referencedBlobs(): Promise<ReadonlySet<Digest>> {
    const rows = await this.#db
      .selectFrom("artifacts")
      .innerJoin("versions", "versions.id", "artifacts.version_id")
      .selectAll("artifacts")
      .select("versions.removal")
      .execute();
    const statements = await statementsIn(this.#db);
    const mirrored = await this.#db.selectFrom("upstream_files").select("digest").where("held", "=", 1).execute();
    return new Set([
      ...rows.flatMap(({ removal, ...row }) => neededBlobsOf(toArtifact(row), toRemoval(removal))),
      ...statements.flatMap(blobsOfStatement),
      ...(await reviewedArtifacts(this.#db)).flatMap(blobsOf),
      ...mirrored.map(({ digest }) => parseDigest(digest)),
    ]);
  }

  async audits(query: AuditQuery): Promise<Page<AuditRecord>> {
    const filtered = auditRows(this.#db, query);
    const rows = await filtered
      .selectAll()
      .orderBy("id", "desc")
      .limit(query.perPage)
      .offset((query.page - 1) * query.perPage)
      .execute();
    const { total } = await filtered.select((eb) => eb.fn.countAll<number>().as("total")).executeTakeFirstOrThrow();
    return { items: rows.map(toAudit), total };
  }

  async counts(): Promise<{ readonly packages: number; readonly versions: number; readonly accounts: number }> {
    const { rows } = await sql<{ packages: number; versions: number; accounts: number }>`select
      (select count(*) from packages) as packages, (select count(*) from versions) as versions,
      (select count(*) from accounts) as accounts`.execute(this.#db);
    return rows[0]!;
  }

  async check(): Promise<void> {
    await this.#engine.check();
  }

  async close(): Promise<void> {
    this.#closed ??= this.#engine.close();
    await this.#closed;
  }
}

async function storedDigest(session: Session, path: string): Promise<string | undefined> {
  const row = await session.selectFrom("signed_files").select("sha256").where("path", "=", path).executeTakeFirst();
  return row?.sha256;
}

function termFilter(kind: string, term: string) {
  return sql`exists (select 1 from package_terms where package_id = packages.id and kind = ${kind} and term = ${term.toLowerCase()})`;
}

function searchOrder(query: SearchQuery, relevance: RawBuilder<unknown> | undefined) {
  if (query.sort === "downloads") return sql`packages.downloads desc`;
  if (query.sort === "updated") return sql`packages.updated desc`;
  if (query.sort === "name" || relevance === undefined) return sql`packages.canonical`;
  // The package that is called what was typed comes first, whatever the statistics say.
  const exact = searchedName(query.text);
  return sql`(packages.canonical = ${exact}) desc, ${relevance}`;
}
