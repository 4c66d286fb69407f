import { constants, closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync, type Dirent } from "node:fs";
import { platform } from "node:os";
import { join, resolve, sep } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ignoreEvents, type EventListener } from "@lading/core-manifest";
import ignoreFactory, { type Ignore } from "ignore";
import { ArchiveError, quote, type ArchiveErrorCode } from "../archive-error.ts";
import { withDefaultLimits, type ArchiveLimits } from "../limits.ts";
import { checkPath, PathSet } from "../path-rules.ts";
import { comparePaths } from "../tree-digest.ts";
import { onDiskSync } from "./files.ts";

/** One file that will be packed. */
export interface CollectedFile {
  /** Its path in the package: relative, `/` between parts, NFC. */
  readonly path: string;
  readonly absolutePath: string;
  /** Bytes. */
  readonly size: number;
  /** From the file mode; always false where the system has none. */
  readonly executable: boolean;
}

/** Which files of a directory belong to a package. All patterns have the syntax of `.gitignore`. */
export interface CollectOptions {
  /** Where given and not empty, only what one of these selects is taken, even if an ignore file names it. */
  readonly include?: readonly string[] | undefined;
  /** Never taken. */
  readonly exclude?: readonly string[] | undefined;
  /** Rules before those of ignore files, for example build output directories; ignore files may negate them. */
  readonly ignore?: readonly string[] | undefined;
  /** Path of the manifest: always taken. */
  readonly manifestFile?: string | undefined;
  /**
   * Whether a directory below, given by its absolute path and the names of its files, is a package of its own: such a one
   * is left out, whatever selects its files.
   */
  readonly isPackage?: ((directory: string, files: readonly string[]) => boolean) | undefined;
  /** Takes every file but those below `.git`: no ignore file, no other standing exclusion counts. */
  readonly everything?: boolean | undefined;
  readonly limits?: Partial<ArchiveLimits> | undefined;
  /** Told, as a warning, of every key or credential file that was left out, and of every package of its own. */
  readonly onEvent?: EventListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Read in every directory, in this order: of two rules that match, the later and deeper one decides. */
export const IGNORE_FILES: readonly string[] = [".gitignore", ".ladingignore"];

/**
 * Out whatever the rules say: version control, our own reserved and state directory, installed dependencies (they are
 * declared, not carried), and litter of desktops.
 */
export const ALWAYS_EXCLUDED: readonly string[] = [
  ".git",
  ".hg",
  ".svn",
  ".jj",
  "CVS",
  ".lading",
  "node_modules",
  ".DS_Store",
  "Thumbs.db",
];

/** Directories between two turns of the event loop: the calls are synchronous, which are several times cheaper. */
const DIRECTORIES_A_TURN = 64;
const HAS_MODES = platform() !== "win32";

const SECRET_NAME =
  /^(?:.*\.(?:key|p12|pfx|jks|keystore)|id_(?:rsa|dsa|ecdsa|ed25519)|\.netrc|\.npmrc|\.pypirc|\.env(?:\.(?!example$|sample$|template$).*)?)$/i;
const MAYBE_SECRET_NAME = /\.(?:pem|asc|json)$/i;
const SECRET_CONTENT = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|"(?:private_?key|secret_?key)"\s*:/i;
const SECRET_MAX_BYTES = 64 * 1024;

interface Rules {
  /** Path of the directory that the rules are relative to, with a slash at the end, or empty. */
  readonly base: string;
  readonly rules: Ignore;
}

/**
 * Lists the files of a directory that belong to a package, sorted bytewise by path. Ignore rules are those of git:
 * `.gitignore` and `.ladingignore` in every directory. Links and special files that no rule excludes are refused.
 * @throws {ArchiveError} `ARCHIVE_SYMLINK_REFUSED`, `ARCHIVE_DEVICE_REFUSED`, `ARCHIVE_FIFO_REFUSED`, the
 * `ARCHIVE_PATH_` codes, limits, `ARCHIVE_SOURCE_MISSING` and `ARCHIVE_IO`
 */
export async function collectFiles(directory: string, options: CollectOptions = {}): Promise<CollectedFile[]> {
  const collector = new Collector(directory, options);
  await collector.walk("", patterns("", options.ignore ?? []));
  return collector.finish();
}

function patterns(base: string, texts: readonly string[]): Rules[] {
  return texts.length === 0 ? [] : [{ base, rules: ignoreFactory({ ignorecase: false }).add(texts) }];
}

class Collector {
  readonly #root: string;
  readonly #options: CollectOptions;
  readonly #limits: ArchiveLimits;
  readonly #include: Ignore | undefined;
  readonly #exclude: Ignore | undefined;
  readonly #onEvent: EventListener;
  readonly #found: CollectedFile[] = [];
  #directories = 0;

  constructor(root: string, options: CollectOptions) {
    this.#root = root;
    this.#options = options;
    this.#limits = withDefaultLimits(options.limits);
    this.#exclude = patterns("", options.exclude ?? [])[0]?.rules;
    this.#include = patterns("", options.include ?? [])[0]?.rules;
    this.#onEvent = options.onEvent ?? ignoreEvents;
  }

  async walk(base: string, inherited: readonly Rules[]): Promise<void> {
    this.#directories += 1;
    if (this.#directories % DIRECTORIES_A_TURN === 0) await nextTurn();
    this.#options.signal?.throwIfAborted();
    const here = resolve(this.#root, base);
    const entries = onDiskSync("read the directory", here, () => readdirSync(here, { withFileTypes: true }));
    if (this.#isPackage(base, here, entries)) return;
    const { everything = false } = this.#options;
    const rules = everything ? inherited : rulesIn(here, base, entries, inherited);
    for (const entry of entries) {
      if (everything ? entry.name === ".git" : ALWAYS_EXCLUDED.includes(entry.name)) continue;
      const path = base + entry.name;
      if (entry.isDirectory()) {
        if (this.#enters(`${path}/`, rules)) await this.walk(`${path}/`, rules);
      } else if (this.#takes(path, rules)) {
        this.#take(path, here, entry);
      }
    }
  }

  #isPackage(base: string, here: string, entries: readonly Dirent[]): boolean {
    const { isPackage, manifestFile } = this.#options;
    if (base === "" || isPackage === undefined || manifestFile?.startsWith(base) === true) return false;
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    if (!isPackage(here, files)) return false;
    this.#onEvent({ type: "info", message: `Left out ${quote(base)}: it is a package of its own` });
    return true;
  }

  /** With `include`, ignored directories are searched too: a selected file may lie in one. */
  #enters(path: string, rules: readonly Rules[]): boolean {
    if (this.#options.manifestFile?.startsWith(path) === true) return true;
    if (this.#exclude?.ignores(path) === true) return false;
    return this.#include !== undefined || !ignored(path, rules);
  }

  #takes(path: string, rules: readonly Rules[]): boolean {
    if (path === this.#options.manifestFile) return true;
    if (this.#exclude?.ignores(path) === true) return false;
    return this.#include === undefined ? !ignored(path, rules) : this.#include.ignores(path);
  }

  #take(path: string, here: string, entry: Dirent): void {
    refuseSpecial(path, entry);
    const absolutePath = `${here}${sep}${entry.name}`;
    const stat = onDiskSync("read", absolutePath, () => lstatSync(absolutePath));
    refuseSpecial(path, stat);
    if (this.#options.everything !== true && isSecret(entry.name, absolutePath, stat.size)) {
      this.#onEvent({
        type: "warning",
        code: "ARCHIVE_SECRET_LEFT_OUT",
        message: `Left out ${quote(path)}: it looks like a private key or credentials`,
      });
      return;
    }
    const executable = HAS_MODES && (stat.mode & 0o111) !== 0;
    // A Mac may spell names decomposed; packages are NFC everywhere.
    this.#found.push({ path: path.normalize("NFC"), absolutePath, size: stat.size, executable });
  }

  finish(): CollectedFile[] {
    const found = this.#found.sort((a, b) => comparePaths(a.path, b.path));
    checkCollected(found, this.#limits);
    return found;
  }
}

/**
 * Holds files against the path rules and limits of a reader, so that the author learns of it and not the user.
 * @throws {ArchiveError}
 */
export function checkCollected(files: readonly CollectedFile[], limits: ArchiveLimits): void {
  const paths = new PathSet(limits);
  for (const file of files) {
    checkPath(file.path, limits);
    paths.addFile(file.path);
    if (file.size > limits.fileBytes) {
      throw new ArchiveError({
        code: "ARCHIVE_ENTRY_TOO_LARGE",
        message: `Cannot pack ${quote(file.path)}: its size is ${file.size} bytes, the limit is ${limits.fileBytes} bytes`,
        path: file.path,
        size: file.size,
        limit: limits.fileBytes,
      });
    }
  }
}

function rulesIn(
  here: string,
  base: string,
  entries: readonly Dirent[],
  inherited: readonly Rules[],
): readonly Rules[] {
  const names = IGNORE_FILES.filter((name) => entries.some((entry) => entry.name === name && entry.isFile()));
  const lines = names.flatMap((name) => {
    const file = join(here, name);
    return onDiskSync("read", file, () => readFileSync(file, "utf8")).split(/\r?\n/);
  });
  return [...inherited, ...patterns(base, lines)];
}

/** Deepest file first; within one, `ignore` lets the last match win. */
function ignored(path: string, all: readonly Rules[]): boolean {
  for (let i = all.length - 1; i >= 0; i -= 1) {
    const { base, rules } = all[i]!;
    const result = rules.test(path.slice(base.length));
    if (result.ignored) return true;
    if (result.unignored) return false;
  }
  return false;
}

interface FileKind {
  isFile(): boolean;
  isSymbolicLink(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}

function refuseSpecial(path: string, kind: FileKind): void {
  if (kind.isFile()) return;
  const [code, what] = specialKind(kind);
  throw new ArchiveError({
    code,
    message: `Cannot pack ${quote(path)}: it is ${what}, only files are packed`,
    hint: `Replace it by a file, or name it in ".ladingignore"`,
    path,
  });
}

function specialKind(kind: FileKind): [ArchiveErrorCode, string] {
  if (kind.isSymbolicLink()) return ["ARCHIVE_SYMLINK_REFUSED", "a symbolic link"];
  if (kind.isBlockDevice() || kind.isCharacterDevice()) return ["ARCHIVE_DEVICE_REFUSED", "a device"];
  return ["ARCHIVE_FIFO_REFUSED", "a pipe or socket"];
}

function isSecret(name: string, path: string, size: number): boolean {
  if (SECRET_NAME.test(name)) return true;
  if (!MAYBE_SECRET_NAME.test(name) || size > SECRET_MAX_BYTES) return false;
  return SECRET_CONTENT.test(readSmall(path, size));
}

function readSmall(path: string, size: number): string {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const buffer = Buffer.alloc(size);
    return buffer.toString("latin1", 0, readSync(fd, buffer, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}
