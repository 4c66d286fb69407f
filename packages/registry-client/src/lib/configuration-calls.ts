import { createHash } from "node:crypto";
import { tryParseDigest, type Digest } from "@lading/core-manifest";
import { decodeLogEvent, LogError } from "@lading/signing/log";
import type { CallOptions, SharedConfiguration, WantedConfiguration } from "./client-types.ts";
import { answerReader, optional } from "./json.ts";
import type { Session } from "./session.ts";

/**
 * Reads a configuration that an organisation shares, and holds the registry to its log: the text must be the one that an
 * entry states for this organisation, name and revision.
 * @throws {RegistryClientError}
 * @throws {LogError} `LOG_INCLUSION_INVALID`, and those of a receipt
 */
export async function sharedConfiguration(
  session: Session,
  wanted: WantedConfiguration,
  options: CallOptions,
): Promise<SharedConfiguration> {
  const { organisation, name, revision } = wanted;
  const action = `read the shared configuration "${organisation}/${name}"`;
  const path = `organisations/${encodeURIComponent(organisation)}/configurations/${encodeURIComponent(name)}`;
  const { body } = await session.demand({ method: "GET", path, query: { revision }, action }, options);
  const read = answerReader(action, session.registry.name);
  const answer = read.object(body, "the answer");
  const text = read.string(answer.text, '"text"');
  const found: SharedConfiguration = {
    organisation,
    name,
    revision: read.number(answer.revision, '"revision"'),
    text,
    digest: digestOf(text),
    public: answer.public === true,
    author: read.string(answer.author, '"author"'),
    created: read.string(answer.created, '"created"'),
  };
  if (revision !== undefined && found.revision !== revision) throw otherEntry(found);
  const { acceptProof } = await import("./trust/receipt.ts");
  const proven = await acceptProof(session, answer.log, options, {
    what: `configuration "${organisation}/${name}" is the one that its organisation shares`,
    details: { organisation, configuration: name },
    check: (entry) => requireStated(entry, found),
  });
  return { ...found, ...optional("index", proven?.index) };
}

function digestOf(text: string): Digest {
  return tryParseDigest(`sha256:${createHash("sha256").update(text).digest("hex")}`)!;
}

function requireStated(entry: Uint8Array, found: SharedConfiguration): void {
  const event = decodeLogEvent(entry);
  const isRight =
    event.type === "configuration" &&
    event.organisation === found.organisation &&
    event.configuration === found.name &&
    event.revision === found.revision &&
    event.digest === found.digest;
  if (!isRight) throw otherEntry(found);
}

function otherEntry({ organisation, name, revision }: SharedConfiguration): LogError {
  return new LogError({
    code: "LOG_INCLUSION_INVALID",
    message: `Cannot trust configuration "${organisation}/${name}": what the registry gave as its revision ${revision} is not what its log states`,
    organisation,
    configuration: name,
  });
}
