import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isLadingError } from "@lading/core-manifest";
import {
  METADATA_ATTACKS,
  openMetadataClient,
  type MetadataErrorCode,
  type MetadataRequest,
  type MetadataStore,
} from "@lading/signing/metadata";
import { nodeVerifier } from "@lading/signing/node";
import { UnknownFormError, isObject, tryParseJson, type SuiteResult } from "./suite.ts";

interface Step {
  readonly cmd: "init" | "refresh" | "download";
  readonly now: string;
  readonly fakeTime?: string;
  readonly trustedRoot?: string;
  readonly targets?: readonly string[];
  /** All that the repository serves then, by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly expectExit: number;
  readonly trustedVersionsAfter?: Readonly<Record<string, number>>;
  readonly artifactsAfter?: readonly string[];
}

interface Trace {
  readonly test: string;
  readonly steps: readonly Step[];
}

interface TraceFile {
  readonly traces: readonly Trace[];
  readonly blobs: Readonly<Record<string, string>>;
}

/** What one step gave, beside what was to be. */
interface StepResult {
  readonly cmd: string;
  readonly exit: number;
  readonly code?: string;
  readonly attack?: string;
  readonly trustedVersions: Readonly<Record<string, number>>;
  readonly artifacts: readonly string[];
  readonly requests: readonly string[];
  readonly problem?: string;
}

interface TraceResult {
  readonly test: string;
  readonly passed: boolean;
  /** Why steps were not replayed. */
  readonly skipped?: string;
  readonly steps: readonly StepResult[];
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const timeOf = ({ fakeTime, now }: Step): number => Date.parse((fakeTime ?? now).replace(" ", "T"));

function isTraceFile(value: unknown): value is TraceFile {
  return (
    isObject(value) &&
    isObject(value["blobs"]) &&
    Array.isArray(value["traces"]) &&
    value["traces"].every((trace) => isObject(trace) && Array.isArray(trace["steps"]))
  );
}

/** A store that also tells which versions it holds. */
class Replay {
  readonly files = new Map<string, Uint8Array>();
  readonly artifacts = new Map<string, Uint8Array>();
  readonly requests: string[] = [];
  readonly #blobs: TraceFile["blobs"];
  #step: Step | undefined;
  root: Uint8Array | undefined;

  constructor(blobs: TraceFile["blobs"]) {
    this.#blobs = blobs;
  }

  blob(id: string): Uint8Array {
    const text = this.#blobs[id];
    if (text === undefined) throw new Error(`The file has no blob "${id}"`);
    return bytesOf(text);
  }

  begin(step: Step): void {
    this.#step = step;
    this.requests.length = 0;
  }

  serve(folder: string, { path }: MetadataRequest): Promise<Uint8Array | undefined> {
    this.requests.push(`${folder}/${path}`);
    const files = this.#step?.files ?? {};
    const id = files[`${folder}/${path}`] ?? files[`${folder}/${decodeURIComponent(path)}`];
    return Promise.resolve(id === undefined ? undefined : this.blob(id));
  }

  get store(): MetadataStore {
    return {
      read: (role) => Promise.resolve(this.files.get(role)),
      write: (role, bytes) => Promise.resolve(void this.files.set(role, bytes)),
      remove: (role) => Promise.resolve(void this.files.delete(role)),
    };
  }

  versions(): Record<string, number> {
    const entries = [...this.files].map(([role, bytes]) => {
      const file = tryParseJson(new TextDecoder().decode(bytes)) as { readonly signed: { readonly version: number } };
      return [role, file.signed.version] as const;
    });
    return Object.fromEntries(entries.toSorted(([left], [right]) => (left < right ? -1 : 1)));
  }
}

async function download(replay: Replay, step: Step, client: ReturnType<typeof openMetadataClient>): Promise<void> {
  for (const path of step.targets ?? []) {
    const target = await client.find(path);
    const kept = target && replay.artifacts.get(path);
    // What is there already and still right is not fetched again.
    if (kept !== undefined && target!.hashes["sha256"] === sha256(kept)) continue;
    replay.artifacts.set(path, await client.download(path, (request) => replay.serve("targets", request)));
  }
}

async function act(replay: Replay, step: Step): Promise<void> {
  if (step.cmd === "init") {
    replay.root = replay.blob(step.trustedRoot!);
    replay.files.set("root", replay.root);
    return;
  }
  const client = openMetadataClient({
    root: replay.root!,
    source: { fetch: (request) => replay.serve("metadata", request) },
    store: replay.store,
    form: "any",
    verifier: nodeVerifier,
  });
  await client.refresh(timeOf(step));
  if (step.cmd === "download") await download(replay, step, client);
}

function compare(step: Step, exit: number, replay: Replay, code: string | undefined): string | undefined {
  if (exit !== step.expectExit)
    return `exit ${exit}${code === undefined ? "" : ` (${code})`}, expected ${step.expectExit}`;
  const [found, expected] = [replay.versions(), step.trustedVersionsAfter ?? replay.versions()];
  const roles = [...new Set([...Object.keys(found), ...Object.keys(expected)])];
  const other = roles.find((role) => found[role] !== expected[role]);
  if (other !== undefined) return `trusted version of "${other}" is ${found[other]}, expected ${expected[other]}`;
  const kept = [...replay.artifacts.values()].map(sha256).sort();
  const wanted = [...(step.artifactsAfter ?? kept)].sort();
  return kept.join() === wanted.join() ? undefined : `artifacts are ${kept.join()}, expected ${wanted.join()}`;
}

async function replayStep(replay: Replay, step: Step): Promise<StepResult> {
  replay.begin(step);
  let code: string | undefined;
  try {
    await act(replay, step);
  } catch (error) {
    if (!isLadingError(error)) throw error;
    code = error.code;
  }
  const exit = code === undefined ? 0 : 1;
  const problem = compare(step, exit, replay, code);
  const attack = METADATA_ATTACKS[code as MetadataErrorCode];
  return {
    cmd: step.cmd,
    exit,
    ...(code === undefined ? {} : { code }),
    ...(attack === undefined ? {} : { attack }),
    trustedVersions: replay.versions(),
    artifacts: [...replay.artifacts.values()].map(sha256).sort(),
    requests: [...replay.requests],
    ...(problem === undefined ? {} : { problem }),
  };
}

async function replayTrace({ test, steps }: Trace, blobs: TraceFile["blobs"]): Promise<TraceResult> {
  const replay = new Replay(blobs);
  const results: StepResult[] = [];
  for (const step of steps) {
    // A recording without the repository's files says nothing about what a client would meet.
    if (step.cmd !== "init" && step.files === undefined) {
      return { test, passed: results.every(isRight), skipped: "the recording has no files to serve", steps: results };
    }
    results.push(await replayStep(replay, step));
  }
  return { test, passed: results.every(isRight), steps: results };
}

function isRight({ problem }: StepResult): boolean {
  return problem === undefined;
}

/** Replays a file of client traces; `undefined` for another file. */
export async function runTuf(file: string, text: string): Promise<SuiteResult | undefined> {
  const value = tryParseJson(text);
  if (!isTraceFile(value)) return undefined;
  const traces: TraceResult[] = [];
  for (const trace of value.traces) traces.push(await replayTrace(trace, value.blobs));
  const failures = traces.flatMap(({ test, steps }) =>
    steps.flatMap(({ problem, cmd }, i) =>
      problem === undefined ? [] : [`${test}, step ${i + 1} (${cmd}): ${problem}`],
    ),
  );
  const passed = traces.filter((trace) => trace.passed).length;
  const skipped = traces.filter((trace) => trace.skipped !== undefined).length;
  return {
    suite: "tuf",
    form: "client traces",
    file,
    passed,
    failures,
    ...(skipped === 0 ? {} : { note: `${skipped} of them in part: the recording serves no files` }),
    data: { file, traces: traces.length, passed, failed: traces.length - passed, skipped, failures, results: traces },
  };
}

/** @throws {UnknownFormError} */
export async function runTufFile(file: string): Promise<SuiteResult> {
  const result = await runTuf(file, await readFile(file, "utf8"));
  if (result === undefined) throw new UnknownFormError(file, `{"traces": [...], "blobs": {...}}`);
  return result;
}
