import type { LadingEvent } from "@lading/core-manifest";
import type { FetchResponse } from "@lading/registry-client";
import type { EngineContext } from "../engine-context.ts";
import { EngineError } from "../engine-error.ts";
import { registryCredential } from "../registries.ts";
import type { ServicePack } from "../install-service.ts";
import type { ValidationResult } from "../validation.ts";

/** What a server is to install. */
export interface RemoteInstallInput {
  /** A name, a Git address or an https: address of an archive. */
  readonly source: string;
  /** Branch, tag or commit of a Git address. */
  readonly ref?: string | undefined;
  readonly checksum?: string | undefined;
  readonly skipDependencies?: boolean | undefined;
  readonly skipTests?: boolean | undefined;
}

/** What the server installed. */
export interface RemoteInstallation {
  readonly id: string;
  readonly packs: readonly ServicePack[];
  readonly validation?: ValidationResult;
}

interface Answer extends RemoteInstallation {
  readonly status: "installed" | "refused" | "failed";
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly string[];
}

/** Longest line of events that is read, in characters. */
const LINE_MAX = 1_000_000;

/**
 * Has the registry's server install a pack on its own machine (`POST /api/v1/packs/install`). Its progress events become
 * those of the context.
 * @throws {EngineError} `REMOTE_INSTALL_REFUSED` with the server's code and every problem, `REMOTE_INSTALL_FAILED`
 */
export async function remoteInstall(input: RemoteInstallInput, context: EngineContext): Promise<RemoteInstallation> {
  const { source, ref, checksum, skipDependencies = false, skipTests = false } = input;
  const { default: client } = await context.registries();
  const { api } = await client.describe({ signal: context.signal });
  const name = client.registry.name;
  if (api === undefined) throw failed(name, source, "it is a static registry, without a server that could install");
  const headers: Record<string, string> = { "content-type": "application/json", accept: "text/event-stream" };
  const authorization = await registryCredential(context, client.registry);
  if (authorization !== undefined) headers["authorization"] = authorization;
  const body = JSON.stringify({ source, ref, checksum, skip_deps: skipDependencies, skip_tests: skipTests });
  const { createNodeFetch } = await import("@lading/registry-client/node");
  const node = createNodeFetch({ env: context.env, proxy: client.registry.proxy, caFile: client.registry.caFile });
  try {
    const fetch = context.fetch ?? node.fetch;
    const init = {
      method: "POST",
      headers,
      body,
      signal: context.signal,
      redirect: "manual",
      purpose: "call",
    } as const;
    const response = await fetch(new URL("packs/install", api).href, init);
    if (response.status !== 200) throw await answeredError(name, source, response);
    return await followEvents(context, { name, source }, response);
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof EngineError) throw error;
    throw failed(name, source, error instanceof Error ? error.message : String(error), error);
  } finally {
    await node.close();
  }
}

async function answeredError(name: string, source: string, response: FetchResponse): Promise<EngineError> {
  const problem = parsed(await textOf(response)) as { readonly detail?: string } | undefined;
  if (response.status === 404) return failed(name, source, "its server installs no packs");
  if (response.status === 401 || response.status === 403) {
    return new EngineError({
      code: "REMOTE_INSTALL_FORBIDDEN",
      message: `Cannot have registry "${name}" install "${source}": ${problem?.detail ?? `it answered ${response.status}`}`,
      hint: "Log in with a token that has the scope admin",
    });
  }
  return failed(name, source, problem?.detail ?? `it answered ${response.status}`);
}

async function followEvents(
  context: EngineContext,
  { name, source }: { readonly name: string; readonly source: string },
  response: FetchResponse,
): Promise<RemoteInstallation> {
  for await (const { event, data } of serverSentEvents(response)) {
    if (event === "progress") {
      const told = parsed(data) as (LadingEvent & { readonly v?: number }) | undefined;
      if (told?.v === 1 && typeof told.type === "string") context.onEvent(withoutVersion(told));
      continue;
    }
    const answer = parsed(data) as Answer | undefined;
    if (answer === undefined) break;
    const { id, packs, validation } = answer;
    if (answer.status === "installed") return { id, packs, ...(validation === undefined ? {} : { validation }) };
    if (answer.status === "failed") throw failed(name, source, "a fault of the server");
    throw new EngineError({
      code: "REMOTE_INSTALL_REFUSED",
      message: `Cannot have registry "${name}" install "${source}": ${answer.detail ?? "it refused"}`,
      reason: answer.code,
      errors: answer.errors,
      validation,
    });
  }
  throw failed(name, source, "its answer ended before the installation did");
}

function withoutVersion(told: LadingEvent & { readonly v?: number }): LadingEvent {
  const { v: _version, ...event } = told;
  return event;
}

function parsed(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    // What is no JSON is no answer of ours; the caller says what that means.
    return undefined;
  }
}

async function textOf({ body }: FetchResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > LINE_MAX) break;
  }
  return text;
}

/** Events of `text/event-stream` (WHATWG HTML §9.2.6), as far as servers of registries write them. */
async function* serverSentEvents({ body }: FetchResponse): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder();
  let rest = "";
  let event = "message";
  let data: string[] = [];
  for await (const chunk of body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split(/\r\n|\n|\r/);
    rest = lines.pop()!;
    if (rest.length > LINE_MAX) throw new Error("a line of its answer is too long");
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { event, data: data.join("\n") };
        [event, data] = ["message", []];
      } else if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
  }
}

function failed(name: string, source: string, problem: string, cause?: unknown): EngineError {
  return new EngineError({
    code: "REMOTE_INSTALL_FAILED",
    message: `Cannot have registry "${name}" install "${source}": ${problem}`,
    cause,
  });
}
