import type { Readable, Writable } from "node:stream";

/** A stream that text goes to. */
export interface CliStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Everything that a command line touches of its process, so that tests run it in theirs. */
export interface CliIo {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  /** Standard error as a stream of Node's, which questions need; absent: nobody can be asked. */
  readonly terminal?: () => Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborts the running command; the process's own signals are wired to it by `main`. */
  readonly signal?: AbortSignal;
}

/** The streams, environment and directory of this process. */
export function processIo(signal?: AbortSignal): CliIo {
  return {
    stdout: descriptorStream(1, () => process.stdout),
    stderr: descriptorStream(2, () => process.stderr),
    get stdin() {
      return process.stdin;
    },
    terminal: () => process.stderr,
    env: process.env,
    cwd: process.cwd(),
    ...(signal === undefined ? {} : { signal }),
  };
}

/**
 * A stream that writes to its descriptor directly, as Node's own do for files, pipes and terminals, but without loading
 * the network code that Node makes them from. Where the descriptor would block, Node's stream takes over.
 */
function descriptorStream(descriptor: 1 | 2, stream: () => NodeJS.WriteStream): CliStream {
  const fs = process.getBuiltinModule("node:fs");
  let handedOver = process.platform === "win32";
  const terminal = once(() => mayBeTerminal(fs, descriptor) && stream().isTTY);
  // A reader of the result that went away (`| head`) ends the program, and is no fault. What is told on the side may go
  // unheard: a command is not given up for it.
  const readerGone = (): boolean => {
    if (descriptor === 1) process.exit(128 + process.getBuiltinModule("node:os").constants.signals.SIGPIPE);
    return false;
  };
  return {
    write(text) {
      if (handedOver) return stream().write(text);
      const bytes = Buffer.from(text);
      for (let written = 0; written < bytes.length;) {
        try {
          written += fs.writeSync(descriptor, bytes, written);
        } catch (error) {
          if (isErrno(error, "EPIPE")) return readerGone();
          if (!isErrno(error, "EAGAIN")) throw error;
          handedOver = true;
          stream().on("error", (late) => {
            if (!isErrno(late, "EPIPE")) throw late;
            readerGone();
          });
          return stream().write(bytes.subarray(written));
        }
      }
      return true;
    },
    get isTTY() {
      return terminal();
    },
    get columns() {
      return terminal() ? stream().columns : undefined;
    },
  };
}

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

/** A file, a pipe and the null device are no terminals; only of another device Node's stream has to be asked. */
function mayBeTerminal(fs: typeof import("node:fs"), descriptor: number): boolean {
  try {
    const stat = fs.fstatSync(descriptor);
    return stat.isCharacterDevice() && stat.rdev !== fs.statSync("/dev/null").rdev;
  } catch {
    // A closed descriptor is none; without a null device there is no saying.
    return process.platform === "win32";
  }
}

function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
