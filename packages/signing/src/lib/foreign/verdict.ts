import { SigningError, type SigningErrorCode } from "../signing-error.ts";

/** Codes that the verdict on a foreign signature can carry. */
export type ForeignVerdictCode = Extract<
  SigningErrorCode,
  | "SIGNATURE_INVALID"
  | "SIGNATURE_KEY_UNKNOWN"
  | "SIGNATURE_SUBJECT_MISMATCH"
  | "FOREIGN_SIGNATURE_MALFORMED"
  | "FOREIGN_SIGNATURE_UNSUPPORTED"
>;

/** The outcome of a verification: a value, since a bad signature is an expected one. */
export type ForeignVerdict =
  | {
      readonly ok: true;
      /** Fingerprint of the key that signed. */
      readonly signer: string;
      /** minisign's trusted comment, which is signed; absent in other formats. */
      readonly trustedComment?: string;
    }
  | {
      readonly ok: false;
      readonly code: ForeignVerdictCode;
      /** One sentence without final period. */
      readonly reason: string;
    };

export function refused(code: ForeignVerdictCode, reason: string): ForeignVerdict {
  return { ok: false, code, reason };
}

export function malformed(format: string, problem: string): SigningError {
  return new SigningError({
    code: "FOREIGN_SIGNATURE_MALFORMED",
    message: `Cannot read the ${format} signature: ${problem}`,
  });
}

export function unsupported(format: string, what: string, found: string, allowed: string): SigningError {
  return new SigningError({
    code: "FOREIGN_SIGNATURE_UNSUPPORTED",
    message: `Cannot read the ${format} signature: its ${what} is "${found.slice(0, 60)}", supported is ${allowed}`,
  });
}

/** Runs a verification and makes a verdict of the errors of reading. */
export function judged(verify: () => ForeignVerdict): ForeignVerdict {
  try {
    return verify();
  } catch (error) {
    if (!(error instanceof SigningError)) throw error;
    return refused(error.code as ForeignVerdictCode, error.message);
  }
}
