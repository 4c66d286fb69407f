import { execFile, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileIn, readOnly } from "../moved-transport.ts";
import { METADATA_LIMIT_BYTES, refuseLong } from "../metadata-limit.ts";
import type { MetadataAnswer, Transport, TransportOptions } from "../ports.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import type { RegistryConfig } from "../registry-config.ts";

/** How a registry in a Git repository is read. */
export interface GitTransportOptions {
  readonly registry: RegistryConfig;
  /** As git takes it. */
  readonly url: string;
  /** Where copies of repositories are kept. */
  readonly cache: string;
  /** Environment of git; the process's unless given. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Whether git is kept from every token of its user: no credential helper, header of a configuration or `.netrc`. */
  readonly anonymous?: boolean | undefined;
}

const LOCKED = /\.lock'?: File exists|Unable to create|cannot lock/i;
/** A buffer holds no more, and Git hosts take no file of this size. */
const BLOB_LIMIT_BYTES = 2 ** 31 - 2;
const LOCK_WAIT_MS = 60_000;
const POLL_MS = 200;

/** Asks one `git cat-file --batch` for one object after another. */
class Objects {
  readonly #child: ChildProcessWithoutNullStreams;
  #chunks: Buffer[] = [];
  #length = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(repository: string, env: NodeJS.ProcessEnv) {
    this.#child = spawn("git", ["--git-dir", repository, "cat-file", "--batch"], { env });
    // A reader that is left alone must not keep the process from ending.
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr])
      (stream as unknown as { unref?: () => void }).unref?.();
    this.#child.stdout.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake?.();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    this.#child.on("error", end).on("close", end);
    this.#child.stdin.on("error", end);
  }

  /** An object, or the first `most` bytes and one more of a longer one. */
  read(name: string, most: number): Promise<Buffer | undefined> {
    const next = this.#queue.then(() => this.#read(name, most));
    this.#queue = next.catch(() => {});
    return next;
  }

  async #read(name: string, most: number): Promise<Buffer | undefined> {
    this.#child.stdin.write(`${name}\n`);
    const header = (await this.#line()).trimEnd();
    if (header.endsWith(" missing")) return undefined;
    const [, type, size] = header.split(" ");
    const bytes = await this.#skim(Number(size), most + 1);
    await this.#take(1);
    return type === "blob" ? bytes : undefined;
  }

  /** Takes `count` bytes and keeps the first of them: git cannot be told to stop in the middle of an object. */
  async #skim(count: number, keep: number): Promise<Buffer> {
    const kept: Buffer[] = [];
    for (let taken = 0; taken < count;) {
      if (this.#length === 0) await this.#more();
      const part = await this.#take(Math.min(count - taken, this.#length));
      if (taken < keep) kept.push(part.subarray(0, keep - taken));
      taken += part.length;
    }
    return Buffer.concat(kept);
  }

  async #line(): Promise<string> {
    while (!this.#chunks.some((chunk) => chunk.includes(10))) await this.#more();
    return (await this.#take(Buffer.concat(this.#chunks).indexOf(10) + 1)).toString("utf8");
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#length < count) await this.#more();
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(count)];
    this.#length = all.length - count;
    return all.subarray(0, count);
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error("git ended before it had answered");
    // A stream that nobody waits on does not hold the process; one that is waited on must.
    const hold = setInterval(() => {}, 1000);
    await new Promise<void>((done) => (this.#wake = done));
    clearInterval(hold);
  }

  close(): void {
    this.#child.stdin.end();
  }
}

const CREDENTIAL_VARIABLES =
  /^(?:GIT_CONFIG|GIT_ASKPASS$|SSH_ASKPASS|GITHUB_TOKEN$|GH_TOKEN$|GITLAB_TOKEN$|CI_JOB_TOKEN$)/;

/** An environment in which git finds no token: no helper, no header and no `.netrc` of its user is read. */
function withoutCredentials(env: NodeJS.ProcessEnv, home: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !CREDENTIAL_VARIABLES.test(name));
  const none = process.platform === "win32" ? "NUL" : "/dev/null";
  const own = { HOME: home, XDG_CONFIG_HOME: home, GIT_CONFIG_GLOBAL: none, GIT_CONFIG_NOSYSTEM: "1" };
  return { ...Object.fromEntries(kept), ...own };
}

/** A registry in a Git repository: the newest commit of its default branch, as it was when the client first asked. */
export function gitTransport(options: GitTransportOptions): Transport {
  const { registry, url, env = process.env } = options;
  const repository = join(options.cache, createHash("sha256").update(url).digest("hex").slice(0, 32));
  // Nobody can answer a question here, and only these ways of reaching a repository are safe to be named by others.
  const environment = {
    ...(options.anonymous === true ? withoutCredentials(env, options.cache) : env),
    GIT_TERMINAL_PROMPT: "0",
    LC_ALL: "C",
    GIT_ALLOW_PROTOCOL: "https:ssh:file",
  };
  let opened: Promise<{ readonly commit: string; readonly objects: Objects }> | undefined;

  const failed = (action: string, problem: string): RegistryClientError =>
    new RegistryClientError({
      code: "REGISTRY_UNREACHABLE",
      message: `Cannot ${action}: the Git repository of registry "${registry.name}" cannot be read: ${problem.replaceAll(/\/\/[^/@\s]*@/g, "//")}`,
      hint: "Check the address, and that git can reach it without a question",
      registry: registry.name,
    });
  const git = (args: readonly string[], { action, signal }: TransportOptions): Promise<string> =>
    new Promise((done, fail) => {
      const settings = { env: environment, maxBuffer: 2 ** 20, ...(signal === undefined ? {} : { signal }) };
      execFile("git", args, settings, (error, stdout, stderr) => {
        if (error === null) done(stdout.trim());
        else if (signal?.aborted === true) fail(signal.reason as Error);
        else fail(failed(action, stderr.trim().split("\n").at(-1) || error.message));
      });
    });
  const fetchCommit = async (commit: string, call: TransportOptions): Promise<void> => {
    const deadline = Date.now() + LOCK_WAIT_MS;
    for (;;) {
      try {
        await git(["--git-dir", repository, "fetch", "--quiet", "--depth", "1", "--no-tags", "--", url, commit], call);
        return;
      } catch (error) {
        // Another process of this user fetches the same.
        if (!LOCKED.test((error as Error).message) || Date.now() > deadline) throw error;
        await new Promise((done) => setTimeout(done, POLL_MS));
      }
    }
  };
  const open = async (call: TransportOptions): Promise<{ readonly commit: string; readonly objects: Objects }> => {
    const listed = await git(["ls-remote", "--", url, "HEAD"], call);
    const commit = /^([0-9a-f]{40,64})\t/.exec(listed)?.[1];
    if (commit === undefined) throw failed(call.action, "it has no default branch");
    await mkdir(repository, { recursive: true, mode: 0o700 });
    await git(["init", "--quiet", "--bare", repository], call);
    const there = await git(["--git-dir", repository, "cat-file", "-t", commit], call).catch(() => "");
    if (there !== "commit") await fetchCommit(commit, call);
    return { commit, objects: new Objects(repository, environment) };
  };
  const read = async (address: string, call: TransportOptions, most: number): Promise<Buffer | undefined> => {
    call.signal?.throwIfAborted();
    if (!address.startsWith(registry.url)) throw failed(call.action, "the address is not in it");
    const path = fileIn(registry, address, call.action);
    opened ??= open(call);
    const pending = opened;
    try {
      const { commit, objects } = await pending;
      return await objects.read(`${commit}:${path}`, most);
    } catch (error) {
      if (opened === pending) opened = undefined;
      throw error instanceof RegistryClientError || call.signal?.aborted === true
        ? error
        : failed(call.action, (error as Error).message);
    }
  };
  return {
    async metadata(address, call): Promise<MetadataAnswer> {
      const bytes = await read(address, call, call.maxBytes ?? METADATA_LIMIT_BYTES);
      if (bytes === undefined) return { status: "absent" };
      if (call.maxBytes === undefined) refuseLong(bytes, call.action, registry);
      const validator = `"sha256:${createHash("sha256").update(bytes).digest("hex")}"`;
      const asked = call.validator?.split(",").map((one) => one.trim());
      return asked?.includes(validator) === true ? { status: "unchanged" } : { status: "found", bytes, validator };
    },
    async blob(address, call) {
      const bytes = await read(address, call, BLOB_LIMIT_BYTES);
      if (bytes === undefined) return undefined;
      const offset = call.offset ?? 0;
      return { size: bytes.length, offset, body: inOnePiece(bytes.subarray(offset)) };
    },
    ...readOnly(registry),
    async close() {
      const found = await opened?.catch(() => undefined);
      found?.objects.close();
    },
  };
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
