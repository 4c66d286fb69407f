import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
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
      message: `"${directory}" has changes that are not committed: its checksum is not that of ${tag ?? commit}`,
    });
  }
  const url = remote === undefined ? undefined : asHttps(remote);
  return { ...(url === undefined ? {} : { url }), ref: tag ?? commit };
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
