import type { EventListener, LadingEvent } from "@lading/core-manifest";
import type { CliStream } from "../io.ts";
import { bytes, count, printable } from "./table.ts";
import type { Style } from "./style.ts";

/** A listener that draws, and the end of its drawing. */
export interface EventRenderer {
  readonly listen: EventListener;
  /** Clears the status line; nothing is drawn afterwards. */
  close(): void;
}

/** How to draw. */
export interface EventRendererOptions {
  readonly stream: CliStream;
  readonly style: Style;
  readonly mode: "text" | "ndjson";
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** A moving status line; only on a terminal. */
  readonly progress: boolean;
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number;
}

/** Longest time between two redraws of the status line that events may force, in milliseconds. */
export const REDRAW_MS = 100;

/** Draws events on standard error: marks for steps, and on a terminal one status line that keeps being rewritten. */
export function createEventRenderer(options: EventRendererOptions): EventRenderer {
  if (options.mode === "ndjson") return ndjsonRenderer(options.stream);
  const status = createStatusLine(options);
  const warnings = createWarningCounter(options);
  /** Steps that began and did not end; what is left when all is over has failed. */
  const open: { readonly step: string; readonly message: string }[] = [];
  const listen = (event: LadingEvent): void => {
    if (event.type === "warning" && !warnings.admits(event)) return;
    if (event.type === "step-started") open.push(event);
    if (event.type === "step-completed") {
      const begun = open.findLastIndex(({ step }) => step === event.step);
      if (begun !== -1) open.splice(begun, 1);
    }
    if (event.type !== "warning") for (const line of warnings.close()) status.print(line);
    const line = permanentLine(event, options);
    if (line !== undefined) status.print(line);
    status.update(event);
  };
  const ignoreFiles = options.verbose ? listenToFiles(listen) : () => {};
  return {
    listen,
    close() {
      ignoreFiles();
      for (const line of warnings.close()) status.print(line);
      const failed = open.at(-1);
      if (failed !== undefined && !options.quiet)
        status.print(`  ${options.style.red("✗")} ${printable(failed.message)}`);
      status.clear();
    },
  };
}

/** As many warnings of one kind in a row are printed; of more, how many there were. */
export const WARNINGS_SHOWN = 5;

interface WarningCounter {
  /** Whether this one is to be printed. */
  admits(warning: Extract<LadingEvent, { type: "warning" }>): boolean;
  /** Lines about those that were not; nothing is left over afterwards. */
  close(): readonly string[];
}

/** Five hundred packages with the same flaw are one thing to know. */
function createWarningCounter({ verbose, quiet, style }: EventRendererOptions): WarningCounter {
  const seen = new Map<string, number>();
  return {
    admits({ code }) {
      if (code === undefined) return true;
      const count = (seen.get(code) ?? 0) + 1;
      seen.set(code, count);
      return verbose || count <= WARNINGS_SHOWN;
    },
    close() {
      const rest = [...seen].filter(([, count]) => count > WARNINGS_SHOWN);
      seen.clear();
      if (verbose || quiet) return [];
      return rest.map(
        ([code, count]) =>
          `  ${style.yellow("⚠")} ${count - WARNINGS_SHOWN} more like this ${style.dim(`(${code}; --verbose shows each)`)}`,
      );
    },
  };
}

/** The engine tells of files that it writes on a channel that costs nothing while nobody listens. */
function listenToFiles(listen: (event: LadingEvent) => void): () => void {
  const channels = process.getBuiltinModule("node:diagnostics_channel");
  const heard = (message: unknown): void =>
    listen({ type: "debug", scope: "file", message: `wrote ${String((message as { file?: unknown }).file)}` });
  channels.subscribe("lading:file-written", heard);
  return () => channels.unsubscribe("lading:file-written", heard);
}

function ndjsonRenderer(stream: CliStream): EventRenderer {
  return {
    listen: (event) => {
      stream.write(`${JSON.stringify({ v: 1, ...event })}\n`);
    },
    close() {},
  };
}

function permanentLine(event: LadingEvent, options: EventRendererOptions): string | undefined {
  const { style, quiet, verbose } = options;
  if (event.type === "warning") {
    const hint = event.hint === undefined ? "" : `\n    ${style.dim(`help: ${printable(event.hint)}`)}`;
    return quiet ? undefined : `  ${style.yellow("⚠")} ${printable(event.message)}${hint}`;
  }
  if (quiet) return undefined;
  if (event.type === "step-completed") {
    const mark = event.failed === true ? style.red("✗") : style.green("✓");
    return `  ${mark} ${printable(event.message)}`;
  }
  if (event.type === "info") return `    ${printable(event.message)}`;
  if (!verbose) return undefined;
  if (event.type === "debug") return style.dim(`    debug ${event.scope}: ${printable(event.message)}`);
  if (event.type === "verifying") return style.dim(`    verifying ${printable(event.message)}`);
  return undefined;
}

interface StatusLine {
  print(line: string): void;
  update(event: LadingEvent): void;
  clear(): void;
}

function createStatusLine(options: EventRendererOptions): StatusLine {
  const { stream, now } = options;
  const moving = options.progress && stream.isTTY === true && !options.quiet;
  const state = createProgressState();
  let drawn = false;
  let last = -Infinity;
  const erase = (): void => {
    if (drawn) stream.write("\r\u001b[2K");
    drawn = false;
  };
  return {
    print(line) {
      erase();
      stream.write(`${line}\n`);
    },
    update(event) {
      state.apply(event);
      if (!moving || now() - last < REDRAW_MS) return;
      last = now();
      erase();
      const text = state.describe();
      if (text === "") return;
      stream.write(options.style.dim(text.slice(0, Math.max(20, (stream.columns ?? 80) - 1))));
      drawn = true;
    },
    clear: erase,
  };
}

interface ProgressState {
  apply(event: LadingEvent): void;
  describe(): string;
}

function createProgressState(): ProgressState {
  const downloads = new Map<string, { done: number; total: number | undefined }>();
  let step = "";
  let upload = "";
  let resolving = "";
  return {
    apply(event) {
      if (event.type === "step-started") step = event.message;
      if (event.type === "step-completed") step = upload = resolving = "";
      if (event.type === "downloading") {
        downloads.set(event.url, { done: event.downloadedBytes, total: event.totalBytes });
      }
      if (event.type === "uploading") upload = bar(event.uploadedBytes, event.totalBytes);
      if (event.type === "resolving")
        resolving = `${count(event.packages, "package")}, ${count(event.requests, "request")}`;
    },
    describe() {
      const parts = [printable(step), resolving, upload, downloads.size > 0 ? describeDownloads(downloads) : ""];
      return parts.filter((part) => part !== "").join("  ");
    },
  };
}

function describeDownloads(downloads: ReadonlyMap<string, { done: number; total: number | undefined }>): string {
  let done = 0;
  let total = 0;
  let finished = 0;
  for (const download of downloads.values()) {
    done += download.done;
    total += download.total ?? download.done;
    if (download.total === download.done) finished += 1;
  }
  return `${bar(done, total)} ${finished}/${downloads.size}`;
}

function bar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * 20);
  return `[${"#".repeat(filled)}${"-".repeat(20 - filled)}] ${bytes(done)}/${bytes(total)}`;
}
