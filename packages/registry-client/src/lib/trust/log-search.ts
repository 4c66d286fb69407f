import { canonicalName, parsePackageName } from "@lading/core-manifest";
import { checkInclusion, decodeLogEvent, inclusionProof, readEntries, type PublishEvent } from "@lading/signing/log";
import type { Session } from "../session.ts";
import type { LogFollower } from "./log-follower.ts";
import { entryMissing, publicationOf } from "./log-proofs.ts";
import type { InclusionProof, InclusionProofs, WantedProof } from "./trust-client-types.ts";

/** Entries of a log that are looked through for a proof: 256 bundles. Of a longer one without an API there are none. */
export const SEARCHED_ENTRIES_MAX = 65_536;

function keyOf({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${canonicalName(parsePackageName(name))} ${version}`;
}

function hasTarget({ artifacts }: PublishEvent, wanted: WantedProof): boolean {
  return artifacts.some(({ target }) => target === wanted.target);
}

/**
 * Proofs of publications from the files of a log, for a registry without an API: its entries are looked through, and each
 * proof is made from tiles and verified.
 * @returns `undefined` where the log is longer than {@link SEARCHED_ENTRIES_MAX}
 * @throws {RegistryClientError} `REGISTRY_LOG_ENTRY_MISSING`; {LogError}
 */
export async function searchProofs(
  session: Session,
  log: LogFollower,
  wanted: readonly WantedProof[],
): Promise<InclusionProofs | undefined> {
  const checkpoint = log.seen;
  if (checkpoint === undefined || checkpoint.size > SEARCHED_ENTRIES_MAX) return undefined;
  const places = await findEntries(log, checkpoint.size, wanted);
  const proofs: InclusionProof[] = [];
  for (const one of wanted) {
    const place = places.get(one);
    if (place === undefined) throw entryMissing(session, one);
    const { index, entry } = place;
    const hashes = await inclusionProof(checkpoint.size, index, log.readTile);
    checkInclusion(checkpoint, index, entry, hashes);
    proofs.push({ index, entry, hashes, event: publicationOf(entry, one) });
  }
  return { origin: log.origin, key: log.key, checkpoint, proofs };
}

interface Place {
  readonly index: number;
  readonly entry: Uint8Array;
}

async function findEntries(
  log: LogFollower,
  size: number,
  wanted: readonly WantedProof[],
): Promise<ReadonlyMap<WantedProof, Place>> {
  const byKey = new Map<string, WantedProof[]>();
  for (const one of wanted) byKey.set(keyOf(one), [...(byKey.get(keyOf(one)) ?? []), one]);
  const places = new Map<WantedProof, Place>();
  for await (const { index, entry } of readEntries(size, log.readTile)) {
    const event = decodeLogEvent(entry);
    if (event.type !== "publish") continue;
    for (const one of byKey.get(keyOf(event)) ?? []) if (hasTarget(event, one)) places.set(one, { index, entry });
  }
  return places;
}
