import { createHash } from "node:crypto";
import path from "node:path";
import { digestFromBytes, type Digest } from "@lading/core-manifest";
import type { InspectedPackage } from "@lading/archive/node";
import type { ExpectedSubject, PrivateKey, Statement, StatementFacts } from "@lading/signing";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { displayPath, exists, makeDirectory } from "../files.ts";
import { inspectFile } from "../inspect-file.ts";
import { environmentOf } from "../install-step.ts";
import { readLock } from "../lock-file.ts";
import { loadProject } from "../project.ts";
import { trustFile } from "../signatures.ts";
import { proofBeside, type ProvenEntry } from "../proof-beside.ts";
import { trustLayers, type PackageLayer, type RegistryLayer } from "../trust-layers.ts";

/** Which key, and how it is opened. */
export interface KeyInput {
  /** Path of a private key file, or a name in the user's key directory. Default: setting `signing.key`. */
  readonly key?: string | undefined;
  /** Default: `<PREFIX>_KEY_PASSPHRASE`. */
  readonly passphrase?: string | undefined;
}

/** A file that was signed. */
export interface SignResult {
  readonly file: string;
  readonly signature: string;
  readonly name: string;
  readonly version: string;
  readonly checksum: Digest;
  readonly tree: Digest;
  readonly signer: string;
}

/**
 * Signs a package file: writes `<file>.sig`, and leaves the file as it is. A statement that others have signed gets
 * another signature.
 */
export async function sign(input: KeyInput & { readonly file: string }, context: EngineContext): Promise<SignResult> {
  const { fingerprint, softwareSigner } = await import("@lading/signing");
  const { signFile } = await import("@lading/signing/node");
  const file = path.resolve(context.cwd, input.file);
  await needFile(file, input.file);
  const key = await readSigningKey(input, context);
  const inspected = await inspectFile(file, { shown: input.file, signal: context.signal });
  const signed = await signFile({
    file,
    statement: await statementOf(inspected),
    signers: [softwareSigner(key.seed)],
    overwrite: true,
    signal: context.signal,
  });
  const { name, version } = inspected.record.manifest;
  return {
    file: displayPath(file, context.cwd),
    signature: displayPath(signed.path, context.cwd),
    name,
    version,
    checksum: inspected.blob,
    tree: inspected.tree,
    signer: fingerprint(key.publicKey),
  };
}

/** What a publisher states of a package file; without a registry, for any. */
export async function statementOf(inspected: InspectedPackage, registry?: string): Promise<Statement> {
  const { encodeRecord } = await import("@lading/archive");
  const { createStatement } = await import("@lading/signing");
  const { record, blob, tree } = inspected;
  return createStatement({
    name: record.manifest.name,
    version: record.manifest.version,
    kind: record.kind,
    target: record.target,
    blob,
    tree,
    manifestDigest: digestFromBytes(createHash("sha256").update(encodeRecord(record)).digest()),
    ...(registry === undefined ? {} : { registry }),
  });
}

/**
 * Reads the private key that is to sign.
 * @throws {EngineError} `ARTEFACT_NOT_FOUND` where none is named; {SigningError} what is wrong with the file
 */
export async function readSigningKey(input: KeyInput, context: EngineContext): Promise<PrivateKey> {
  const { readPrivateKeyFile } = await import("@lading/signing/node");
  const file = await keyPath(input.key, context);
  const passphrase = input.passphrase ?? context.env[`${context.profile.environmentPrefix}_KEY_PASSPHRASE`];
  return readPrivateKeyFile(file, {
    ...(passphrase === undefined || passphrase === "" ? {} : { passphrase }),
    onEvent: context.onEvent,
  });
}

async function keyPath(given: string | undefined, context: EngineContext): Promise<string> {
  const key = given ?? (await context.settings()).string("signing.key");
  if (key === undefined) {
    throw new EngineError({
      code: "ARTEFACT_NOT_FOUND",
      message: "Cannot sign: no key is named",
      hint: "Give one with --key FILE, or run: config set signing.key FILE",
    });
  }
  const file = path.resolve(context.cwd, key);
  if ((await exists(file)) || key.includes("/")) return file;
  // A bare name may be one of the keys in the user's directory.
  for (const candidate of [key, `${key}.json`, `${key}.pem`]) {
    const own = path.join(context.directories.keys, candidate);
    if (await exists(own)) return own;
  }
  return file;
}

async function needFile(file: string, shown: string): Promise<void> {
  if (await exists(file)) return;
  throw new EngineError({ code: "ARTEFACT_NOT_FOUND", message: `Cannot find "${shown}": there is no such file` });
}

/** What is to be made. */
export interface KeygenInput {
  /** Path of the private key file. Default: `<key directory>/default.pem`. */
  readonly output?: string | undefined;
  /** Default: `json` for a path that ends so, else `pem`. */
  readonly format?: "pem" | "json" | undefined;
  readonly passphrase?: string | undefined;
  /** Also trust the key when packages are verified. Default: true. */
  readonly trust?: boolean | undefined;
}

/** A key pair that was made. */
export interface KeygenResult {
  readonly private: string;
  readonly public: string;
  readonly fingerprint: string;
  readonly trusted: boolean;
}

/** Makes an Ed25519 key pair: private file of mode 0600 and `.pub` beside it; never overwrites. */
export async function keygen(input: KeygenInput, context: EngineContext): Promise<KeygenResult> {
  const { generateKeyPair, openTrustStore, writeKeyFiles } = await import("@lading/signing/node");
  const file =
    input.output === undefined
      ? path.join(context.directories.keys, "default.pem")
      : path.resolve(context.cwd, input.output);
  await makeDirectory(path.dirname(file), 0o700);
  const key = generateKeyPair();
  const format = input.format ?? (file.endsWith(".json") ? "json" : "pem");
  const written = await writeKeyFiles({
    path: file,
    format,
    key,
    ...(input.passphrase === undefined ? {} : { passphrase: input.passphrase }),
  });
  const trusted = input.trust !== false;
  if (trusted) await openTrustStore(trustFile(context)).add({ publicKey: key.publicKey, label: path.basename(file) });
  return {
    private: displayPath(written.privatePath, context.cwd),
    public: displayPath(written.publicPath, context.cwd),
    fingerprint: written.fingerprint,
    trusted,
  };
}

/** A package file that holds and whose signature does. */
export interface VerifiedFile {
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly kind: string;
  readonly target: string;
  readonly checksum: Digest;
  readonly tree: Digest;
  readonly files: number;
  readonly signers: readonly string[];
  /** The log entry that published it, where the registry's proof lies beside it and its log is known here. */
  readonly log?: ProvenEntry;
}

/** A package file with what is to judge it. */
interface VerifyPackageInput {
  readonly file: string;
  /** Public key file that alone counts. Default: the keys that this user trusts. */
  readonly key?: string | undefined;
  /** Default: `<file>.sig`. */
  readonly signature?: string | undefined;
}

/**
 * Verifies a package file: its side file against the given public key or the keys that this user trusts, then the digest
 * of its bytes, and only then, with the strict reader over every byte, the content that was signed. Nothing that no
 * trusted key has signed is decompressed.
 * @throws {ArchiveError} for bytes that are not the signed ones, {SigningError} for the signature: two different failures
 */
export async function verifyPackage(input: VerifyPackageInput, context: EngineContext): Promise<VerifiedFile> {
  const file = path.resolve(context.cwd, input.file);
  await needFile(file, input.file);
  const judge = await signatureJudge(input, file, context);
  const { blob, tree } = judge({}).facts;
  const inspected = await inspectFile(file, { shown: input.file, expect: { blob, tree }, signal: context.signal });
  const { record } = inspected;
  const { name, version } = record.manifest;
  const { signers } = judge({ name, version, kind: record.kind, target: record.target });
  return {
    file: displayPath(file, context.cwd),
    name,
    version,
    kind: record.kind,
    target: record.target,
    checksum: blob,
    tree,
    files: inspected.files.length,
    signers,
    ...(await proofBeside(context, file, { name, version, target: record.target, blob, tree })),
  };
}

/** Says what a side file states and who signed it, or throws why it does not hold for what is expected. */
type SignatureJudge = (expect: ExpectedSubject) => {
  readonly facts: StatementFacts;
  readonly signers: readonly string[];
};

async function signatureJudge(
  { key, signature }: VerifyPackageInput,
  file: string,
  context: EngineContext,
): Promise<SignatureJudge> {
  const { createTrustPolicy, decodeEnvelope, statementFacts, verdictError, verifyEnvelope } =
    await import("@lading/signing");
  const { nodeVerifier, openTrustStore, readPublicKeyFile, readSideFile, sideFilePath } =
    await import("@lading/signing/node");
  const given = key === undefined ? undefined : await readPublicKeyFile(path.resolve(context.cwd, key));
  const envelope = await readSideFile(
    signature === undefined ? sideFilePath(file) : path.resolve(context.cwd, signature),
  );
  const shown = displayPath(file, context.cwd);
  if (envelope === undefined) {
    throw verdictError({ ok: false, code: "SIGNATURE_MISSING", reason: "it is not signed" }, shown);
  }
  // Not verified yet: the name only chooses the keys that may sign it, and what they signed is compared with the content.
  const { name } = statementFacts(decodeEnvelope(envelope).statement);
  const policy =
    given === undefined
      ? await openTrustStore(trustFile(context)).policyFor(name)
      : createTrustPolicy([{ publicKey: given.publicKey }]);
  return (expect) => {
    // When a lone file was published nobody can tell; taking now for it would lift every key's `since`.
    const verdict = verifyEnvelope(envelope, { policy, verifier: nodeVerifier, expect });
    if (!verdict.ok) throw verdictError(verdict, shown);
    return { facts: statementFacts(verdict.statement), signers: verdict.signers };
  };
}

/** What verifying an environment found; nothing is wrong with it. */
export interface VerifiedEnvironment {
  readonly generation: number;
  readonly packages: number;
  readonly files: number;
  readonly strangers: readonly string[];
  /** What each registry that packages came from is trusted by. */
  readonly registries: readonly RegistryLayer[];
  /** Which layers hold for each package. */
  readonly layers: readonly PackageLayer[];
}

/**
 * Verifies what is installed: sizes and times of every file, or every byte with `full`.
 * @throws {EngineError} `INSTALL_VERIFY_FAILED`, naming every changed, missing and additional file
 */
export async function verifyEnvironment(
  input: { readonly full?: boolean },
  context: EngineContext,
): Promise<VerifiedEnvironment> {
  const { current, verifyInstalled } = await import("@lading/installer");
  const project = await loadProject(context);
  const report = await verifyInstalled({
    environment: environmentOf(context, project),
    store: await context.store(),
    full: input.full ?? true,
  });
  if (report.ok) {
    const { generation, packages, files, strangers } = report;
    const layers = await trustLayers(context, {
      records: current(environmentOf(context, project))?.packages ?? [],
      lock: (await readLock(context, project))?.lock,
      lockFile: project.lockFile,
    });
    return { generation, packages, files, strangers, ...layers };
  }
  const lines = report.damaged.flatMap(({ path: place, problems }) =>
    problems.map(({ kind, path: file }) => `${kind}: ${place}/${file}`),
  );
  throw new EngineError({
    code: "INSTALL_VERIFY_FAILED",
    message: `Cannot vouch for what is installed: ${report.damaged.length} of ${report.packages} packages are damaged`,
    explanation: lines.slice(0, 50).join("\n"),
    damaged: report.damaged,
    strangers: report.strangers,
  });
}
