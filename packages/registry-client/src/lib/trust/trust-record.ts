import { tryParseDigest, type Digest } from "@lading/core-manifest";
import { isObject, stringList } from "../json.ts";
import { RegistryClientError } from "../registry-client-error.ts";

/** How trust in a registry began. */
export type AnchorSource = "configured" | "file" | "first-use";

/** A root that was followed. */
export interface KnownRoot {
  readonly version: number;
  readonly digest: Digest;
}

/** What a client holds a registry to from the first contact on (`docs/spec/registry-metadata.md` §8). */
export interface TrustRecord {
  /** Canonical URL. */
  readonly registry: string;
  /** The root that trust began with. */
  readonly anchor: KnownRoot & { readonly how: AnchorSource; readonly at: string };
  /** Every root that was followed since, the anchor first. */
  readonly roots: readonly KnownRoot[];
  /** Name and key of the log, in its text form; absent while the registry has none. */
  readonly log?: {
    readonly key: string;
    /** Keys that it had before, by which older proofs are signed. */
    readonly former?: readonly string[];
  };
}

const FORMAT = "lading-registry-trust/1";

/** The file of a record, with a line feed at its end. */
export function encodeTrustRecord(record: TrustRecord): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ format: FORMAT, ...record }, undefined, 2)}\n`);
}

function damaged(registry: string, problem: string): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_TRUST_DAMAGED",
    message: `Cannot use what is stored about the trust in ${registry}: ${problem}`,
    hint: "Get the registry's root from its operator and run: registry trust NAME --root FILE --replace",
    registry,
  });
}

function knownRoot(value: unknown): KnownRoot | undefined {
  if (!isObject(value)) return undefined;
  const digest = tryParseDigest(value.digest);
  const { version } = value;
  if (digest === undefined || typeof version !== "number" || !Number.isSafeInteger(version) || version < 1) {
    return undefined;
  }
  return { version, digest };
}

const SOURCES: readonly AnchorSource[] = ["configured", "file", "first-use"];

/**
 * Reads the file of a record. A damaged one is refused: to begin anew in silence is what an attacker would want.
 * @throws {RegistryClientError} `REGISTRY_TRUST_DAMAGED`
 */
export function decodeTrustRecord(bytes: Uint8Array, registry: string): TrustRecord {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged(registry, "it is not JSON");
  }
  if (!isObject(value)) throw damaged(registry, "it is not an object");
  if (value.format !== FORMAT) throw damaged(registry, `its format is not "${FORMAT}"`);
  if (value.registry !== registry) throw damaged(registry, "it is of another registry");
  const anchor = knownRoot(value.anchor);
  const { how, at } = isObject(value.anchor) ? value.anchor : {};
  const source = SOURCES.find((one) => one === how);
  const roots = Array.isArray(value.roots) ? value.roots.map(knownRoot) : [];
  if (anchor === undefined || source === undefined || typeof at !== "string") {
    throw damaged(registry, `its "anchor" cannot be meant`);
  }
  if (roots.length === 0 || roots.includes(undefined)) throw damaged(registry, `its "roots" cannot be meant`);
  const key = isObject(value.log) ? value.log.key : undefined;
  const former = isObject(value.log) ? stringList(value.log.former) : [];
  if (value.log !== undefined && typeof key !== "string") throw damaged(registry, `its "log" cannot be meant`);
  return {
    registry,
    anchor: { ...anchor, how: source, at },
    roots: roots as KnownRoot[],
    ...(typeof key === "string" ? { log: { key, ...(former.length === 0 ? {} : { former }) } } : {}),
  };
}
