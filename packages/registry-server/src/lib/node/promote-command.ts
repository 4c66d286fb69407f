import { createHash, randomUUID } from "node:crypto";
import { createWriteStream, openAsBlob } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isLoopback } from "../connection.ts";
import { digestHex, tryParseDigest, tryParsePackageName, tryParseVersion, type Digest } from "@lading/core-manifest";
import { RegistryError } from "../registry-error.ts";
import type { ServerIo } from "./server-io.ts";

const FROM_TOKEN = "REGISTRY_PROMOTE_FROM_TOKEN";
const TO_TOKEN = "REGISTRY_PROMOTE_TO_TOKEN";
const HINT = `lading-registry promote NAME@VERSION --from URL --to URL, with tokens in ${FROM_TOKEN} and ${TO_TOKEN}`;
const STATEMENT_BYTES = 1024 * 1024;

/** A call of `promote`. */
export interface PromoteCall {
  /** What follows the command's name. */
  readonly words: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
  readonly io: ServerIo;
}

/** One side of a promotion. */
interface Side {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | undefined;
}

interface Artifact {
  readonly target: string;
  readonly blob: Digest;
  readonly size: number;
  readonly tree: Digest;
  readonly signed: boolean;
}

/** What became of an artefact. */
interface Promoted {
  readonly target: string;
  readonly blob: Digest;
  readonly status: "created" | "same" | "held";
}

function usage(message: string): RegistryError {
  return new RegistryError({ code: "SERVER_CONFIG_INVALID", message, hint: HINT });
}

function sideOf(name: "from" | "to", { flags, io }: PromoteCall): Side {
  const text = flags[name];
  if (text === undefined) throw usage(`Cannot promote: --${name} is missing`);
  const url = URL.parse(text);
  if (url === null || !["https:", "http:"].includes(url.protocol) || url.username !== "") {
    throw usage(`Cannot promote: --${name} is "${text.slice(0, 100)}", allowed is an http or https address`);
  }
  const token = io.env[name === "from" ? FROM_TOKEN : TO_TOKEN];
  // A token is worth as much as the line that it travels on.
  if (token && url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw usage(`Cannot promote: --${name} is "${text.slice(0, 100)}", and a token travels over https only`);
  }
  return { url: url.href.replace(/\/+$/, ""), token: token === "" ? undefined : token };
}

function subjectOf({ words }: PromoteCall): { readonly name: string; readonly version: string } {
  const [text = ""] = words;
  const at = text.lastIndexOf("@");
  const [name, version] = [tryParsePackageName(text.slice(0, at)), tryParseVersion(text.slice(at + 1))];
  if (words.length === 1 && name !== undefined && version !== undefined) return { name, version };
  throw usage(`Cannot promote "${words.join(" ").slice(0, 100)}": it is no NAME@VERSION`);
}

async function ask({ url, token }: Side, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = {
    ...(init.headers as Record<string, string>),
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  };
  try {
    return await fetch(`${url}${path}`, { ...init, headers });
  } catch (cause) {
    throw new RegistryError({
      code: "UPSTREAM_UNAVAILABLE",
      message: `Cannot promote: "${url}" does not answer`,
      hint: "Run the same command again: what was promoted already stays as it is",
      cause,
    });
  }
}

/** What a registry refused, in its own words. */
async function refusal(answer: Response, side: Side, what: string): Promise<RegistryError> {
  const problem = (await answer.json().catch(() => ({}))) as { detail?: unknown; code?: unknown; hint?: unknown };
  const detail = typeof problem.detail === "string" ? problem.detail : `it answers ${answer.status}`;
  return new RegistryError({
    code: "PROMOTION_REFUSED",
    message: `Cannot ${what} "${side.url}": ${detail}`,
    ...(typeof problem.hint === "string" ? { hint: problem.hint } : {}),
    ...(typeof problem.code === "string" ? { reason: problem.code } : {}),
  });
}

function readArtifact(value: unknown, side: Side): Artifact {
  const { target, blob, size, tree, statement } = (value ?? {}) as Record<string, unknown>;
  const [digest, treeDigest] = [tryParseDigest(blob), tryParseDigest(tree)];
  if (typeof target === "string" && digest !== undefined && treeDigest !== undefined && Number.isSafeInteger(size)) {
    return { target, blob: digest, size: Number(size), tree: treeDigest, signed: statement !== undefined };
  }
  throw new RegistryError({
    code: "PROMOTION_REFUSED",
    message: `Cannot read the version from "${side.url}": its answer is not one of this API`,
  });
}

async function artifactsOf(from: Side, name: string, version: string): Promise<readonly Artifact[]> {
  const answer = await ask(
    from,
    `/api/v1/packages/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`,
  );
  if (!answer.ok) throw await refusal(answer, from, "read the version from");
  const { status, artifacts } = (await answer.json()) as { status?: unknown; artifacts?: unknown };
  if (status !== "active") {
    throw new RegistryError({
      code: "PROMOTION_REFUSED",
      message: `Cannot promote "${name}" ${version}: it is ${String(status)} in "${from.url}", allowed is active`,
      reason: "STATUS",
    });
  }
  return (Array.isArray(artifacts) ? artifacts : []).map((one) => readArtifact(one, from));
}

/** Fetches a package file; what came is what the registry stated, or nothing goes on. */
async function fetchFile(from: Side, { blob, size }: Artifact, file: string): Promise<void> {
  const answer = await ask(from, `/blobs/sha256/${digestHex(blob)}`);
  if (!answer.ok || answer.body === null) throw await refusal(answer, from, "read the package from");
  const hash = createHash("sha256");
  let length = 0;
  const measured = async function* (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      length += chunk.length;
      yield chunk;
    }
  };
  await pipeline(Readable.fromWeb(answer.body), measured, createWriteStream(file, { flags: "wx", mode: 0o600 }));
  const found = `sha256:${hash.digest("hex")}`;
  if (found === blob && length === size) return;
  throw new RegistryError({
    code: "PROMOTION_REFUSED",
    message: `Cannot promote the file "${blob}": what "${from.url}" gave has the digest "${found}" and ${length} bytes, stated are ${size}`,
    reason: "DIGEST",
  });
}

async function fetchStatement(from: Side, { blob }: Artifact): Promise<Blob> {
  const answer = await ask(from, `/blobs/sha256/${digestHex(blob)}.sig`);
  if (!answer.ok) throw await refusal(answer, from, "read the statement from");
  const bytes = await answer.arrayBuffer();
  if (bytes.byteLength <= STATEMENT_BYTES) return new Blob([bytes], { type: "application/vnd.dsse+json" });
  throw new RegistryError({
    code: "PROMOTION_REFUSED",
    message: `Cannot promote the file "${blob}": its statement has ${bytes.byteLength} bytes, allowed are ${STATEMENT_BYTES}`,
  });
}

async function promoteOne(
  artifact: Artifact,
  { from, to, directory }: { readonly from: Side; readonly to: Side; readonly directory: string },
): Promise<Promoted> {
  const { blob, size, tree, target } = artifact;
  const file = join(directory, randomUUID());
  await fetchFile(from, artifact, file);
  const form = new FormData();
  form.append("metadata", JSON.stringify({ blob, size, tree, origin: from.url }));
  if (artifact.signed) form.append("statement", await fetchStatement(from, artifact), "statement.sig");
  form.append("package", await openAsBlob(file), "package");
  const answer = await ask(to, "/api/v1/packages/", { method: "POST", body: form });
  if (!answer.ok) throw await refusal(answer, to, "publish to");
  const status = ({ 201: "created", 202: "held" } as const)[answer.status as 201 | 202] ?? "same";
  await answer.body?.cancel();
  await rm(file, { force: true });
  return { target, blob, status };
}

/**
 * Runs `promote NAME@VERSION`: publishes the very files and statements of a version of one registry in another. Both judge the
 * rights of whose token they are given; the same command again changes nothing.
 */
export async function promoteCommand(call: PromoteCall): Promise<number> {
  const { name, version } = subjectOf(call);
  const [from, to] = [sideOf("from", call), sideOf("to", call)];
  const directory = await mkdtemp(join(tmpdir(), "lading-promote-"));
  try {
    const artifacts: Promoted[] = [];
    for (const artifact of await artifactsOf(from, name, version))
      artifacts.push(await promoteOne(artifact, { from, to, directory }));
    call.io.out(`${JSON.stringify({ promoted: `${name}@${version}`, from: from.url, to: to.url, artifacts })}\n`);
    return 0;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
