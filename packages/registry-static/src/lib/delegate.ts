import { encodeCanonicalJson } from "@lading/core-manifest";
import { fingerprint } from "@lading/signing";
import type { LogEvent } from "@lading/signing/log";
import { MetadataError, checkNameDelegation, readNameDelegations, type NameDelegation } from "@lading/signing/metadata";
import { maintain, timeText, type Maintained, type StaticRegistryOptions } from "./maintain.ts";
import { loadState, sha256 } from "./state.ts";
import { StaticRegistryError } from "./static-error.ts";

/** Who may sign packages of some names from now on. */
export interface StaticDelegation {
  /** A name (`company/tool`), or one whose last part has `*` for any run of characters: `company/*`, `gear-*`. */
  readonly pattern: string;
  /** 32-byte public keys; none: the names are no longer delegated. */
  readonly keys: readonly Uint8Array[];
  /** How many of them must sign; 1 unless given. */
  readonly threshold?: number | undefined;
  /** Account that is logged with it. */
  readonly publisher?: string | undefined;
}

/** What became of a delegation. */
export interface Delegated {
  readonly changed: boolean;
  /** All that is delegated now. */
  readonly delegations: readonly NameDelegation[];
  readonly maintained: Maintained | undefined;
}

/** What the log states the digest of, as the policy of these names. */
function delegationText({ pattern, keys, threshold }: Pick<NameDelegation, "pattern" | "keys" | "threshold">): string {
  return encodeCanonicalJson({ names: pattern, signers: keys.map(fingerprint).sort(), threshold });
}

/** Keys that go may have signed until now; keys that come again are no former ones. */
function changed(
  before: NameDelegation | undefined,
  { pattern, keys, threshold = 1 }: StaticDelegation,
  nowMs: number,
): NameDelegation {
  const own = new Map(keys.map((key) => [fingerprint(key), key]));
  // Times are whole seconds: what was published in this one was published before.
  const fromMs = (Math.floor(nowMs / 1000) + 1) * 1000;
  const gone = before?.keys.flatMap((key) => (own.has(fingerprint(key)) ? [] : [{ key, untilMs: fromMs }])) ?? [];
  const former = before?.former.filter(({ key }) => !own.has(fingerprint(key))) ?? [];
  // What fewer had to sign stays what it was.
  const isStricter = before === undefined || threshold > before.threshold;
  const sinceMs = isStricter ? fromMs : before.sinceMs;
  return { pattern, keys: [...own.values()], threshold, sinceMs, former: [...former, ...gone] };
}

function isSame(left: NameDelegation | undefined, right: NameDelegation): boolean {
  return left !== undefined && delegationText(left) === delegationText(right);
}

async function refusing<T>(pattern: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof MetadataError) || cause.code !== "METADATA_INPUT_INVALID") throw cause;
    throw new StaticRegistryError({
      code: "STATIC_DELEGATION_INVALID",
      message: `Cannot delegate "${pattern.slice(0, 100)}": ${cause.message.replace(/^[^:]*: /, "")}`,
      cause,
    });
  }
}

/**
 * Delegates names to publishers: from then on packages of them are taken only where enough of these keys have signed, and
 * clients refuse any other. Where several patterns match a name, the longest decides. Keys that are left out go on to be good
 * for what they had signed. Logged as the policy of these names.
 * @throws {StaticRegistryError} `STATIC_DELEGATION_INVALID`, and those of {@link maintain}
 */
export async function delegateStatic(options: StaticRegistryOptions, wanted: StaticDelegation): Promise<Delegated> {
  const { pattern, publisher } = wanted;
  return refusing(pattern, async () => {
    const { result, maintained } = await maintain(options, async (state, nowMs) => {
      const all = readNameDelegations(state.repository.targets.body.raw);
      const before = all.find((one) => one.pattern === pattern);
      const others = all.filter((one) => one !== before);
      const next = changed(before, wanted, nowMs);
      const removes = wanted.keys.length === 0 && wanted.threshold === undefined;
      if (!removes) checkNameDelegation(next);
      const delegations = removes ? others : [...others, next];
      if (removes ? before === undefined : isSame(before, next))
        return { change: undefined, result: { changed: false, delegations: all } };
      const event: LogEvent = {
        type: "policy",
        time: timeText(nowMs),
        ...(publisher === undefined ? {} : { actor: publisher }),
        names: pattern,
        policy: sha256(delegationText(removes ? { pattern, keys: [], threshold: 0 } : next)),
      };
      const message = removes ? `Take back the delegation of ${pattern}` : `Delegate ${pattern}`;
      const change = { files: [], documents: [], delegations, events: [event], message };
      return { change, result: { changed: true, delegations } };
    });
    return { ...result, maintained };
  });
}

/** Who may sign which names, nearest pattern first. */
export async function listDelegations({
  store,
  trust,
  signal,
}: StaticRegistryOptions): Promise<readonly NameDelegation[]> {
  const session = await store.open({ signal });
  try {
    const state = await loadState(trust, (path) => session.read(path), store.location);
    return readNameDelegations(state.repository.targets.body.raw);
  } finally {
    await session.close();
  }
}
