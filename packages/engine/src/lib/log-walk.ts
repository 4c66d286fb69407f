import type { RegistryLog } from "@lading/registry-client";
import type { LogEvent, LogState, UnknownLogEvent } from "@lading/signing/log";

/** An entry of a log, with its place. */
export interface LoggedEvent {
  readonly index: number;
  readonly event: LogEvent | UnknownLogEvent;
}

/** Entries that are hashed together. */
const CHUNK = 1024;

/**
 * Reads every entry of a log from an index on, and demands that they are those that its checkpoint stands for: each is hashed
 * again, and the tree that they make must have the checkpoint's root.
 * @param from a state that was verified before, whose entries are not read again; absent: from the first entry
 * @throws {LogError} `LOG_INCONSISTENT`, `LOG_TILE_MISSING`, `LOG_TILE_INVALID`, `LOG_EVENT_INVALID`
 */
export async function walkLog(
  log: RegistryLog,
  onEvent: (logged: LoggedEvent) => void,
  from?: Pick<LogState, "size" | "root">,
): Promise<void> {
  const { appendToLog, decodeLogEvent, EMPTY_LOG, loadLogTree, readEntries, rootOfTree } =
    await import("@lading/signing/log");
  const { checkpoint, read } = log;
  let tree = from === undefined ? EMPTY_LOG : await loadLogTree(from.size, read);
  if (from !== undefined && !sameBytes(rootOfTree(tree), from.root)) throw await differs(log, from.size);
  let chunk: Uint8Array[] = [];
  const take = (): void => {
    tree = appendToLog(tree, chunk).tree;
    chunk = [];
  };
  for await (const { index, entry } of readEntries(checkpoint.size, read, from?.size ?? 0)) {
    chunk.push(entry);
    onEvent({ index, event: decodeLogEvent(entry) });
    if (chunk.length === CHUNK) take();
  }
  take();
  if (!sameBytes(rootOfTree(tree), checkpoint.root)) throw await differs(log, checkpoint.size);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

async function differs({ origin }: RegistryLog, size: number): Promise<Error> {
  const { LogError } = await import("@lading/signing/log");
  return new LogError({
    code: "LOG_INCONSISTENT",
    message: `Cannot trust the log "${origin}": its ${size} entries are not those that its checkpoint was signed for`,
    hint: "An attack would look like this: somebody removed, replaced or reordered an entry. Keep the checkpoint, and tell the registry's operator",
    size,
  });
}

/** What an entry says, in plain words. */
export function eventWords(event: LogEvent | UnknownLogEvent): string {
  switch (event.type) {
    case "publish": {
      const signers = [...new Set(event.artifacts.flatMap(({ signers: own }) => own ?? []))];
      return `${event.version} published${signers.length === 0 ? ", not signed" : `, signed by ${signers.join(" and ")}`}`;
    }
    case "status":
      return `${event.version} is ${event.status} now${event.reason === undefined ? "" : `: ${event.reason}`}`;
    case "owner":
      return `${event.account} ${{ add: "became an owner", remove: "is no owner any more", transfer: "took it over" }[event.change]}`;
    case "key":
      return `key ${event.key} of ${event.account} ${{ add: "was added", rotate: `takes the place of ${event.previous ?? "another"}`, revoke: "was revoked", recover: `is to replace ${event.previous ?? "another"}${event.effective === undefined ? "" : ` from ${event.effective} on`}` }[event.change]}`;
    case "channel":
      return event.version === undefined
        ? `channel "${event.channel}" was removed`
        : `channel "${event.channel}" names ${event.version} now`;
    case "policy":
      return `the policy of ${event.names} changed to ${event.policy}`;
    case "configuration": {
      const named = `configuration "${event.organisation}/${event.configuration}"`;
      return event.digest === undefined
        ? `${named} is shared no more`
        : `${named} is revision ${event.revision} now, ${event.digest}`;
    }
    case "audit":
      return `the audit trail went to record ${event.record}, ${event.head}`;
    case "unknown":
      return `entry of a type that this release does not know: ${event.found}`;
  }
}
