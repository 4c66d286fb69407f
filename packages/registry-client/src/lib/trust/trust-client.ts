import type { IndexDocument } from "@lading/core-manifest";
import { checkInclusion, inclusionProof, readEntries } from "@lading/signing/log";
import { nameDelegationFor, parseMetadata, type NameDelegation } from "@lading/signing/metadata";
import type { CallOptions } from "../client-types.ts";
import type { Session } from "../session.ts";
import { explained } from "./attacks.ts";
import type { KnownKeyChange } from "./known-key-change.ts";
import type { LogFollower } from "./log-follower.ts";
import { readProofs } from "./log-proofs.ts";
import { searchProofs } from "./log-search.ts";
import type {
  BeginOptions,
  InclusionProofs,
  RegistryLog,
  TrustClient,
  TrustReport,
  WantedProof,
} from "./trust-client-types.ts";
import type { TrustView } from "./trust-types.ts";

const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** What a view says, for people and programs. */
export function reportOf({ record, refreshed, root, checkedAt, log }: TrustView): TrustReport {
  const { body } = parseMetadata(root.bytes, "root");
  const { timestamp, snapshot, targets } = refreshed.versions;
  const seen = log?.seen;
  return {
    anchor: record.anchor,
    root: {
      version: body.version,
      digest: root.digest,
      keys: body.roles.root.keyIds,
      threshold: body.roles.root.threshold,
      development: refreshed.development,
      expires: iso(body.expiresMs),
    },
    versions: { timestamp, snapshot, targets },
    expires: iso(refreshed.expiresMs),
    checked: iso(checkedAt),
    ...(log === undefined || seen === undefined
      ? {}
      : {
          log: {
            origin: log.origin,
            key: log.key,
            formerKeys: record.log?.former ?? [],
            size: seen.size,
            root: Buffer.from(seen.root).toString("base64"),
          },
        }),
  };
}

async function entryAt(log: LogFollower, index: number): Promise<Uint8Array> {
  const checkpoint = log.seen!;
  const proof = await inclusionProof(checkpoint.size, index, log.readTile);
  for await (const { entry } of readEntries(checkpoint.size, log.readTile, index, index + 1)) {
    checkInclusion(checkpoint, index, entry, proof);
    return entry;
  }
  throw new Error("unreachable: the range has one entry");
}

/** The operations on what one registry is trusted by. */
export class SessionTrust implements TrustClient {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async report(
    options: CallOptions & { readonly refresh?: boolean | undefined } = {},
  ): Promise<TrustReport | undefined> {
    const view = await this.#session.view(options);
    return view === undefined ? undefined : reportOf(view);
  }

  async log(options: CallOptions = {}): Promise<RegistryLog | undefined> {
    const log = (await this.#session.view(options))?.log;
    const checkpoint = log?.seen;
    if (log === undefined || checkpoint === undefined) return undefined;
    return {
      origin: log.origin,
      key: log.key,
      checkpoint,
      read: log.readTile,
      entry: (index) => this.#told(() => entryAt(log, index)),
    };
  }

  async proofs(wanted: readonly WantedProof[], options: CallOptions = {}): Promise<InclusionProofs | undefined> {
    const log = (await this.#session.view(options))?.log;
    if (log === undefined) return undefined;
    const { api } = await this.#session.describe(options);
    const proofs = await this.#told(() =>
      api === undefined ? searchProofs(this.#session, log, wanted) : readProofs(this.#session, log, wanted, options),
    );
    await this.#session.trust().remember();
    return proofs;
  }

  async delegation(name: string, options: CallOptions = {}): Promise<NameDelegation | undefined> {
    const delegations = (await this.#session.view(options))?.refreshed.delegations;
    return delegations === undefined ? undefined : nameDelegationFor(delegations, name);
  }

  async noteKeyChanges(changes: readonly KnownKeyChange[]): Promise<void> {
    await (await this.#session.view({}))?.keys.note(changes);
  }

  async holdSigners(document: IndexDocument, signers: readonly string[]): Promise<void> {
    await (await this.#session.view({}))?.hold(document, { signers });
  }

  async begin(root: Uint8Array, options: BeginOptions = {}): Promise<TrustReport> {
    return reportOf(await this.#session.trust().begin(root, options));
  }

  forget(): Promise<boolean> {
    return this.#session.trust().forget();
  }

  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explained(error, this.#session.registry.name);
    }
  }
}
