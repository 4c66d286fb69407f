import {
  isLadingError,
  tryParseDigest,
  type Digest,
  type IndexArtifact,
  type IndexVersion,
  type LockPackage,
} from "@lading/core-manifest";
import type { RegistryClient } from "@lading/registry-client";
import type { SignatureRequirement, TrustedKey } from "@lading/signing";
import path from "node:path";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { asFingerprint } from "./lock-file.ts";
import type { Project } from "./project.ts";

/** What is to be verified before it is downloaded. */
export interface VerifyRequest {
  readonly client: RegistryClient;
  readonly entry: IndexVersion;
  readonly artifact: IndexArtifact;
  readonly name: string;
  readonly version: string;
  /** Fingerprint that the lock has pinned. */
  readonly pinned: string | undefined;
  readonly requirement: SignatureRequirement;
}

/** What server, client and manifest together demand of signatures; the strictest wins. */
export async function signatureRequirement(
  context: EngineContext,
  client: RegistryClient | undefined,
  project: Project | undefined,
): Promise<SignatureRequirement> {
  const { strictestSignaturePolicy } = await import("@lading/signing");
  const settings = await context.settings();
  const manifests = project === undefined ? [] : [project.rootFile, ...project.members];
  const wish = (required: boolean | undefined, source: string) =>
    required === true ? { requirement: "required" as const, source } : undefined;
  return strictestSignaturePolicy([
    wish(settings.boolean("security.verify_signatures"), "setting security.verify_signatures"),
    wish(client?.registry.verifySignatures, `registry "${client?.registry.name ?? ""}"`),
    ...manifests.map(({ manifest, display }) => wish(manifest.security?.requireSignatures, `${display} [security]`)),
  ]).requirement;
}

/** File of the keys that this user trusts. */
export function trustFile(context: EngineContext): string {
  return path.join(context.directories.keys, "trusted.json");
}

/**
 * Verifies the statement of one artefact by the keys that count for it, before a byte of it is downloaded: the registry's
 * `public_keys` where it lists any, else the user's trusted keys and the key that the lock has pinned, or on first use the
 * key that the index names. Answers the fingerprints that signed; none where it is unsigned and that is allowed.
 * @throws {EngineError} `SIGNATURE_REQUIRED`, `PUBLISHER_NOT_TRUSTED`; {SigningError} what is wrong with the signature
 */
export async function verifyStatement(context: EngineContext, request: VerifyRequest): Promise<readonly string[]> {
  const { entry, artifact, client, requirement } = request;
  checkPublisher(request);
  if (artifact.statement === undefined) return unsigned(context, request);
  if (requirement === "off") return entry.signers.map(asFingerprint);
  const { verdictError, verifyEnvelope, createTrustPolicy } = await import("@lading/signing");
  const { nodeVerifier } = await import("@lading/signing/node");
  const keys = await trustedKeys(context, request);
  const envelope = await client.statement(artifact.statement, { signal: context.signal });
  const verdict = verifyEnvelope(envelope, {
    policy: createTrustPolicy(keys),
    verifier: nodeVerifier,
    publishedMs: Date.parse(entry.published),
    expect: {
      name: request.name,
      version: request.version,
      kind: entry.kind,
      target: artifact.target,
      blob: artifact.blob,
      tree: artifact.tree,
    },
  });
  if (!verdict.ok) throw verdictError(verdict, `${request.name} ${request.version}`);
  return verdict.signers;
}

function checkPublisher({ client, entry, name, version }: VerifyRequest): void {
  const { trustedPublishers } = client.registry;
  if (trustedPublishers.length === 0 || (entry.publisher !== undefined && trustedPublishers.includes(entry.publisher)))
    return;
  throw new EngineError({
    code: "PUBLISHER_NOT_TRUSTED",
    message: `Cannot use "${name}" ${version}: it was published by "${entry.publisher ?? "unknown"}", trusted_publishers of registry "${client.registry.name}" allows ${trustedPublishers.map((one) => `"${one}"`).join(", ")}`,
  });
}

function unsigned(context: EngineContext, request: VerifyRequest): readonly string[] {
  const { name, version, requirement, pinned, client } = request;
  const needed = requirement === "required" || client.registry.publicKeys.length > 0;
  if (needed || pinned !== undefined) {
    throw new EngineError({
      code: pinned === undefined ? "SIGNATURE_REQUIRED" : "PUBLISHER_CHANGED",
      message: `Cannot use "${name}" ${version}: it is not signed${pinned === undefined ? "" : `, and the lock has pinned "${pinned}"`}`,
      package: name,
    });
  }
  context.onEvent({
    type: "warning",
    code: "SIGNATURE_MISSING",
    message: `${name} ${version} is not signed; only its checksum was verified`,
  });
  return [];
}

async function trustedKeys(context: EngineContext, request: VerifyRequest): Promise<TrustedKey[]> {
  const { client, entry, name, pinned } = request;
  const { isFingerprint, parsePublicKey } = await import("@lading/signing");
  const listed = client.registry.publicKeys;
  if (listed.length > 0) {
    const keys = await Promise.all(
      listed.map(async (text) =>
        isFingerprint(text) ? registryKey(request, text) : { publicKey: parsePublicKey(text).publicKey },
      ),
    );
    return keys.filter((key) => key !== undefined);
  }
  const { openTrustStore } = await import("@lading/signing/node");
  const { keys } = await openTrustStore(trustFile(context)).policyFor(name);
  const wanted = pinned === undefined ? entry.signers.map(asFingerprint) : [pinned];
  const own = [...keys.values()];
  // A user who has named keys for this package trusts those and no key that a registry offers.
  const decided = own.some(({ names }) => names !== undefined);
  if (decided) return own;
  const offered = await Promise.all(
    wanted.filter((print) => !keys.has(print)).map((print) => registryKey(request, print)),
  );
  return [...own, ...offered.filter((key) => key !== undefined)];
}

/**
 * A key by its fingerprint, from the registry: the key id is the SHA-256 of the key's SubjectPublicKeyInfo, so the
 * registry keeps it as a blob of that digest, and nobody can answer with another one.
 */
async function registryKey({ client }: VerifyRequest, print: string): Promise<TrustedKey | undefined> {
  const digest = tryParseDigest(`sha256:${print.slice("ed25519:".length)}`);
  if (digest === undefined) return undefined;
  const { fingerprint } = await import("@lading/signing");
  const spki = await keyBlob(client, digest);
  const publicKey = spki?.slice(-32);
  return publicKey !== undefined && fingerprint(publicKey) === print ? { publicKey } : undefined;
}

/** A registry that does not have a signer's key leaves the signature unverifiable, which the verdict then says. */
async function keyBlob(client: RegistryClient, digest: Digest): Promise<Uint8Array | undefined> {
  try {
    return await client.statement(digest);
  } catch (error) {
    if (isLadingError(error) && error.code === "DOWNLOAD_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Whether a stored package needs its statement looked at again for this lock entry. */
export function needsVerification(
  entry: LockPackage,
  signers: readonly string[],
  requirement: SignatureRequirement,
): boolean {
  if (entry.publisher !== undefined) return !signers.includes(entry.publisher);
  return requirement === "required" && signers.length === 0;
}
