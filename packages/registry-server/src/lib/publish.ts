import {
  CoreError,
  canonicalName,
  indexDocumentPath,
  parsePackageName,
  parseVersion,
  splitName,
  type CanonicalName,
  type Digest,
  type PackageName,
  type Version,
} from "@lading/core-manifest";
import { accessDenied, type AccessControl, type AccessVerdict } from "./access/access-control.ts";
import { administers, requireScope, type Principal } from "./authentication.ts";
import { copyBlob, storeBytes } from "./blob-bytes.ts";
import type { Namespace } from "./organisations/organisation.ts";
import type { PackageRights } from "./organisations/package-rights.ts";
import type { IndexService } from "./index-service.ts";
import { nameSkeleton, reservedReason } from "./package-name-rules.ts";
import type {
  BlobStore,
  Clock,
  InspectedUpload,
  LogListener,
  MetadataStore,
  PackageInspector,
  Publication,
  PublishOutcome,
  StatementVerdict,
  StatementVerifier,
} from "./ports.ts";
import { contentRemoved } from "./governance/blob-gate.ts";
import type { ReviewService } from "./governance/review-service.ts";
import type { PolicyFinding } from "./governance/publication-policy.ts";
import type { Review } from "./governance/review-store.ts";
import { firstRecord } from "./publication-rules.ts";
import type { DeclaredPackage } from "./declared-package.ts";
import { readPublishForm, requireSize, type PublishForm } from "./publish-form.ts";
import { judgeStatement } from "./publish-statement.ts";
import type { ArtifactRecord, AuditEntry, PackageSummary, VersionRecord } from "./records.ts";
import { RegistryError } from "./registry-error.ts";
import type { QuotaService } from "./quotas/quota-service.ts";
import { addedBy, type QuotaCheck } from "./quotas/quota.ts";
import type { DeclaredUpload } from "./uploads/upload-store.ts";
import type { Upstreams } from "./upstream/upstreams.ts";
import type { RegistrySettings } from "./settings.ts";
import type { LogReceipt } from "./trust/log-service.ts";
import type { TrustService } from "./trust/trust-service.ts";

/** What publishing needs of the registry. */
export interface PublishPorts {
  readonly metadata: MetadataStore;
  readonly rights: PackageRights;
  readonly blobs: BlobStore;
  readonly inspector: PackageInspector;
  readonly statements: StatementVerifier;
  readonly index: IndexService;
  readonly clock: Clock;
  readonly log: LogListener;
  readonly settings: RegistrySettings;
  readonly trust: TrustService | undefined;
  readonly access: AccessControl;
  /** The tree of private packages that this is; absent: that of everybody. */
  readonly tree: string | undefined;
  /** Where packages of that name go, if not here, for whom may publish them. */
  readonly elsewhere?: (canonical: CanonicalName, principal: Principal) => Promise<PublishPorts | undefined>;
  /** Path below the registry's address at which this tree is served. */
  readonly mount: string;
  readonly reviews: ReviewService;
  readonly upstreams: Upstreams;
  readonly quotas: QuotaService;
  /** Called with each step's name and duration. */
  readonly onStep: (step: string, durationMs: number) => void;
}

/** Who publishes, and how. */
export interface PublishRequest {
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  readonly principal: Principal;
  /** Name that the address says, where it says one. */
  readonly addressed?: PackageName;
  /** Version that was announced, where one was. */
  readonly announced?: Version;
  readonly audit: Pick<AuditEntry, "traceId" | "address">;
  /** The registry's own address, which a statement may name. */
  readonly address: string;
}

/** How a publication ended. */
export interface Published {
  readonly created: boolean;
  readonly name: PackageName;
  readonly version: VersionRecord;
  readonly artifact: ArtifactRecord;
  readonly sequence: number;
  /** Whether readers of the index see it; in a registry with keys, whether signed metadata that is served names it. */
  readonly visible: boolean;
  /** Path of the tree that it is in, where that is another one than was asked. */
  readonly mount?: string;
  /** Where it waits for a reviewer: nothing of it is public then. */
  readonly review?: Review;
  /** Where the publication is in the log, in a registry with keys. */
  readonly log?: LogReceipt;
}

interface Identified {
  readonly name: PackageName;
  readonly canonical: CanonicalName;
  readonly version: Version;
  readonly target: string;
}

function refused(message: string, reason: string, cause?: unknown): RegistryError {
  return new RegistryError({ code: "PACKAGE_REFUSED", message, reason, ...(cause === undefined ? {} : { cause }) });
}

function identify(
  { record }: InspectedUpload,
  { addressed, announced }: Pick<PublishRequest, "addressed" | "announced">,
): Identified {
  try {
    const name = parsePackageName(record.manifest.name);
    const version = parseVersion(record.manifest.version);
    if (addressed !== undefined && canonicalName(addressed) !== canonicalName(name)) {
      throw refused(`Cannot publish to "${addressed}": the package calls itself "${name}"`, "NAME_MISMATCH");
    }
    if (announced !== undefined && announced !== version) {
      throw refused(
        `Cannot publish "${name}" ${announced}: the package calls itself version ${version}`,
        "VERSION_MISMATCH",
      );
    }
    return { name, canonical: canonicalName(name), version, target: record.target };
  } catch (error) {
    if (error instanceof CoreError) throw refused(`Cannot publish the package: ${error.message}`, error.code, error);
    throw error;
  }
}

function checkTree(found: Digest, declared: Digest | undefined): void {
  if (declared === undefined || declared === found) return;
  throw new RegistryError({
    code: "BLOB_MISMATCH",
    message: `Cannot accept the package: its tree digest is ${found}, declared is ${declared}`,
    hint: "Pack it again with this release",
  });
}

/**
 * What the access rules say of publishing under a name, before it is looked up: whom they refuse hears the same whether
 * the package is there or not.
 * @throws {RegistryError} `FORBIDDEN`
 */
export async function checkRights(
  { access, tree }: Pick<PublishPorts, "access" | "tree">,
  principal: Principal,
  canonical: CanonicalName,
): Promise<AccessVerdict> {
  requireScope(principal, "publish", canonical);
  const verdict = await access.verdict("write", principal, canonical);
  if (verdict === "denied") throw accessDenied("write", principal, canonical);
  if (access.treeOf(canonical) === tree) return verdict;
  throw new RegistryError({
    code: "FORBIDDEN",
    message: `Cannot publish "${canonical}" here: the access rules keep its name in another tree`,
    hint: "Publish it at the address of the registry, which knows where it belongs",
  });
}

/**
 * Whether an account may create a package of that name, given what {@link checkRights} said.
 * @throws {RegistryError} `NAME_RESERVED`, `NOT_OWNER` (of the namespace), `NAME_CONFUSABLE`
 */
export async function checkNewName(
  ports: Pick<PublishPorts, "metadata" | "settings" | "rights" | "upstreams">,
  principal: Principal,
  name: CanonicalName,
  verdict: AccessVerdict,
): Promise<void> {
  const reason = reservedReason(name, ports.settings.reservedNames);
  if (reason !== undefined)
    throw new RegistryError({ code: "NAME_RESERVED", message: `Cannot create package "${name}": ${reason}` });
  const upstream = ports.upstreams.ownerOf(name);
  // Two registries of one name would be one more than a reader can tell apart.
  if (upstream !== undefined) {
    throw new RegistryError({
      code: "NAME_RESERVED",
      message: `Cannot create package "${name}": its name belongs to upstream "${upstream.options.name}"`,
      hint: "Choose a name outside of the upstream's patterns, or have the operator take it out of them",
    });
  }
  if (administers(principal, name)) return;
  if (verdict === "owners") await checkNamespace(ports, principal, name);
  await checkConfusable(ports, principal, name);
}

async function checkNamespace(
  { metadata, rights }: Pick<PublishPorts, "metadata" | "rights">,
  principal: Principal,
  name: CanonicalName,
): Promise<void> {
  const { namespace } = splitName(name);
  if (namespace === undefined) return;
  const claimed = await rights.namespaceOf(name);
  if (claimed !== undefined) return checkClaimed(rights, principal, claimed, name);
  const access = await metadata.namespaceAccess(namespace, principal.account.id);
  if (!access.exists || access.owned) return;
  throw new RegistryError({
    code: "NOT_OWNER",
    message: `Cannot create package "${name}": namespace "${namespace}" belongs to others`,
    hint: "Ask an owner of a package in the namespace to create it and add you as an owner",
  });
}

async function checkClaimed(
  rights: PackageRights,
  principal: Principal,
  claimed: Namespace,
  name: CanonicalName,
): Promise<void> {
  if (await rights.mayCreate(principal.account, claimed)) return;
  const { organisation, team, name: namespace } = claimed;
  const who = team === undefined ? "its maintainers and teams that publish" : `its maintainers and team "${team}"`;
  throw new RegistryError({
    code: "NOT_OWNER",
    message: `Cannot create package "${name}": namespace "${namespace}" belongs to organisation "${organisation}", whose packages ${who} create`,
    hint: "Ask an owner of the organisation to put you in a team that publishes",
  });
}

async function checkConfusable(
  { metadata, rights }: Pick<PublishPorts, "metadata" | "rights">,
  principal: Principal,
  name: CanonicalName,
): Promise<void> {
  for (const similar of await metadata.similarNames(nameSkeleton(name), name)) {
    if ((await rights.on(principal.account, similar)).scopes.has("publish")) continue;
    throw new RegistryError({
      code: "NAME_CONFUSABLE",
      message: `Cannot create package "${name}": it looks like "${similar}", which belongs to others`,
      similar,
    });
  }
}

interface Permitted {
  readonly existing: PackageSummary | undefined;
  /** The account may publish without owning the package. */
  readonly override: boolean;
}

async function checkName(
  ports: PublishPorts,
  principal: Principal,
  { name, canonical, version }: Identified,
): Promise<Permitted> {
  const verdict = await checkRights(ports, principal, canonical);
  const existing = await ports.metadata.package(canonical);
  const override = verdict === "allowed";
  if (existing === undefined) {
    await checkNewName(ports, principal, canonical, verdict);
    return { existing, override };
  }
  if (existing.name !== name) {
    throw refused(
      `Cannot publish "${name}" ${version}: the registered spelling of this name is "${existing.name}"`,
      "NAME_SPELLING",
    );
  }
  if (override) return { existing, override };
  const { scopes, direct } = await ports.rights.on(principal.account, canonical);
  if (!scopes.has("publish")) throw notOwner(name);
  // Whoever publishes through a team is no owner in the transaction's eyes.
  return { existing, override: !direct };
}

function notOwner(name: string): RegistryError {
  return new RegistryError({
    code: "NOT_OWNER",
    message: `Cannot publish to package "${name}": it belongs to others`,
    hint: "Ask an owner to add you, or choose another name",
  });
}

function checkStatement(
  ports: PublishPorts,
  { principal, address }: PublishRequest,
  { identified, existing }: { readonly identified: Identified; readonly existing: PackageSummary | undefined },
  form: PublishForm,
  upload: InspectedUpload,
): Promise<StatementVerdict | undefined> {
  const { name, version, target } = identified;
  const subject = {
    name,
    version,
    target,
    kind: upload.record.kind,
    blob: form.digest,
    tree: upload.tree,
    manifestDigest: upload.recordDigest,
    registry: address,
  };
  return judgeStatement(ports, { principal, subject, existing, statement: form.statement });
}

/** As `Promise.all`, but a failure waits for the others: what they work with is taken away after it. */
async function allEnded<const Work extends readonly unknown[]>(
  work: Work,
): Promise<{ -readonly [Index in keyof Work]: Awaited<Work[Index]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

// Everything that the version row will point at is durable before the row exists.
async function storeBlobs(
  ports: PublishPorts,
  form: PublishForm,
  upload: InspectedUpload,
  verdict: StatementVerdict | undefined,
): Promise<ArtifactRecord> {
  const [statement, readme] = await allEnded([
    form.statement && storeBytes(ports.blobs, form.statement),
    upload.readme && storeBytes(ports.blobs, upload.readme),
    form.package.commit(),
    ...(verdict?.publicKeys ?? []).map((key) => storeBytes(ports.blobs, key)),
  ]);
  return {
    target: upload.record.target,
    blob: form.digest,
    size: form.size,
    tree: upload.tree,
    plainSize: upload.plainSize,
    fileCount: upload.fileCount,
    ...(statement === undefined ? {} : { statement }),
    signers: verdict?.signers ?? [],
    verified: verdict?.verified ?? false,
    ...(readme === undefined ? {} : { readme }),
    published: ports.clock.now(),
  };
}

/** An artefact that the registry has already, where it is the uploaded one. */
function sameArtifact(version: VersionRecord | undefined, upload: InspectedUpload): ArtifactRecord | undefined {
  if (version === undefined || version.kind !== upload.record.kind) return undefined;
  return version.artifacts.find(({ target, tree }) => target === upload.record.target && tree === upload.tree);
}

function conflict(
  identified: Identified,
  outcome: Extract<PublishOutcome, { status: "conflict" }>,
  upload: InspectedUpload,
): RegistryError {
  const { name, version, target } = identified;
  const first = outcome.version.artifacts.find((artifact) => artifact.target === target);
  const why = {
    bytes: `it holds tree ${first?.tree} since ${new Date(outcome.version.published).toISOString()}, this upload is ${upload.tree}`,
    kind: `it is a ${outcome.version.kind} package, this upload is a ${upload.record.kind} package`,
    manifest: `its manifest says other things than that of this upload for target "${target}"`,
  }[outcome.reason];
  return new RegistryError({
    code: "VERSION_EXISTS",
    message: `Cannot publish "${name}" ${version}: the version exists, ${why}`,
    hint: "A published version never changes; publish under a new version number",
    reason: outcome.reason,
  });
}

async function isShown({ index, trust }: PublishPorts, canonical: CanonicalName): Promise<boolean> {
  if (trust === undefined) return true;
  const document = await index.read(indexDocumentPath(canonical));
  return document !== undefined && (await trust.shows(canonical, document.etag));
}

async function receiptOf({ trust }: PublishPorts, { leaf }: ArtifactRecord): Promise<{ readonly log?: LogReceipt }> {
  return trust === undefined || leaf === undefined ? {} : { log: await trust.receipt(leaf) };
}

async function makeVisible(ports: PublishPorts, canonical: CanonicalName): Promise<boolean> {
  try {
    await ports.index.refresh(canonical);
    ports.index.saveSoon();
    ports.trust?.changedSoon();
    return isShown(ports, canonical);
  } catch (error) {
    // The commit stands; the outbox brings the document in a moment.
    ports.log("error", "rendering an index document failed", { package: canonical, error: String(error) });
    return false;
  }
}

function auditOf(
  request: PublishRequest,
  identified: Identified,
  artifact: ArtifactRecord,
  { channel, origin }: Pick<DeclaredPackage, "channel" | "origin">,
): AuditEntry {
  const { blob, tree, size, target, signers } = artifact;
  return {
    ...request.audit,
    at: artifact.published,
    actor: request.principal.account.username,
    action: "package.publish",
    package: identified.name,
    version: identified.version,
    details: {
      target,
      blob,
      tree,
      size,
      signers,
      ...(channel === undefined ? {} : { channel }),
      ...(origin === undefined ? {} : { origin }),
    },
  };
}

async function timed<Result>(ports: PublishPorts, name: string, work: () => Promise<Result>): Promise<Result> {
  const started = performance.now();
  try {
    return await work();
  } finally {
    ports.onStep(name, performance.now() - started);
  }
}

/**
 * Reads an upload into a staged blob; the first step of a publication. Who calls it discards `package` in the end.
 * @throws {RegistryError} as {@link readPublishForm}
 */
export async function receive(ports: PublishPorts, request: Request): Promise<PublishForm> {
  const { blobs, settings } = ports;
  return timed(ports, "receive", () => readPublishForm(request, { blobs, packageBytes: settings.packageBytes }));
}

/**
 * The one way into the registry, for what {@link receive} gave: inspect, name and rights, statement, bytes durable, one
 * transaction, index. A crash at any point leaves the whole version or nothing of it; the same upload again is safe.
 * @throws {RegistryError} any code of a refused publication
 */
export async function publish(ports: PublishPorts, form: PublishForm, request: PublishRequest): Promise<Published> {
  const step = <Result>(name: string, work: () => Promise<Result>): Promise<Result> => timed(ports, name, work);
  const { principal, signal } = request;
  requireScope(principal, "publish");
  const upload = await step("inspect", () => ports.inspector.inspect(form.package, { size: form.size, signal }));
  checkTree(upload.tree, form.declared.tree);
  const identified = identify(upload, request);
  const home = await ports.elsewhere?.(identified.canonical, principal);
  return home === undefined
    ? publishHere(ports, form, request, { upload, identified })
    : publishThere(home, form, request, { upload, identified });
}

/** Publishes in a tree of private packages what came in at the registry's own address. */
async function publishThere(
  home: PublishPorts,
  form: PublishForm,
  request: PublishRequest,
  draft: { readonly upload: InspectedUpload; readonly identified: Identified },
): Promise<Published> {
  const copy = await copyBlob(form.package, home.blobs);
  try {
    const done = await publishHere(home, { ...form, package: copy }, request, draft);
    if (done.review !== undefined) return { ...done, mount: home.mount };
    // Whoever publishes here looks for it here, where it never shows: it shows there when the answer says so.
    await home.trust?.flush();
    const { log: _, ...rest } = done;
    return { ...rest, visible: await isShown(home, draft.identified.canonical), mount: home.mount };
  } finally {
    await copy.discard();
  }
}

async function publishHere(
  ports: PublishPorts,
  form: PublishForm,
  request: PublishRequest,
  { upload, identified }: { readonly upload: InspectedUpload; readonly identified: Identified },
): Promise<Published> {
  const step = <Result>(name: string, work: () => Promise<Result>): Promise<Result> => timed(ports, name, work);
  const { principal } = request;
  const { existing, override } = await step("authorize", () => checkName(ports, principal, identified));
  const known = await ports.metadata.version(identified.canonical, identified.version);
  if (known?.removed !== undefined)
    throw contentRemoved(`Cannot publish "${identified.name}" ${identified.version}`, known.removed.reason);
  const same = sameArtifact(known, upload);
  if (same !== undefined) return alreadyPublished(ports, identified, known!, same);
  const waiting = await ports.reviews.waiting(
    draftOf(ports, request, { identified, upload, form, override }),
    existing !== undefined,
  );
  if (waiting !== undefined) return held(false, waiting);
  const findings = await step("policy", () => judge(ports, request, { identified, upload, existing }));
  const verdict = await step("verify", () => checkStatement(ports, request, { identified, existing }, form, upload));
  const quotas = await checkQuotas(ports, principal, { ...identified, existing, size: form.size });
  const artifact = await step("store", () => storeBlobs(ports, form, upload, verdict));
  const draft = { identified, upload, artifact, override, declared: form.declared, quotas };
  return step("commit", () =>
    findings.length === 0 ? commit(ports, request, draft) : submit(ports, request, draft, findings),
  );
}

/**
 * Checks what can be known of a publication before its bytes are sent: size, rights, name, and what the registry has of the
 * version. Everything is checked again when they are there. Tells the publication where it is made already.
 * @throws {RegistryError} any code of a refused publication
 */
export async function announce(
  ports: PublishPorts,
  request: PublishRequest,
  declared: DeclaredUpload,
): Promise<Published | undefined> {
  const { principal } = request;
  requireScope(principal, "publish");
  requireSize(declared.size, ports.settings.packageBytes);
  const home = (await ports.elsewhere?.(declared.canonical, principal)) ?? ports;
  const { existing } = await checkName(home, principal, declared);
  const same = await announcedVersion(home, declared);
  if (same !== undefined) return home === ports ? same : elsewhere(same, home);
  const publication = { ...declared, account: principal.account };
  if (existing === undefined) await home.reviews.requireFreeName(declared.name, declared.canonical, principal.account);
  await home.reviews.judgeName(publication, existing?.latest === undefined);
  await checkQuotas(home, principal, { ...declared, existing });
  return undefined;
}

/** The limits of a publication, within which it is so far. */
async function checkQuotas(
  { quotas, metadata }: PublishPorts,
  { account }: Principal,
  draft: Identified & { readonly existing: PackageSummary | undefined; readonly size: number },
): Promise<readonly QuotaCheck[]> {
  const { canonical, version, existing, size } = draft;
  const checks = await quotas.checksFor(account, canonical);
  if (checks.length === 0) return checks;
  const newVersion = existing === undefined || (await metadata.version(canonical, version)) === undefined;
  // What waits for a reviewer under the name counts already.
  const isNew = existing?.latest === undefined;
  const newPackage = isNew && (await metadata.usage({ kind: "package", canonical })).packages === 0;
  await quotas.require(checks, draft, addedBy(size, { newPackage, newVersion }));
  return checks;
}

function elsewhere(published: Published, { mount }: PublishPorts): Published {
  const { log: _, ...done } = published;
  return { ...done, mount };
}

async function announcedVersion(ports: PublishPorts, declared: DeclaredUpload): Promise<Published | undefined> {
  const { name, canonical, version, target, blob, tree } = declared;
  const known = await ports.metadata.version(canonical, version);
  if (known?.removed !== undefined) throw contentRemoved(`Cannot publish "${name}" ${version}`, known.removed.reason);
  const first = known?.artifacts.find((artifact) => artifact.target === target);
  if (first === undefined) return undefined;
  if (first.blob === blob || first.tree === tree) return alreadyPublished(ports, declared, known!, first);
  // Without its tree, other bytes may still hold the same files.
  if (tree === undefined) return undefined;
  throw new RegistryError({
    code: "VERSION_EXISTS",
    message: `Cannot publish "${name}" ${version}: the version exists, it holds tree ${first.tree} since ${new Date(known!.published).toISOString()}, announced is ${tree}`,
    hint: "A published version never changes; publish under a new version number",
    reason: "bytes",
  });
}

function judge(
  { reviews }: PublishPorts,
  { principal }: PublishRequest,
  draft: {
    readonly identified: Identified;
    readonly upload: InspectedUpload;
    readonly existing: PackageSummary | undefined;
  },
): Promise<readonly PolicyFinding[]> {
  const { identified, upload, existing } = draft;
  const { license } = upload.record.manifest;
  return reviews.judge(
    { ...identified, account: principal.account },
    { license, isNew: existing?.latest === undefined },
  );
}

/** The publication as far as it is known before its bytes are stored. */
function draftOf(
  ports: PublishPorts,
  request: PublishRequest,
  draft: {
    readonly identified: Identified;
    readonly upload: InspectedUpload;
    readonly form: PublishForm;
    readonly override: boolean;
  },
): Publication {
  const { identified, upload, form, override } = draft;
  const { declared } = form;
  const artifact: ArtifactRecord = {
    target: upload.record.target,
    blob: form.digest,
    size: form.size,
    tree: upload.tree,
    plainSize: upload.plainSize,
    fileCount: upload.fileCount,
    signers: [],
    verified: false,
    published: ports.clock.now(),
  };
  return publicationOf(request, { identified, upload, artifact, override, declared });
}

function held(created: boolean, review: Review): Published {
  const { publication } = review;
  const { name, artifact } = publication;
  const version = { ...firstRecord(publication), status: "held" } as const;
  return { created, name, version, artifact, sequence: 0, visible: false, review };
}

async function submit(
  ports: PublishPorts,
  request: PublishRequest,
  draft: Draft,
  findings: readonly PolicyFinding[],
): Promise<Published> {
  const { created, review } = await ports.reviews.submit(publicationOf(request, draft), findings);
  return held(created, review);
}

async function alreadyPublished(
  ports: PublishPorts,
  { name, canonical }: Identified,
  version: VersionRecord,
  artifact: ArtifactRecord,
): Promise<Published> {
  const summary = await ports.metadata.package(canonical);
  const receipt = await receiptOf(ports, artifact);
  const visible = await isShown(ports, canonical);
  return { created: false, name, version, artifact, sequence: summary?.sequence ?? 0, visible, ...receipt };
}

interface Draft {
  readonly identified: Identified;
  readonly upload: InspectedUpload;
  readonly artifact: ArtifactRecord;
  /** The account may publish without owning the package. */
  readonly override: boolean;
  readonly declared: DeclaredPackage;
  readonly quotas?: readonly QuotaCheck[];
}

function publicationOf(
  request: PublishRequest,
  { identified, upload, artifact, override, declared, quotas = [] }: Draft,
): Publication {
  const { name, canonical, version } = identified;
  const { channel } = declared;
  return {
    name,
    canonical,
    skeleton: nameSkeleton(canonical),
    version,
    kind: upload.record.kind,
    manifest: upload.record.manifest,
    artifact,
    account: request.principal.account,
    override,
    ...(channel === undefined ? {} : { channel }),
    ...(quotas.length === 0 ? {} : { quotas }),
    audit: auditOf(request, identified, artifact, declared),
  };
}

async function commit(ports: PublishPorts, request: PublishRequest, draft: Draft): Promise<Published> {
  const { identified, upload, artifact } = draft;
  const { name, canonical } = identified;
  const outcome = await ports.metadata.publish(publicationOf(request, draft));
  if (outcome.status === "not-owner") throw notOwner(name);
  if (outcome.status === "conflict") throw conflict(identified, outcome, upload);
  const visible = await makeVisible(ports, canonical);
  const stored = outcome.version.artifacts.find(({ target }) => target === artifact.target)!;
  const receipt = await timed(ports, "log", () => receiptOf(ports, stored));
  return {
    created: outcome.status === "created",
    name,
    version: outcome.version,
    artifact: stored,
    sequence: outcome.sequence,
    visible,
    ...receipt,
  };
}
