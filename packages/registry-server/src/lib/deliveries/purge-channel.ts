import {
  canonicalName,
  digestHex,
  indexDocumentPath,
  parsePackageName,
  parseVersion,
  tryParseDigest,
} from "@lading/core-manifest";
import type { Digest } from "@lading/core-manifest";
import type { ChainedRecord } from "../governance/audit-trail.ts";
import type { Outbound } from "../outbound.ts";
import type { Clock, MetadataStore } from "../ports.ts";
import { removableBlobsOf } from "../publication-rules.ts";
import { webhookHeaders } from "../webhooks/webhook-signature.ts";
import type { DeliveryChannel, SendOutcome } from "./delivery-service.ts";
import type { Delivery, NewDelivery } from "./delivery-store.ts";
import { outcomeOf } from "./send-outcome.ts";

/** Channel of the purge hook's deliveries. */
export const PURGE_CHANNEL = "cdn-purge";

/** Who is told which addresses a cache in front of the registry must forget. */
export interface PurgeHook {
  readonly url: string;
  /** `whsec_…`, with which messages are signed. */
  readonly secret: string;
}

interface Ports {
  readonly metadata: Pick<MetadataStore, "version">;
  readonly outbound: Outbound;
  readonly clock: Clock;
  readonly hook: PurgeHook;
  /** Addresses, without trailing slash, below which the registry's files are read, where they are known. */
  readonly bases: { readonly blobs: string | undefined; readonly index: string | undefined };
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Pauses after each failed try, some two days in all: a cache that keeps what was taken down is no small thing. */
const PAUSES_MS: readonly number[] = [
  SECOND,
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  60 * MINUTE,
  ...Array.from({ length: 8 }, () => 6 * 60 * MINUTE),
];
/**
 * When what was taken down, or came back, is purged a second time: another server may have answered as before until it
 * heard of the change, and a cache that forgot in time has asked it since.
 */
const AGAIN_MS = MINUTE;
/** How far back a server that starts looks: purging twice harms nobody. */
const LOOK_BACK_MS = 24 * 60 * MINUTE;

/** Changes that caches notice, by the action of their audit record, and whose files they concern. */
const PURGED: Readonly<Record<string, "index" | "published" | "files">> = {
  "package.publish": "published",
  "version.yank": "index",
  "version.unyank": "index",
  "version.deprecate": "index",
  "version.undeprecate": "index",
  "version.takedown": "files",
  "version.retire": "files",
  "version.restore": "files",
  "channel.set": "index",
  "channel.remove": "index",
  "policy.set": "index",
};

function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

/** Tells a purge hook which files of the registry have changed, appeared or gone. */
export class PurgeChannel implements DeliveryChannel {
  readonly name: string = PURGE_CHANNEL;
  readonly pausesMs: readonly number[] = PAUSES_MS;
  readonly #ports: Ports;
  readonly #outbound: Outbound;
  readonly #since: number;

  constructor(ports: Ports) {
    this.#ports = ports;
    // The operator named it: it may be inside.
    this.#outbound = ports.outbound.allowing([new URL(ports.hook.url).host]);
    this.#since = ports.clock.now() - LOOK_BACK_MS;
  }

  async since(): Promise<number | undefined> {
    return this.#since;
  }

  async plan(record: ChainedRecord): Promise<readonly Omit<NewDelivery, "channel">[]> {
    const { id, action, at, package: name, version } = record;
    const purged = Object.hasOwn(PURGED, action) ? PURGED[action] : undefined;
    if (purged === undefined || name === undefined) return [];
    const { index, blobs } = this.#ports.bases;
    const files = await this.#files(record, purged);
    const document = indexDocumentPath(canonicalName(parsePackageName(name)));
    const urls = [
      ...(index === undefined ? [] : [`${index}/${document}`]),
      ...(blobs === undefined ? [] : files.map((path) => `${blobs}/${path}`)),
    ];
    const paths = [document, ...files].map((path) => `/${path}`);
    const about = { package: name, ...(version === undefined ? {} : { version }) };
    const payload = JSON.stringify({ type: "cdn.purge", record: id, action, ...about, paths, urls });
    const purge = { id: `purge_${id}`, target: "cdn", event: "cdn.purge", payload, created: at };
    return purged === "files" ? [purge, { ...purge, id: `${purge.id}_again`, due: at + AGAIN_MS }] : [purge];
  }

  async #files(
    { package: name, version, details }: ChainedRecord,
    purged: "index" | "published" | "files",
  ): Promise<readonly string[]> {
    if (purged === "index") return [];
    if (purged === "published") {
      // That there was no such file may have been kept, too.
      const blob = tryParseDigest((JSON.parse(details) as { readonly blob?: unknown }).blob);
      return blob === undefined ? [] : [blobPath(blob)];
    }
    const canonical = canonicalName(parsePackageName(name!));
    const found =
      version === undefined ? undefined : await this.#ports.metadata.version(canonical, parseVersion(version));
    return [...new Set((found?.artifacts ?? []).flatMap(removableBlobsOf).map(blobPath))];
  }

  async send({ id, payload }: Delivery, signal: AbortSignal): Promise<SendOutcome> {
    const { hook, clock } = this.#ports;
    const now = clock.now();
    const headers = webhookHeaders({ id, timestamp: Math.floor(now / SECOND), payload }, [hook.secret]);
    const request = { method: "POST", headers, body: payload, redirect: "manual", signal } as const;
    const outcome = await outcomeOf(await this.#outbound.fetch(hook.url, request), now);
    // The operator may put another hook behind the same address.
    return outcome.outcome === "never" ? { ...outcome, outcome: "again" } : outcome;
  }
}
