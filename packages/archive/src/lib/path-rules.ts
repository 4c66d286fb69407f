import { ArchiveError, quote, type ArchiveErrorCode } from "./archive-error.ts";
import { DEFAULT_LIMITS, type ArchiveLimits } from "./limits.ts";
import { isForbiddenCodePoint } from "./unicode-table.ts";

const NOT_ASCII = /[\u0080-\u{10ffff}]/u;
const WINDOWS_CHARACTERS = /[\\:*?"<>|]/;
/** Names that Windows gives to devices in every directory, whatever extension follows. */
const DEVICE = /^(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9]|lpt[0-9])(?: *\.| *$)/i;
/** Paths of the plainest kind, which nearly all are: every rule but length, depth and device names holds for them. */
const PLAIN = /^\.?[\w@+-]+(?:\.[\w@+-]+)*(?:\/\.?[\w@+-]+(?:\.[\w@+-]+)*)*$/;
const ANY_DEVICE = /(?:^|\/)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[./]|$)/i;
const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type PathLimits = Pick<ArchiveLimits, "pathBytes" | "partBytes" | "depth">;

/**
 * Decodes the bytes of a path.
 * @throws {ArchiveError} `ARCHIVE_PATH_ENCODING` where they are not well-formed UTF-8
 */
export function decodePath(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    const shown = Array.from(bytes.subarray(0, 40), (byte) =>
      byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
    ).join("");
    throw new ArchiveError({
      code: "ARCHIVE_PATH_ENCODING",
      message: `Cannot read the path "${shown}": its bytes are not valid UTF-8`,
      cause,
    });
  }
}

/** UTF-8 bytes of a text. */
export function encodePath(path: string): Uint8Array {
  return utf8.encode(path);
}

/**
 * The form in which two parts of paths are compared: what a file system that folds case or Unicode may take for one
 * name has one form. Folding twice catches characters whose fold is again composed.
 */
export function foldPart(part: string): string {
  if (!NOT_ASCII.test(part)) return part.toLowerCase();
  const folded = part.normalize("NFKC").toUpperCase().toLowerCase();
  // Capital sharp s and its like need a second round.
  return folded.toUpperCase().toLowerCase().normalize("NFKC").replaceAll("ς", "σ");
}

/**
 * Holds a path against the rules of `docs/spec/archive.md` §paths: relative, `/` between parts, NFC, no character or
 * name that one of the supported systems treats specially.
 * @throws {ArchiveError} one of the `ARCHIVE_PATH_` codes
 */
export function checkPath(path: string, limits: PathLimits = DEFAULT_LIMITS): void {
  if (isPlain(path, limits)) return;
  const ascii = !NOT_ASCII.test(path);
  checkLengths(path, ascii, limits);
  if (path.startsWith("/")) refuse("ARCHIVE_PATH_ABSOLUTE", path, "it is absolute");
  checkCharacters(path, ascii);
  if (!ascii && path.normalize("NFC") !== path) {
    refuse("ARCHIVE_PATH_NOT_NFC", path, "it is not in Unicode normalisation form C");
  }
  const parts = path.split("/");
  if (parts.length > limits.depth) {
    refuse("ARCHIVE_PATH_TOO_DEEP", path, `it has ${parts.length} parts, the limit is ${limits.depth}`);
  }
  for (const part of parts) checkPart(path, part, ascii, limits);
}

function isPlain(path: string, limits: PathLimits): boolean {
  if (path.length > Math.min(limits.pathBytes, limits.partBytes) || !PLAIN.test(path) || ANY_DEVICE.test(path))
    return false;
  let parts = 1;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) parts += 1;
  return parts <= limits.depth;
}

function checkLengths(path: string, ascii: boolean, limits: PathLimits): void {
  const bytes = ascii ? path.length : utf8.encode(path).length;
  if (bytes > limits.pathBytes) {
    refuse("ARCHIVE_PATH_TOO_LONG", path, `it has ${bytes} bytes, the limit is ${limits.pathBytes}`);
  }
}

function checkCharacters(path: string, ascii: boolean): void {
  if (/^[A-Za-z]:/.test(path)) refuse("ARCHIVE_PATH_ABSOLUTE", path, "it starts with a drive letter");
  if (path.startsWith("\\")) refuse("ARCHIVE_PATH_ABSOLUTE", path, "it starts with a backslash");
  const special = WINDOWS_CHARACTERS.exec(path);
  if (special !== null) refuse("ARCHIVE_PATH_CHARACTER", path, `it has the character ${quote(special[0])}`);
  for (const character of path) {
    const point = character.codePointAt(0)!;
    if (ascii ? point < 0x20 || point === 0x7f : isForbiddenCodePoint(point)) {
      const name = `U+${point.toString(16).toUpperCase().padStart(4, "0")}`;
      refuse("ARCHIVE_PATH_CHARACTER", path, `it has the character ${name}, which is invisible or not assigned`);
    }
  }
}

function checkPart(path: string, part: string, ascii: boolean, limits: PathLimits): void {
  if (part === "" || part === "." || part === "..") {
    refuse("ARCHIVE_PATH_TRAVERSAL", path, `it has the part ${quote(part)}`);
  }
  const bytes = ascii ? part.length : utf8.encode(part).length;
  if (bytes > limits.partBytes) {
    refuse("ARCHIVE_PATH_TOO_LONG", path, `a part has ${bytes} bytes, the limit is ${limits.partBytes}`);
  }
  // A full-width solidus or dot becomes an ordinary one wherever names are compatibility-folded.
  const plain = ascii ? part : part.normalize("NFKC");
  if (!ascii && (/[/\\]/.test(plain) || plain === "." || plain === "..")) {
    refuse("ARCHIVE_PATH_CHARACTER", path, `the part ${quote(part)} folds to ${quote(plain)}`);
  }
  if (plain.endsWith(".") || plain.endsWith(" ")) {
    refuse("ARCHIVE_PATH_TRAILING", path, `the part ${quote(part)} ends in a dot or a space`);
  }
  if (DEVICE.test(plain)) {
    refuse("ARCHIVE_PATH_DEVICE_NAME", path, `the part ${quote(part)} is a device name of Windows`);
  }
}

function refuse(code: ArchiveErrorCode, path: string, why: string): never {
  throw new ArchiveError({ code, message: `Cannot accept the path ${quote(path)}: ${why}`, path: path.slice(0, 1000) });
}

interface Seen {
  /** The whole path, as it was written. */
  readonly spelling: string;
  /** Of a directory, by the folded form of each part. */
  readonly children: Map<string, Seen> | undefined;
}

/**
 * All paths of one archive, compared under NFKC and case folding for every prefix, so that two members never meet in
 * one file on a file system that folds names (CVE-2021-32803 and its kin).
 */
export class PathSet {
  readonly #root = new Map<string, Seen>();
  readonly #explicit = new Set<string>();
  readonly #limits: Pick<ArchiveLimits, "entries" | "pathsBytes">;
  #parent = "";
  #siblings: Map<string, Seen> = this.#root;
  #bytes = 0;
  #entries = 0;

  constructor(limits: Pick<ArchiveLimits, "entries" | "pathsBytes"> = DEFAULT_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Adds a file. The path must have passed {@link checkPath}.
   * @throws {ArchiveError} `ARCHIVE_PATH_DUPLICATE`, `ARCHIVE_PATH_COLLISION`, `ARCHIVE_TOO_MANY_ENTRIES`,
   * `ARCHIVE_PATHS_TOO_LARGE`
   */
  addFile(path: string): void {
    this.#count(path);
    const slash = path.lastIndexOf("/");
    const parent = slash < 0 ? "" : path.slice(0, slash);
    if (parent !== this.#parent) this.#enter(parent);
    const folded = foldPart(slash < 0 ? path : path.slice(slash + 1));
    const seen = this.#siblings.get(folded);
    if (seen !== undefined) collide(seen, path, false);
    this.#siblings.set(folded, { spelling: path, children: undefined });
  }

  /** Adds a directory that a foreign archive lists; it may be listed once, before or after its files. */
  addDirectory(path: string): void {
    this.#count(path);
    if (this.#explicit.has(path)) duplicate(path);
    this.#explicit.add(path);
    this.#enter(path);
  }

  #count(path: string): void {
    this.#entries += 1;
    this.#bytes += path.length;
    if (this.#entries > this.#limits.entries) {
      throw new ArchiveError({
        code: "ARCHIVE_TOO_MANY_ENTRIES",
        message: `Cannot accept the archive: it has more than ${this.#limits.entries} members`,
        limit: this.#limits.entries,
      });
    }
    if (this.#bytes > this.#limits.pathsBytes) {
      throw new ArchiveError({
        code: "ARCHIVE_PATHS_TOO_LARGE",
        message: `Cannot accept the archive: its paths are longer than ${this.#limits.pathsBytes} bytes together`,
        limit: this.#limits.pathsBytes,
      });
    }
  }

  #enter(directory: string): void {
    let children = this.#root;
    for (let start = 0; start < directory.length;) {
      const slash = directory.indexOf("/", start);
      const end = slash < 0 ? directory.length : slash;
      const folded = foldPart(directory.slice(start, end));
      const spelling = directory.slice(0, end);
      let seen = children.get(folded);
      if (seen === undefined) children.set(folded, (seen = { spelling, children: new Map() }));
      else if (seen.spelling !== spelling || seen.children === undefined) collide(seen, spelling, true);
      children = seen.children!;
      start = end + 1;
    }
    this.#parent = directory;
    this.#siblings = children;
  }
}

function collide(seen: Seen, spelling: string, directory: boolean): never {
  if (seen.spelling !== spelling) {
    throw new ArchiveError({
      code: "ARCHIVE_PATH_COLLISION",
      message: `Cannot accept the paths ${quote(seen.spelling)} and ${quote(spelling)}: they are one where case or Unicode is folded`,
      path: spelling,
      other: seen.spelling,
    });
  }
  if (directory !== (seen.children !== undefined)) {
    throw new ArchiveError({
      code: "ARCHIVE_PATH_COLLISION",
      message: `Cannot accept the path ${quote(spelling)}: it is a file and a directory`,
      path: spelling,
    });
  }
  duplicate(spelling);
}

function duplicate(path: string): never {
  throw new ArchiveError({
    code: "ARCHIVE_PATH_DUPLICATE",
    message: `Cannot accept the path ${quote(path)}: it is there twice`,
    path,
  });
}
