import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isLadingError, type Digest, type LadingError } from "@lading/core-manifest";
import type {
  Maintained,
  PrunedRegistry,
  RegistryStore,
  StaticPublished,
  StaticSubmission,
  WaitingSubmission,
} from "@lading/registry-static";
import { step, type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists } from "../files.ts";
import { inspectFile } from "../inspect-file.ts";
import { readSigningKey, statementOf, type KeyInput } from "./signing.ts";
import { openStatic, publicKeyFiles, storeOf, type StaticPlace } from "./static-registry.ts";

/** What {@link staticPrune} did. */
export interface StaticPruneResult extends PrunedRegistry {
  readonly location: string;
  readonly dryRun: boolean;
}

/**
 * Removes what a static registry has replaced and no client can come to any more.
 * @throws {StaticRegistryError} those of the registry and of the place
 */
export async function staticPrune(
  input: StaticPlace & { readonly dryRun?: boolean | undefined },
  context: EngineContext,
): Promise<StaticPruneResult> {
  const { pruneStatic } = await import("@lading/registry-static");
  const registry = await openStatic(input, context);
  const dryRun = input.dryRun === true;
  const { location } = registry.store;
  const pruned = await step(context, "prune", `Looking for superseded files of ${location}`, () =>
    pruneStatic({ ...registry, dryRun }),
  );
  return { location, dryRun, ...pruned };
}

/** Which names are delegated to whom. */
export interface StaticDelegateInput extends StaticPlace {
  /** A name, or `company/*`; absent: what is delegated is listed. */
  readonly pattern?: string | undefined;
  /** Public key files of those who may sign. */
  readonly publicKeys?: readonly string[] | undefined;
  readonly threshold?: number | undefined;
  /** Takes the delegation of the pattern back. */
  readonly remove?: boolean | undefined;
  readonly publisher?: string | undefined;
}

/** A delegation, as people and programs are shown it. */
export interface DelegationView {
  readonly pattern: string;
  /** Fingerprints. */
  readonly keys: readonly string[];
  readonly threshold: number;
  /** Versions published before are not held to it. */
  readonly since: string;
  readonly former: readonly { readonly key: string; readonly until: string }[];
}

/** What {@link staticDelegate} did. */
export interface StaticDelegateResult {
  readonly location: string;
  readonly changed: boolean;
  readonly delegations: readonly DelegationView[];
  readonly maintained?: Maintained;
}

const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/**
 * Delegates names of a static registry to publishers, takes that back, or lists what is delegated.
 * @throws {StaticRegistryError} `STATIC_DELEGATION_INVALID`, and those of the registry and of the place
 */
export async function staticDelegate(
  input: StaticDelegateInput,
  context: EngineContext,
): Promise<StaticDelegateResult> {
  const { StaticRegistryError, delegateStatic, listDelegations } = await import("@lading/registry-static");
  const { fingerprint } = await import("@lading/signing");
  const { pattern, remove = false, threshold, publisher } = input;
  const registry = await openStatic(input, context);
  const keys = await publicKeyFiles(input.publicKeys ?? [], context);
  if (pattern !== undefined && remove === keys.length > 0) {
    throw new StaticRegistryError({
      code: "STATIC_DELEGATION_INVALID",
      message: `Cannot delegate "${pattern.slice(0, 100)}": ${remove ? "it is to be taken back, and keys are given" : "no key is given"}`,
    });
  }
  const wanted = { keys, publisher, ...(remove ? {} : { threshold: threshold ?? 1 }) };
  const done =
    pattern === undefined
      ? { changed: false, delegations: await listDelegations(registry), maintained: undefined }
      : await delegateStatic(registry, { pattern, ...wanted });
  return {
    location: registry.store.location,
    changed: done.changed,
    delegations: done.delegations.map((one) => ({
      pattern: one.pattern,
      keys: one.keys.map(fingerprint),
      threshold: one.threshold,
      since: timeText(one.sinceMs),
      former: one.former.map(({ key, untilMs }) => ({ key: fingerprint(key), until: timeText(untilMs) })),
    })),
    ...(done.maintained === undefined ? {} : { maintained: done.maintained }),
  };
}

/** Packages to be handed in. */
export interface StaticSubmitInput extends Pick<StaticPlace, "to" | "branch">, Pick<KeyInput, "key"> {
  /** Package files; the signature of each is beside it, unless `key` signs now. */
  readonly files: readonly string[];
  /** Address of the registry: what is signed now counts for it alone. */
  readonly address?: string | undefined;
}

/** What {@link staticSubmit} did. */
export interface StaticSubmitResult {
  readonly location: string;
  readonly submitted: readonly {
    readonly digest: Digest;
    readonly name: string;
    readonly version: string;
    readonly size: number;
    readonly signers: readonly string[];
  }[];
}

async function submissionOf(
  given: string,
  input: StaticSubmitInput,
  context: EngineContext,
): Promise<StaticSubmission> {
  const file = path.resolve(context.cwd, given);
  const shown = displayPath(file, context.cwd);
  if (!(await exists(file)))
    throw new EngineError({ code: "ARTEFACT_NOT_FOUND", message: `Cannot hand in "${shown}": there is no such file` });
  const inspected = await inspectFile(file, { shown, signal: context.signal });
  if (input.key === undefined) {
    const { readSideFile, sideFilePath } = await import("@lading/signing/node");
    const statement = await readSideFile(sideFilePath(file));
    if (statement !== undefined) return { file, inspected, statement };
    throw new EngineError({
      code: "SIGNATURE_REQUIRED",
      message: `Cannot hand in "${shown}": it is not signed`,
      hint: "Give --key FILE, or sign it first",
    });
  }
  const { encodeEnvelope, softwareSigner } = await import("@lading/signing");
  const key = await readSigningKey({ key: input.key }, context);
  const statement = await encodeEnvelope(await statementOf(inspected, input.address), [softwareSigner(key.seed)]);
  return { file, inspected, statement };
}

/**
 * Hands packages in to the maintainers of a static registry: into the registry's place, or another that they look into.
 * @throws {EngineError} `ARTEFACT_NOT_FOUND`, `SIGNATURE_REQUIRED`; {StaticRegistryError} those of the place
 */
export async function staticSubmit(input: StaticSubmitInput, context: EngineContext): Promise<StaticSubmitResult> {
  const { submitStatic } = await import("@lading/registry-static");
  const { decodeEnvelope } = await import("@lading/signing");
  const store = await storeOf(input, context);
  const submissions: StaticSubmission[] = [];
  for (const file of input.files) submissions.push(await submissionOf(file, input, context));
  await submitStatic({ store, signal: context.signal }, submissions);
  return {
    location: store.location,
    submitted: submissions.map(({ inspected: { blob, size, record }, statement }) => ({
      digest: blob,
      name: record.manifest.name,
      version: record.manifest.version,
      size,
      signers: decodeEnvelope(statement).envelope.signatures.map(({ keyid }) => `ed25519:${keyid}`),
    })),
  };
}

/** What to do with what was handed in. */
export interface StaticAcceptInput extends StaticPlace {
  /** Digests, or their first eight digits or more; none: all that waits. */
  readonly submissions: readonly string[];
  /** Where it was handed in. Default: the registry's own place. */
  readonly from?: string | undefined;
  /** Public key files of authors whom the registry does not know yet. */
  readonly publicKeys?: readonly string[] | undefined;
  readonly acceptKey?: boolean | undefined;
  /** Addresses by which readers reach the registry: statements for other registries are refused. */
  readonly addresses?: readonly string[] | undefined;
  readonly publisher?: string | undefined;
  /** Takes them away without publishing them. */
  readonly reject?: boolean | undefined;
  /** Judges them, and changes nothing. */
  readonly dryRun?: boolean | undefined;
}

/** What became of one submission. */
export interface JudgedSubmission {
  readonly digest: Digest;
  /** Of the package itself; where it cannot be read, as its author says. */
  readonly name?: string;
  readonly version?: string;
  /** `acceptable`: of a dry run. `refused`: it waits on. */
  readonly outcome: "accepted" | "exists" | "acceptable" | "refused" | "rejected";
  readonly signers?: readonly string[];
  readonly problem?: { readonly code: string; readonly message: string };
}

/** What {@link staticAccept} did. */
export interface StaticAcceptResult {
  readonly location: string;
  readonly from: string;
  readonly submissions: readonly JudgedSubmission[];
}

async function chosen(
  waiting: readonly WaitingSubmission[],
  wanted: readonly string[],
  from: string,
): Promise<readonly WaitingSubmission[]> {
  const { StaticRegistryError } = await import("@lading/registry-static");
  const named = wanted.map((text) => {
    const hex = text.replace(/^sha256:/, "").toLowerCase();
    const isPart = /^[0-9a-f]{8,64}$/.test(hex);
    const found = isPart ? waiting.filter(({ digest }) => digest.startsWith(`sha256:${hex}`)) : [];
    if (found.length === 1) return found[0]!;
    throw new StaticRegistryError({
      code: "STATIC_SUBMISSION_MISSING",
      message: `Cannot find the submission "${text.slice(0, 80)}" at "${from}": ${isPart ? `${found.length} begin so` : "it is no digest, and not the first eight digits or more of one"}`,
      place: from,
    });
  });
  return wanted.length === 0 ? waiting : [...new Set(named)];
}

/** Refusals of a publication that are about what was handed in; others are of the registry, and end the command. */
const REFUSALS: ReadonlySet<string> = new Set([
  "STATIC_VERSION_EXISTS",
  "STATIC_SIGNATURE_REQUIRED",
  "STATIC_STATEMENT_REFUSED",
  "STATIC_PUBLISHER_CHANGED",
  "STATIC_NOT_DELEGATED",
  "STATIC_SUBMISSION_INVALID",
]);

function isRefusal(error: unknown): error is LadingError {
  if (!isLadingError(error)) return false;
  if (error.code.startsWith("STATIC_")) return REFUSALS.has(error.code);
  return error.category !== "io" && error.category !== "auth";
}

interface Acceptance {
  readonly registry: Awaited<ReturnType<typeof openStatic>>;
  readonly from: RegistryStore;
  readonly keys: readonly Uint8Array[];
  /** Private, for the files while they are judged. */
  readonly directory: string;
}

/** Publishes one submission, or tells why not: others do not wait for it. */
async function acceptOne(
  one: WaitingSubmission,
  input: StaticAcceptInput,
  { registry, from, keys, directory }: Acceptance,
  context: EngineContext,
): Promise<JudgedSubmission> {
  const { publishStatic, readSubmission } = await import("@lading/registry-static");
  const { addresses = [], acceptKey, publisher, dryRun } = input;
  let known: Pick<JudgedSubmission, "name" | "version"> = one;
  try {
    const { bytes, statement } = await readSubmission({ store: from, signal: context.signal }, one.digest);
    const file = path.join(directory, one.digest.replace(":", "-"));
    await writeFile(file, bytes, { flag: "wx", mode: 0o600 });
    const inspected = await inspectFile(file, { shown: `submission ${one.digest}`, signal: context.signal });
    known = inspected.record.manifest;
    const publication = { file, inspected, statement, publicKeys: keys, addresses, acceptKey };
    const { published } = await publishStatic({ ...registry, publisher, dryRun }, [publication]);
    return judged(one, published[0]!, dryRun === true);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const { code, message } = error;
    return { ...shownOf(one.digest, known), outcome: "refused", problem: { code, message } };
  }
}

function shownOf(digest: Digest, { name, version }: Pick<JudgedSubmission, "name" | "version">) {
  return { digest, ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) };
}

function judged(
  { digest }: WaitingSubmission,
  { outcome, name, version, signers }: StaticPublished,
  dryRun: boolean,
): JudgedSubmission {
  const done = outcome === "exists" ? "exists" : dryRun ? "acceptable" : "accepted";
  return { digest, name, version, outcome: done, signers };
}

async function acceptAll(
  wanted: readonly WaitingSubmission[],
  input: StaticAcceptInput,
  from: RegistryStore,
  context: EngineContext,
): Promise<JudgedSubmission[]> {
  const registry = await openStatic(input, context);
  const keys = await publicKeyFiles(input.publicKeys ?? [], context);
  const directory = await mkdtemp(path.join(tmpdir(), "lading-accept-"));
  try {
    const submissions: JudgedSubmission[] = [];
    for (const one of wanted)
      submissions.push(await acceptOne(one, input, { registry, from, keys, directory }, context));
    return submissions;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Verifies what contributors have handed in, and publishes what holds under their own keys; the rest waits on, with the
 * reason. With `reject` they are taken away unpublished.
 * @throws {StaticRegistryError} `STATIC_SUBMISSION_MISSING`, and those of the registry and of both places
 */
export async function staticAccept(input: StaticAcceptInput, context: EngineContext): Promise<StaticAcceptResult> {
  const { listSubmissions, removeSubmissions } = await import("@lading/registry-static");
  const to = await storeOf(input, context);
  const from = input.from === undefined ? to : await storeOf({ to: input.from }, context);
  const waiting = await listSubmissions({ store: from, signal: context.signal });
  const wanted = await chosen(waiting, input.submissions, from.location);
  const submissions =
    input.reject === true
      ? wanted.map((one): JudgedSubmission => ({ ...shownOf(one.digest, one), outcome: "rejected" }))
      : await acceptAll(wanted, input, from, context);
  const settled = submissions.flatMap(({ digest, outcome }) =>
    outcome === "refused" || outcome === "acceptable" ? [] : [digest],
  );
  if (input.dryRun !== true)
    await removeSubmissions({ store: from, signal: context.signal }, settled, `Settle ${settled.length} submissions`);
  return { location: to.location, from: from.location, submissions };
}
