import { createHash } from "node:crypto";
import {
  LATEST_CHANNEL,
  channelsAfter,
  latestVersion,
  meetsHosts,
  splitName,
  withChannel,
  type CanonicalName,
  type Digest,
  type IndexDocument,
  type Version,
} from "@lading/core-manifest";
import { indexDocumentOf, sortVersions } from "../index-model.ts";
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
import type { NewOwner } from "../organisations/ownership-store.ts";
import type {
  Account,
  ArtifactRecord,
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
import {
  keyEntry,
  keyStatementEntry,
  ownerEntry,
  channelEntry,
  policyEntry,
  publishEntry,
  statusEntry,
  teamOwnerEntry,
} from "../trust/log-entries.ts";
import {
  blobsOf,
  blobsOfStatement,
  firstRecord,
  headlineOf,
  neededBlobsOf,
  outcomeForKnown,
  removableBlobsOf,
  searchWords,
  searchedName,
  signersOf,
} from "../publication-rules.ts";

import { MemoryReviewStore } from "./memory-review-store.ts";
import { MemoryAccountStore } from "./memory-account-store.ts";
import { MemoryIdentityStore } from "./memory-identity-store.ts";
import { MemoryAuditTrailStore, isFiltered } from "./memory-audit-trail-store.ts";
import { addedBy, requireRoom, type Usage, type UsageScope } from "../quotas/quota.ts";
import { MemoryQuotaStore } from "./memory-quota-store.ts";
import { MemoryUploadSessionStore } from "./memory-upload-session-store.ts";
import { MemoryDeliveryStore } from "./memory-delivery-store.ts";
import { MemoryWebhookStore } from "./memory-webhook-store.ts";
import { MemoryReportStore } from "./memory-report-store.ts";
import { MemoryConfigurationStore } from "./memory-configuration-store.ts";
import { MemoryUpstreamStore } from "./memory-upstream-store.ts";
import { MemoryOwnershipStore } from "./memory-ownership-store.ts";
import { MemoryOrganisationStore } from "./memory-organisation-store.ts";

interface Entry {
  summary: PackageSummary;
  readonly skeleton: string;
  owners: Account[];
  /** Ids of teams that own it. */
  readonly teams: string[];
  readonly versions: Map<Version, VersionRecord>;
}

function pageOf<Item>(items: readonly Item[], { page, perPage }: { page: number; perPage: number }): Page<Item> {
  return { items: items.slice((page - 1) * perPage, page * perPage), total: items.length };
}

function words(text: string): readonly string[] {
  return searchWords(text.toLowerCase());
}

/** Whether what an account publishes under a name counts in `scope`. */
function countsIn(
  scope: UsageScope,
  canonical: CanonicalName,
  { username, id }: { readonly username: string; readonly id?: string },
): boolean {
  if (scope.kind === "package") return canonical === scope.canonical;
  if (scope.kind === "user") return username === scope.username || id === scope.accountId;
  return scope.kind === "registry" || scope.namespaces.includes(splitName(canonical).namespace ?? "");
}

/** The {@link MetadataStore} in memory, for tests and throw-away registries. Nothing survives the process. */
export class MemoryMetadataStore implements MetadataStore {
  readonly #accounts = new Map<string, Account>();
  readonly #tokens = new Map<string, TokenRecord>();
  readonly #sessions = new Map<string, SessionRecord>();
  readonly identities: MemoryIdentityStore = new MemoryIdentityStore(this.#accounts, (audit) => this.#record(audit));
  readonly upstreams: MemoryUpstreamStore = new MemoryUpstreamStore(
    (audit) => this.#record(audit),
    (entry) => this.#log.push(entry),
  );
  readonly reviews: MemoryReviewStore = new MemoryReviewStore({
    record: (audit) => this.#record(audit),
    publish: (publication) => this.publish(publication),
    requireRoom: (publication) => this.#requireRoom(publication),
    isDeleted: (id) => this.#accounts.get(id)?.deleted !== undefined,
    ownerIds: (canonical) => this.#packages.get(canonical)?.owners.map(({ id }) => id),
    publishedFiles: () => this.#artifacts(),
  });
  readonly organisations: MemoryOrganisationStore = new MemoryOrganisationStore(
    this.#accounts,
    {
      names: () => [...this.#packages.keys()],
      accounts: (canonical) => this.#packages.get(canonical)?.owners,
      teams: (canonical) => this.#packages.get(canonical)?.teams ?? [],
      log: (change, canonical, team, audit) => this.#log.push(teamOwnerEntry(change, canonical, team, audit)),
    },
    (audit) => this.#record(audit),
    (id) => this.webhooks.forget({ kind: "organisation", id }),
  );
  readonly ownership: MemoryOwnershipStore = new MemoryOwnershipStore({
    record: (audit) => this.#record(audit),
    username: (id) => this.#accounts.get(id)!.username,
    organisation: (id) => this.organisations.nameOf(id),
    owns: (canonical, id) => this.#packages.get(canonical)?.owners.some((owner) => owner.id === id) ?? false,
    replaceOwners: (canonical, owner, audit) => this.#replaceOwners(canonical, owner, audit),
  });
  readonly quotas: MemoryQuotaStore = new MemoryQuotaStore((audit) => this.#record(audit));
  readonly uploads: MemoryUploadSessionStore = new MemoryUploadSessionStore((audit) => this.#record(audit));
  readonly auditTrail: MemoryAuditTrailStore = new MemoryAuditTrailStore((entry) => this.#log.push(entry) - 1);
  readonly accounts: MemoryAccountStore = new MemoryAccountStore({
    accounts: this.#accounts,
    sessions: this.#sessions,
    tokens: this.#tokens,
    record: (audit) => this.#record(audit),
    owned: (id) =>
      this.#ownedBy(id).map(({ summary: { canonical }, owners, teams }) => ({
        canonical,
        owners: owners.length + teams.length,
      })),
    disown: ({ id, username }, audit) => {
      for (const entry of this.#ownedBy(id)) {
        entry.owners = entry.owners.filter((owner) => owner.id !== id);
        this.#log.push(ownerEntry("remove", entry.summary.canonical, username, audit));
      }
    },
    ledBy: (id) => this.organisations.ledBy(id),
    replaceRecoveryCodes: (id, hashes) => this.identities.replaceRecoveryCodes(id, hashes),
    forget: (id, audit) => {
      this.identities.forget(id);
      this.organisations.forget(id);
      this.ownership.forget(id, audit.at);
      this.reviews.rejectAllOf(id, audit);
    },
  });
  readonly reports: MemoryReportStore = new MemoryReportStore({
    names: () => [...this.#packages.keys()],
    versions: (canonical) => {
      const entry = this.#packages.get(canonical);
      return entry && [...entry.versions.values()];
    },
    teams: (organisationId, canonical) =>
      this.organisations.teamsFor(organisationId, canonical, this.#packages.get(canonical)?.teams ?? []),
  });
  readonly configurations: MemoryConfigurationStore = new MemoryConfigurationStore({
    record: (audit) => this.#record(audit),
    append: (entry) => this.#log.push(entry) - 1,
  });
  readonly deliveries: MemoryDeliveryStore = new MemoryDeliveryStore();
  readonly webhooks: MemoryWebhookStore = new MemoryWebhookStore(
    (audit) => this.#record(audit),
    (id) => this.deliveries.drop("webhook", id),
  );
  readonly #keys = new Map<string, KeyRecord>();
  readonly #statements: KeyStatementRecord[] = [];
  readonly #packages = new Map<CanonicalName, Entry>();
  readonly #audit: AuditRecord[] = [];
  readonly #feed: FeedEntry[] = [];
  readonly #log: Uint8Array[] = [];
  readonly #signed = new Map<string, StoredSignedFile>();
  #outbox: PendingIndexUpdate[] = [];
  #unsigned: PendingIndexUpdate[] = [];
  #lastUpdate = 0;
  /** When set, {@link check} rejects with it. */
  failure: Error | undefined;

  #ownedBy(accountId: string): Entry[] {
    return [...this.#packages.values()]
      .filter(({ owners }) => owners.some(({ id }) => id === accountId))
      .sort((left, right) => (left.summary.canonical < right.summary.canonical ? -1 : 1));
  }

  #record(audit: AuditEntry): void {
    this.#audit.push({ ...audit, id: this.#audit.length + 1 });
    this.auditTrail.record(audit);
  }

  async createAccount(account: Account, audit: AuditEntry, token?: TokenRecord): Promise<"created" | "exists"> {
    if ((await this.accountByName(account.username)) !== undefined) return "exists";
    this.#accounts.set(account.id, account);
    if (token !== undefined) this.#tokens.set(token.id, token);
    this.#record(audit);
    return "created";
  }

  async accountByName(username: string): Promise<Account | undefined> {
    const folded = username.toLowerCase();
    return [...this.#accounts.values()].find((account) => account.username.toLowerCase() === folded);
  }

  async accountById(id: string): Promise<Account | undefined> {
    return this.#accounts.get(id);
  }

  async accountCount(): Promise<number> {
    return this.#accounts.size;
  }

  async setPassword(accountId: string, passwordHash: string, audit: AuditEntry): Promise<void> {
    const account = this.#accounts.get(accountId);
    if (account !== undefined) this.#accounts.set(accountId, { ...account, passwordHash });
    this.#record(audit);
  }

  async createToken(token: TokenRecord, audit: AuditEntry): Promise<void> {
    this.#tokens.set(token.id, token);
    this.#record(audit);
  }

  async tokenByHash(hash: string): Promise<TokenRecord | undefined> {
    return [...this.#tokens.values()].find((token) => token.hash === hash);
  }

  async tokensOf(accountId: string): Promise<readonly TokenRecord[]> {
    return [...this.#tokens.values()].filter((token) => token.accountId === accountId);
  }

  async revokeToken(accountId: string, id: string, audit: AuditEntry): Promise<string | undefined> {
    const token = this.#tokens.get(id);
    if (token?.accountId !== accountId) return undefined;
    this.#tokens.delete(id);
    this.#record(audit);
    return token.hash;
  }

  async touchTokens(uses: ReadonlyMap<string, number>): Promise<void> {
    for (const [id, lastUsed] of uses) {
      const token = this.#tokens.get(id);
      if (token !== undefined) this.#tokens.set(id, { ...token, lastUsed });
    }
  }

  async createSession(session: SessionRecord, audit: AuditEntry): Promise<void> {
    this.#sessions.set(session.id, session);
    this.#record(audit);
  }

  async session(id: string): Promise<SessionRecord | undefined> {
    return this.#sessions.get(id);
  }

  async endSession(id: string, audit: AuditEntry): Promise<void> {
    this.#sessions.delete(id);
    this.#record(audit);
  }

  async addKey(key: KeyRecord, audit: AuditEntry): Promise<"created" | "taken"> {
    const existing = this.#keys.get(key.fingerprint);
    if (existing !== undefined) return existing.accountId === key.accountId ? "created" : "taken";
    this.#keys.set(key.fingerprint, key);
    this.#log.push(keyEntry("add", key.fingerprint, audit));
    this.#record(audit);
    return "created";
  }

  async keysOf(accountId: string): Promise<readonly KeyRecord[]> {
    return [...this.#keys.values()].filter((key) => key.accountId === accountId);
  }

  async removeKey(accountId: string, fingerprint: string, audit: AuditEntry): Promise<boolean> {
    if (this.#keys.get(fingerprint)?.accountId !== accountId) return false;
    this.#keys.delete(fingerprint);
    this.#log.push(keyEntry("revoke", fingerprint, audit));
    this.#record(audit);
    return true;
  }

  // No await between reading and writing, as in publish().
  async addKeyStatement(change: KeyStatementChange): Promise<KeyStatementOutcome> {
    const { statement, newKey, audit } = change;
    const logged = this.#statements.find((one) => one.statement === statement.statement);
    if (logged !== undefined) return { status: "same", leaf: logged.leaf, packages: [] };
    const keys = [...this.#keys.values()].filter((key) => key.accountId === statement.accountId);
    const statements = this.#statements.filter((one) => one.accountId === statement.accountId);
    change.check?.({ keys, statements, next: this.#log.length });
    if (newKey !== undefined && this.#keys.has(newKey.fingerprint)) return { status: "taken" };
    if (newKey !== undefined) this.#keys.set(newKey.fingerprint, newKey);
    const leaf = this.#log.push(keyStatementEntry(statement, audit)) - 1;
    this.#statements.push({ ...statement, leaf });
    const changed = [...this.#packages.values()].filter((entry) => this.#concerns(entry, statement));
    for (const entry of changed) this.#refresh(entry, audit.at);
    this.#record(audit);
    return { status: "logged", leaf, packages: changed.map(({ summary }) => summary.canonical).sort() };
  }

  #concerns({ versions }: Entry, { account, accountId }: Pick<KeyStatementRecord, "account" | "accountId">): boolean {
    const { publishers, keys } = signersOf([...versions.values()]);
    return publishers.includes(account) || keys.some((key) => this.#keys.get(key)?.accountId === accountId);
  }

  async keyStatementsOf(accountId: string): Promise<readonly KeyStatementRecord[]> {
    return this.#statements.filter((one) => one.accountId === accountId);
  }

  async package(canonical: CanonicalName): Promise<PackageSummary | undefined> {
    return this.#packages.get(canonical)?.summary;
  }

  async createPackage(
    entry: Parameters<MetadataStore["createPackage"]>[0],
    audit: AuditEntry,
  ): Promise<"created" | "exists"> {
    if (this.#packages.has(entry.canonical)) return "exists";
    this.#insert(entry, audit.at);
    this.#log.push(ownerEntry("add", entry.canonical, entry.account.username, audit));
    this.#record(audit);
    return "created";
  }

  #insert(entry: Parameters<MetadataStore["createPackage"]>[0], at: number): Entry {
    const { name, canonical, skeleton, account } = entry;
    const counts = { sequence: 0, downloads: 0, created: at, updated: at };
    const created: Entry = {
      summary: { name, canonical, keywords: [], categories: [], ...counts },
      skeleton,
      owners: [account],
      teams: [],
      versions: new Map(),
    };
    this.#packages.set(canonical, created);
    return created;
  }

  async similarNames(skeleton: string, canonical: CanonicalName): Promise<readonly CanonicalName[]> {
    const similar = [...this.#packages.values()].filter((entry) => entry.skeleton === skeleton);
    return similar.map(({ summary }) => summary.canonical).filter((name) => name !== canonical);
  }

  async namespaceAccess(
    namespace: string,
    accountId: string,
  ): Promise<{ readonly exists: boolean; readonly owned: boolean }> {
    const inside = [...this.#packages.values()].filter(
      ({ summary }) => splitName(summary.canonical).namespace === namespace,
    );
    const owned = inside.some(({ owners }) => owners.some(({ id }) => id === accountId));
    return { exists: inside.length > 0, owned };
  }

  #requireRoom({ quotas = [], artifact, ...what }: Publication): void {
    const known = this.#packages.get(what.canonical);
    const newVersion = known?.versions.has(what.version) !== true;
    for (const check of quotas) {
      const isSubmitted = this.#submitted(check.scope).some(({ canonical }) => canonical === what.canonical);
      const newPackage = (known?.versions.size ?? 0) === 0 && !isSubmitted;
      const added = addedBy(artifact.size, { newPackage, newVersion });
      requireRoom(what, check, { usage: this.#usage(check.scope), added });
    }
  }

  #submitted(scope: UsageScope): readonly Publication[] {
    return this.reviews.submitted().filter(({ canonical, account }) => countsIn(scope, canonical, account));
  }

  #usage(scope: UsageScope): Usage {
    const versions = [...this.#packages.values()].flatMap(({ summary, versions: all }) =>
      [...all.values()]
        .filter(
          ({ publisher, removed }) =>
            removed?.purge !== true && countsIn(scope, summary.canonical, { username: publisher }),
        )
        .map(({ artifacts }) => ({ canonical: summary.canonical, artifacts })),
    );
    const waiting = this.#submitted(scope);
    const artifacts = [...versions.flatMap((one) => one.artifacts), ...waiting.map(({ artifact }) => artifact)];
    return {
      packages: new Set([...versions, ...waiting].map(({ canonical }) => canonical)).size,
      versions: versions.length + waiting.length,
      bytes: artifacts.reduce((sum, { size }) => sum + size, 0),
    };
  }

  async usage(scope: UsageScope): Promise<Usage> {
    return this.#usage(scope);
  }

  // No await between reading and writing: that makes it a transaction in one process.
  async publish(publication: Publication): Promise<PublishOutcome> {
    const { canonical, account, artifact, audit } = publication;
    const existing = this.#packages.get(canonical);
    const owned = existing === undefined || existing.owners.some(({ id }) => id === account.id);
    if (!owned && !publication.override) return { status: "not-owner" };
    const first = existing?.versions.get(publication.version);
    const decided = first && outcomeForKnown(first, publication, existing!.summary.sequence);
    if (decided !== undefined) return decided;
    this.#requireRoom(publication);
    const entry = existing ?? this.#insert(publication, audit.at);
    const logged = { ...artifact, leaf: this.#log.push(publishEntry(publication)) - 1 };
    const version =
      first === undefined
        ? firstRecord({ ...publication, artifact: logged })
        : { ...first, artifacts: [...first.artifacts, logged] };
    entry.versions.set(version.version, version);
    this.#setChannels(entry, channelsAfter(entry.summary, publication));
    if (publication.channel !== undefined) {
      this.#log.push(channelEntry({ channel: publication.channel, version: version.version }, canonical, audit));
    }
    this.#refresh(entry, audit.at);
    this.#record(audit);
    return { status: "created", sequence: entry.summary.sequence, version };
  }

  #refresh(entry: Entry, at: number): void {
    const { channels } = entry.summary;
    const latest = latestVersion([...entry.versions.values()], channels?.[LATEST_CHANNEL]);
    const manifest = latest === undefined ? undefined : entry.versions.get(latest)?.manifest;
    const { name, canonical, downloads, created, sequence, policy } = entry.summary;
    entry.summary = {
      ...(policy === undefined ? {} : { policy }),
      ...(channels === undefined ? {} : { channels }),
      name,
      canonical,
      downloads,
      created,
      sequence: sequence + 1,
      ...headlineOf(latest, manifest),
      updated: at,
    };
    this.#lastUpdate += 1;
    this.#outbox.push({ id: this.#lastUpdate, canonical });
    this.#lastUpdate += 1;
    this.#unsigned.push({ id: this.#lastUpdate, canonical });
    this.#feed.push({ id: this.#feed.length + 1, name: canonical, sequence: sequence + 1, at });
  }

  async setStatus(change: StatusChange): Promise<VersionRecord | undefined> {
    const entry = this.#packages.get(change.canonical);
    const before = entry?.versions.get(change.version);
    if (entry === undefined || before === undefined) return undefined;
    change.check?.(before, entry.summary);
    const { reason: _reason, replacement: _replacement, removed, ...kept } = before;
    const removal = change.removal === undefined ? removed : change.removal;
    const record: VersionRecord = {
      ...kept,
      status: change.status,
      ...(change.reason === undefined ? {} : { reason: change.reason }),
      ...(change.replacement === undefined ? {} : { replacement: change.replacement }),
      ...(removal == null ? {} : { removed: removal }),
    };
    entry.versions.set(change.version, record);
    this.#log.push(statusEntry(change));
    this.#refresh(entry, change.audit.at);
    this.#record(change.audit);
    return record;
  }

  async setPolicy({ canonical, policy, digest, audit, check }: PolicyChange): Promise<PackageSummary | undefined> {
    const entry = this.#packages.get(canonical);
    if (entry === undefined) return undefined;
    check?.(entry.summary);
    const { policy: _policy, ...kept } = entry.summary;
    entry.summary = { ...kept, ...(policy === undefined ? {} : { policy }) };
    this.#log.push(policyEntry(digest, audit, canonical));
    this.#refresh(entry, audit.at);
    this.#record(audit);
    return entry.summary;
  }

  async setChannel({ canonical, audit, check, ...change }: ChannelChange): Promise<PackageSummary | undefined> {
    const entry = this.#packages.get(canonical);
    if (entry === undefined) return undefined;
    const named = change.version === undefined ? undefined : entry.versions.get(change.version);
    if (change.version !== undefined && named === undefined) return undefined;
    check?.(entry.summary, named);
    if (entry.summary.channels?.[change.channel] === change.version) return entry.summary;
    this.#setChannels(entry, withChannel(entry.summary.channels, change));
    this.#log.push(channelEntry(change, canonical, audit));
    this.#refresh(entry, audit.at);
    this.#record(audit);
    return entry.summary;
  }

  #setChannels(entry: Entry, channels: Readonly<Record<string, string>>): void {
    const { channels: _, ...others } = entry.summary;
    entry.summary = { ...others, ...(Object.keys(channels).length === 0 ? {} : { channels }) };
  }

  async versions(canonical: CanonicalName): Promise<readonly VersionRecord[]> {
    return sortVersions([...(this.#packages.get(canonical)?.versions.values() ?? [])]);
  }

  async version(canonical: CanonicalName, version: Version): Promise<VersionRecord | undefined> {
    return this.#packages.get(canonical)?.versions.get(version);
  }

  async rebuildHosts(): Promise<void> {}

  async search(query: SearchQuery): Promise<Page<FoundPackage>> {
    const wanted = words(query.text);
    if (wanted.length === 0 && query.text.trim() !== "") return { items: [], total: 0 };
    const found = [...this.#packages.values()]
      .flatMap(({ summary, versions }) => forHosts(summary, [...versions.values()], query.hosts))
      .map((summary) => ({ summary, score: scoreOf(summary, wanted, query.text) }))
      .filter(({ summary, score }) => score !== undefined && passesFilters(summary, query));
    const byName = (left: PackageSummary, right: PackageSummary): number => (left.canonical < right.canonical ? -1 : 1);
    found.sort((left, right) => {
      const rank = {
        relevance: (right.score ?? 0) - (left.score ?? 0),
        downloads: right.summary.downloads - left.summary.downloads,
        updated: right.summary.updated - left.summary.updated,
        name: 0,
      }[query.sort];
      return rank === 0 ? byName(left.summary, right.summary) : rank;
    });
    return pageOf(
      found.map(({ summary }) => summary),
      query,
    );
  }

  async owners(canonical: CanonicalName): Promise<readonly string[]> {
    return (this.#packages.get(canonical)?.owners ?? []).map(({ username }) => username);
  }

  #replaceOwners(canonical: CanonicalName, owner: NewOwner, audit: AuditEntry): void {
    const entry = this.#packages.get(canonical)!;
    const before = this.organisations.ownerNames(canonical);
    entry.owners = "account" in owner ? [owner.account] : [];
    entry.teams.splice(0, entry.teams.length, ...("team" in owner ? [owner.team.id] : []));
    const after = this.organisations.ownerNames(canonical);
    const changes = [
      ...after.filter((name) => !before.includes(name)).map((name) => ["add", name] as const),
      ...before.filter((name) => !after.includes(name)).map((name) => ["remove", name] as const),
    ];
    for (const [change, name] of changes) this.#log.push(ownerEntry(change, canonical, name, audit));
  }

  async addOwner(
    canonical: CanonicalName,
    account: Account,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    const entry = this.#packages.get(canonical);
    if (entry !== undefined) check?.(this.organisations.ownerNames(canonical));
    if (entry === undefined || entry.owners.some(({ id }) => id === account.id)) return "unchanged";
    entry.owners.push(account);
    this.#log.push(ownerEntry("add", canonical, account.username, audit));
    this.#record(audit);
    return "changed";
  }

  async removeOwner(
    canonical: CanonicalName,
    account: Account,
    audit: AuditEntry,
    check?: OwnersCheck,
  ): Promise<OwnerOutcome> {
    const entry = this.#packages.get(canonical);
    if (entry !== undefined) check?.(this.organisations.ownerNames(canonical));
    if (entry === undefined || !entry.owners.some(({ id }) => id === account.id)) return "unchanged";
    if (entry.owners.length + entry.teams.length === 1) return "last-owner";
    entry.owners = entry.owners.filter(({ id }) => id !== account.id);
    this.#log.push(ownerEntry("remove", canonical, account.username, audit));
    this.#record(audit);
    return "changed";
  }

  async indexDocument(canonical: CanonicalName): Promise<IndexDocument | undefined> {
    const entry = this.#packages.get(canonical);
    if (entry === undefined || entry.versions.size === 0) return undefined;
    const statements = this.#statements.filter((one) => this.#concerns(entry, one));
    return indexDocumentOf(entry.summary, [...entry.versions.values()], statements);
  }

  async packageNames(): Promise<readonly CanonicalName[]> {
    return [...this.#packages.keys()].sort();
  }

  async pendingIndexUpdates(limit: number): Promise<readonly PendingIndexUpdate[]> {
    return this.#outbox.slice(0, limit);
  }

  async completeIndexUpdates(ids: readonly number[]): Promise<void> {
    this.#outbox = this.#outbox.filter(({ id }) => !ids.includes(id));
  }

  async pendingMetadataUpdates(limit: number): Promise<readonly PendingIndexUpdate[]> {
    return this.#unsigned.slice(0, limit);
  }

  async logEntries(from: number, limit: number): Promise<readonly Uint8Array[]> {
    return this.#log.slice(from, from + limit);
  }

  async appendLog(entry: Uint8Array, audit: AuditEntry): Promise<void> {
    this.#log.push(entry);
    this.#record(audit);
  }

  async signedFilePaths(): Promise<readonly string[]> {
    return [...this.#signed.keys()];
  }

  async signedFile(path: string): Promise<StoredSignedFile | undefined> {
    return this.#signed.get(path);
  }

  async putSignedFiles(update: SignedFilesUpdate): Promise<boolean> {
    const { put, superseded, completed, follows, at, forgetBefore } = update;
    if (follows !== undefined && this.#signed.get(follows.path)?.sha256 !== follows.sha256) return false;
    for (const path of superseded) {
      const file = this.#signed.get(path);
      if (file !== undefined) this.#signed.set(path, { ...file, superseded: at });
    }
    for (const { path, bytes } of put) {
      this.#signed.set(path, { path, bytes, sha256: createHash("sha256").update(bytes).digest("hex") });
    }
    this.#unsigned = this.#unsigned.filter(({ id }) => !completed.includes(id));
    for (const [path, file] of this.#signed)
      if ((file.superseded ?? Infinity) < forgetBefore) this.#signed.delete(path);
    return true;
  }

  async dropSignedFiles(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#signed.delete(path);
  }

  async feed(
    first: number,
    last: number,
  ): Promise<{ readonly entries: readonly FeedEntry[]; readonly latest: number }> {
    return { entries: this.#feed.filter(({ id }) => id >= first && id <= last), latest: this.#feed.length };
  }

  async addDownloads(counts: ReadonlyMap<Digest, number>, at: number): Promise<void> {
    for (const [blob, count] of counts) {
      for (const entry of this.#packages.values()) {
        const owner = [...entry.versions.values()].find(({ artifacts }) =>
          artifacts.some((artifact) => artifact.blob === blob),
        );
        if (owner === undefined) continue;
        entry.versions.set(owner.version, { ...owner, downloads: owner.downloads + count, downloaded: at });
        entry.summary = { ...entry.summary, downloads: entry.summary.downloads + count };
        this.reports.count(entry.summary.canonical, count, at);
        break;
      }
    }
  }

  async statementOf(blob: Digest): Promise<Digest | undefined> {
    return this.#artifacts().find((artifact) => artifact.blob === blob)?.statement;
  }

  #artifacts(): readonly ArtifactRecord[] {
    return [...this.#packages.values()].flatMap((entry) =>
      [...entry.versions.values()].flatMap((version) => version.artifacts),
    );
  }

  async removedBlobs(): Promise<readonly { readonly digest: Digest; readonly reason: string }[]> {
    const versions = [...this.#packages.values()].flatMap((entry) => [...entry.versions.values()]);
    const kept = new Set(
      versions
        .filter(({ removed }) => removed === undefined)
        .flatMap(({ artifacts }) => artifacts.flatMap(removableBlobsOf)),
    );
    return versions
      .flatMap(({ artifacts, removed }) =>
        removed === undefined
          ? []
          : artifacts.flatMap(removableBlobsOf).map((digest) => ({ digest, reason: removed.reason })),
      )
      .filter(({ digest }) => !kept.has(digest));
  }

  async referencedBlobs(): Promise<ReadonlySet<Digest>> {
    return new Set([
      ...[...this.#packages.values()].flatMap(({ versions }) =>
        [...versions.values()].flatMap(({ artifacts, removed }) =>
          artifacts.flatMap((artifact) => neededBlobsOf(artifact, removed)),
        ),
      ),
      ...this.reviews.waiting().flatMap(blobsOf),
      ...this.#statements.flatMap(blobsOfStatement),
      ...[...this.upstreams.held()].map(({ digest }) => digest),
    ]);
  }

  async audits(query: AuditQuery): Promise<Page<AuditRecord>> {
    const found = this.#audit.filter((record) => isFiltered(record, query));
    return pageOf(found.reverse(), query);
  }

  async counts(): Promise<{ readonly packages: number; readonly versions: number; readonly accounts: number }> {
    const versions = [...this.#packages.values()].reduce((sum, entry) => sum + entry.versions.size, 0);
    return { packages: this.#packages.size, versions, accounts: this.#accounts.size };
  }

  async check(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
  }

  async close(): Promise<void> {}
}

function scoreOf(summary: PackageSummary, wanted: readonly string[], text: string): number | undefined {
  if (wanted.length === 0) return 0;
  const fields: readonly [string, number][] = [
    [summary.name, 10],
    [summary.keywords.join(" "), 5],
    [summary.title ?? "", 4],
    [summary.description ?? "", 1],
  ];
  let score = summary.canonical === searchedName(text) ? 1000 : 0;
  for (const word of wanted) {
    const weight = fields.reduce(
      (sum, [field, points]) => sum + (words(field).some((found) => found.startsWith(word)) ? points : 0),
      0,
    );
    if (weight === 0) return undefined;
    score += weight;
  }
  return score;
}

function forHosts(
  summary: PackageSummary,
  versions: readonly VersionRecord[],
  given: SearchQuery["hosts"],
): readonly FoundPackage[] {
  if (given === undefined) return [summary];
  const fitting = latestVersion(
    versions.filter(
      ({ status, manifest }) => ["active", "deprecated"].includes(status) && meetsHosts(manifest.hosts ?? {}, given),
    ),
  );
  return fitting === undefined ? [] : [{ ...summary, fitting }];
}

function passesFilters(summary: PackageSummary, query: SearchQuery): boolean {
  const holds = (list: readonly string[], wanted: string | undefined): boolean =>
    wanted === undefined || list.some((item) => item.toLowerCase() === wanted.toLowerCase());
  if (query.publishedOnly && summary.latest === undefined) return false;
  return holds(summary.keywords, query.keyword) && holds(summary.categories, query.category);
}
