import type { Attack } from "@lading/signing/metadata";

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
