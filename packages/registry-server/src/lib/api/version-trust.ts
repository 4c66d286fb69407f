import { indexDocumentPath, type CanonicalName } from "@lading/core-manifest";
import type { VersionRecord } from "../records.ts";
import { keyContext, publisherKeys } from "../trust/publisher-keys.ts";
import type { Services } from "./context.ts";
import type { VersionTrust } from "./package-views.ts";

/** What stands behind a version, in a registry with keys. */
export async function trustOf(
  services: Services,
  canonical: CanonicalName,
  { publisher }: VersionRecord,
): Promise<VersionTrust | undefined> {
  const { trust, metadata, index } = services;
  if (trust === undefined) return undefined;
  const { root, log } = trust.description;
  const { size, root: hash } = trust.logState;
  const account = await metadata.accountByName(publisher);
  const keys = account === undefined ? [] : await metadata.keysOf(account.id);
  const statements = account === undefined ? [] : await metadata.keyStatementsOf(account.id);
  const document = await index.read(indexDocumentPath(canonical));
  return {
    log: { ...log, size, root: Buffer.from(hash).toString("base64") },
    root,
    visible: document !== undefined && (await trust.shows(canonical, document.etag)),
    keys: publisherKeys({ keys, statements }, keyContext(services)),
  };
}
