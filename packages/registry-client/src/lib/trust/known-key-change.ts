import type { KeyEvent } from "@lading/signing/log";

/** A change of a publisher's key that a registry's log is known to have. */
export interface KnownKeyChange {
  /** Index of its entry. */
  readonly entry: number;
  /** When it was logged: UTC, whole seconds. */
  readonly logged: string;
  readonly account: string;
  readonly change: "rotate" | "recover" | "revoke";
  /** Fingerprint: the new key, or of a revocation the key that it is about. */
  readonly key: string;
  /** Fingerprint of the key before, of a rotation or recovery. */
  readonly previous?: string;
  /** Canonical names of packages whose index documents have listed it. */
  readonly packages: readonly string[];
}

/**
 * What an entry of the log says of a publisher's key, where the index has to list it: not of a key that was added or removed
 * by hand, which no signed statement brought.
 */
export function knownKeyChange(
  entry: number,
  event: KeyEvent,
  packages: readonly string[],
): KnownKeyChange | undefined {
  const { change, time, account, key, previous, statement } = event;
  if (change === "add" || statement === undefined) return undefined;
  return { entry, logged: time, account, change, key, ...(previous === undefined ? {} : { previous }), packages };
}
