import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { cacheDirectory, type EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { exists, hasErrno, makeDirectory } from "./files.ts";

const run = promisify(execFile);

/** What is asked of a repository: at most one of the three; none is the default branch. */
export interface GitReference {
  readonly url: string;
  readonly tag?: string | undefined;
  readonly branch?: string | undefined;
  readonly rev?: string | undefined;
}

/** A checked out commit. */
export interface GitCheckout {
  /** 40 or 64 hexadecimal digits. */
  readonly commit: string;
  /** Directory with the commit's files and no `.git`; read-only by convention, shared between projects. */
  readonly directory: string;
}

// `ext::` and other remote helpers run commands; `file:` reads what the user may read anyway.
const ALLOWED_SCHEMES = new Set(["https:", "ssh:", "file:", "git+ssh:", "git+https:"]);
const SCP_FORM = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!\/\/)[^\s:-][^\s:]*$/;
const REFERENCE = /^[A-Za-z0-9_][A-Za-z0-9._/+-]*$/;
const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/**
 * The address as git is given it.
 * @throws {EngineError} `GIT_SOURCE_REFUSED` for a scheme that is not allowed or what git could take for an option
 */
export function checkGitUrl(url: string): string {
  const refuse = (problem: string): EngineError =>
    new EngineError({
      code: "GIT_SOURCE_REFUSED",
      message: `Cannot use "${redactUrl(url)}" as a Git address: ${problem}`,
    });
  if (url.startsWith("-")) throw refuse("it starts with a dash, which git would read as an option");
  if (/[\s\p{Cc}]/u.test(url)) throw refuse("it has spaces or control characters");
  if (url.includes("::")) throw refuse("it names a remote helper");
  if (path.isAbsolute(url)) return url;
  if (SCP_FORM.test(url)) return url;
  const parsed = URL.parse(url);
  if (parsed === null) throw refuse("it is no URL");
  if (!ALLOWED_SCHEMES.has(parsed.protocol)) {
    throw refuse(`its scheme is "${parsed.protocol}", allowed are https:, ssh:, file: and git@host:path`);
  }
  if (parsed.hostname.startsWith("-")) throw refuse("its host starts with a dash");
  return url.replace(/^git\+/, "");
}

/** A reference that git cannot take for an option or a range. */
export function checkGitReference(reference: string): string {
  if (REFERENCE.test(reference) && !reference.includes("..") && reference.length <= 200) return reference;
  throw new EngineError({
    code: "GIT_SOURCE_REFUSED",
    message: `Cannot use "${reference.slice(0, 100)}" as a Git reference: allowed are letters, digits and "._/+-"`,
  });
}

/** A URL without what is secret in it. */
export function redactUrl(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//");
}

const ARCHIVE = /\.(?:zip|tar|tgz|tar\.(?:gz|zst|lz4|xz|bz2))(?:[?#].*)?$/i;

/** Whether an argument of `install` is meant as a Git repository: any URL but an archive's, or `user@host:path`. */
export function looksLikeGit(argument: string): boolean {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(argument)) return !ARCHIVE.test(argument);
  return /^[^/\s@]+@[^/\s@:]+:[^\s]/.test(argument);
}

/**
 * Fetches one commit and lays out its files below the cache; the same commit is fetched once.
 * @throws {EngineError} `GIT_SOURCE_REFUSED`, `GIT_FAILED`, `GIT_UNAVAILABLE`
 */
export async function checkoutGit(
  context: EngineContext,
  reference: GitReference,
  locked?: string,
): Promise<GitCheckout> {
  const url = checkGitUrl(reference.url);
  const base = path.join(
    await cacheDirectory(context),
    "git",
    createHash("sha256").update(url).digest("hex").slice(0, 32),
  );
  if (locked !== undefined && COMMIT.test(locked)) {
    const directory = path.join(base, locked);
    if (await exists(directory)) return { commit: locked, directory };
  }
  refuseOffline(context, url);
  const commit = locked ?? (await resolveCommit(context, url, reference));
  const directory = path.join(base, commit);
  if (!(await exists(directory))) await fetchCommit(context, { url, base, commit, directory, reference });
  return { commit, directory };
}

function refuseOffline(context: EngineContext, url: string): void {
  if (!context.offline || path.isAbsolute(url) || url.startsWith("file:")) return;
  throw new EngineError({
    code: "GIT_FAILED",
    message: `Cannot fetch "${redactUrl(url)}": offline mode, and the commit is not in the cache`,
    hint: "Run the command once without --offline",
  });
}

async function resolveCommit(context: EngineContext, url: string, reference: GitReference): Promise<string> {
  if (reference.rev !== undefined && COMMIT.test(reference.rev)) return reference.rev;
  const wanted = wantedRefs(reference);
  const output = await git(
    context,
    ["ls-remote", "--", url, ...wanted],
    undefined,
    `list the references of "${redactUrl(url)}"`,
  );
  const rows = output.split("\n").flatMap((line) => {
    const [commit, ref] = line.split("\t");
    return commit !== undefined && ref !== undefined && COMMIT.test(commit) ? [{ commit, ref }] : [];
  });
  // An annotated tag's own object is listed first; `^{}` is the commit it points at.
  const found = rows.find(({ ref }) => ref.endsWith("^{}")) ?? rows.find(({ ref }) => wanted.includes(ref));
  if (found !== undefined) return found.commit;
  throw new EngineError({
    code: "GIT_FAILED",
    message: `Cannot find ${describeReference(reference)} in "${redactUrl(url)}"`,
    hint: "Check the name with: git ls-remote " + redactUrl(url),
  });
}

function wantedRefs({ tag, branch, rev }: GitReference): string[] {
  if (tag !== undefined) return [`refs/tags/${checkGitReference(tag)}`, `refs/tags/${tag}^{}`];
  if (branch !== undefined) return [`refs/heads/${checkGitReference(branch)}`];
  if (rev !== undefined)
    return [checkGitReference(rev), `refs/tags/${rev}`, `refs/tags/${rev}^{}`, `refs/heads/${rev}`];
  return ["HEAD"];
}

function describeReference({ tag, branch, rev }: GitReference): string {
  if (tag !== undefined) return `tag "${tag}"`;
  if (branch !== undefined) return `branch "${branch}"`;
  return rev === undefined ? "a default branch" : `revision "${rev}"`;
}

async function fetchCommit(
  context: EngineContext,
  work: { url: string; base: string; commit: string; directory: string; reference: GitReference },
): Promise<void> {
  const { url, base, commit, directory } = work;
  const bare = path.join(base, `.fetch-${process.pid}-${commit.slice(0, 12)}`);
  await makeDirectory(base);
  context.onEvent({ type: "info", message: `Fetching ${redactUrl(url)} at ${commit.slice(0, 12)}` });
  const what = `fetch commit ${commit.slice(0, 12)} of "${redactUrl(url)}"`;
  try {
    await git(context, ["init", "--quiet", "--", bare], undefined, what);
    try {
      await git(context, ["fetch", "--quiet", "--depth=1", "--no-tags", "--", url, commit], bare, what);
    } catch {
      // A server may refuse single commits; the branches and tags then bring it.
      await git(
        context,
        ["fetch", "--quiet", "--", url, "+refs/heads/*:refs/r/*", "+refs/tags/*:refs/t/*"],
        bare,
        what,
      );
    }
    await git(context, ["checkout", "--quiet", "--detach", commit, "--"], bare, what);
    await rm(path.join(bare, ".git"), { recursive: true, force: true });
    await rename(bare, directory).catch((error: unknown) => {
      // Another process was faster with the same commit.
      if (!hasErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
    });
  } finally {
    await rm(bare, { recursive: true, force: true });
  }
}

/**
 * Runs git and answers with what it prints.
 * @throws {EngineError} `GIT_FAILED`, `GIT_UNAVAILABLE`
 */
export async function git(
  context: EngineContext,
  args: readonly string[],
  cwd: string | undefined,
  what: string,
): Promise<string> {
  // No hooks, no prompts, no configuration of the repository's: nothing of the other side may run here.
  const fixed = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.ext.allow=never",
    "-c",
    "core.symlinks=false",
    "-c",
    "advice.detachedHead=false",
  ];
  try {
    const { stdout } = await run("git", [...fixed, ...args], {
      ...(cwd === undefined ? {} : { cwd }),
      env: {
        ...process.env,
        ...context.env,
        GIT_TERMINAL_PROMPT: "0",
        GIT_DIR: undefined,
        GIT_WORK_TREE: undefined,
        LC_ALL: "C",
      },
      maxBuffer: 64 * 2 ** 20,
      signal: context.signal,
    });
    return stdout;
  } catch (error) {
    context.signal.throwIfAborted();
    if (hasErrno(error, "ENOENT")) {
      throw new EngineError({ code: "GIT_UNAVAILABLE", message: `Cannot ${what}: the git program was not found` });
    }
    const { stderr } = error as { stderr?: string };
    const detail = (stderr ?? "").trim().split("\n").at(-1) ?? "";
    throw new EngineError({
      code: "GIT_FAILED",
      message: `Cannot ${what}: ${redactUrl(detail) || "git failed"}`,
      cause: error,
    });
  }
}
