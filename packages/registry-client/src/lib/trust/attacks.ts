import { LOG_ERRORS, LogError, type LogErrorCode } from "@lading/signing/log";
import { METADATA_ERRORS, MetadataError } from "@lading/signing/metadata";
import { ATTACK_WORDS } from "./attack-words.ts";

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
