import { fingerprint } from "../key-id.ts";
import { isNamePattern, matchesNamePattern } from "../name-pattern.ts";
import { SigningError } from "../signing-error.ts";
import { createTrustPolicy, type TrustPolicy, type TrustedKey } from "../trust.ts";

/** What somebody demands of the publishers of some packages. */
export interface PublisherRule {
  /** Patterns over package names; `["**"]` for all, as a registry's own settings mean it. */
  readonly names: readonly string[];
  /** `public_keys`: only these keys count. */
  readonly publicKeys?: readonly Uint8Array[] | undefined;
  /** `trusted_publishers`: only packages of these accounts count. */
  readonly trustedPublishers?: readonly string[] | undefined;
  /** How many different keys must have signed. */
  readonly threshold?: number | undefined;
  /** Where it is written, for messages: `registries.toml [main]`. */
  readonly source: string;
}

/** Whether a package's publisher is acceptable. */
export type PublisherVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: "PUBLISHER_NOT_TRUSTED"; readonly reason: string };

function checkRule({ names, threshold, source }: PublisherRule): void {
  const wrong = names.find((pattern) => !isNamePattern(pattern));
  const counts = threshold === undefined || (Number.isSafeInteger(threshold) && threshold >= 1);
  if (wrong === undefined && names.length > 0 && counts) return;
  const problem =
    names.length === 0
      ? "it names no packages"
      : wrong === undefined
        ? `its threshold is ${threshold}`
        : `"${wrong.slice(0, 60)}" is no name pattern`;
  throw new SigningError({
    code: "SIGNATURE_POLICY_INVALID",
    message: `Cannot use the rule about publishers in ${source}: ${problem}`,
  });
}

/** @throws {SigningError} `SIGNATURE_POLICY_INVALID` for a rule that cannot be meant, of whatever package */
function rulesFor(rules: readonly PublisherRule[], name: string): PublisherRule[] {
  for (const rule of rules) checkRule(rule);
  return rules.filter(({ names }) => names.some((pattern) => matchesNamePattern(pattern, name)));
}

function keyAllowed(key: TrustedKey, { publicKeys, trustedPublishers }: PublisherRule): boolean {
  const listed = publicKeys?.some((one) => fingerprint(one) === fingerprint(key.publicKey)) ?? true;
  // A key that is listed itself speaks for itself; another one only where its account is known to be trusted.
  const owner =
    publicKeys !== undefined || trustedPublishers === undefined || trustedPublishers.includes(key.publisher ?? "");
  return listed && owner;
}

/**
 * The trust policy of a package under rules about its publishers. All rules that match its name hold together: a key must be
 * allowed by each, and the highest threshold wins, so that no rule loosens another. Keys listed in a rule count without
 * being in the trust store.
 * @param base what the trust store says
 * @throws {SigningError} `SIGNATURE_POLICY_INVALID`
 */
export function applyPublisherRules(base: TrustPolicy, rules: readonly PublisherRule[], name: string): TrustPolicy {
  const matching = rulesFor(rules, name);
  const listed = matching.flatMap(({ publicKeys = [] }) => publicKeys.map((publicKey): TrustedKey => ({ publicKey })));
  // What the store says of a key (names, times) stays, for it comes later and so wins.
  const known = [...listed, ...base.keys.values()];
  const allowed = known.filter((key) => matching.every((rule) => keyAllowed(key, rule)));
  const threshold = Math.max(base.threshold, ...matching.map((rule) => rule.threshold ?? 1));
  return createTrustPolicy(allowed, { threshold });
}

/**
 * Whether a package may come from an account, by `trusted_publishers`.
 * @param publisher the account that published it; absent where it is not known, which no such rule accepts
 * @throws {SigningError} `SIGNATURE_POLICY_INVALID`
 */
export function judgePublisher(
  rules: readonly PublisherRule[],
  name: string,
  publisher: string | undefined,
): PublisherVerdict {
  const rule = rulesFor(rules, name).find(
    ({ trustedPublishers }) => trustedPublishers !== undefined && !trustedPublishers.includes(publisher ?? ""),
  );
  if (rule === undefined) return { ok: true };
  const who = publisher === undefined ? "nobody known" : `"${publisher}"`;
  const reason = `"${name}" is published by ${who}; ${rule.source} trusts "${rule.trustedPublishers!.join(`", "`)}"`;
  return { ok: false, code: "PUBLISHER_NOT_TRUSTED", reason };
}

/**
 * The error of a refused publisher.
 * @throws nothing
 */
export function publisherError({ code, reason }: Extract<PublisherVerdict, { ok: false }>): SigningError {
  return new SigningError({ code, message: `Cannot use the package: ${reason}` });
}
