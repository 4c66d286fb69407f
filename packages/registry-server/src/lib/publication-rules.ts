import { parseDigest, type Digest, type PublishedManifest } from "@lading/core-manifest";
import type { Publication, PublishOutcome } from "./ports.ts";
import type { ArtifactRecord, KeyStatementRecord, PackageSummary, VersionRecord, VersionRemoval } from "./records.ts";

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/** Whether two manifests say the same, whatever the order of their keys. */
export function sameManifest(left: PublishedManifest, right: PublishedManifest): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
}

/**
 * What every metadata store answers to a publication of a version that it has, `undefined` where the artefact is new: a
 * further target of a version whose manifest is the same.
 */
export function outcomeForKnown(
  known: VersionRecord,
  publication: Publication,
  sequence: number,
): PublishOutcome | undefined {
  const { kind, manifest, artifact } = publication;
  const same = known.artifacts.find(({ target }) => target === artifact.target);
  if (known.kind !== kind) return { status: "conflict", reason: "kind", version: known };
  if (same !== undefined && same.tree !== artifact.tree) return { status: "conflict", reason: "bytes", version: known };
  if (same !== undefined) return { status: "same", sequence, version: known };
  return sameManifest(known.manifest, manifest)
    ? undefined
    : { status: "conflict", reason: "manifest", version: known };
}

/** The version that the first artefact of a publication makes. */
export function firstRecord({ version, kind, manifest, account, artifact }: Publication): VersionRecord {
  const { published } = artifact;
  const counts = { downloads: 0, artifacts: [artifact] };
  return { version, kind, manifest, status: "active", published, publisher: account.username, ...counts };
}

/**
 * Digests of everything that a published file needs: itself, statement, readme, and the keys of signers that were
 * verified, which are stored under their key ids.
 */
export function blobsOf({ blob, statement, readme, verified, signers }: ArtifactRecord): readonly Digest[] {
  const keys = verified ? signers.map((signer) => parseDigest(signer.replace(/^ed25519:/, "sha256:"))) : [];
  return [blob, statement, readme, ...keys].filter((digest) => digest !== undefined);
}

/** What of a removed version goes with it: the package file and its readme. What proves that it was there stays. */
export function removableBlobsOf({ blob, readme }: ArtifactRecord): readonly Digest[] {
  return readme === undefined ? [blob] : [blob, readme];
}

/** As {@link blobsOf}, of a version: without what may be deleted of one that was removed. */
export function neededBlobsOf(artifact: ArtifactRecord, removed: VersionRemoval | undefined): readonly Digest[] {
  if (removed?.purge !== true) return blobsOf(artifact);
  const gone = removableBlobsOf(artifact);
  return blobsOf(artifact).filter((digest) => !gone.includes(digest));
}

/** Digests of what a statement about a key needs: itself, the key, and the keys that signed it, under their key ids. */
export function blobsOfStatement({ statement, key, bytes }: KeyStatementRecord): readonly Digest[] {
  // The envelope was read strictly when it was taken in.
  const { signatures } = JSON.parse(new TextDecoder().decode(bytes)) as {
    readonly signatures: readonly { readonly keyid: string }[];
  };
  const keys = [key, ...signatures.map(({ keyid }) => `ed25519:${keyid}`)];
  return [statement, ...new Set(keys.map((print) => parseDigest(print.replace(/^ed25519:/, "sha256:"))))];
}

/** Who has a say in a package's signatures: the accounts that published it, and the keys that signed it. */
export function signersOf(versions: readonly VersionRecord[]): {
  readonly publishers: readonly string[];
  readonly keys: readonly string[];
} {
  const publishers = new Set(versions.map(({ publisher }) => publisher));
  const keys = new Set(versions.flatMap(({ artifacts }) => artifacts.flatMap(({ signers }) => signers)));
  return { publishers: [...publishers], keys: [...keys] };
}

/** What lists and searches show of a package's latest version. */
export type Headline = Pick<PackageSummary, "latest" | "title" | "description" | "license" | "keywords" | "categories">;

/** The headline of a package whose latest version is `latest`, with that version's manifest. */
export function headlineOf(latest: string | undefined, manifest: PublishedManifest | undefined): Headline {
  const { title, description, license, keywords = [], categories = [] } = manifest ?? {};
  return {
    ...(latest === undefined ? {} : { latest }),
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(license === undefined ? {} : { license }),
    keywords,
    categories,
  };
}

/** The words under which a package is filtered, in the form in which they are compared. */
export function termsOf({
  keywords,
  categories,
}: Headline): readonly { readonly kind: string; readonly term: string }[] {
  return [
    ...keywords.map((term) => ({ kind: "keyword", term: term.toLowerCase() })),
    ...categories.map((term) => ({ kind: "category", term: term.toLowerCase() })),
  ];
}

/** A search text as the name that it may be. */
export function searchedName(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replaceAll(/[_.\s]/g, "-");
}

/** The words of a search text; more than sixteen are cut off. */
export function searchWords(text: string): readonly string[] {
  return (text.normalize("NFC").match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, 16);
}
