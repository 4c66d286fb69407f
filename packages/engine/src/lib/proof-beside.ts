import { readFile } from "node:fs/promises";
import { isLadingError } from "@lading/core-manifest";
import type { WantedProof } from "@lading/registry-client";
import { createContext } from "./context.ts";
import type { EngineContext } from "./engine-context.ts";
import { hasErrno } from "./files.ts";

const UNKNOWN: ReadonlySet<string> = new Set(["REGISTRY_NOT_CONFIGURED", "REGISTRY_TRUST_STALE", "REGISTRY_OFFLINE"]);

/** An entry of a log that was proven. */
export interface ProvenEntry {
  readonly registry: string;
  readonly origin: string;
  readonly index: number;
  /** Entries that it was proven against. */
  readonly size: number;
  readonly time: string;
  readonly actor?: string;
}

/**
 * The log entry that a proof beside a package file shows, by the log's key that is pinned here; nothing where there is no
 * such file or no configured registry has that log.
 * @throws {LogError} where the proof does not hold, or is of something else
 */
export async function proofBeside(
  context: EngineContext,
  file: string,
  wanted: WantedProof,
): Promise<{ readonly log?: ProvenEntry }> {
  const bytes = await readProof(`${file}.proof`);
  if (bytes === undefined) return {};
  const { parseCheckpointText, parseLogProof, parseNote, parseNoteKey, verifyLogProof } =
    await import("@lading/signing/log");
  const { nodeVerifier } = await import("@lading/signing/node");
  const { publicationOf } = await import("@lading/registry-client");
  const { index, entry, checkpoint } = parseLogProof(bytes);
  const { origin } = parseCheckpointText(parseNote(checkpoint).text);
  const known = await logKey(context, origin);
  if (known === undefined) return {};
  const keys = [parseNoteKey(known.key)];
  const { size } = verifyLogProof(bytes, { origin, keys, verifier: nodeVerifier });
  const { time, actor } = await publicationOf(entry!, wanted);
  return {
    log: { registry: known.registry, origin, index, size, time, ...(actor === undefined ? {} : { actor }) },
  };
}

async function readProof(file: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** The pinned key of a log, and the registry whose log it is. */
async function logKey(
  context: EngineContext,
  origin: string,
): Promise<{ readonly key: string; readonly registry: string } | undefined> {
  const { profile, cwd, env, signal, home, now } = context;
  const own = createContext({ profile, cwd, env, signal, home, now, offline: true });
  try {
    for (const { registry, trust } of (await own.registries()).clients) {
      const log = (await trust.report())?.log;
      if (log?.origin === origin) return { key: log.key, registry: registry.url };
    }
    return undefined;
  } catch (error) {
    // No registry is configured, or what is known of one is too old to go by: then the log is not known here.
    if (isLadingError(error) && UNKNOWN.has(error.code)) return undefined;
    throw error;
  } finally {
    await own.close();
  }
}
