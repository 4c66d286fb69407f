import { canonicalName, parsePackageName } from "@lading/core-manifest";
import { checkInclusion, decodeLogEvent, LogError, type PublishEvent } from "@lading/signing/log";
import type { CallOptions } from "../client-types.ts";
import { answerReader } from "../json.ts";
import { RegistryClientError } from "../registry-client-error.ts";
import type { Session } from "../session.ts";
import type { LogFollower } from "./log-follower.ts";
import type { InclusionProof, InclusionProofs, WantedProof } from "./trust-client-types.ts";

/** Most packages of one request (`docs/spec/http-api.md`). */
const BATCH = 200;

/**
 * Proofs of publications from the registry's API, each verified.
 * @throws {RegistryClientError} `REGISTRY_LOG_ENTRY_MISSING`; {LogError}
 */
export async function readProofs(
  session: Session,
  log: LogFollower,
  wanted: readonly WantedProof[],
  options: CallOptions,
): Promise<InclusionProofs> {
  const proofs: InclusionProof[] = [];
  let answer = await proofsOf(session, log, wanted.slice(0, BATCH), options);
  proofs.push(...answer.proofs);
  for (let at = BATCH; at < wanted.length; at += BATCH) {
    const next = await proofsOf(session, log, wanted.slice(at, at + BATCH), options);
    // The log may have grown between two requests: then the first ones are asked for again, against the later state.
    if (next.checkpoint.size !== answer.checkpoint.size) return readProofs(session, log, wanted, options);
    proofs.push(...next.proofs);
    answer = next;
  }
  return { ...answer, proofs };
}

async function proofsOf(
  session: Session,
  log: LogFollower,
  wanted: readonly WantedProof[],
  options: CallOptions,
): Promise<InclusionProofs> {
  const action = `read proofs of the log of registry "${session.registry.name}"`;
  const packages = wanted.map(({ name, version, target }) => ({ name, version, target }));
  const { body } = await session.demand(
    { method: "POST", path: "proofs", action, body: { packages }, repeatable: true, reads: true },
    options,
  );
  const read = answerReader(action, session.registry.name);
  const answer = read.object(body, "the answer");
  const checkpoint = log.open(new TextEncoder().encode(read.string(answer.checkpoint, '"checkpoint"')));
  await log.agree(checkpoint);
  const items = read.array(answer.proofs, '"proofs"');
  const proofs = wanted.map((one, i) => {
    const item = read.object(items[i], `"proofs[${i}]"`);
    if (item.index === undefined) throw entryMissing(session, one);
    const index = read.number(item.index, '"index"');
    const entry = base64(read.string(item.entry, '"entry"'));
    const hashes = read.array(item.hashes, '"hashes"').map((hash) => base64(read.string(hash, "a hash")));
    checkInclusion(checkpoint, index, entry, hashes);
    return { index, entry, hashes, event: publicationOf(entry, one) };
  });
  return { origin: log.origin, key: log.key, checkpoint, proofs };
}

function base64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** The error of a file that the index has and the log has not. */
export function entryMissing(session: Session, { name, version, target }: WantedProof): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_LOG_ENTRY_MISSING",
    message: `Cannot trust "${name}" ${version} (${target}) from registry "${session.registry.name}": it is in the index and not in the log`,
    hint: "An attack would look like this: the registry shows you a version that it keeps out of its public log. Tell its operator and the package's owner",
    registry: session.registry.name,
    package: name,
    version,
  });
}

/**
 * The publication that an entry of the log states.
 * @throws {LogError} `LOG_EVENT_INVALID`; `LOG_INCLUSION_INVALID` where it is another entry than that of the file
 */
export function publicationOf(entry: Uint8Array, wanted: WantedProof): PublishEvent {
  const event = decodeLogEvent(entry);
  const { name, version, target, blob, tree } = wanted;
  const artifact =
    event.type === "publish"
      ? event.artifacts.find((one) => one.target === target || event.artifacts.length === 1)
      : undefined;
  const isRight =
    event.type === "publish" &&
    artifact !== undefined &&
    event.name === canonicalName(parsePackageName(name)) &&
    event.version === version &&
    artifact.target === target &&
    (blob === undefined || artifact.blob === blob) &&
    (tree === undefined || artifact.tree === tree);
  if (isRight) return event;
  throw new LogError({
    code: "LOG_INCLUSION_INVALID",
    message: `Cannot trust the proof of "${name}" ${version}: the entry of the log that was given is of something else, or of other bytes`,
    package: name,
    version,
  });
}
