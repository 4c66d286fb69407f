import { invalidAnswer } from "../json.ts";

const NEWLINE = 0x0a;
/** Longest line before a file: a path and its length. */
const LINE_MAX = 1200;

/**
 * Takes the answer of `POST /api/v1/files` apart: for each path a line `path length`, then that many bytes; `path -` where
 * there is no such file.
 * @throws {RegistryClientError} `REGISTRY_ANSWER_INVALID` where it is not the answer to what was asked
 */
export function parseFiles(
  bytes: Uint8Array,
  paths: readonly string[],
  context: { readonly action: string; readonly registry: string },
): ReadonlyMap<string, Uint8Array | undefined> {
  const fail = (problem: string): Error => invalidAnswer(context.action, context.registry, problem);
  const files = new Map<string, Uint8Array | undefined>();
  let at = 0;
  for (const path of paths) {
    const end = bytes.subarray(at, at + LINE_MAX).indexOf(NEWLINE);
    if (end === -1) throw fail(`it ends before "${path}"`);
    const line = new TextDecoder().decode(bytes.subarray(at, at + end));
    const length = /^(.*) (-|0|[1-9]\d{0,8})$/.exec(line);
    if (length?.[1] !== path) throw fail(`it has another file in place of "${path}"`);
    at += end + 1;
    if (length[2] === "-") {
      files.set(path, undefined);
      continue;
    }
    const size = Number(length[2]);
    if (at + size > bytes.length) throw fail(`"${path}" is cut off`);
    files.set(path, bytes.subarray(at, at + size));
    at += size;
  }
  if (at !== bytes.length) throw fail("there is something after the last file");
  return files;
}
