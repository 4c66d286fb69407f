import { execFile } from "node:child_process";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { StaticRegistryError } from "../static-error.ts";
import { checkStorePath, storeFailed, storeRefused } from "../store-errors.ts";
import type { PlacedFile, RegistryStore, StoredFile, StoreSession } from "../store.ts";
import { listRegistryFiles, placeFile, readRegistryFile, removeRegistryFiles } from "./directory-store.ts";

/** How a Git repository is reached. */
export interface GitStoreOptions {
  /** What `git clone` takes: `https:`, `ssh:`, `file:`, or an absolute path. */
  readonly url: string;
  /** Branch to commit to; the remote's default unless given. */
  readonly branch?: string | undefined;
  /** Environment of git; the process's unless given. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

const SCHEMES = ["https:", "ssh:", "file:"];

function checkUrl(url: string): string {
  const parsed = URL.parse(url);
  const wrong =
    url.startsWith("-") ||
    url.includes("::") ||
    (!isAbsolute(url) && (parsed === null || !SCHEMES.includes(parsed.protocol)));
  if (!wrong && !(parsed?.hostname ?? "").startsWith("-")) return url;
  throw new StaticRegistryError({
    code: "STATIC_LOCATION_INVALID",
    message: `Cannot use "${redact(url)}" as a Git repository: allowed are https:, ssh: and file: addresses`,
  });
}

function redact(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//");
}

/** What git says on its way to a failure, by what to do about it. */
interface GitFailure {
  readonly stderr: string;
  readonly missing: boolean;
}

/**
 * No line end is changed and no hook runs. A link that somebody committed is a file here: written through, it would lead
 * out of the copy.
 */
const CONFIGURED = ["core.autocrlf=false", "core.hooksPath=/dev/null", "core.symlinks=false"].flatMap((setting) => [
  "-c",
  setting,
]);

class Git {
  readonly #env: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal | undefined;
  readonly cwd: string | undefined;

  constructor(cwd: string | undefined, env: Readonly<Record<string, string | undefined>>, signal?: AbortSignal) {
    this.cwd = cwd;
    this.#signal = signal;
    // Nobody can answer a question here; and what a repository says must not be translated, since it is read.
    this.#env = { ...env, GIT_TERMINAL_PROMPT: "0", LC_ALL: "C", GIT_ALLOW_PROTOCOL: "https:ssh:file" };
  }

  /** What it prints, or how it failed. */
  run(args: readonly string[]): Promise<string | GitFailure> {
    const options = { cwd: this.cwd, env: this.#env, signal: this.#signal, maxBuffer: 16 * 2 ** 20 };
    return new Promise((done, fail) => {
      execFile("git", [...CONFIGURED, ...args], options, (error, stdout, stderr) => {
        if (error === null) done(stdout);
        else if (this.#signal?.aborted === true) fail(this.#signal.reason as Error);
        else
          done({
            stderr: `${stderr}\n${stdout}`.trim(),
            missing: (error as NodeJS.ErrnoException).code === "ENOENT",
          });
      });
    });
  }
}

function gitError(location: string, action: string, { stderr, missing }: GitFailure): StaticRegistryError {
  const last = stderr
    .split("\n")
    .filter((line) => line !== "")
    .slice(-3)
    .join("; ");
  if (/authentication failed|permission denied|could not read username|403|access denied|publickey/i.test(stderr))
    return storeRefused(location, action, redact(last));
  return storeFailed(location, action, missing ? new Error("git is not installed") : new Error(redact(last)));
}

/** Somebody else pushed first, whatever the words of the remote. */
function isRace(stderr: string): boolean {
  return /non-fast-forward|fetch first|\[rejected\]|cannot lock ref|failed to update ref|stale info|incorrect old value/i.test(
    stderr,
  );
}

class GitSession implements StoreSession {
  readonly #git: Git;
  readonly #location: string;
  readonly #branch: string;
  readonly #directory: string;

  constructor(git: Git, location: string, directory: string, branch: string) {
    this.#git = git;
    this.#location = location;
    this.#directory = directory;
    this.#branch = branch;
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return readRegistryFile(this.#directory, path);
  }

  has(path: string): Promise<boolean> {
    checkStorePath(path);
    return stat(join(this.#directory, path)).then(
      () => true,
      () => false,
    );
  }

  async put(files: readonly PlacedFile[]): Promise<void> {
    for (const file of files) await placeFile(this.#directory, file);
  }

  list(prefix: string): Promise<readonly StoredFile[]> {
    return listRegistryFiles(this.#directory, prefix);
  }

  async remove(paths: readonly string[], message: string): Promise<"committed" | "conflict"> {
    await removeRegistryFiles(this.#directory, paths);
    return this.#push(message);
  }

  async commit(pointer: PlacedFile, message: string): Promise<"committed" | "conflict"> {
    await placeFile(this.#directory, pointer);
    return this.#push(message);
  }

  async #push(message: string): Promise<"committed" | "conflict"> {
    // Hosts and clients must not change line ends: digests are of bytes.
    await writeFile(join(this.#directory, ".gitattributes"), "* -text\n");
    await this.#must(["add", "--all", "--force", "."], "collect the changes");
    // Removing what was gone already changes nothing, and git makes no commit of nothing.
    if (typeof (await this.#git.run(["diff", "--cached", "--quiet"])) === "string") return "committed";
    const identity = await this.#identity();
    await this.#must([...identity, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", message], "commit");
    const pushed = await this.#git.run(["push", "--porcelain", "origin", `HEAD:refs/heads/${this.#branch}`]);
    // "=": another writer has pushed the very same commit, made of the same change in the same second.
    if (typeof pushed === "string") return /^=/m.test(pushed) ? "conflict" : "committed";
    if (isRace(pushed.stderr)) return "conflict";
    throw gitError(this.#location, "push the commit", pushed);
  }

  /** A job that has no name set up commits under one that says what it is. */
  async #identity(): Promise<readonly string[]> {
    const known = await this.#git.run(["config", "user.email"]);
    if (typeof known === "string" && known.trim() !== "") return [];
    return ["-c", "user.name=Registry", "-c", "user.email=registry@localhost"];
  }

  async #must(args: readonly string[], action: string): Promise<string> {
    const answer = await this.#git.run(args);
    if (typeof answer === "string") return answer;
    throw gitError(this.#location, action, answer);
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function clone(
  options: GitStoreOptions,
  directory: string,
  location: string,
  signal?: AbortSignal,
): Promise<GitSession> {
  const { url, branch, env = process.env } = options;
  const depth = isAbsolute(url) ? [] : ["--depth", "1"];
  const wanted = branch === undefined ? [] : ["--branch", branch];
  const outside = new Git(undefined, env, signal);
  const cloned = await outside.run(["clone", "--quiet", ...depth, ...wanted, "--", url, directory]);
  const git = new Git(directory, env, signal);
  if (typeof cloned !== "string") {
    // A branch that is not there yet is made by the first push.
    if (branch === undefined || !/Remote branch .* not found/i.test(cloned.stderr))
      throw gitError(location, "clone it", cloned);
    const again = await outside.run(["clone", "--quiet", ...depth, "--no-checkout", "--", url, directory]);
    if (typeof again !== "string") throw gitError(location, "clone it", again);
    const begun = await git.run(["symbolic-ref", "HEAD", `refs/heads/${branch}`]);
    if (typeof begun !== "string") throw gitError(location, "begin the branch", begun);
  }
  const head = await git.run(["symbolic-ref", "--short", "HEAD"]);
  return new GitSession(git, location, directory, branch ?? (typeof head === "string" ? head.trim() : "main"));
}

/**
 * A registry in a Git repository. A change is one commit, pushed without force: of two at once one is rejected by the
 * remote, and is made again on top of the other.
 * @throws {StaticRegistryError} `STATIC_LOCATION_INVALID`
 */
export function gitStore(options: GitStoreOptions): RegistryStore {
  const url = checkUrl(options.url);
  if (options.branch !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$/.test(options.branch)) {
    throw new StaticRegistryError({
      code: "STATIC_LOCATION_INVALID",
      message: `Cannot use "${options.branch.slice(0, 100)}" as a branch`,
    });
  }
  const location = `git+${redact(url)}`;
  return {
    location,
    async open({ signal } = {}) {
      const directory = await mkdtemp(join(tmpdir(), "lading-registry-git-"));
      try {
        return await clone({ ...options, url }, directory, location, signal);
      } catch (error) {
        await rm(directory, { recursive: true, force: true });
        throw error;
      }
    },
  };
}
