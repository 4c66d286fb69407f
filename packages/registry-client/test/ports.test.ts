import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createMemoryCache,
  createMemoryCredentials,
  httpTransport,
  registryConfig,
  systemClock,
  type CredentialStore,
  type Fetch,
  type MetadataCache,
} from "@lading/registry-client";
import {
  createCredentialsFile,
  createDiskCache,
  createNodeFetch,
  directoryTransport,
} from "@lading/registry-client/node";
import {
  credentialStoreContract,
  metadataCacheContract,
  transportContract,
  transportFixture,
  type TransportUnderTest,
} from "@lading/registry-client/testing";
import { describe, it, onTestFinished } from "vitest";
import { temporaryDirectory, testRegistry } from "./helpers.ts";

const caches: Record<string, () => MetadataCache> = {
  "createMemoryCache()": createMemoryCache,
  "createDiskCache()": () => createDiskCache(temporaryDirectory()),
};

for (const [name, create] of Object.entries(caches)) {
  describe(`${name} as a MetadataCache`, () => {
    it.each(metadataCacheContract)("$name", ({ run }) => run(create()));
  });
}

const stores: Record<string, () => CredentialStore> = {
  "createMemoryCredentials()": createMemoryCredentials,
  "createCredentialsFile()": () => createCredentialsFile(join(temporaryDirectory(), "config", "credentials.toml")),
};

for (const [name, create] of Object.entries(stores)) {
  describe(`${name} as a CredentialStore`, () => {
    it.each(credentialStoreContract)("$name", ({ run }) => run(create()));
  });
}

async function overHttp(fetch: Fetch): Promise<TransportUnderTest> {
  const registry = await testRegistry();
  for (const [path, bytes] of Object.entries(transportFixture)) registry.addFile(path, bytes);
  const config = registryConfig({ name: "test", url: registry.url });
  const credential = (): Promise<undefined> => Promise.resolve(undefined);
  return {
    transport: httpTransport({ registry: config, fetch, clock: systemClock, userAgent: "test", credential }),
    base: registry.url,
  };
}

function inDirectory(): TransportUnderTest {
  const directory = temporaryDirectory();
  for (const [path, bytes] of Object.entries(transportFixture)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  }
  const base = pathToFileURL(`${directory}/`).href;
  return { transport: directoryTransport(registryConfig({ name: "test", url: base })), base };
}

const plainFetch: Fetch = (url, init) => globalThis.fetch(url, { ...init, duplex: "half" } as unknown as RequestInit);

function nodeFetch(): Fetch {
  const { fetch, close } = createNodeFetch({ env: {} });
  onTestFinished(close);
  return fetch;
}

const transports: Record<string, () => Promise<TransportUnderTest> | TransportUnderTest> = {
  "httpTransport() over fetch": () => overHttp(plainFetch),
  "httpTransport() over createNodeFetch()": () => overHttp(nodeFetch()),
  "directoryTransport()": inDirectory,
};

for (const [name, create] of Object.entries(transports)) {
  describe(`${name} as a Transport`, () => {
    it.each(transportContract)("$name", async ({ run }) => run(await create()));
  });
}
