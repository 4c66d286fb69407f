import { SigningError } from "./signing-error.ts";

/**
 * What happens to packages by their signature. `off`: signatures are not looked at. `optional`: a signature that is there
 * must hold, its absence is a warning. `required`: unsigned is refused.
 */
export type SignatureRequirement = "off" | "optional" | "required";

/** One party's wish. */
export interface SignaturePolicy {
  readonly requirement: SignatureRequirement;
  /** How many different signers; 1 unless given. */
  readonly threshold?: number | undefined;
  /** Who asks for it, for messages: `server`, `registry "main" of the client`, `gal.toml [security]`. */
  readonly source: string;
}

/** The strictest of several wishes. */
export interface EffectiveSignaturePolicy {
  readonly requirement: SignatureRequirement;
  readonly threshold: number;
  /** The first party that asked for as much as `requirement`; absent where nobody asked for anything. */
  readonly decidedBy?: string;
}

const STRICTNESS: Readonly<Record<SignatureRequirement, number>> = { off: 0, optional: 1, required: 2 };

/**
 * What server, client and manifest together demand: the strictest requirement and the highest threshold that anybody
 * asks for. Nobody can loosen what another demands. Without any wish, `optional`.
 * @throws {SigningError} `SIGNATURE_POLICY_INVALID` for a threshold that is no whole number from 1
 */
export function strictestSignaturePolicy(policies: readonly (SignaturePolicy | undefined)[]): EffectiveSignaturePolicy {
  const given = policies.filter((policy) => policy !== undefined);
  const wrong = given.find(({ threshold = 1 }) => !Number.isSafeInteger(threshold) || threshold < 1);
  if (wrong !== undefined) {
    throw new SigningError({
      code: "SIGNATURE_POLICY_INVALID",
      message: `Cannot use the signature policy of ${wrong.source}: its threshold is ${wrong.threshold}, allowed are whole numbers from 1`,
    });
  }
  const threshold = Math.max(1, ...given.map((policy) => policy.threshold ?? 1));
  const [first, ...rest] = given;
  if (first === undefined) return { requirement: "optional", threshold };
  const strictest = rest.reduce(
    (most, policy) => (STRICTNESS[policy.requirement] > STRICTNESS[most.requirement] ? policy : most),
    first,
  );
  return { requirement: strictest.requirement, threshold, decidedBy: strictest.source };
}
