import { parseLogProof, verifyLogProof, parseNoteKey, LogError } from "@lading/signing/log";
import { nodeVerifier } from "@lading/signing/node";
import type { CallOptions, PublishReceipt, PublishResult } from "../client-types.ts";
import { isObject } from "../json.ts";
import type { Session } from "../session.ts";
import { explained } from "./attacks.ts";
import type { LogFollower } from "./log-follower.ts";
import { publicationOf } from "./log-proofs.ts";

/**
 * Verifies what a registry answered as proof that a publication is in its log; `undefined` where it has no log.
 * @throws {LogError} `LOG_PROOF_MALFORMED`, `LOG_INCLUSION_INVALID`, and those of checkpoints and of following the log
 */
export async function acceptReceipt(
  session: Session,
  published: PublishResult,
  receipt: unknown,
  options: CallOptions,
): Promise<PublishReceipt | undefined> {
  const { name, version, target, artifact } = published;
  return acceptProof(session, receipt, options, {
    what: `"${name}" ${version} is published`,
    details: { package: name, version },
    check: (entry) => void publicationOf(entry, { name, version, target, blob: artifact.blob, tree: artifact.tree }),
  });
}

/** What a proof is to show. */
interface Proven {
  /** In words, for messages: `"tool" 1.0.0 is published`. */
  readonly what: string;
  /** Of the error. */
  readonly details: Readonly<Record<string, unknown>>;
  /** Throws unless the entry states it. */
  readonly check: (entry: Uint8Array) => void;
}

/**
 * Verifies what a registry answered as proof that an entry is in its log, and that the entry states what it is to show;
 * `undefined` where it has no log.
 * @throws {LogError} as {@link acceptReceipt}
 */
export async function acceptProof(
  session: Session,
  receipt: unknown,
  options: CallOptions,
  proven: Proven,
): Promise<PublishReceipt | undefined> {
  const log = (await session.view({ signal: options.signal }))?.log;
  if (log === undefined) return undefined;
  try {
    const accepted = await verify(log, proven, isObject(receipt) ? receipt.proof : undefined);
    await session.trust().remember();
    return accepted;
  } catch (error) {
    throw explained(error, session.registry.name);
  }
}

async function verify(log: LogFollower, { what, details, check }: Proven, proof: unknown): Promise<PublishReceipt> {
  if (typeof proof !== "string") {
    throw new LogError({
      code: "LOG_PROOF_MALFORMED",
      message: `Cannot trust that ${what}: the registry gave no proof that it is in its log`,
      ...details,
    });
  }
  const bytes = new TextEncoder().encode(proof);
  const state = verifyLogProof(bytes, { origin: log.origin, keys: [parseNoteKey(log.key)], verifier: nodeVerifier });
  const { index, entry } = parseLogProof(bytes);
  check(entry!);
  await log.agree(state);
  return { origin: log.origin, index, size: state.size, proof };
}
