import { realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { exists, makeTemporaryDirectory } from "./files.ts";
import { git } from "./git.ts";

/** What is checked out in a directory: the address of `origin` as HTTPS, and the tag, else the commit. */
export interface CheckedOut {
  readonly url?: string;
  readonly ref?: string;
}

/** Looks at the Git checkout that a directory lies in; empty where it lies in none, or git is not there. */
export async function describeCheckout(context: EngineContext, directory: string): Promise<CheckedOut> {
  const ask = (...args: readonly string[]): Promise<string | undefined> => answer(context, directory, args);
  const commit = await ask("rev-parse", "--verify", "HEAD");
  if (commit === undefined) return {};
  const [remote, tag, changes] = await Promise.all([
    ask("remote", "get-url", "origin"),
    ask("describe", "--exact-match", "--tags", "HEAD"),
    ask("status", "--porcelain", "--", "."),
  ]);
  if (changes !== undefined && changes !== "") {
    context.onEvent({
      type: "warning",
      message: `"${directory}" has changes that are not committed, which ${tag ?? commit} does not have`,
    });
  }
  const url = remote === undefined ? undefined : asHttps(remote);
  return { ...(url === undefined ? {} : { url }), ref: tag ?? commit };
}

/**
 * Runs `use` with the files that whoever fetches `reference` gets of a directory in a Git checkout, in a temporary place: what
 * is not committed is not among them. It gets the directory itself where there is no checkout, and, with a warning, where
 * that does not have the reference, or the directory at it.
 * @throws {EngineError} `GIT_FAILED`, and what `use` throws
 */
export async function withCommittedFiles<T>(
  context: EngineContext,
  directory: string,
  reference: string | undefined,
  use: (directory: string) => Promise<T>,
): Promise<T> {
  const found = reference === undefined ? undefined : await findCommit(context, directory, reference);
  if (found === undefined) return use(directory);
  const { top, commit } = found;
  const place = await realpath(await makeTemporaryDirectory(tmpdir(), "lading-commit-"));
  try {
    const files = path.join(place, "files");
    // An index of its own: the checkout and what is staged there stay as they are.
    const own = { ...context, env: { ...context.env, GIT_INDEX_FILE: path.join(place, "index") } };
    const what = `read "${reference}" of the checkout in "${directory}"`;
    await git(own, ["read-tree", commit], top, what);
    await git(own, ["checkout-index", "--all", `--prefix=${files}/`], top, what);
    const committed = path.join(files, path.relative(top, await realpath(directory)));
    if (await exists(committed)) return await use(committed);
    context.onEvent({
      type: "warning",
      message: `"${directory}" is not in "${reference}" of its checkout: its files are taken as they are`,
    });
    return await use(directory);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function findCommit(
  context: EngineContext,
  directory: string,
  reference: string,
): Promise<{ readonly top: string; readonly commit: string } | undefined> {
  const top = await answer(context, directory, ["rev-parse", "--show-toplevel"]);
  // Git would read what starts with a dash as an option.
  if (top === undefined || reference.startsWith("-")) return undefined;
  const commit = await answer(context, directory, ["rev-parse", "--verify", "--quiet", `${reference}^{commit}`]);
  if (commit !== undefined) return { top: await realpath(top), commit };
  context.onEvent({
    type: "warning",
    message: `"${reference}" is not in the checkout of "${directory}": its files are taken as they are`,
  });
  return undefined;
}

async function answer(context: EngineContext, directory: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await git(context, args, directory, `look at the checkout in "${directory}"`)).trim();
  } catch (error) {
    // No checkout, no remote, no tag, no git: all of them mean that there is nothing to tell.
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

/** `git@host:owner/name.git` and `ssh://git@host/owner/name` as everybody can read them. */
function asHttps(remote: string): string | undefined {
  if (remote.startsWith("https://")) return remote.replace(/\/\/[^/@]*@/, "//");
  const scp = /^(?:ssh:\/\/)?(?:[\w.-]+@)([\w.-]+)[:/]([\w./-]+)$/.exec(remote);
  return scp === null ? undefined : `https://${scp[1]}/${scp[2]}`;
}
