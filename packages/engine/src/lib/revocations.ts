import type { IndexDocument, IndexVersion } from "@lading/core-manifest";
import type { FoundPackage } from "@lading/registry-client";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { asFingerprint } from "./signer-text.ts";
import { hasKeyChanges, publisherHistory, type HistorySource } from "./publisher-history.ts";
import { publicKeysOf } from "./signatures.ts";

/** A signer's key that had been replaced or revoked by the time a version was published. */
export interface EndedKey {
  /** Fingerprint. */
  readonly key: string;
  /** First entry of the log from which it is not trusted. */
  readonly until: number;
  /** Entry of the log that published the version. */
  readonly entry: number;
}

/** The ended key of a version none of whose signers' keys was trusted any more; `undefined` where it may be used. */
export type Revocations = (entry: IndexVersion) => EndedKey | undefined;

const NONE: Revocations = () => undefined;

/**
 * Which versions of a package are signed by keys that had ended, as its registry's log says. Loads and asks nothing where
 * the package's keys never changed.
 * @throws {EngineError} `PUBLISHER_HISTORY_INVALID`
 */
export async function revocationsOf(
  context: EngineContext,
  client: HistorySource,
  document: IndexDocument,
): Promise<Revocations> {
  if (!hasKeyChanges(document)) return NONE;
  const history = await publisherHistory(context, client, document.name);
  const signers = [...new Set(document.versions.flatMap((one) => one.signers.map(asFingerprint)))];
  if (history === undefined || signers.length === 0) return NONE;
  const begun = await publicKeysOf(client, history.first.length === 0 ? signers : history.first);
  const { keys } = await history.ledger(begun, []);
  const ends = new Map(keys.map(({ fingerprint, untilIndex }) => [fingerprint, untilIndex]));
  const endedAt = (entry: IndexVersion, artifact: number): EndedKey | undefined => {
    const leaf = history.entryOf(entry.version, artifact);
    const own = entry.signers.map(asFingerprint).filter((signer) => ends.has(signer));
    const isTrusted = (signer: string): boolean => {
      const until = ends.get(signer);
      return until === undefined || leaf === undefined || leaf < until;
    };
    const [key] = own;
    if (key === undefined || own.some(isTrusted)) return undefined;
    return { key, until: ends.get(key)!, entry: leaf! };
  };
  return (entry) => entry.artifacts.map((_, i) => endedAt(entry, i)).find((ended) => ended !== undefined);
}

/** Completes "foo 1.2.0 is excluded: ...". */
export function endedKeyText({ key, until, entry }: EndedKey): string {
  return `it is signed by the key "${key}", which is not trusted from entry ${until} of the log on, at entry ${entry}`;
}

/** Why a version must not be used for its signers' keys, in the words of {@link endedKeyText}. */
export async function revokedTexts(
  context: EngineContext,
  { client, document }: FoundPackage,
): Promise<(entry: IndexVersion) => string | undefined> {
  const endedKey = await revocationsOf(context, client, document);
  return (entry) => {
    const ended = endedKey(entry);
    return ended === undefined ? undefined : endedKeyText(ended);
  };
}

/** @throws {EngineError} `PUBLISHER_KEY_REVOKED`, always */
export function refuseEndedKey(name: string, version: string, { key, until, entry }: EndedKey): never {
  throw new EngineError({
    code: "PUBLISHER_KEY_REVOKED",
    message: `Cannot use "${name}" ${version}: its key "${key}" is not trusted from entry ${until} of the log on, and this is entry ${entry}`,
    package: name,
    key,
  });
}
