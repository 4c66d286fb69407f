import type Database from "better-sqlite3";
import { RegistryError } from "../registry-error.ts";
import { chainAudit } from "./chain-audit.ts";
import { placeHosts } from "./place-hosts.ts";
import { seedLog } from "./seed-log.ts";

/** Marks a database file as ours (`PRAGMA application_id`): "Ldng". */
export const APPLICATION_ID = 0x4c646e67;

interface Migration {
  readonly name: string;
  readonly statements: string;
  /** What SQL cannot say; runs after the statements, in the same transaction. */
  readonly finish?: (database: Database.Database) => void;
}

/** Forward only: a migration that was released never changes. The schema version is the number of those applied. */
export const MIGRATIONS: readonly Migration[] = [
  {
    name: "accounts, packages, audit",
    statements: `
      create table accounts (
        id text primary key, username text not null, username_folded text not null unique, email text,
        password_hash text not null, admin integer not null, created integer not null
      ) strict;
      create table tokens (
        id text primary key, account_id text not null references accounts (id), name text not null,
        hash text not null unique, scopes text not null, packages text not null,
        created integer not null, expires integer, last_used integer, revoked integer
      ) strict;
      create index tokens_of_account on tokens (account_id);
      create table sessions (
        id text primary key, account_id text not null references accounts (id),
        created integer not null, expires integer not null, ended integer
      ) strict;
      create table keys (
        fingerprint text primary key, account_id text not null references accounts (id),
        pem text not null, name text, created integer not null
      ) strict;
      create index keys_of_account on keys (account_id);
      create table packages (
        id integer primary key, canonical text not null unique, name text not null, namespace text not null,
        skeleton text not null, sequence integer not null, latest text, title text, description text, license text,
        keywords text not null, categories text not null, downloads integer not null,
        created integer not null, updated integer not null
      ) strict;
      create index packages_by_skeleton on packages (skeleton);
      create index packages_by_namespace on packages (namespace);
      create table versions (
        id integer primary key, package_id integer not null references packages (id), version text not null,
        kind text not null, manifest text not null, status text not null, reason text, replacement text,
        published integer not null, publisher text not null, downloads integer not null,
        unique (package_id, version)
      ) strict;
      create table artifacts (
        id integer primary key, version_id integer not null references versions (id), target text not null,
        blob text not null, size integer not null, tree text not null, plain_size integer not null,
        file_count integer not null, statement text, signers text not null, verified integer not null,
        readme text, published integer not null,
        unique (version_id, target)
      ) strict;
      create index artifacts_by_blob on artifacts (blob);
      create table owners (
        package_id integer not null references packages (id), account_id text not null references accounts (id),
        position integer not null,
        primary key (package_id, account_id)
      ) strict;
      create index owners_by_account on owners (account_id);
      create table outbox (
        id integer primary key autoincrement, kind text not null, canonical text not null
      ) strict;
      create table audit (
        id integer primary key autoincrement, at integer not null, actor text not null, action text not null,
        package text, version text, details text not null, trace_id text, address text
      ) strict;
      create index audit_by_package on audit (package, id);
      create index audit_by_actor on audit (actor, id);
    `,
  },
  {
    name: "full-text search",
    statements: `
      create table package_terms (
        package_id integer not null references packages (id), kind text not null, term text not null,
        primary key (kind, term, package_id)
      ) strict, without rowid;
      create index package_terms_of_package on package_terms (package_id);
      create virtual table package_search using fts5 (
        name, title, keywords, description, tokenize = 'porter unicode61 remove_diacritics 2', prefix = '2 3'
      );
      insert into package_terms (package_id, kind, term)
        select distinct packages.id, 'keyword', lower(value) from packages, json_each(packages.keywords);
      insert into package_terms (package_id, kind, term)
        select distinct packages.id, 'category', lower(value) from packages, json_each(packages.categories);
      insert into package_search (rowid, name, title, keywords, description)
        select id, name, coalesce(title, ''), (select coalesce(group_concat(value, ' '), '') from json_each(keywords)),
          coalesce(description, '') from packages;
    `,
  },
  {
    name: "feed of changes",
    statements: `
      create table feed (
        id integer primary key autoincrement, canonical text not null, sequence integer not null, at integer not null
      ) strict;
      insert into feed (canonical, sequence, at)
        select canonical, sequence, updated from packages where latest is not null order by updated, id;
    `,
  },
  {
    name: "transparency log and signed metadata",
    statements: `
      create table log_entries (id integer primary key, entry blob not null) strict;
      create table signed_files (
        path text primary key, bytes blob not null, sha256 text not null, superseded integer
      ) strict;
      create index signed_files_superseded on signed_files (superseded) where superseded is not null;
      alter table artifacts add column leaf integer;
      insert into outbox (kind, canonical) select 'metadata', canonical from packages where latest is not null order by id;
    `,
    finish: seedLog,
  },
  {
    name: "statements about publishers' keys, policies of packages",
    statements: `
      create table key_statements (
        leaf integer primary key, account_id text not null references accounts (id), kind text not null,
        fingerprint text not null, previous text, from_index integer, effective integer,
        statement text not null unique, bytes blob not null, logged integer not null
      ) strict;
      create index key_statements_of_account on key_statements (account_id, leaf);
      alter table keys add column origin text;
      alter table packages add column policy text;
    `,
  },
  {
    name: "people known elsewhere, second factors, trusted publishers",
    statements: `
      alter table accounts add column origin text;
      alter table accounts add column subject text;
      create unique index accounts_by_origin on accounts (origin, subject);
      create table account_groups (
        account_id text not null references accounts (id), name text not null, primary key (account_id, name)
      ) strict;
      create table second_factors (
        account_id text primary key references accounts (id), secret text not null, confirmed integer not null,
        last_step integer not null
      ) strict;
      create table recovery_codes (
        account_id text not null references accounts (id), hash text not null, primary key (account_id, hash)
      ) strict;
      create table trusted_publishers (
        id text primary key, canonical text not null, issuer text not null, anchor text not null, claims text not null,
        account_id text not null references accounts (id), created integer not null
      ) strict;
      create index trusted_publishers_of_package on trusted_publishers (canonical);
      create index trusted_publishers_of_project on trusted_publishers (issuer, anchor);
      create table used_ids (id text primary key, expires integer not null) strict;
      create index used_ids_by_expiry on used_ids (expires);
    `,
  },
  {
    name: "upstream registries",
    statements: `
      create table upstream_states (upstream text primary key, state text not null) strict;
      create table upstream_files (
        upstream text not null, path text not null, digest text not null, held integer not null, package text, version text,
        published integer not null, superseded integer, primary key (upstream, path)
      ) strict, without rowid;
      create table upstream_exceptions (
        upstream text not null, package text not null, version text not null, reason text not null,
        granted_by text not null, created integer not null, expires integer not null, primary key (upstream, package, version)
      ) strict;
`,
  },
  {
    name: "publications that wait for a reviewer",
    statements: `
      create table reviews (
        id text primary key, canonical text not null, version text not null, state text not null,
        account_id text not null references accounts (id), publication text not null, findings text not null,
        blob text not null, statement text, readme text, submitted integer not null, updated integer not null,
        decided_by text, reason text, appeal text
      ) strict;
      create index reviews_of_version on reviews (canonical, version);
      create index reviews_by_state on reviews (state, submitted);
      create table review_reviewers (
        review_id text not null references reviews (id), reviewer text not null, primary key (review_id, reviewer)
      ) strict;
    `,
  },
  {
    name: "organisations, teams, namespaces, transfers, quotas",
    statements: `
      create table organisations (id text primary key, name text not null unique, title text, created integer not null) strict;
      create table organisation_members (
        organisation_id text not null references organisations (id), account_id text not null references accounts (id),
        role text not null, since integer not null, primary key (organisation_id, account_id)
      ) strict;
      create index organisation_members_of_account on organisation_members (account_id);
      create table teams (
        id text primary key, organisation_id text not null references organisations (id), name text not null,
        title text, role text not null, created integer not null, unique (organisation_id, name)
      ) strict;
      create table team_members (
        team_id text not null references teams (id), account_id text not null references accounts (id),
        role text not null, since integer not null, primary key (team_id, account_id)
      ) strict;
      create index team_members_of_account on team_members (account_id);
      create table namespaces (
        name text primary key, organisation_id text not null references organisations (id),
        team_id text references teams (id), skeleton text not null, proof text not null, created integer not null
      ) strict;
      create index namespaces_of_organisation on namespaces (organisation_id);
      create index namespaces_by_skeleton on namespaces (skeleton);
      create table owner_teams (
        package_id integer not null references packages (id), team_id text not null references teams (id),
        position integer not null, primary key (package_id, team_id)
      ) strict;
      create index owner_teams_by_team on owner_teams (team_id);
      create table invitations (
        id text primary key, organisation_id text not null references organisations (id),
        team_id text references teams (id), account_id text references accounts (id), email text,
        code_hash text unique, role text not null, inviter_id text not null references accounts (id),
        created integer not null, expires integer not null, state text not null
      ) strict;
      create index invitations_of_organisation on invitations (organisation_id);
      create index invitations_of_account on invitations (account_id);
      create table package_transfers (
        id text primary key, package_id integer not null references packages (id),
        sender_id text not null references accounts (id), account_id text references accounts (id),
        organisation_id text references organisations (id), created integer not null, expires integer not null,
        state text not null
      ) strict;
      create index package_transfers_of_package on package_transfers (package_id);
      create table name_claims (
        id text primary key, package_id integer not null references packages (id),
        account_id text not null references accounts (id), reason text not null, created integer not null,
        decidable integer not null, state text not null, note text, decided integer
      ) strict;
      create index name_claims_of_package on name_claims (package_id);
      create table quotas (subject text primary key, packages integer, versions integer, bytes integer) strict;
    `,
  },
  {
    name: "channels of packages",
    statements: "alter table packages add column channels text;",
  },
  {
    name: "removed versions",
    statements: "alter table versions add column removal text",
  },
  {
    name: "chained audit trail",
    statements: `
      alter table audit add column previous text;
      alter table audit add column hash text;
      create table audit_heads (leaf integer primary key, record integer not null, hash text not null, at integer not null) strict;
    `,
    finish: chainAudit,
  },
  {
    name: "uploads under way",
    statements: `
      create table upload_sessions (
        id text primary key, account_id text not null references accounts (id), tree text not null, fingerprint text not null,
        declared text not null, size integer not null, created integer not null, expires integer not null, result text
      ) strict;
      create index upload_sessions_of_account on upload_sessions (account_id);
      create index upload_sessions_by_end on upload_sessions (expires);
    `,
  },
  {
    name: "hosts of versions",
    statements: `
      create table host_ranges (id text primary key, ranges text not null) strict, without rowid;
      alter table versions add column hosts text;
      create index versions_by_hosts on versions (hosts, package_id);
    `,
    finish: placeHosts,
  },
  {
    name: "networks of tokens",
    statements: "alter table tokens add column cidr text",
  },
  {
    name: "deleted accounts",
    statements: "alter table accounts add column deleted integer",
  },
  {
    name: "configurations that organisations share",
    statements: `
      create table configurations (
        organisation_id text not null references organisations (id) on delete cascade, name text not null,
        revision integer not null, text text, digest text, is_public integer not null, author text not null,
        created integer not null, leaf integer not null, primary key (organisation_id, name, revision)
      ) strict;
    `,
  },
  {
    name: "webhooks and deliveries",
    statements: `
      create table deliveries (
        id text primary key, channel text not null, target text not null, event text not null, payload text not null,
        created integer not null, state text not null, due integer, tries integer not null, attempts text not null
      ) strict;
      create index deliveries_due on deliveries (due, id) where due is not null;
      create index deliveries_of_target on deliveries (channel, target, created);
      create table delivery_positions (name text primary key, record integer not null) strict;
      create table webhooks (
        id text primary key, subject text not null, url text not null, events text not null, secrets text not null,
        account_id text not null references accounts (id), created integer not null, since integer not null,
        disabled_reason text, disabled_at integer, failing_since integer
      ) strict;
      create index webhooks_of_subject on webhooks (subject);
    `,
  },
  {
    name: "versions by publisher, last downloads",
    statements: `
      create index versions_by_publisher on versions (publisher);
      alter table versions add column downloaded integer;
      update versions set downloaded = cast(strftime('%s', 'now') as integer) * 1000 where downloads > 0;
    `,
  },
  {
    name: "passkeys",
    statements: `
      create table passkeys (
        id text primary key, account_id text not null references accounts (id), name text not null,
        public_key text not null, counter integer not null, transports text not null, created integer not null,
        last_used integer
      ) strict;
      create index passkeys_of_account on passkeys (account_id);
    `,
  },
  {
    name: "downloads by day",
    statements: `
      create table download_days (
        package_id integer not null references packages (id), day integer not null, count integer not null,
        primary key (package_id, day)
      ) strict;
    `,
  },
  {
    name: "names of removed organisations",
    statements: `
      create table retired_organisations (name text primary key, removed integer not null) strict;
      insert into retired_organisations (name, removed)
        select json_extract(details, '$.organisation'), max(at) from audit
        where action = 'organisation.remove' and json_extract(details, '$.organisation') is not null
          and json_extract(details, '$.organisation') not in (select name from organisations)
        group by 1;
      delete from quotas where subject like 'organisation:%'
        and subject not in (select 'organisation:' || name from organisations);
    `,
  },
];

/** Version of the schema that this release reads and writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

function pragma(database: Database.Database, name: string): number {
  return Number(database.pragma(name, { simple: true }));
}

function isEmpty(database: Database.Database): boolean {
  return database.prepare("select 1 from sqlite_schema limit 1").get() === undefined;
}

function assertOurs(database: Database.Database, file: string): void {
  const id = pragma(database, "application_id");
  if (id === APPLICATION_ID || isEmpty(database)) return;
  throw new RegistryError({
    code: "DATA_DIRECTORY_UNUSABLE",
    message: `Cannot use "${file}" as the registry's database: it is a SQLite database of another program (application id ${id})`,
    hint: "Choose another --data directory",
  });
}

function assertNotNewer(version: number, file: string): void {
  if (version <= SCHEMA_VERSION) return;
  throw new RegistryError({
    code: "SCHEMA_TOO_NEW",
    message: `Cannot open "${file}": its schema is version ${version}, this release knows up to ${SCHEMA_VERSION}`,
    hint: "Run the newer release of lading-registry that wrote it, or restore the backup made before the upgrade",
    found: version,
    allowed: SCHEMA_VERSION,
  });
}

/**
 * Brings a database to this release's schema; each step is one transaction, so a crash leaves a version
 * from which the next run goes on. Running it on a current database changes nothing.
 * @returns names of the steps that were applied
 * @throws {RegistryError} `SCHEMA_TOO_NEW`, `DATA_DIRECTORY_UNUSABLE`
 */
export function migrate(database: Database.Database, file: string): string[] {
  assertOurs(database, file);
  const applied: string[] = [];
  for (;;) {
    const step = database.transaction((): string | undefined => {
      const version = pragma(database, "user_version");
      assertNotNewer(version, file);
      const migration = MIGRATIONS[version];
      if (migration === undefined) return undefined;
      database.exec(migration.statements);
      migration.finish?.(database);
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${version + 1}`);
      return migration.name;
    });
    const name = step.immediate();
    if (name === undefined) return applied;
    applied.push(name);
  }
}

/**
 * Refuses a schema that is not this release's; an empty database is brought up to date.
 * @throws {RegistryError} `SCHEMA_TOO_OLD`, `SCHEMA_TOO_NEW`, `DATA_DIRECTORY_UNUSABLE`
 */
export function requireCurrentSchema(database: Database.Database, file: string): void {
  assertOurs(database, file);
  const version = pragma(database, "user_version");
  assertNotNewer(version, file);
  if (version === 0) {
    migrate(database, file);
    return;
  }
  if (version < SCHEMA_VERSION) {
    throw new RegistryError({
      code: "SCHEMA_TOO_OLD",
      message: `Cannot open "${file}": its schema is version ${version}, this release needs ${SCHEMA_VERSION}`,
      hint: "Back up the data directory, then run: lading-registry migrate",
      found: version,
      allowed: SCHEMA_VERSION,
    });
  }
}
