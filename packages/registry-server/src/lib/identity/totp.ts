import type { TOTP } from "otpauth";
import { randomText, sha256Hex } from "../token.ts";

const PERIOD_S = 30;
const DIGITS = 6;
const RECOVERY_CODES = 10;
const RECOVERY_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz";
const RECOVERY_LENGTH = 12;

// Loaded by those who use a second factor, not by every server that starts.
async function totp(secret: string, label?: { readonly issuer: string; readonly account: string }): Promise<TOTP> {
  const { Secret, TOTP } = await import("otpauth");
  return new TOTP({
    algorithm: "SHA1",
    digits: DIGITS,
    period: PERIOD_S,
    secret: Secret.fromBase32(secret),
    ...(label === undefined ? {} : { issuer: label.issuer, label: label.account }),
  });
}

/** A new secret of 160 bits (RFC 4226 §4), in base 32. */
export async function generateTotpSecret(): Promise<string> {
  const { Secret } = await import("otpauth");
  return new Secret({ size: 20 }).base32;
}

/** What authenticator applications read as a QR code. */
export async function totpUri(
  secret: string,
  label: { readonly issuer: string; readonly account: string },
): Promise<string> {
  return (await totp(secret, label)).toString();
}

/**
 * The time step (30 seconds since the epoch) that `code` is of, the one before or the one after now; `undefined` where it is
 * of none, or of a step up to `lastStep`: RFC 6238 §5.2 wants each code to open once.
 */
export async function totpStep(
  secret: string,
  code: string,
  { now, lastStep }: { readonly now: number; readonly lastStep: number },
): Promise<number | undefined> {
  if (!/^\d{6}$/.test(code)) return undefined;
  const delta = (await totp(secret)).validate({ token: code, timestamp: now, window: 1 });
  if (delta === null) return undefined;
  const step = Math.floor(now / 1000 / PERIOD_S) + delta;
  return step > lastStep ? step : undefined;
}

function recoveryCode(): string {
  return randomText(RECOVERY_ALPHABET, RECOVERY_LENGTH).replaceAll(/(.{4})(?=.)/g, "$1-");
}

/** Ten codes of 59 bits, each of which opens once where the authenticator is lost. */
export function generateRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, recoveryCode);
}

/** The only form of a recovery code that is stored. Case and hyphens do not count. */
export async function hashRecoveryCode(code: string): Promise<string> {
  return sha256Hex(new TextEncoder().encode(code.toLowerCase().replaceAll(/[^0-9a-z]/g, "")));
}
