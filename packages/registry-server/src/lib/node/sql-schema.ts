import type { Generated } from "kysely";

/** Tables of the SQL metadata stores, as Kysely sees them. Lists and objects are JSON text. */
export interface Tables {
  accounts: {
    id: string;
    username: string;
    username_folded: string;
    email: string | null;
    password_hash: string;
    admin: number;
    created: number;
    origin: string | null;
    subject: string | null;
    deleted: number | null;
  };
  account_groups: { account_id: string; name: string };
  second_factors: { account_id: string; secret: string; confirmed: number; last_step: number };
  recovery_codes: { account_id: string; hash: string };
  passkeys: {
    id: string;
    account_id: string;
    name: string;
    public_key: string;
    counter: number;
    transports: string;
    created: number;
    last_used: number | null;
  };
  trusted_publishers: {
    id: string;
    canonical: string;
    issuer: string;
    anchor: string;
    claims: string;
    account_id: string;
    created: number;
  };
  used_ids: { id: string; expires: number };
  tokens: {
    id: string;
    account_id: string;
    name: string;
    hash: string;
    scopes: string;
    packages: string;
    created: number;
    expires: number | null;
    last_used: number | null;
    revoked: number | null;
    cidr: string | null;
  };
  sessions: { id: string; account_id: string; created: number; expires: number; ended: number | null };
  keys: {
    fingerprint: string;
    account_id: string;
    pem: string;
    name: string | null;
    created: number;
    origin: string | null;
  };
  key_statements: {
    leaf: number;
    account_id: string;
    kind: string;
    fingerprint: string;
    previous: string | null;
    from_index: number | null;
    effective: number | null;
    statement: string;
    bytes: Uint8Array;
    logged: number;
  };
  packages: {
    id: Generated<number>;
    canonical: string;
    name: string;
    namespace: string;
    skeleton: string;
    sequence: number;
    latest: string | null;
    title: string | null;
    description: string | null;
    license: string | null;
    keywords: string;
    categories: string;
    downloads: number;
    created: number;
    updated: number;
    policy: string | null;
    channels: string | null;
  };
  versions: {
    id: Generated<number>;
    package_id: number;
    version: string;
    kind: string;
    manifest: string;
    status: string;
    reason: string | null;
    replacement: string | null;
    published: number;
    publisher: string;
    downloads: number;
    /** Of the last one. */
    downloaded: number | null;
    /** A VersionRemoval. */
    removal: string | null;
    /** Id of its {@link Tables.host_ranges}; `null` where a former release wrote the row. */
    hosts: string | null;
  };
  /** Every table of host ranges that some version has, under a digest of it. */
  host_ranges: { id: string; ranges: string };
  artifacts: {
    id: Generated<number>;
    version_id: number;
    target: string;
    blob: string;
    size: number;
    tree: string;
    plain_size: number;
    file_count: number;
    statement: string | null;
    signers: string;
    verified: number;
    readme: string | null;
    published: number;
    leaf: number | null;
  };
  owners: { package_id: number; account_id: string; position: number };
  outbox: { id: Generated<number>; kind: string; canonical: string };
  log_entries: { id: number; entry: Uint8Array };
  signed_files: { path: string; bytes: Uint8Array; sha256: string; superseded: number | null };
  feed: { id: Generated<number>; canonical: string; sequence: number; at: number };
  audit: {
    id: Generated<number>;
    at: number;
    actor: string;
    action: string;
    package: string | null;
    version: string | null;
    details: string;
    trace_id: string | null;
    address: string | null;
    previous: string | null;
    hash: string | null;
  };
  audit_heads: { leaf: number; record: number; hash: string; at: number };
  upstream_states: { upstream: string; state: string };
  upstream_files: {
    upstream: string;
    path: string;
    digest: string;
    held: number;
    package: string | null;
    version: string | null;
    published: number;
    superseded: number | null;
  };
  upstream_exceptions: {
    upstream: string;
    package: string;
    version: string;
    reason: string;
    granted_by: string;
    created: number;
    expires: number;
  };
  reviews: {
    id: string;
    canonical: string;
    version: string;
    state: string;
    account_id: string;
    publication: string;
    findings: string;
    blob: string;
    statement: string | null;
    readme: string | null;
    submitted: number;
    updated: number;
    decided_by: string | null;
    reason: string | null;
    appeal: string | null;
  };
  review_reviewers: { review_id: string; reviewer: string };
  organisations: { id: string; name: string; title: string | null; created: number };
  retired_organisations: { name: string; removed: number };
  organisation_members: { organisation_id: string; account_id: string; role: string; since: number };
  teams: {
    id: string;
    organisation_id: string;
    name: string;
    title: string | null;
    role: string;
    created: number;
  };
  team_members: { team_id: string; account_id: string; role: string; since: number };
  namespaces: {
    name: string;
    organisation_id: string;
    team_id: string | null;
    skeleton: string;
    proof: string;
    created: number;
  };
  owner_teams: { package_id: number; team_id: string; position: number };
  invitations: {
    id: string;
    organisation_id: string;
    team_id: string | null;
    account_id: string | null;
    email: string | null;
    code_hash: string | null;
    role: string;
    inviter_id: string;
    created: number;
    expires: number;
    state: string;
  };
  package_transfers: {
    id: string;
    package_id: number;
    sender_id: string;
    account_id: string | null;
    organisation_id: string | null;
    created: number;
    expires: number;
    state: string;
  };
  name_claims: {
    id: string;
    package_id: number;
    account_id: string;
    reason: string;
    created: number;
    decidable: number;
    state: string;
    note: string | null;
    decided: number | null;
  };
  upload_sessions: {
    id: string;
    account_id: string;
    tree: string;
    fingerprint: string;
    declared: string;
    size: number;
    created: number;
    expires: number;
    result: string | null;
  };
  quotas: { subject: string; packages: number | null; versions: number | null; bytes: number | null };
  configurations: {
    organisation_id: string;
    name: string;
    revision: number;
    text: string | null;
    digest: string | null;
    is_public: number;
    author: string;
    created: number;
    leaf: number;
  };
  download_days: { package_id: number; day: number; count: number };
  deliveries: {
    id: string;
    channel: string;
    target: string;
    event: string;
    payload: string;
    created: number;
    state: string;
    due: number | null;
    tries: number;
    attempts: string;
  };
  delivery_positions: { name: string; record: number };
  webhooks: {
    id: string;
    subject: string;
    url: string;
    events: string;
    secrets: string;
    account_id: string;
    created: number;
    since: number;
    disabled_reason: string | null;
    disabled_at: number | null;
    failing_since: number | null;
  };
  package_terms: { package_id: number; kind: string; term: string };
  package_search: { rowid: number; name: string; title: string; keywords: string; description: string };
}
