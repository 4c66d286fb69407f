import type { IndexDocument } from "@lading/core-manifest";
import {
  createMemoryCache,
  createMemoryTrustStore,
  httpTransport,
  knownKeyChange,
  registryConfig,
  type KnownKeyChange,
  type RegistryClient,
} from "@lading/registry-client";
import { createFakeClock, type TestRegistry } from "@lading/registry-client/testing";
import { appendToLog, EMPTY_LOG, encodeLogEvent, type Checkpoint, type KeyEvent } from "@lading/signing/log";
import { TEST_NOW_MS } from "@lading/signing/testing";
import { describe, expect, it } from "vitest";
import { globalFetch } from "../src/lib/global-fetch.ts";
import { KeyMemory, type HeldDocument, type HeldState } from "../src/lib/trust/key-memory.ts";
import { clientOf, documentOf, testRegistry } from "./helpers.ts";
import { signRegistry, type SignedRegistry } from "./trust-registry.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const STOLEN = `ed25519:${"1".repeat(64)}`;
const NEXT = `ed25519:${"2".repeat(64)}`;
const STATEMENT = `sha256:${"3".repeat(64)}` as const;
const WITHHELD = "REGISTRY_KEY_CHANGE_WITHHELD";

const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function revocation(atMs: number, rest: Partial<KeyEvent> = {}): KeyEvent {
  const statement = STATEMENT as NonNullable<KeyEvent["statement"]>;
  return { type: "key", change: "revoke", time: timeText(atMs), account: "ann", key: STOLEN, statement, ...rest };
}

const textOf = (event: KeyEvent): string => new TextDecoder().decode(encodeLogEvent(event));

/** A package that ann published, signed by the stolen key, whose document lists these entries. */
function signedBy(key: string, listed: readonly number[] = [], name = "tool", publisher = "ann") {
  const keys = listed.map((entry) => ({ entry }));
  return {
    ...documentOf(name, [{ version: "1.0.0", publisher, signers: [key] }]),
    ...(keys.length > 0 ? { keys } : {}),
  };
}

interface World {
  readonly registry: TestRegistry;
  readonly signed: SignedRegistry;
  /** A client in a process of its own, so many milliseconds later. */
  readonly client: (laterMs?: number, options?: { readonly offline?: boolean }) => RegistryClient;
}

/** A registry with "tool", which this machine has read once. */
async function world(): Promise<World> {
  const registry = await testRegistry();
  const signed = await signRegistry(registry);
  await signed.publish({ tool: signedBy(STOLEN) });
  const kept = { trust: createMemoryTrustStore(), cache: createMemoryCache() };
  const client: World["client"] = (laterMs = 0, { offline = false } = {}) =>
    clientOf(registry.url, { ...kept, offline, clock: createFakeClock(TEST_NOW_MS + laterMs) }, { maxRetries: 0 });
  await client().packageDocument("tool");
  return { registry, signed, client };
}

const codeOf = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "none",
    (error: { code?: unknown }) => error.code ?? error,
  );

const read = (client: RegistryClient, name = "tool"): Promise<unknown> => codeOf(client.packageDocument(name));

describe("a registry that leaves a revocation out of an index document", () => {
  it("is found out by a client that has never seen it, which reads on in the log once a day", async () => {
    const { signed, client, registry } = await world();
    const later = 2 * DAY;
    await signed.publish({}, TEST_NOW_MS + later, [textOf(revocation(TEST_NOW_MS + later - 2 * HOUR))]);
    const before = registry.requests.length;
    const error = await client(later)
      .packageDocument("tool")
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: WITHHELD,
      message: expect.stringContaining("was revoked in entry 1 of the log") as string,
      hint: expect.stringContaining("An attack would look like this") as string,
      details: { package: "tool", entry: 1 },
    });
    expect(registry.requests.slice(before).some(({ url }) => url.startsWith("/log/tile/entries/"))).toBe(true);
    // It is known from now on, without reading again.
    const again = registry.requests.length;
    expect(await read(client(later + HOUR))).toBe(WITHHELD);
    expect(registry.requests.slice(again).some(({ url }) => url.startsWith("/log/tile/entries/"))).toBe(false);
  });

  it("is not looked for where a part of the registry is read, which has no entries of the log", async () => {
    const { signed, registry } = await world();
    const clock = createFakeClock(TEST_NOW_MS);
    const kept = { trust: createMemoryTrustStore(), cache: createMemoryCache(), clock };
    const config = registryConfig({ name: "test", url: registry.url, maxRetries: 0 });
    const credential = (): Promise<undefined> => Promise.resolve(undefined);
    const whole = httpTransport({ registry: config, clock, fetch: globalFetch, userAgent: "test", credential });
    const transport = Object.assign(whole, { partial: true });
    const bundled = (): RegistryClient => clientOf(registry.url, { ...kept, transport });
    await bundled().packageDocument("tool");
    const at = TEST_NOW_MS + 2 * DAY;
    await signed.publish({}, at, [textOf(revocation(at - 2 * HOUR))]);
    clock.advance(2 * DAY);
    expect(await read(bundled())).toBe("none");
    expect(registry.requests.some(({ url }) => url.startsWith("/log/tile/entries/"))).toBe(false);
  });

  it("is believed again once the document lists it", async () => {
    const { signed, client } = await world();
    const at = TEST_NOW_MS + 2 * DAY;
    await signed.publish({}, at, [textOf(revocation(at - 2 * HOUR))]);
    expect(await read(client(2 * DAY))).toBe(WITHHELD);
    await signed.publish({ tool: signedBy(STOLEN, [1]) }, at + HOUR);
    expect(await read(client(2 * DAY + HOUR))).toBe("none");
  });

  it("has an hour to show it where it did not list it before, and none where it did", async () => {
    const { signed, client } = await world();
    const event = revocation(TEST_NOW_MS);
    await signed.publish({ gear: signedBy(STOLEN, [], "gear") }, TEST_NOW_MS, [textOf(event)]);
    await client().trust.noteKeyChanges([knownKeyChange(1, event, ["tool"])!]);
    expect(await read(client())).toBe(WITHHELD);
    expect(await read(client(), "gear")).toBe("none");
    expect(await read(client(HOUR - 1), "gear")).toBe("none");
    expect(await read(client(HOUR), "gear")).toBe(WITHHELD);
  });

  it("is found out without network too, by what was read before", async () => {
    const { client, signed } = await world();
    const event = revocation(TEST_NOW_MS);
    await signed.publish({ gear: signedBy(STOLEN, [], "gear") }, TEST_NOW_MS, [textOf(event)]);
    await client().packageDocument("gear");
    await client().packageDocument("tool");
    await client().trust.noteKeyChanges([knownKeyChange(1, event, ["tool"])!]);
    expect(await read(client(0, { offline: true }))).toBe(WITHHELD);
    // When the registry was asked for this one it still had time to show the change.
    expect(await read(client(2 * HOUR, { offline: true }), "gear")).toBe("none");
  });

  it("is no accusation without network where the copy is older than what metadata names: it asks for the network", async () => {
    const { client, signed } = await world();
    const event = revocation(TEST_NOW_MS);
    await signed.publish({ tool: signedBy(STOLEN, [1]) }, TEST_NOW_MS, [textOf(event)]);
    // Another process, with a cache of its own, was shown it.
    await client().trust.report({ refresh: true });
    await client().trust.noteKeyChanges([knownKeyChange(1, event, ["tool"])!]);
    const error = await client(HOUR, { offline: true })
      .packageDocument("tool")
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "REGISTRY_OFFLINE", details: { superseded: true } });
    expect(await read(client(HOUR))).toBe("none");
    expect(await read(client(HOUR, { offline: true }))).toBe("none");
  });

  it("is found out by the keys whose signatures were verified, whom the document does not name", async () => {
    const { signed, client } = await world();
    const at = TEST_NOW_MS + 2 * DAY;
    const nobody = documentOf("tool", [{ version: "1.0.0", publisher: "mallory", signers: [] }]);
    await signed.publish({ tool: nobody }, at, [textOf(revocation(at - 2 * HOUR))]);
    const later = client(2 * DAY);
    const document = (await later.packageDocument("tool"))!;
    expect(await codeOf(later.trust.holdSigners(document, [NEXT]))).toBe("none");
    expect(await codeOf(later.trust.holdSigners(document, [NEXT, STOLEN]))).toBe(WITHHELD);
  });

  it("is not forgotten with the same root given again, only with --replace", async () => {
    const { signed, client } = await world();
    const event = revocation(TEST_NOW_MS);
    await signed.publish({}, TEST_NOW_MS, [textOf(event)]);
    await client().trust.noteKeyChanges([knownKeyChange(1, event, ["tool"])!]);
    await client().trust.begin(signed.root);
    expect(await read(client())).toBe(WITHHELD);
    await client().trust.begin(signed.root, { replace: true });
    expect(await read(client())).toBe("none");
  });
});

describe("what is no withheld revocation", () => {
  it.each([
    ["one of a key that signed nothing of the package", signedBy(NEXT), "none"],
    [
      "none of a key that signed it, whoever is said to have published it",
      signedBy(STOLEN, [], "tool", "bob"),
      WITHHELD,
    ],
  ])("is %s", async (_, document, code) => {
    const { signed, client } = await world();
    const at = TEST_NOW_MS + 2 * DAY;
    await signed.publish({ tool: document }, at, [textOf(revocation(TEST_NOW_MS))]);
    expect(await read(client(2 * DAY))).toBe(code);
  });

  it("is a key that was added or removed by hand, or one that the state of the registry does not cover", async () => {
    const { signed, client } = await world();
    const at = TEST_NOW_MS + 2 * DAY;
    const byHand = (change: KeyEvent["change"]): string => {
      const { statement: _, ...event } = revocation(TEST_NOW_MS, { change });
      return textOf(event);
    };
    await signed.publish({}, at, [byHand("add"), byHand("revoke"), '{"type":"key"}']);
    expect(await read(client(2 * DAY))).toBe("none");
    await client(2 * DAY).trust.noteKeyChanges([knownKeyChange(99, revocation(TEST_NOW_MS), [])!]);
    expect(await read(client(2 * DAY))).toBe("none");
  });
});

/** A log of key changes and nothing else, with the files that it serves. */
function logOf(count: number, base = 0) {
  const entries = Array.from({ length: count }, (_, i) =>
    encodeLogEvent(revocation(TEST_NOW_MS, { account: `a${i + base}` })),
  );
  const { root, files } = appendToLog(EMPTY_LOG, entries);
  const seen = { origin: "test.example/log", size: count, root } as unknown as Checkpoint;
  return { entries, files, log: { seen, readTile: (path: string) => Promise.resolve(files.get(path)) } };
}

function memoryOf(clock: { ms: number }, trust = createMemoryTrustStore()): KeyMemory {
  return new KeyMemory(trust, { name: "test", url: "https://r.example/" }, () => clock.ms);
}

const STATE: HeldState = { logSize: 1_000_000, checkedAt: TEST_NOW_MS + 10 * DAY, staleMs: 0 };

/** What is said of a document that lists these entries, by a state of the registry. */
function held(
  memory: KeyMemory,
  state: Partial<HeldState> = {},
  found: HeldDocument & { readonly listed?: readonly number[]; readonly by?: readonly string[] } = {},
): Promise<unknown> {
  const { listed = [], by = [STOLEN], ...rest } = found;
  const keys = listed.map((entry) => ({ entry }));
  const document = { name: "tool", versions: [{ version: "1.0.0", publisher: "ann", signers: by }], extra: { keys } };
  return codeOf(memory.hold(document as unknown as IndexDocument, { ...STATE, ...state }, rest));
}

const others = (entry: number, count = 3000): number[] =>
  Array.from({ length: count }, (_, i) => i).filter((one) => one !== entry);

/** Whether the revocation in an entry is missed in a document that lists all others. */
async function isMissed(memory: KeyMemory, account: string): Promise<boolean> {
  return (await held(memory, {}, { listed: others(Number(account.slice(1))) })) === WITHHELD;
}

describe("KeyMemory", () => {
  it("reads at most 2,048 entries at once, the oldest first, and goes on a day later", async () => {
    const clock = { ms: TEST_NOW_MS };
    const memory = memoryOf(clock);
    await memory.readOn(logOf(3).log);
    clock.ms += DAY;
    const { log } = logOf(2100);
    await memory.readOn(log);
    expect([await isMissed(memory, "a2050"), await isMissed(memory, "a2051")]).toEqual([true, false]);
    clock.ms += DAY;
    await memory.readOn(log);
    expect(await isMissed(memory, "a2099")).toBe(true);
  });

  it("refuses entries that are not those of the checkpoint, and entries that are not served", async () => {
    const clock = { ms: TEST_NOW_MS };
    const memory = memoryOf(clock);
    const [{ log: first }, { log, files }, { files: others }] = [logOf(0), logOf(300), logOf(300, 1)];
    await memory.begin(first);
    clock.ms += DAY;
    const bent = (path: string): Promise<Uint8Array | undefined> =>
      Promise.resolve((path.includes("entries") ? others : files).get(path));
    expect(await codeOf(memory.readOn({ ...log, readTile: bent }))).toBe("LOG_INCONSISTENT");
    const hidden = (path: string): Promise<Uint8Array | undefined> =>
      Promise.resolve(path.includes("entries") ? undefined : files.get(path));
    expect(await codeOf(memory.readOn({ ...log, readTile: hidden }))).toBe("LOG_TILE_MISSING");
    expect(await isMissed(memory, "a0")).toBe(false);
    await memory.readOn(log);
    expect(await isMissed(memory, "a0")).toBe(true);
  });

  it("needs no tiles of the state that it read up to, which logs may have removed", async () => {
    const clock = { ms: TEST_NOW_MS };
    const memory = memoryOf(clock);
    await memory.begin(logOf(10).log);
    clock.ms += DAY;
    const { log, files } = logOf(20);
    expect([...files.keys()]).toEqual(["tile/0/000.p/20", "tile/entries/000.p/20"]);
    await memory.readOn(log);
    expect([await isMissed(memory, "a9"), await isMissed(memory, "a10")]).toEqual([false, true]);
  });

  it("keeps what two processes learn at once, and forgets with the registry's trust", async () => {
    const clock = { ms: TEST_NOW_MS };
    const trust = createMemoryTrustStore();
    const { log } = logOf(3);
    await memoryOf(clock, trust).begin(log);
    const change = (entry: number): KnownKeyChange =>
      knownKeyChange(entry, revocation(TEST_NOW_MS, { account: `a${entry}` }), ["tool"])!;
    const [left, right] = [memoryOf(clock, trust), memoryOf(clock, trust)];
    await Promise.all([left.note([change(0)]), right.note([change(1)]), left.note([change(2)])]);
    const fresh = memoryOf(clock, trust);
    expect(await Promise.all(["a0", "a1", "a2"].map((account) => isMissed(fresh, account)))).toEqual([
      true,
      true,
      true,
    ]);
    await memoryOf(clock, trust).begin(log);
    expect(await isMissed(memoryOf(clock, trust), "a0")).toBe(true);
    await memoryOf(clock, trust).begin(log, { replace: true });
    expect(await isMissed(memoryOf(clock, trust), "a0")).toBe(false);
  });

  it("writes nothing of a registry whose trust another process has forgotten, and a first contact begins anew", async () => {
    const clock = { ms: TEST_NOW_MS };
    const trust = createMemoryTrustStore();
    const memory = memoryOf(clock, trust);
    await memory.begin(logOf(0).log);
    await memory.note([knownKeyChange(0, revocation(TEST_NOW_MS), ["tool"])!]);
    const left = (await trust.read("https://r.example/", "keys.json"))!;
    await trust.clear("https://r.example/");
    await memory.note([knownKeyChange(1, revocation(TEST_NOW_MS), ["tool"])!]);
    clock.ms += DAY;
    await memory.readOn(logOf(3).log);
    const after = await trust.read("https://r.example/", "keys.json");
    expect(new TextDecoder().decode(after)).not.toContain(STOLEN);
    await trust.write("https://r.example/", "keys.json", left);
    const next = memoryOf(clock, trust);
    await next.begin(logOf(3).log);
    expect(await held(next)).toBe("none");
  });

  it("demands what a document listed whatever it says of its signers, and goes by none of them for others", async () => {
    const memory = memoryOf({ ms: TEST_NOW_MS });
    await memory.begin(logOf(0).log);
    await memory.note([knownKeyChange(0, revocation(TEST_NOW_MS), ["tool"])!]);
    expect(await held(memory, {}, { by: [] })).toBe(WITHHELD);
    expect(await held(memory, {}, { by: [], listed: [0] })).toBe("none");
    await memory.note([knownKeyChange(1, revocation(TEST_NOW_MS, { key: NEXT }), [])!]);
    expect(await held(memory, {}, { by: [], listed: [0] })).toBe("none");
    expect(await held(memory, {}, { by: [], listed: [0], signers: [NEXT] })).toBe(WITHHELD);
  });

  it.each([["what a document listed", ["tool"]] as const, ["anything else", []] as const])(
    "is not put off by a timestamp or an entry that the registry dates as it likes: %s",
    async (_, packages) => {
      const memory = memoryOf({ ms: TEST_NOW_MS });
      await memory.begin(logOf(0).log);
      await memory.note([knownKeyChange(5, revocation(TEST_NOW_MS + 5000 * DAY), packages)!]);
      const after = (ms: number, logSize: number, staleMs = 0): Promise<unknown> =>
        held(memory, { logSize, checkedAt: TEST_NOW_MS + ms, staleMs });
      // A state of before the entry may be in force for a day, and for as long as its user allows.
      expect(await after(0, 5)).toBe("none");
      expect(await after(DAY + HOUR - 1, 5)).toBe("none");
      expect(await after(DAY + HOUR, 5)).toBe(WITHHELD);
      expect(await after(3 * DAY, 5, 2 * DAY)).toBe("none");
      expect(await after(3 * DAY + HOUR, 5, 2 * DAY)).toBe(WITHHELD);
      expect(await after(0, 6)).toBe(packages.length > 0 ? WITHHELD : "none");
      expect(await after(HOUR, 6)).toBe(WITHHELD);
    },
  );

  it("keeps when it learnt of a change first", async () => {
    const clock = { ms: TEST_NOW_MS };
    const trust = createMemoryTrustStore();
    await memoryOf(clock, trust).begin(logOf(0).log);
    const change = knownKeyChange(5, revocation(TEST_NOW_MS), [])!;
    await memoryOf(clock, trust).note([change]);
    clock.ms += DAY;
    await memoryOf(clock, trust).note([{ ...change, packages: ["gear"] }]);
    const state = { logSize: 0, checkedAt: TEST_NOW_MS + DAY + HOUR };
    expect(await held(memoryOf(clock, trust), state)).toBe(WITHHELD);
  });

  it("reads on where a clock that was ahead has noted the last reading", async () => {
    const clock = { ms: TEST_NOW_MS + 1000 * DAY };
    const memory = memoryOf(clock);
    await memory.begin(logOf(0).log);
    clock.ms = TEST_NOW_MS;
    await memory.readOn(logOf(3).log);
    expect(await isMissed(memory, "a2")).toBe(true);
  });

  it.each([
    "",
    "[]",
    '{"format":"lading-known-keys/2","read":{"size":1,"at":1},"changes":[]}',
    '{"format":"lading-known-keys/1","read":{"size":-1,"at":1},"changes":[]}',
    '{"format":"lading-known-keys/1","read":{"size":1,"at":1},"changes":[{}]}',
  ])("refuses a file that is damaged: %s", async (text) => {
    const trust = createMemoryTrustStore();
    await trust.write("https://r.example/", "keys.json", new TextEncoder().encode(text));
    expect(await codeOf(memoryOf({ ms: 0 }, trust).note([]))).toBe("REGISTRY_TRUST_DAMAGED");
  });
});
