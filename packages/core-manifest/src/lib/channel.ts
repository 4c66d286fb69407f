import { CoreError } from "./core-error.ts";
import { tryParseRequirement, type RequirementSyntax } from "./requirement.ts";
import { tryParseVersion } from "./version.ts";

/** The channel that a name without anything means; every package with a version has it. */
export const LATEST_CHANNEL = "latest";

const CHANNEL = /^[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*$/;
const MAX_LENGTH = 64;
const SYNTAXES: readonly RequirementSyntax[] = ["caret", "exact", "pep440", "npm", "canonical"];

/**
 * Reads the name of a channel (dist-tag): a letter, then letters, digits and single `.`, `_` or `-`. What could be read as
 * a version or a requirement is none, so that `NAME@TEXT` has one meaning.
 * @returns `undefined` for other texts
 */
export function tryParseChannel(text: string): string | undefined {
  // Index documents are tables by channel, and no reader takes a key that reaches into prototypes.
  if (text.length > MAX_LENGTH || !CHANNEL.test(text) || text in {} || text === "prototype") return undefined;
  if (tryParseVersion(text.replace(/^v/i, "")) !== undefined) return undefined;
  return SYNTAXES.some((syntax) => tryParseRequirement(text, syntax) !== undefined) ? undefined : text;
}

/**
 * The same for callers that need one.
 * @throws {CoreError} `CHANNEL_INVALID`
 */
export function parseChannel(text: string): string {
  const channel = tryParseChannel(text);
  if (channel !== undefined) return channel;
  throw new CoreError({
    code: "CHANNEL_INVALID",
    message: `Cannot use "${text.slice(0, 80)}" as a channel: allowed are up to ${MAX_LENGTH} letters, digits and single ".", "_" or "-" after a letter, and nothing that is a version or a requirement`,
    hint: 'Call it "beta", "next" or "lts-1"',
  });
}
