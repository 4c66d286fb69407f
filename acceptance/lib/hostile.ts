/**
 * A hostile server: a real HTTP server on loopback that passes requests on to a real registry (a directory, or another
 * server) and bends the answers as a test says.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import path from "node:path";

/** An answer on its way to the victim. */
export interface HostileAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Bends one answer; `undefined` leaves it as it is. `ask` gets the honest answer of any path. */
export type Bend = (
  path: string,
  ask: (path: string) => Promise<HostileAnswer>,
) => Promise<HostileAnswer | undefined> | HostileAnswer | undefined;

/** A server between a registry and its victim. */
export interface HostileServer {
  readonly url: string;
  /** Paths that were asked for, without their leading slash. */
  readonly asked: string[];
  /** How answers are bent; `undefined`: not at all. */
  bend: Bend | undefined;
  /** Everything that was passed on so far, by path: what somebody who records the traffic has. */
  readonly recorded: ReadonlyMap<string, Uint8Array>;
  close(): Promise<void>;
}

const NOTHING: HostileAnswer = { status: 404, body: new Uint8Array() };

async function fromDirectory(directory: string, file: string): Promise<HostileAnswer> {
  if (file.split("/").includes("..")) return NOTHING;
  return readFile(path.join(directory, file)).then(
    (body) => ({ status: 200, body }),
    () => NOTHING,
  );
}

/** A request that is passed on as it came. */
interface Passed {
  readonly method: string;
  readonly search: string;
  readonly type: string | undefined;
  readonly body: Uint8Array<ArrayBuffer>;
}

async function fromServer(url: string, file: string, host: string, passed?: Passed): Promise<HostileAnswer> {
  const sends = passed !== undefined && !["GET", "HEAD"].includes(passed.method);
  const answer = await fetch(`${url}/${file}${passed?.search ?? ""}`, {
    method: passed?.method ?? "GET",
    headers: passed?.type === undefined ? {} : { "content-type": passed.type },
    ...(sends ? { body: passed.body } : {}),
  });
  const type = answer.headers.get("content-type");
  const headers: Record<string, string> = type === null ? {} : { "content-type": type };
  const body = new Uint8Array(await answer.arrayBuffer());
  // What describes the registry must lead back here, file by file.
  if (file !== ".well-known/lading.json" || answer.status !== 200) return { status: answer.status, headers, body };
  const text = new TextDecoder().decode(body).replaceAll(url, `http://${host}`);
  const { files: _files, ...description } = JSON.parse(text) as Record<string, unknown>;
  return { status: 200, body: Buffer.from(JSON.stringify(description)) };
}

async function send(response: ServerResponse, { status, headers, body }: HostileAnswer): Promise<void> {
  response.writeHead(status, { "cache-control": "no-store", ...headers });
  if (body instanceof Uint8Array) {
    response.end(body);
    return;
  }
  response.flushHeaders();
  response.setMaxListeners(0);
  for await (const chunk of body) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

/** Starts a hostile server before a registry, given as a directory or as the address of a server. */
export async function startHostile(origin: string): Promise<HostileServer> {
  const recorded = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const state = { url: "", bend: undefined as Bend | undefined };
  const ask = async (file: string, passed?: Passed): Promise<HostileAnswer> =>
    /^https?:/.test(origin) ? fromServer(origin, file, new URL(state.url).host, passed) : fromDirectory(origin, file);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, search } = new URL(request.url!, state.url);
    const file = decodeURIComponent(pathname).slice(1);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    asked.push(file);
    const bent = await state.bend?.(file, ask);
    if (bent !== undefined) return send(response, bent);
    const type = request.headers["content-type"];
    const honest = await ask(file, { method: request.method!, search, type, body: Buffer.concat(chunks) });
    if (honest.status === 200 && honest.body instanceof Uint8Array) recorded.set(file, honest.body);
    return send(response, honest);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(state, {
    asked,
    recorded,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => void server.close(done));
    },
  });
}

/** Answers some paths with recorded or made-up bytes, and leaves the others. */
export function replay(files: ReadonlyMap<string, Uint8Array | undefined>): Bend {
  return (file) => {
    if (!files.has(file)) return undefined;
    const body = files.get(file);
    return body === undefined ? NOTHING : { status: 200, body };
  };
}
