import { createReadStream } from "node:fs";
import type { PublishInput } from "./client-types.ts";
import { CHECKED_BYTES_PER_MS } from "./http-transport.ts";
import { answerReader, invalidAnswer, isObject, optional, type JsonObject } from "./json.ts";
import type { ApiAnswer, PackagePart } from "./ports.ts";
import { CHUNK_BYTES, tellProgress } from "./publish-progress.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { Session } from "./session.ts";

type PartsInput = PublishInput & { readonly package: NonNullable<PublishInput["package"]> };

/** An upload as the registry describes it. */
interface Upload {
  readonly self: string;
  /** Whether parts can be sent to the registry's storage. */
  readonly redirects: boolean;
  readonly path: string;
  readonly offset: number;
  readonly partBytes: number;
}

interface Sending {
  readonly session: Session;
  readonly input: PartsInput;
  readonly action: string;
  readonly upload: Upload;
  readonly onProgress: (uploadedBytes: number) => void;
}

/**
 * Publishes a package in parts (`docs/spec/http-api.md`, "Uploads"): what the registry has of it is not sent again, whether
 * it came by this process or by another.
 */
export async function sendInParts(
  session: Session,
  input: PartsInput,
  options: { readonly action: string; readonly partBytes: number },
): Promise<ApiAnswer> {
  const { action } = options;
  const answer = await open(session, input, action);
  // What is published already is answered as its publication was.
  if (isObject(answer.body) && answer.body.artifact !== undefined) return answer;
  const upload = readUpload(session, answer, options);
  const sending = { session, input, action, upload, onProgress: tellProgress(session, upload.self, input) };
  await sendParts(sending);
  return finish(sending);
}

async function open(session: Session, input: PartsInput, action: string): Promise<ApiAnswer> {
  const { blob, size, tree, channel } = input;
  const body = { ...input.package, blob, size, ...optional("tree", tree), ...optional("channel", channel) };
  return session.demand({ method: "POST", path: "uploads", body, action, repeatable: true }, input);
}

function readUpload(
  session: Session,
  { body }: ApiAnswer,
  { action, partBytes }: { readonly action: string; readonly partBytes: number },
): Upload {
  const read = answerReader(action, session.registry.name);
  const value = read.object(body, "the answer");
  const links: JsonObject = read.object(value.links, '"links"');
  const id = read.string(value.id, '"id"');
  if (!/^[\w-]{1,64}$/.test(id)) throw invalidAnswer(action, session.registry.name, `"id" is no id of an upload`);
  const self = read.string(links.self, '"links.self"');
  const offset = read.number(value.offset, '"offset"');
  return { self, redirects: typeof links.parts === "string", path: `uploads/${id}`, offset, partBytes };
}

async function sendParts(sending: Sending): Promise<void> {
  const { session, input, upload, onProgress } = sending;
  let { redirects } = upload;
  let { offset } = upload;
  if (offset > 0) {
    const message = `the registry has ${offset} of ${input.size} bytes already`;
    session.onEvent({ type: "debug", scope: "registry", message });
  }
  onProgress(offset);
  while (offset < input.size) {
    if (redirects) {
      const next = await storePart(sending, offset);
      redirects = next !== undefined;
      offset = next ?? offset;
    } else offset = await appendPart(sending, offset);
  }
}

/** The next part of the file. */
function partAt({ session, input, onProgress }: Sending, offset: number, most: number): PackagePart {
  const size = Math.min(most, input.size - offset);
  async function* open(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    let sent = offset;
    const options = { start: offset, end: offset + size - 1, highWaterMark: CHUNK_BYTES };
    for await (const chunk of createReadStream(input.artifact, options)) {
      const bytes = chunk as Uint8Array<ArrayBuffer>;
      yield bytes;
      sent += bytes.length;
      session.metrics.uploadedBytes += bytes.length;
      onProgress(sent);
    }
  }
  return { offset, size, open };
}

/** Sends a part to the registry; resolves with where the upload goes on. */
async function appendPart(sending: Sending, from: number): Promise<number> {
  const { session, input, action, upload } = sending;
  const url = await session.apiUrl({ path: upload.path, action }, input);
  let isFirst = true;
  return session.retrying(input, async () => {
    // What came of an attempt that broke off is there, and is not sent again.
    const offset = isFirst ? from : await offsetOf(sending);
    isFirst = false;
    if (offset >= input.size) return offset;
    try {
      const part = partAt(sending, offset, upload.partBytes);
      return await session.transport.append!(url, part, { action, signal: input.signal });
    } catch (error) {
      if (!isElsewhere(error)) throw error;
      const found = await offsetOf(sending);
      if (found === offset) throw error;
      return found;
    }
  });
}

function isElsewhere(error: unknown): boolean {
  return error instanceof RegistryClientError && error.details.serverCode === "UPLOAD_OFFSET_MISMATCH";
}

async function offsetOf({ session, input, action, upload }: Sending): Promise<number> {
  const { body } = await session.demand({ method: "GET", path: upload.path, action }, input);
  const read = answerReader(action, session.registry.name);
  return read.number(read.object(body, "the answer").offset, '"offset"');
}

/** Sends a part to the registry's storage; `undefined` where that does not work: the registry takes it itself. */
async function storePart(sending: Sending, from: number): Promise<number | undefined> {
  const { session, input, action, upload } = sending;
  try {
    return await session.retrying(input, async () => {
      const path = `${upload.path}/parts`;
      const { body } = await session.demand({ method: "POST", path, body: { offset: from }, action }, input);
      const { address, size } = readAddress(session, body, action);
      const part = partAt(sending, from, size);
      await session.transport.storePart!(address, part, { action, signal: input.signal });
      return from + part.size;
    });
  } catch (error) {
    if (input.signal?.aborted === true || !(error instanceof RegistryClientError)) throw error;
    const message = `the registry's storage cannot be reached, sending to the registry: ${error.message}`;
    session.onEvent({ type: "debug", scope: "registry", message });
    return undefined;
  }
}

function readAddress(
  session: Session,
  body: unknown,
  action: string,
): {
  readonly address: { readonly url: string; readonly headers: Readonly<Record<string, string>> };
  readonly size: number;
} {
  const read = answerReader(action, session.registry.name);
  const value = read.object(body, "the answer");
  const url = read.string(value.url, '"url"');
  const size = read.number(value.size, '"size"');
  if (!URL.canParse(url) || size < 1) throw invalidAnswer(action, session.registry.name, "it is no address of a part");
  const headers = Object.entries(read.object(value.headers, '"headers"')).map(([name, text]): [string, string] => [
    name,
    read.string(text, `"headers.${name}"`),
  ]);
  return { address: { url, headers: Object.fromEntries(headers) }, size };
}

/** Publishes; the registry reads all of it back first. */
async function finish({ session, input, action, upload }: Sending): Promise<ApiAnswer> {
  const bytes = new Uint8Array(input.statement ?? []);
  return session.demand(
    {
      method: "POST",
      path: `${upload.path}/publish`,
      action,
      repeatable: true,
      raw: { type: "application/vnd.dsse+json", bytes },
      extraMs: Math.floor(input.size / CHECKED_BYTES_PER_MS),
    },
    input,
  );
}
