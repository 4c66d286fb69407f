import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ignoreEvents, isLadingError, parseChannel, type Digest, type PackageKind } from "@lading/core-manifest";
import type { InspectedPackage } from "@lading/archive/node";
import type { PublishReceipt, RegistryClient } from "@lading/registry-client";
import { step, type EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, hasErrno, writeFileAtomic } from "../files.ts";
import { inspectFile } from "../inspect-file.ts";
import { chooseMembers, tryLoadProject, type Member, type MemberChoice, type Project } from "../project.ts";
import { checkPublishable, packMember, type PackInput, type PackRequest } from "./pack.ts";
import { refuseMemberCycle } from "./publish-list.ts";
import { readSigningKey, statementOf, type KeyInput } from "./signing.ts";

/** What is published, and how. */
export interface PublishCommandInput
  extends MemberChoice, KeyInput, Pick<PackInput, "manifest" | "output" | "kind" | "compress" | "release" | "target"> {
  /** A package file; default: the one of this version in the output directory while it is up to date, else one that is packed now. */
  readonly file?: string | undefined;
  /** Sign even though `signing.auto` is not set. Implied by `key`. */
  readonly sign?: boolean | undefined;
  /** Sign for every registry: what is published to several, or promoted from one to another, is named for none. */
  readonly anyRegistry?: boolean | undefined;
  /** Used for this call, and not stored. */
  readonly token?: string | undefined;
  /** Channel that is to name the version; `latest` stays where it is then. */
  readonly channel?: string | undefined;
  /** Return only when the version is in the index. Default: true. */
  readonly wait?: boolean | undefined;
  /** Check everything, and send nothing. */
  readonly dryRun?: boolean | undefined;
  /** Run the tests that the packages declare first, and send nothing where they fail. */
  readonly test?: boolean | undefined;
}

/** One package that was published, or with `dryRun` could be. */
export interface PublishedPackage {
  /** `held`: it waits for a reviewer, and nobody else sees it. */
  readonly outcome: "created" | "exists" | "held" | "dry-run";
  /** Id of the review in which it waits. */
  readonly review?: string;
  readonly name: string;
  readonly version: string;
  readonly kind: string;
  readonly target: string;
  readonly registry: string;
  readonly file: string;
  readonly size: number;
  readonly checksum: Digest;
  readonly tree: Digest;
  readonly signers: readonly string[];
  readonly visible: boolean;
  /** Where it is in the registry's log, whose proof lies beside the package file; absent where the registry has none. */
  readonly log?: Omit<PublishReceipt, "proof">;
}

/** A package file on its way to the registry. */
interface Artefact {
  readonly path: string;
  readonly inspected: InspectedPackage;
}

/**
 * Publishes packages: find or pack the file, check it, sign it, upload it, wait until it is visible. The same content
 * again answers `exists`; other content of a published version is refused by the registry.
 * @throws {EngineError} `ARTEFACT_AMBIGUOUS`, `PUBLISH_FORBIDDEN`; {RegistryClientError} `PUBLISH_VERSION_EXISTS` and others
 */
export async function publish(
  input: PublishCommandInput,
  context: EngineContext,
): Promise<readonly PublishedPackage[]> {
  if (input.channel !== undefined) parseChannel(input.channel);
  if (input.test === true) await testFirst(input, context);
  const client = (await context.registries()).default;
  if (input.token !== undefined) client.authenticate({ type: "token", token: input.token });
  return withPlaceToPack(input, async (place) => {
    const paths = await artefactPaths({ ...input, place }, context, client.registry.name);
    const published: PublishedPackage[] = [];
    for (const file of paths) published.push(await publishFile(file, { ...input, place }, client, context));
    return published;
  });
}

async function testFirst(input: PublishCommandInput, context: EngineContext): Promise<void> {
  const { requirePassingTests } = await import("./test.ts");
  const manifest = input.manifest === undefined ? undefined : path.dirname(path.resolve(context.cwd, input.manifest));
  await requirePassingTests({ path: manifest, package: input.package, workspace: input.workspace }, context);
}

/** What is published, and for a dry run where packages are packed instead of among the user's files. */
interface PlacedInput extends PublishCommandInput {
  readonly place: string | undefined;
}

async function withPlaceToPack<T>(
  { dryRun }: PublishCommandInput,
  run: (place: string | undefined) => Promise<T>,
): Promise<T> {
  if (dryRun !== true) return run(undefined);
  const place = await mkdtemp(path.join(tmpdir(), "lading-dry-run-"));
  try {
    return await run(place);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function artefactPaths(input: PlacedInput, context: EngineContext, registry: string): Promise<string[]> {
  if (input.file !== undefined) return [path.resolve(context.cwd, input.file)];
  const inside =
    input.manifest === undefined
      ? context
      : { ...context, cwd: path.dirname(path.resolve(context.cwd, input.manifest)) };
  const project = await tryLoadProject(inside);
  if (project === undefined)
    return [await newestOf(context, path.join(context.cwd, input.output ?? context.profile.package.outputDirectory))];
  refuseMemberCycle(project);
  const paths: string[] = [];
  for (const member of chooseMembers(project, input)) {
    if (input.workspace === true && member.manifest.package!.publish === false) continue;
    checkPublishable(member.manifest, registry);
    paths.push(await artefactOfMember({ project, member, input }, context));
  }
  return inPublishOrder(project, paths);
}

/** Members come out sorted by name; a member that others need by path must be visible before them. */
function inPublishOrder(project: Project, paths: readonly string[]): string[] {
  if (paths.length < 2) return [...paths];
  const rank = new Map<string, number>();
  const visit = (name: string): number => {
    const known = rank.get(name);
    if (known !== undefined) return known;
    rank.set(name, 0);
    const member = project.members.find((candidate) => candidate.name === name);
    const below = (member?.manifest.dependencies ?? []).filter(
      ({ source, kind }) => source.type === "path" && kind !== "dev",
    );
    const own = 1 + Math.max(0, ...below.map((dependency) => visit(dependency.package ?? dependency.name)));
    rank.set(name, own);
    return own;
  };
  const rankOf = (file: string): number => {
    const member = project.members.find(({ name, manifest }) =>
      path.basename(file).startsWith(`${name.replaceAll("/", "-")}-${manifest.package!.version}`),
    );
    return member === undefined ? 0 : visit(member.name);
  };
  return paths.toSorted((left, right) => rankOf(left) - rankOf(right));
}

/** One member to publish. */
interface MemberRequest {
  readonly project: Project;
  readonly member: Member;
  readonly input: PlacedInput;
}

/**
 * The package file that is there while it holds what the member's files hold now, else a new one. A signed file is
 * taken as it is, since somebody vouched for exactly its bytes; that the files have changed since is told.
 */
async function artefactOfMember(request: MemberRequest, context: EngineContext): Promise<string> {
  const { member, input } = request;
  const found = await newestOfMember(member, input, context);
  if (found === undefined) return packNew(request, context);
  const fresh = await packBeside(found, request, context);
  if (fresh === undefined) return found;
  const { readSideFile, sideFilePath } = await import("@lading/signing/node");
  if ((await readSideFile(sideFilePath(found))) === undefined) {
    if (input.place !== undefined) return fresh;
    await rename(fresh, found);
    context.onEvent({
      type: "info",
      message: `Packed ${displayPath(found, context.cwd)} again: its files have changed`,
    });
    return found;
  }
  await rm(fresh, { force: true });
  context.onEvent({
    type: "warning",
    message: `${displayPath(found, context.cwd)} is signed and is published as it is, though files of ${member.name} have changed since it was packed`,
    hint: "Run `pack` and `sign` again to publish what the files hold now",
  });
  return found;
}

async function packNew(request: MemberRequest, context: EngineContext): Promise<string> {
  const { place } = request.input;
  if (place === undefined) return (await packMember(packRequest(request), context)).path;
  const quiet = { ...context, onEvent: withoutSteps(context) };
  return (await packMember({ ...packRequest(request), place }, quiet)).path;
}

/** What a dry run packs is nobody's to keep, so that it is not told as packed. */
function withoutSteps({ onEvent }: EngineContext): EngineContext["onEvent"] {
  return (event) => {
    if (event.type === "warning") onEvent(event);
  };
}

/** Packs the member beside its package file; nothing is left and returned where the content is the same. */
async function packBeside(found: string, request: MemberRequest, context: EngineContext): Promise<string | undefined> {
  const { inspected } = await inspect(found, context);
  const { kind, target } = inspected.record;
  const { place } = request.input;
  const file =
    place === undefined ? `${found}.${randomBytes(4).toString("hex")}.tmp` : path.join(place, path.basename(found));
  const { input, ...rest } = packRequest(request);
  const packed = await packMember(
    { ...rest, input: { ...input, kind, target }, file },
    { ...context, onEvent: ignoreEvents },
  );
  if (packed.tree !== inspected.tree) return file;
  await rm(file, { force: true });
  return undefined;
}

function packRequest({ project, member, input }: MemberRequest): PackRequest {
  const { manifest: _manifest, place: _place, ...rest } = input;
  return { project, member, input: { ...rest, dryRun: false } };
}

async function newestOfMember(
  member: Member,
  input: PublishCommandInput,
  context: EngineContext,
): Promise<string | undefined> {
  const directory =
    input.output === undefined
      ? path.join(member.directory, context.profile.package.outputDirectory)
      : path.resolve(context.cwd, input.output);
  const { name, version } = member.manifest.package!;
  const prefix = `${name.replaceAll("/", "-")}-${version}`;
  const own = (await packageFiles(context, directory)).filter(({ file }) =>
    isArtefactOf(path.basename(file), prefix, context, input.kind),
  );
  if (own.length > 1) throw ambiguous(own.map(({ file }) => displayPath(file, context.cwd)));
  return own[0]?.file;
}

/** `tool-1.0.0` must not take `tool-1.0.0-rc.1.lpk` for its own: what follows is an extension or a target. */
function isArtefactOf(
  file: string,
  prefix: string,
  { profile }: EngineContext,
  kind: PackageKind | undefined,
): boolean {
  if (!file.startsWith(prefix)) return false;
  const kinds = kind === undefined ? (["binary", "source"] as const) : [kind];
  return kinds.some((one) => file === `${prefix}${profile.package[one].extension}`);
}

async function newestOf(context: EngineContext, directory: string): Promise<string> {
  const files = await packageFiles(context, directory);
  const newest = files[0];
  if (newest === undefined) {
    throw new EngineError({
      code: "ARTEFACT_NOT_FOUND",
      message: `Cannot find a package file in "${displayPath(directory, context.cwd)}", nor a manifest to pack one from`,
    });
  }
  const names = new Set(files.map(({ file }) => path.basename(file).replace(/-\d+\.\d+\.\d+.*$/, "")));
  if (names.size > 1) throw ambiguous(files.map(({ file }) => displayPath(file, context.cwd)));
  return newest.file;
}

function ambiguous(files: readonly string[]): EngineError {
  return new EngineError({
    code: "ARTEFACT_AMBIGUOUS",
    message: `Cannot choose between ${files.map((file) => `"${file}"`).join(" and ")}`,
    files,
  });
}

async function packageFiles(context: EngineContext, directory: string): Promise<{ file: string; mtimeMs: number }[]> {
  const extensions = [context.profile.package.binary.extension, context.profile.package.source.extension];
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
  const files = names
    .filter((name) => extensions.some((extension) => name.endsWith(extension)))
    .map((name) => path.join(directory, name));
  const dated = await Promise.all(files.map(async (file) => ({ file, mtimeMs: (await stat(file)).mtimeMs })));
  return dated.sort((left, right) => right.mtimeMs - left.mtimeMs);
}

async function publishFile(
  file: string,
  input: PlacedInput,
  client: RegistryClient,
  context: EngineContext,
): Promise<PublishedPackage> {
  const artefact = await inspect(file, context);
  const { record, blob, size, tree } = artefact.inspected;
  const { name, version } = record.manifest;
  // A file that a dry run has packed is gone when it is over.
  const shown = path.dirname(file) === input.place ? path.basename(file) : displayPath(file, context.cwd);
  const doing = input.dryRun === true ? "Would publish" : "Publishing";
  context.onEvent({ type: "info", message: `${doing} ${shown} to ${client.registry.url}` });
  const signed = await signatureFor(artefact, input, client, context);
  const facts = {
    name,
    version,
    kind: record.kind,
    target: record.target,
    registry: client.registry.url,
    file: shown,
    size,
    checksum: blob,
    tree,
  };
  if (input.dryRun === true) return { outcome: "dry-run", ...facts, signers: signed?.signers ?? [], visible: false };
  const result = await step(
    context,
    "upload",
    `Uploading ${name} ${version}`,
    () =>
      client.publish({
        artifact: file,
        blob,
        size,
        tree,
        package: { name, version, target: record.target },
        ...(signed === undefined ? {} : { statement: signed.envelope }),
        channel: input.channel,
        wait: input.wait ?? true,
        signal: context.signal,
        onEvent: context.onEvent,
      }),
    ({ outcome }) => OUTCOMES[outcome](`${name} ${version}`),
  );
  const log = result.log && (await storeReceipt(file, result.log));
  const done = {
    outcome: result.outcome,
    ...facts,
    signers: result.signers,
    visible: result.visible,
    ...(result.review === undefined ? {} : { review: result.review }),
  };
  return log === undefined ? done : { ...done, log };
}

const OUTCOMES = {
  created: (what: string) => `Published ${what}`,
  exists: (what: string) => `${what} is published already, with the same content`,
  held: (what: string) => `${what} waits for a reviewer`,
} as const;

/** The proof lies beside the package file, as its signature does. */
async function storeReceipt(file: string, receipt: PublishReceipt): Promise<PublishedPackage["log"]> {
  const { proof, ...place } = receipt;
  await writeFileAtomic(`${file}.proof`, proof);
  return place;
}

async function inspect(file: string, context: EngineContext): Promise<Artefact> {
  if (!(await exists(file))) {
    throw new EngineError({
      code: "ARTEFACT_NOT_FOUND",
      message: `Cannot publish "${displayPath(file, context.cwd)}": there is no such file`,
    });
  }
  return {
    path: file,
    inspected: await inspectFile(file, { shown: displayPath(file, context.cwd), signal: context.signal }),
  };
}

interface Signed {
  readonly envelope: Uint8Array;
  readonly signers: readonly string[];
}

/** The side file that is there, or a signature that is made now, or none. */
async function signatureFor(
  artefact: Artefact,
  input: PublishCommandInput,
  client: RegistryClient,
  context: EngineContext,
): Promise<Signed | undefined> {
  const settings = await context.settings();
  const wanted = input.key !== undefined || input.sign === true || settings.boolean("signing.auto") === true;
  if (!wanted) return existingSignature(artefact, context);
  const { encodeEnvelope, fingerprint, softwareSigner } = await import("@lading/signing");
  const key = await readSigningKey(input, context);
  const registry = input.anyRegistry === true ? undefined : await addressOf(client, input, context);
  const statement = await statementOf(artefact.inspected, registry);
  const envelope = await encodeEnvelope(statement, [softwareSigner(key.seed)]);
  if (input.dryRun !== true) await registerKey(client, key, context);
  return { envelope, signers: [fingerprint(key.publicKey)] };
}

/** How a registry calls itself, which is what its readers compare with; one that is files has its address alone. */
async function addressOf(
  client: RegistryClient,
  { dryRun }: PublishCommandInput,
  { signal }: EngineContext,
): Promise<string> {
  if (dryRun === true || !client.registry.url.startsWith("http")) return client.registry.url;
  return (await client.describe({ signal })).index;
}

/** A signature of other bytes must not travel with this file. */
async function existingSignature(
  { path: file, inspected }: Artefact,
  context: EngineContext,
): Promise<Signed | undefined> {
  const { decodeEnvelope, statementFacts, SigningError } = await import("@lading/signing");
  const { readSideFile, sideFilePath } = await import("@lading/signing/node");
  const envelope = await readSideFile(sideFilePath(file));
  if (envelope === undefined) return undefined;
  const decoded = decodeEnvelope(envelope);
  const { blob } = statementFacts(decoded.statement);
  if (blob !== inspected.blob) {
    throw new SigningError({
      code: "SIGNATURE_SUBJECT_MISMATCH",
      message: `Cannot publish "${displayPath(file, context.cwd)}": the signature beside it is of other bytes`,
      hint: "Sign the file again",
    });
  }
  return { envelope, signers: decoded.envelope.signatures.map(({ keyid }) => `ed25519:${keyid}`) };
}

/** The registry verifies by the keys of the account, so the key must be among them. */
async function registerKey(
  client: RegistryClient,
  key: { readonly publicKey: Uint8Array },
  context: EngineContext,
): Promise<void> {
  const { fingerprint, formatPublicKey } = await import("@lading/signing");
  if (client.registry.url.startsWith("file:")) return;
  const print = fingerprint(key.publicKey);
  try {
    const known = await client.keys({ signal: context.signal });
    if (known.some((entry) => Object.values(entry).includes(print))) return;
    await client.addKey(formatPublicKey(key, "pem"), { signal: context.signal });
    context.onEvent({ type: "info", message: `Registered key ${print} with ${client.registry.url}` });
  } catch (error) {
    // A token that may only publish cannot register keys; whether the key counts, the registry says at the upload.
    if (!isLadingError(error) || error.code !== "REGISTRY_FORBIDDEN") throw error;
    context.onEvent({
      type: "warning",
      code: error.code,
      message: `The token may not register keys, so ${print} counts only if the account has it already`,
    });
  }
}
