import { LOG_ERRORS, LogError, type LogErrorCode } from "@lading/signing/log";
import { METADATA_ERRORS, MetadataError, type Attack } from "@lading/signing/metadata";

/** What somebody would gain by each attack, in plain words. */
export const ATTACK_WORDS: Readonly<Record<Attack, string>> = {
  "arbitrary-software": "somebody without the registry's keys makes up files (arbitrary software attack)",
  rollback: "somebody shows you an older state, in which a fixed fault is still open (rollback attack)",
  freeze: "somebody keeps showing you an old state, so that you never see a fix (freeze attack)",
  "mix-and-match": "somebody puts together files that were never current at one time (mix-and-match attack)",
  "endless-data": "somebody sends data without end to fill your disk or block you (endless data attack)",
  "wrong-software": "somebody gives you another file than you asked for (wrong software attack)",
  "malicious-mirror": "a mirror withholds files (malicious mirror)",
  "key-compromise": "somebody has stolen some of the registry's keys, not enough of them (key compromise)",
};

/** The attack that a refusal of the log would be. */
const LOG_ATTACKS: Readonly<Partial<Record<LogErrorCode, string>>> = {
  LOG_CHECKPOINT_UNTRUSTED: "somebody without the log's key makes up its state",
  LOG_CHECKPOINT_ALTERED: "somebody altered the log's state on its way",
  LOG_ORIGIN_MISMATCH: "somebody shows you the log of another registry",
  LOG_ROLLBACK: "the registry takes back what it had published (rollback of the log)",
  LOG_SPLIT_VIEW: "the registry shows different people different histories (split view)",
  LOG_INCONSISTENT: "the registry has rewritten its history",
  LOG_INCLUSION_INVALID: "the registry gives out a version that it keeps out of its public log",
};

function sentence(attack: string, help: string): string {
  return `An attack would look like this: ${attack}. ${help}`;
}

/**
 * A refusal of metadata or log with the name of the registry and, as its hint, which attack it would be and what to do.
 * Anything else as it is.
 */
export function explained(error: unknown, registry: string): unknown {
  if (error instanceof MetadataError) {
    const { code, attack, message, details, cause } = error;
    if (details["registry"] !== undefined) return error;
    const { help } = METADATA_ERRORS[code];
    const hint = error.hint ?? (attack === undefined ? help : sentence(ATTACK_WORDS[attack], help));
    return new MetadataError({
      ...details,
      code,
      message: `${message} (registry "${registry}")`,
      hint,
      registry,
      cause,
    });
  }
  if (error instanceof LogError) {
    const { code, message, details, cause } = error;
    if (details["registry"] !== undefined) return error;
    const { help } = LOG_ERRORS[code];
    const attack = LOG_ATTACKS[code];
    const hint = error.hint ?? (attack === undefined ? help : sentence(attack, help));
    return new LogError({ ...details, code, message: `${message} (registry "${registry}")`, hint, registry, cause });
  }
  return error;
}
