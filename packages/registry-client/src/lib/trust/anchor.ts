import type { Digest } from "@lading/core-manifest";
import { MetadataError, checkRootPin } from "@lading/signing/metadata";
import { digestOf } from "./trust-files.ts";
import type { TrustSource } from "./trust-source.ts";

const ROOT_BYTES = 512_000;
/** Roots below the one in force that are looked at for the pinned one. */
const PIN_SEARCH = 64;

/**
 * The root that trust in a registry begins with: the pinned one, wherever it is in the chain; without a pin the one that
 * the registry says is in force.
 * @throws {MetadataError} `METADATA_ROOT_PIN_MISMATCH`, `METADATA_MISSING`
 */
export async function findAnchor(wanted: {
  readonly description: { readonly root?: { readonly version: number } | undefined };
  readonly pin: Digest | undefined;
  readonly registry: string;
  readonly source: TrustSource;
}): Promise<Uint8Array> {
  const { description, pin, source } = wanted;
  const newest = description.root?.version ?? 1;
  const rootAt = (version: number): Promise<Uint8Array | undefined> =>
    source.file({ path: `metadata/${version}.root.json`, maxBytes: ROOT_BYTES });
  const first = await rootAt(newest);
  if (first === undefined) {
    throw new MetadataError({
      code: "METADATA_MISSING",
      message: `Cannot begin to trust the registry: "${newest}.root.json" is not served`,
      file: `${newest}.root.json`,
    });
  }
  if (first.length > ROOT_BYTES) {
    throw new MetadataError({
      code: "METADATA_TOO_LARGE",
      message: `Cannot read "${newest}.root.json": it has more than the ${ROOT_BYTES} bytes that are allowed`,
      limit: ROOT_BYTES,
    });
  }
  if (pin === undefined || digestOf(first) === pin) return first;
  for (let version = newest - 1; version >= Math.max(1, newest - PIN_SEARCH); version--) {
    const older = await rootAt(version);
    if (older !== undefined && digestOf(older) === pin) return older;
  }
  checkRootPin(first, pin);
  return first;
}
