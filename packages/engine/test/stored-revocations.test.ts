import type { PlannedPackage } from "@lading/installer";
import { RegistryClientError, type RegistryClient } from "@lading/registry-client";
import { fingerprint, generateKey } from "@lading/signing";
import type { NameDelegation } from "@lading/signing/metadata";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../src/lib/engine-context.ts";
import type { KnownRegistries } from "../src/lib/stored-registries.ts";
import { refuseWithdrawn, type StoredPackage } from "../src/lib/stored-revocations.ts";

const URL_OF = "https://r.example/";
const NOW = Date.parse("2030-01-02T00:00:00Z");
const PUBLISHED = "2030-01-01T00:00:00Z";
const planned = { lock: { name: "tool", version: "1.0.0" } } as unknown as PlannedPackage;
const [ann, eve] = [generateKey(), generateKey()];
const PACKAGES: readonly StoredPackage[] = [{ registry: URL_OF, planned, signers: [fingerprint(eve.publicKey)] }];

/** As much of a client as holding packages to what was stated needs. */
function client(state: {
  readonly expires: string;
  readonly status?: string;
  readonly silent?: boolean;
  readonly delegation?: NameDelegation;
  /** Whom the document names. */
  readonly signers?: readonly string[];
  /** Whether the copy of the document is known to be an old one. */
  readonly superseded?: boolean;
}) {
  const asked: string[] = [];
  const held: string[] = [];
  const facts = { published: PUBLISHED, reason: "malware", signers: [], artifacts: [] };
  const entry = { version: "1.0.0", status: state.status ?? "active", ...facts, signers: state.signers ?? [] };
  const made = {
    registry: { name: "main", url: URL_OF },
    trust: {
      delegation: () => Promise.resolve(state.delegation),
      holdSigners: (_: unknown, signers: readonly string[]) => {
        held.push(...signers);
        return Promise.resolve();
      },
      report: () => {
        asked.push("report");
        if (state.silent !== true) return Promise.resolve({ expires: state.expires });
        return Promise.reject(new RegistryClientError({ code: "REGISTRY_UNREACHABLE", message: "Cannot reach it" }));
      },
    },
    packageDocument: () => {
      asked.push("document");
      if (state.superseded === true) {
        const superseded = { message: "Cannot use the copy", superseded: true };
        return Promise.reject(new RegistryClientError({ code: "REGISTRY_OFFLINE", ...superseded }));
      }
      return Promise.resolve({ name: "tool", versions: [entry] });
    },
  };
  return { asked, held, client: made as unknown as RegistryClient };
}

async function check(stored: RegistryClient, online: RegistryClient | undefined): Promise<string[]> {
  const warnings: string[] = [];
  const context = {
    offline: online === undefined,
    directories: { data: "nowhere" },
    now: () => NOW,
    onEvent: (event: { code?: string }) => warnings.push(event.code ?? ""),
    registries: () => Promise.resolve({ clients: [online] }),
  };
  const opened = { clients: [stored], close: () => Promise.resolve() };
  await refuseWithdrawn(context as unknown as EngineContext, PACKAGES, () => Promise.resolve(opened));
  return warnings;
}

const FRESH = "2030-01-03T00:00:00Z";
const EXPIRED = "2030-01-01T00:00:00Z";

describe("refuseWithdrawn", () => {
  it("asks nobody while what is stored has not expired, nor offline", async () => {
    const online = client({ expires: FRESH });
    await check(client({ expires: FRESH }).client, online.client);
    await check(client({ expires: EXPIRED }).client, undefined);
    expect(online.asked).toEqual([]);
  });

  it("asks the registry once what is stored has expired, and goes by what it says", async () => {
    const online = client({ expires: FRESH, status: "removed" });
    await expect(check(client({ expires: EXPIRED }).client, online.client)).rejects.toMatchObject({
      code: "VERSION_REMOVED",
      message: expect.stringContaining("malware") as string,
    });
    expect(online.asked).toEqual(["report", "document"]);
  });

  it("holds the document to the keys that were found to have signed, where it names none of them", async () => {
    const [signer] = PACKAGES[0]!.signers;
    const [silent, honest] = [client({ expires: FRESH }), client({ expires: FRESH, signers: [signer!] })];
    await check(silent.client, undefined);
    await check(honest.client, undefined);
    expect([silent.held, honest.held]).toEqual([[signer], []]);
  });

  it("asks the registry where what is stored is known to be of before a change of a key", async () => {
    const online = client({ expires: FRESH, status: "removed" });
    const old = client({ expires: FRESH, superseded: true });
    await expect(check(old.client, online.client)).rejects.toMatchObject({ code: "VERSION_REMOVED" });
    expect(online.asked).toEqual(["document"]);
    expect(await check(old.client, undefined)).toEqual([]);
  });

  it("goes by what is stored, with a warning, where the registry does not answer", async () => {
    const silent = client({ expires: FRESH, silent: true });
    expect(await check(client({ expires: EXPIRED }).client, silent.client)).toEqual(["REVOCATIONS_UNKNOWN"]);
    const removed = client({ expires: EXPIRED, status: "removed" });
    await expect(check(removed.client, silent.client)).rejects.toMatchObject({ code: "VERSION_REMOVED" });
  });
});

describe("packages of the store whose names were delegated", () => {
  let data: string;
  beforeAll(async () => {
    data = await mkdtemp(path.join(tmpdir(), "lading-stored-"));
    const stored = path.join(data, "trust", "v1", "0".repeat(32));
    await mkdir(stored, { recursive: true });
    await writeFile(path.join(stored, "tuf.targets"), '{"signed":{"x-lading-publishers":{}}}');
  });
  afterAll(() => rm(data, { recursive: true, force: true }));
  const publishedMs = Date.parse(PUBLISHED);
  const base: NameDelegation = {
    pattern: "tool",
    keys: [ann.publicKey],
    threshold: 1,
    sinceMs: publishedMs,
    former: [],
  };
  const [byAnn, byEve] = [ann, eve].map(({ publicKey }) => fingerprint(publicKey)) as [string, string];

  it.each([
    ["others have signed", [byEve], {}, true],
    ["nobody has signed", [], {}, true],
    ["fewer have signed than must", [byAnn], { keys: [ann.publicKey, eve.publicKey], threshold: 2 }, true],
    [
      "a key has signed that was replaced before",
      [byEve],
      { former: [{ key: eve.publicKey, untilMs: publishedMs }] },
      true,
    ],
    ["their owner has signed", [byAnn, byEve], {}, false],
    ["a key has signed that was replaced since", [byEve], { former: [{ key: eve.publicKey, untilMs: NOW }] }, false],
    ["were published before", [byEve], { sinceMs: publishedMs + 1 }, false],
  ] as const)("are looked at again where %s (%j)", async (_, signers, change, again) => {
    const stored = client({ expires: FRESH, delegation: { ...base, ...change } });
    const opened = { clients: [stored.client], close: () => Promise.resolve() };
    const context = { offline: true, now: () => NOW, directories: { data } } as unknown as EngineContext;
    const packages = [{ registry: URL_OF, planned, signers: [...signers] }];
    expect(await refuseWithdrawn(context, packages, () => Promise.resolve(opened))).toEqual(again ? [planned] : []);
  });

  it("are installed where what is stored of their registry is too old to go by", async () => {
    const stored = client({ expires: FRESH });
    const stale = () =>
      Promise.reject(new RegistryClientError({ code: "REGISTRY_TRUST_STALE", message: "Cannot use it" }));
    const trust = { report: stale, delegation: stale };
    const opened = { clients: [{ ...stored.client, trust, packageDocument: stale }], close: () => Promise.resolve() };
    const context = { offline: true, now: () => NOW, directories: { data } } as unknown as EngineContext;
    const open = () => Promise.resolve(opened as unknown as KnownRegistries);
    expect(await refuseWithdrawn(context, PACKAGES, open)).toEqual([]);
  });

  it("cost nothing where they are not signed, and no registry that is known delegates any", async () => {
    const directories = { data: path.join(data, "other") };
    const context = { offline: true, now: () => NOW, directories } as unknown as EngineContext;
    const open = (): Promise<never> => Promise.reject(new Error("it was opened"));
    expect(await refuseWithdrawn(context, [{ registry: URL_OF, planned, signers: [] }], open)).toEqual([]);
  });
});
