import { digestHex, tryParseDigest, type Digest } from "@lading/core-manifest";
import type { InspectedPackage } from "@lading/archive/node";
import { decodeEnvelope } from "@lading/signing";
import { retried } from "./retried.ts";
import { sha256 } from "./state.ts";
import { StaticRegistryError } from "./static-error.ts";
import type { PlacedFile, RegistryStore, StoreSession } from "./store.ts";

/** Where what was handed in waits: no metadata names it, so that nobody installs it. */
const SUBMISSIONS = "submissions/";
const FORMAT = "lading-submission/1";

/** A package file and its statement, as their author hands them in. */
export interface StaticSubmission {
  /** The file on disk. */
  readonly file: string;
  readonly inspected: InspectedPackage;
  readonly statement: Uint8Array;
}

/** Something that was handed in, as it waits. Nothing of it is verified but that its bytes have that digest. */
export interface WaitingSubmission {
  /** Of the package file. */
  readonly digest: Digest;
  /** As its author says; absent where that cannot be read. */
  readonly name?: string;
  readonly version?: string;
  /** Bytes of all of it. */
  readonly size: number;
}

/** What is read of a submission to be published. */
export interface ReadSubmission {
  readonly bytes: Uint8Array;
  readonly statement: Uint8Array;
}

function folderOf(digest: Digest): string {
  return `${SUBMISSIONS}${digestHex(digest)}/`;
}

/**
 * Hands packages in: to the registry's own place, or to any other that its maintainers look into (a directory, a fork, a
 * bucket). They wait there until a maintainer accepts them; who may write there can do no more than that.
 * @throws {StaticRegistryError} `STATIC_REGISTRY_BUSY` and those of the store
 */
export async function submitStatic(
  { store, signal }: { readonly store: RegistryStore; readonly signal?: AbortSignal | undefined },
  submissions: readonly StaticSubmission[],
): Promise<void> {
  for (const { file, inspected, statement } of submissions) {
    const { record, blob } = inspected;
    const { name, version } = record.manifest;
    const folder = folderOf(blob);
    const notice = { format: FORMAT, name, version, kind: record.kind, target: record.target };
    const files: PlacedFile[] = [
      { path: `${folder}package`, content: { file } },
      { path: `${folder}package.sig`, content: statement },
    ];
    const pointer = {
      path: `${folder}submission.json`,
      content: new TextEncoder().encode(`${JSON.stringify(notice, undefined, 2)}\n`),
    };
    const handIn = async (session: StoreSession): Promise<"committed" | "conflict"> => {
      await session.read(pointer.path);
      await session.put(files);
      return session.commit(pointer, `Hand in ${name} ${version}`);
    };
    await retried({ store, signal }, handIn, "place");
  }
}

/** What its author says it is: shown to people, and compared with the package before it counts. */
async function noticeOf(session: StoreSession, folder: string): Promise<{ name?: string; version?: string }> {
  const bytes = await session.read(`${folder}submission.json`);
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array())) as Record<string, unknown>;
    const text = (key: string): string | undefined =>
      typeof value[key] === "string" ? value[key].replaceAll(/\p{Cc}/gu, "?").slice(0, 200) : undefined;
    const [name, version] = [text("name"), text("version")];
    return { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) };
  } catch {
    return {};
  }
}

/** What waits at a place, by digest. */
export async function listSubmissions({
  store,
  signal,
}: {
  readonly store: RegistryStore;
  readonly signal?: AbortSignal | undefined;
}): Promise<readonly WaitingSubmission[]> {
  const session = await store.open({ signal });
  try {
    const sizes = new Map<Digest, number>();
    for (const { path, size } of await session.list(SUBMISSIONS)) {
      const digest = tryParseDigest(`sha256:${/^submissions\/([0-9a-f]{64})\/[^/]+$/.exec(path)?.[1]}`);
      if (digest !== undefined) sizes.set(digest, (sizes.get(digest) ?? 0) + size);
    }
    const found: WaitingSubmission[] = [];
    for (const [digest, size] of [...sizes].sort(([left], [right]) => (left < right ? -1 : 1)))
      found.push({ digest, ...(await noticeOf(session, folderOf(digest))), size });
    return found;
  } finally {
    await session.close();
  }
}

/**
 * The bytes of a submission, compared with the digest that it is named by. Whether its statement counts is for the
 * publication to decide.
 * @throws {StaticRegistryError} `STATIC_SUBMISSION_MISSING`, `STATIC_SUBMISSION_INVALID`
 */
export async function readSubmission(
  { store, signal }: { readonly store: RegistryStore; readonly signal?: AbortSignal | undefined },
  digest: Digest,
): Promise<ReadSubmission> {
  const session = await store.open({ signal });
  const folder = folderOf(digest);
  const invalid = (problem: string, cause?: unknown): StaticRegistryError =>
    new StaticRegistryError({
      code: "STATIC_SUBMISSION_INVALID",
      message: `Cannot accept the submission "${digest}": ${problem}`,
      ...(cause === undefined ? {} : { cause }),
    });
  try {
    const bytes = await session.read(`${folder}package`);
    const statement = await session.read(`${folder}package.sig`);
    if (bytes === undefined && statement === undefined) {
      throw new StaticRegistryError({
        code: "STATIC_SUBMISSION_MISSING",
        message: `Cannot accept the submission "${digest}": "${store.location}" has none of that digest`,
        place: store.location,
      });
    }
    if (bytes === undefined || statement === undefined)
      throw invalid(`its ${bytes === undefined ? "package file" : "statement"} is missing`);
    if (sha256(bytes) !== digest) throw invalid(`its package file is "${sha256(bytes)}"`);
    try {
      decodeEnvelope(statement);
    } catch (cause) {
      throw invalid(`its statement cannot be read: ${(cause as Error).message}`, cause);
    }
    return { bytes, statement };
  } finally {
    await session.close();
  }
}

/** Takes submissions away, accepted or not; what is gone already is no error. */
export async function removeSubmissions(
  { store, signal }: { readonly store: RegistryStore; readonly signal?: AbortSignal | undefined },
  digests: readonly Digest[],
  message: string,
): Promise<void> {
  if (digests.length === 0) return;
  const takeAway = async (session: StoreSession): Promise<"committed" | "conflict"> => {
    const folders = digests.map(folderOf);
    const files = (await session.list(SUBMISSIONS)).flatMap(({ path }) =>
      folders.some((folder) => path.startsWith(folder)) ? [path] : [],
    );
    return files.length === 0 ? "committed" : session.remove(files, message);
  };
  await retried({ store, signal }, takeAway, "place");
}
