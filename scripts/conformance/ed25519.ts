import { readFile } from "node:fs/promises";
import { portableVerifier } from "@lading/signing";
import { nodeVerifier } from "@lading/signing/node";
import { ED25519_FORMS, readSignatureFile, type SignatureCase, type SignatureFile } from "./ed25519-forms.ts";
import { UnknownFormError, type SuiteResult } from "./suite.ts";

interface Judged {
  readonly id: string;
  readonly portable: boolean;
  readonly node: boolean;
  readonly expected: boolean | undefined;
}

function judge({ id, publicKey, message, signature, accepts }: SignatureCase): Judged {
  return {
    id,
    portable: portableVerifier.verify(publicKey, message, signature),
    node: nodeVerifier.verify(publicKey, message, signature),
    expected: accepts,
  };
}

const word = (accepted: boolean): string => (accepted ? "accept" : "refuse");

function failureOf({ id, portable, node, expected }: Judged): string | undefined {
  if (portable !== node) return `${id}: portable says ${word(portable)}, node says ${word(node)}`;
  return expected === undefined || expected === portable
    ? undefined
    : `${id}: ${word(portable)}, expected ${word(expected)}`;
}

/** Runs a file of signatures through both verifiers. */
export function runSignatures(file: string, { form, cases }: SignatureFile): SuiteResult {
  const judged = cases.map(judge);
  const failures = judged.map(failureOf).filter((failure) => failure !== undefined);
  const accepted = judged.filter(({ portable }) => portable).map(({ id }) => id);
  return {
    suite: "ed25519",
    form,
    file,
    passed: judged.length - failures.length,
    failures,
    note: `${accepted.length} of ${judged.length} accepted, both verifiers`,
    data: {
      file,
      form,
      cases: judged.length,
      passed: judged.length - failures.length,
      failed: failures.length,
      failures,
      accepted: accepted.length,
      acceptedCases: accepted,
      verdicts: judged.map(({ id, portable, node }) => ({ case: id, portable: word(portable), node: word(node) })),
    },
  };
}

/** @throws {UnknownFormError} */
export async function runSignatureFile(file: string): Promise<SuiteResult> {
  const content = readSignatureFile(await readFile(file, "utf8"));
  if (content === undefined) throw new UnknownFormError(file, ED25519_FORMS);
  return runSignatures(file, content);
}
