import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Digest, IndexDocument } from "@lading/core-manifest";
import { tryParseDigest } from "@lading/core-manifest";
import type { PublishInput, PublishResult } from "./client-types.ts";
import type { Documents } from "./documents.ts";
import { answerReader, isObject, optional, optionalString, stringList, type JsonObject } from "./json.ts";
import type { ApiAnswer, Publication } from "./ports.ts";
import { CHUNK_BYTES, tellProgress } from "./publish-progress.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import { redactUrl } from "./registry-url.ts";
import type { Session } from "./session.ts";

const WAIT_TIMEOUT_MS = 30_000;
const FIRST_POLL_MS = 50;
const POLL_CAP_MS = 1_000;

/** Uploads a package file and, unless told otherwise, waits until the index has it. */
export async function publish(session: Session, documents: Documents, input: PublishInput): Promise<PublishResult> {
  const action = `publish "${basename(input.artifact)}"`;
  await checkFile(input, action);
  const url = await session.apiUrl({ path: "packages/", action }, input);
  await checkLimit(session, input, action);
  const answer = await send(session, url, input, action);
  const parsed = parseResult(session, answer, action);
  const tree = treeOf(session, answer);
  if (tree !== undefined) return inTree(session, parsed, tree);
  // What waits for a reviewer is in no log and no index, however long one waits.
  if (parsed.outcome === "held") return parsed;
  const result = await proven(session, parsed, answer, input);
  if (input.wait === false) return result;
  await waitUntilVisible(session, documents, result, input);
  return { ...result, visible: true };
}

/** The address of private packages of this registry among which it put the publication. */
function treeOf(session: Session, { body }: ApiAnswer): string | undefined {
  const tree = isObject(body) ? body.tree : undefined;
  if (typeof tree !== "string" || !URL.canParse(tree)) return undefined;
  return new URL(tree).href.startsWith(new URL("trees/", session.registry.url).href) ? tree : undefined;
}

// Its proof is of the log of the private packages, whose keys this registry's root says nothing about.
function inTree(session: Session, result: PublishResult, tree: string): PublishResult {
  session.onEvent({
    type: "warning",
    code: "PUBLISHED_PRIVATELY",
    message: `"${result.name}" ${result.version} is among the private packages at ${redactUrl(tree)}, whose log this command does not check; add that address as a registry and publish to it`,
  });
  return { ...result, tree };
}

/** Holds a registry to its log: an answer without a proof that the publication is in it promises nothing. */
async function proven(
  session: Session,
  result: PublishResult,
  answer: ApiAnswer,
  input: PublishInput,
): Promise<PublishResult> {
  const { acceptReceipt } = await import("./trust/receipt.ts");
  const log = await acceptReceipt(session, result, isObject(answer.body) ? answer.body.log : undefined, input);
  return log === undefined ? result : { ...result, log };
}

async function checkFile(input: PublishInput, action: string): Promise<void> {
  let size: number;
  try {
    size = (await stat(input.artifact)).size;
  } catch (error) {
    throw new RegistryClientError({
      code: "PUBLISH_FILE_CHANGED",
      message: `Cannot ${action}: the file cannot be read: ${(error as Error).message}`,
      hint: "Pack again and publish the new file",
      cause: error,
    });
  }
  if (size !== input.size) throw fileChanged(action, `it has ${size} bytes, expected ${input.size}`);
}

async function checkLimit(session: Session, input: PublishInput, action: string): Promise<void> {
  const { limits } = await session.describe(input);
  if (limits.packageBytes === undefined || input.size <= limits.packageBytes) return;
  throw new RegistryClientError({
    code: "REGISTRY_REQUEST_INVALID",
    message: `Cannot ${action}: it has ${input.size} bytes, registry "${session.registry.name}" accepts at most ${limits.packageBytes}`,
    hint: "Leave files out with [package] exclude, or ask the registry's operator for a higher limit",
    registry: session.registry.name,
    size: input.size,
    limit: limits.packageBytes,
  });
}

/** Smallest package of which it pays to go on after a broken connection, in place of sending all of it again. */
const RESUMED_FROM_BYTES = 1024 * 1024;

async function send(session: Session, url: string, input: PublishInput, action: string): Promise<ApiAnswer> {
  const { uploads } = await session.describe(input);
  const isTakenInParts = uploads !== undefined && input.package !== undefined && session.transport.append !== undefined;
  if (!isTakenInParts) return upload(session, url, input, action);
  const { sendInParts } = await import("./publish-parts.ts");
  const inParts = (): Promise<ApiAnswer> =>
    sendInParts(session, { ...input, package: input.package! }, { action, partBytes: uploads.partBytes });
  if (input.size >= uploads.fromBytes) return inParts();
  if (input.size < RESUMED_FROM_BYTES) return upload(session, url, input, action);
  return (await uploadUnlessBroken(session, url, input, action)) ?? inParts();
}

/** As {@link upload}, `undefined` where the connection breaks on the way. */
async function uploadUnlessBroken(
  session: Session,
  url: string,
  input: PublishInput,
  action: string,
): Promise<ApiAnswer | undefined> {
  const attempt = uploadAttempt(session, url, input, action);
  return session.retrying(input, async () => {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RegistryClientError) || error.code !== "REGISTRY_UNREACHABLE") throw error;
      await explainReset(session, error, input);
      const message = `the connection broke, going on in parts: ${error.message}`;
      session.onEvent({ type: "debug", scope: "registry", message });
      return undefined;
    }
  });
}

async function upload(session: Session, url: string, input: PublishInput, action: string): Promise<ApiAnswer> {
  return session.retrying(input, uploadAttempt(session, url, input, action), (error) =>
    explainReset(session, error, input),
  );
}

function uploadAttempt(session: Session, url: string, input: PublishInput, action: string): () => Promise<ApiAnswer> {
  const publication = createPublication(session, url, input, action);
  // One key for all attempts: an attempt whose answer was lost is not counted twice.
  const idempotencyKey = randomUUID();
  return () => session.transport.publish(url, publication, { action, signal: input.signal, idempotencyKey });
}

// A registry that refuses a token before reading the body may close the connection, and the answer is lost on the way.
// Before the bytes go out again, a small call finds out.
async function explainReset(session: Session, error: RegistryClientError, input: PublishInput): Promise<void> {
  if (error.code !== "REGISTRY_UNREACHABLE") return;
  try {
    await session.demand(
      { method: "GET", path: "auth/whoami", action: `publish "${basename(input.artifact)}"` },
      input,
    );
  } catch (found) {
    if (found instanceof RegistryClientError && found.category === "auth") throw found;
  }
}

function createPublication(session: Session, url: string, input: PublishInput, action: string): Publication {
  return {
    blob: input.blob,
    size: input.size,
    ...optional("tree", input.tree),
    ...optional("channel", input.channel),
    ...optional("statement", input.statement === undefined ? undefined : new Uint8Array(input.statement)),
    fileName: basename(input.artifact),
    open: () => readVerified(input, action, (bytes) => (session.metrics.uploadedBytes += bytes)),
    onProgress: tellProgress(session, url, input),
  };
}

// The end of the body is sent only when the bytes before it were the right ones: a changed file publishes nothing.
async function* readVerified(
  input: PublishInput,
  action: string,
  onSent: (bytes: number) => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(input.artifact, { highWaterMark: CHUNK_BYTES })) {
    const bytes = chunk as Uint8Array<ArrayBuffer>;
    size += bytes.length;
    if (size > input.size) throw fileChanged(action, `it has more than ${input.size} bytes`);
    hash.update(bytes);
    yield bytes;
    onSent(bytes.length);
  }
  if (size !== input.size) throw fileChanged(action, `it has ${size} bytes, expected ${input.size}`);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== input.blob) throw fileChanged(action, `its digest is "${found}", expected "${input.blob}"`);
}

function fileChanged(action: string, problem: string): RegistryClientError {
  return new RegistryClientError({
    code: "PUBLISH_FILE_CHANGED",
    message: `Cannot ${action}: ${problem}`,
    hint: "Pack again and publish the new file",
  });
}

function parseResult(session: Session, answer: ApiAnswer, action: string): PublishResult {
  const read = answerReader(action, session.registry.name);
  const body = read.object(answer.body, "the answer");
  const artifact = read.object(body.artifact, '"artifact"');
  const digest = (value: unknown): Digest | undefined => tryParseDigest(value);
  const blob = digest(artifact.blob);
  return {
    outcome: body.status === "held" ? "held" : answer.status === 201 ? "created" : "exists",
    ...optional("review", isObject(body.review) ? optionalString(body.review.id) : undefined),
    name: read.string(body.name, '"name"'),
    version: read.string(body.version, '"version"'),
    kind: read.string(body.kind, '"kind"'),
    target: read.string(body.target, '"target"'),
    artifact: {
      blob: blob ?? (read.string(undefined, '"artifact.blob"') as Digest),
      size: read.number(artifact.size, '"artifact.size"'),
      ...optional("tree", digest(artifact.tree)),
      ...optional("statement", digest(artifact.statement)),
    },
    signers: stringList(body.signers),
    status: read.string(body.status, '"status"'),
    published: read.string(body.published, '"published"'),
    sequence: read.number(body.sequence, '"sequence"'),
    visible: body.visible === true,
    links: linksOf(body.links),
  };
}

function linksOf(value: unknown): Record<string, string> {
  const links: JsonObject = isObject(value) ? value : {};
  return Object.fromEntries(
    Object.entries(links).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

async function waitUntilVisible(
  session: Session,
  documents: Documents,
  result: PublishResult,
  input: PublishInput,
): Promise<void> {
  const deadline = session.clock.now() + (input.waitTimeoutMs ?? WAIT_TIMEOUT_MS);
  for (let pauseMs = FIRST_POLL_MS; ; pauseMs = Math.min(POLL_CAP_MS, pauseMs * 2)) {
    const document = await documents.get(result.name, { refresh: true, signal: input.signal });
    if (document !== undefined && lists(document, result)) return;
    if (session.clock.now() + pauseMs > deadline) throw notVisible(session, result);
    await session.clock.sleep(pauseMs, input.signal);
  }
}

function lists(document: IndexDocument, result: PublishResult): boolean {
  const version = document.versions.find((entry) => entry.version === result.version);
  return version?.artifacts.some((artifact) => artifact.blob === result.artifact.blob) === true;
}

function notVisible(session: Session, result: PublishResult): RegistryClientError {
  return new RegistryClientError({
    code: "PUBLISH_NOT_VISIBLE",
    message: `"${result.name}" ${result.version} is published and did not appear in the index of registry "${session.registry.name}" in time`,
    hint: "Nothing is lost: look again with info, or publish the same file again",
    registry: session.registry.name,
    status: result.status,
  });
}
