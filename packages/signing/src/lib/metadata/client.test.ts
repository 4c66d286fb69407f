import { digestFromBytes } from "@lading/core-manifest";
import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../bytes.ts";
import { nodeVerifier } from "../node/verifier.ts";
import type { Signer } from "../signer.ts";
import { testSigner } from "../testing/builders.ts";
import { flipRegistry } from "../testing/bit-flips.ts";
import {
  TEST_NOW_MS,
  TEST_ROLES,
  TEST_ROOT_ROLES,
  memorySource,
  testRepository,
  testRoot,
  testTarget,
} from "../testing/test-repository.ts";
import { memoryMetadataStore, openMetadataClient, type MetadataClient, type MetadataClientOptions } from "./client.ts";
import { MetadataError } from "./metadata-error.ts";
import { parseMetadata, type RoleType } from "./metadata-file.ts";
import { updateRepository, type Repository, type UpdateOptions } from "./repository.ts";
import { nextRoot } from "./root-ceremony.ts";
import { signBody, signMetadata } from "./sign-metadata.ts";
import { encodeTufCanonical, type JsonObject } from "./strict-json.ts";

const HOUR_MS = 3_600_000;
const SIGNERS = [TEST_ROLES.targets, TEST_ROLES.snapshot, TEST_ROLES.timestamp];
const TOOL = "index/_/to/tool.json";

function open(
  root: Uint8Array,
  served: ReadonlyMap<string, Uint8Array>,
  options: Partial<MetadataClientOptions> = {},
): MetadataClient & { readonly asked: string[] } {
  const source = memorySource(served);
  const client = openMetadataClient({
    root,
    source,
    store: memoryMetadataStore(),
    verifier: nodeVerifier,
    ...options,
  });
  return Object.assign(client, { asked: source.asked });
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "accepted";
  } catch (error) {
    if (error instanceof MetadataError) return `${error.code} ${error.attack ?? "-"}`;
    throw error;
  }
}

const update = (repository: Repository, options: Partial<UpdateOptions> = {}) =>
  updateRepository(repository, { signers: SIGNERS, nowMs: TEST_NOW_MS + HOUR_MS, ...options });

/** Signs an altered copy of a file with the real keys: what somebody who stole them could do. */
function resign(bytes: Uint8Array, type: RoleType, signer: Signer, change: JsonObject): Promise<Uint8Array> {
  return signBody(type, { ...parseMetadata(bytes, type).body.raw, ...change }, [signer]);
}

describe("openMetadataClient()", () => {
  it("walks root, timestamp, snapshot, targets and the one bin that a path is in", async () => {
    const { root, served } = await testRepository({ [TOOL]: "{}", "index/_/ot/other.json": "[]" });
    const client = open(root, served);
    const state = await client.refresh(TEST_NOW_MS);
    expect(state.versions).toEqual({ root: 1, timestamp: 1, snapshot: 1, targets: 1 });
    expect(state).toMatchObject({ changed: true, development: false, expiresMs: TEST_NOW_MS + 24 * HOUR_MS });
    const target = await client.find(TOOL);
    expect(target).toMatchObject({ path: TOOL, length: 2 });
    expect(client.pathOf(target!)).toBe(`index/_/to/${target!.hashes["sha256"]}.tool.json`);
    expect(client.asked).toEqual([
      "2.root.json",
      "timestamp.json",
      "1.snapshot.json",
      "1.targets.json",
      "1.bins-1.json",
    ]);
    expect(await client.find("index/_/no/none.json")).toBeUndefined();
  });

  it("asks for root and timestamp alone when nothing changed", async () => {
    const { root, served } = await testRepository();
    const client = open(root, served);
    await client.refresh(TEST_NOW_MS);
    client.asked.length = 0;
    expect(await client.refresh(TEST_NOW_MS + HOUR_MS)).toMatchObject({ changed: false });
    await client.find(TOOL);
    expect(client.asked.slice(0, 2)).toEqual(["2.root.json", "timestamp.json"]);
    expect(client.asked.filter((path) => /snapshot|targets/.test(path))).toEqual([]);
  });

  it("fetches the bins of many paths at once, and verifies each", async () => {
    const files = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`index/_/p/p${i}.json`, `${i}`]));
    const { root, served } = await testRepository(files);
    const asked: number[] = [];
    const source = {
      ...memorySource(served),
      fetchMany: (requests: readonly { path: string }[]) => {
        asked.push(requests.length);
        return Promise.resolve(requests.map(({ path }) => served.get(path)));
      },
    };
    const client = open(root, served, { source });
    await client.refresh(TEST_NOW_MS);
    const found = await client.findAll(Object.keys(files));
    expect([...found.values()].every((target) => target !== undefined)).toBe(true);
    expect(asked).toEqual([8]);
    served.set("1.bins-0.json", served.get("1.bins-1.json")!);
    const other = open(root, served, { source });
    await other.refresh(TEST_NOW_MS);
    expect(await refusal(other.findAll(Object.keys(files)))).toBe("METADATA_ROLE_WRONG arbitrary-software");
  });

  it("refuses a first root that is not the pinned one, and one that its own keys did not sign", async () => {
    const { root, served } = await testRepository();
    const pin = digestFromBytes(sha256(root));
    const other = await signMetadata(await testRoot(), "root", [testSigner("root 3")]);
    await open(root, served, { rootPin: pin }).refresh(TEST_NOW_MS);
    expect(await refusal(open(other, served, { rootPin: pin }).refresh(TEST_NOW_MS))).toBe(
      "METADATA_ROOT_PIN_MISMATCH arbitrary-software",
    );
    const { message } = parseMetadata(root, "root");
    const unsigned = encodeUtf8(`{"signatures":[],"signed":${new TextDecoder().decode(message)}}`);
    expect(await refusal(open(unsigned, served).refresh(TEST_NOW_MS))).toBe("METADATA_ROOT_UNTRUSTED key-compromise");
  });

  it("finds nothing before a refresh, nor after one that failed", async () => {
    const { root, served } = await testRepository();
    const client = open(root, served);
    expect(await refusal(client.find(TOOL))).toBe("METADATA_NOT_REFRESHED -");
    await client.refresh(TEST_NOW_MS);
    served.delete("timestamp.json");
    expect(await refusal(client.refresh(TEST_NOW_MS))).toBe("METADATA_MISSING malicious-mirror");
    expect(await refusal(client.find(TOOL))).toBe("METADATA_NOT_REFRESHED -");
  });

  it("downloads a target of exactly the stated bytes only", async () => {
    const { root, served } = await testRepository({ [TOOL]: "{}" });
    const client = open(root, served);
    await client.refresh(TEST_NOW_MS);
    const serve = (text: string | undefined) => () =>
      Promise.resolve(text === undefined ? undefined : encodeUtf8(text));
    expect(await client.download(TOOL, serve("{}"))).toEqual(encodeUtf8("{}"));
    expect(await refusal(client.download(TOOL, serve("[]")))).toBe("TARGET_DIGEST_MISMATCH wrong-software");
    expect(await refusal(client.download(TOOL, serve("{}\n")))).toBe("TARGET_TOO_LARGE endless-data");
    expect(await refusal(client.download(TOOL, serve("{")))).toBe("TARGET_LENGTH_MISMATCH wrong-software");
    expect(await refusal(client.download(TOOL, serve(undefined)))).toBe("TARGET_MISSING malicious-mirror");
    expect(await refusal(client.download("x", serve("x")))).toBe("TARGET_UNKNOWN -");
  });

  it("goes on with a store whose files are damaged", async () => {
    const { root, served } = await testRepository();
    const damaged = new Map(["root", "timestamp", "snapshot", "targets"].map((name) => [name, encodeUtf8("{")]));
    const client = open(root, served, { store: memoryMetadataStore(damaged) });
    expect((await client.refresh(TEST_NOW_MS)).versions.timestamp).toBe(1);
  });
});

describe("openMetadataClient() under attack", () => {
  it("names endless data", async () => {
    const { root, served } = await testRepository();
    for (const [path, limit] of [
      ["2.root.json", 512_000],
      ["timestamp.json", 16_384],
      ["1.snapshot.json", 4_000_000],
    ] as const) {
      const huge = new Map(served).set(path, new Uint8Array(limit + 1));
      expect(await refusal(open(root, huge).refresh(TEST_NOW_MS))).toBe("METADATA_TOO_LARGE endless-data");
    }
  });

  it("names a freeze, also where the same timestamp is served for ever", async () => {
    const { root, served } = await testRepository();
    const late = TEST_NOW_MS + 24 * HOUR_MS;
    expect(await refusal(open(root, served).refresh(late))).toBe("METADATA_EXPIRED freeze");
    const client = open(root, served);
    await client.refresh(TEST_NOW_MS);
    await client.refresh(late - 1);
    expect(await refusal(client.refresh(late))).toBe("METADATA_EXPIRED freeze");
  });

  it("names a rollback of the timestamp, of the snapshot it names, and of a bin", async () => {
    const first = await testRepository();
    const second = await update(first.repository, { put: [testTarget(TOOL, "new")] });
    const store = memoryMetadataStore();
    const served = new Map([...first.served, ...second.files]);
    await open(first.root, served, { store }).refresh(TEST_NOW_MS);
    expect(await refusal(open(first.root, first.served, { store }).refresh(TEST_NOW_MS))).toBe(
      "METADATA_ROLLBACK rollback",
    );
    const timestamp = await resign(served.get("timestamp.json")!, "timestamp", TEST_ROLES.timestamp, {
      version: 9,
      meta: { "snapshot.json": { version: 1 } },
    });
    const older = new Map(served).set("timestamp.json", timestamp);
    expect(await refusal(open(first.root, older, { store }).refresh(TEST_NOW_MS))).toBe("METADATA_ROLLBACK rollback");
    const meta = parseMetadata(served.get("2.snapshot.json")!, "snapshot").body.raw["meta"] as JsonObject;
    const forged = async (change: JsonObject): Promise<Map<string, Uint8Array>> =>
      new Map(served)
        .set(
          "3.snapshot.json",
          await resign(served.get("2.snapshot.json")!, "snapshot", TEST_ROLES.snapshot, { version: 3, meta: change }),
        )
        .set(
          "timestamp.json",
          await resign(timestamp, "timestamp", TEST_ROLES.timestamp, {
            version: 3,
            meta: { "snapshot.json": { version: 3 } },
          }),
        );
    const bin = { ...meta, "bins-1.json": { version: 1 } };
    expect(await refusal(open(first.root, await forged(bin), { store }).refresh(TEST_NOW_MS))).toBe(
      "METADATA_ROLLBACK rollback",
    );
    const { "bins-1.json": _gone, ...without } = meta;
    expect(await refusal(open(first.root, await forged(without), { store }).refresh(TEST_NOW_MS))).toBe(
      "METADATA_ROLE_REMOVED rollback",
    );
  });

  it("names files of different times, in version, digest or length", async () => {
    const first = await testRepository();
    const second = await update(first.repository, { put: [testTarget(TOOL, "new")] });
    const mixed = new Map([...first.served, ...second.files]).set("2.bins-1.json", first.files.get("1.bins-1.json")!);
    const client = open(first.root, mixed);
    await client.refresh(TEST_NOW_MS);
    expect(await refusal(client.find(TOOL))).toBe("METADATA_VERSION_MISMATCH mix-and-match");
    const snapshot = first.served.get("1.snapshot.json")!;
    const stating = async (meta: JsonObject): Promise<string> => {
      const change = { meta: { "snapshot.json": { version: 1, ...meta } } };
      const bytes = await resign(first.served.get("timestamp.json")!, "timestamp", TEST_ROLES.timestamp, change);
      return refusal(open(first.root, new Map(first.served).set("timestamp.json", bytes)).refresh(TEST_NOW_MS));
    };
    expect(await stating({ length: snapshot.length })).toBe("accepted");
    expect(await stating({ length: snapshot.length + 1 })).toBe("METADATA_LENGTH_MISMATCH mix-and-match");
    expect(await stating({ hashes: { sha256: "0".repeat(64) } })).toBe("METADATA_DIGEST_MISMATCH mix-and-match");
    expect(await stating({ hashes: { md5: "0".repeat(32) } })).toBe("METADATA_DIGEST_MISMATCH mix-and-match");
  });

  it("names arbitrary software: unsigned, signed by others, of another role", async () => {
    const { root, served } = await testRepository();
    const forge = async (path: string, type: RoleType, signer: Signer): Promise<string> => {
      const bytes = await resign(served.get(path)!, type, signer, {});
      const client = open(root, new Map(served).set(path, bytes));
      return refusal(client.refresh(TEST_NOW_MS).then(() => client.find(TOOL)));
    };
    const thief = testSigner("thief");
    expect(await forge("timestamp.json", "timestamp", thief)).toBe("METADATA_UNTRUSTED arbitrary-software");
    expect(await forge("1.snapshot.json", "snapshot", TEST_ROLES.timestamp)).toContain("METADATA_DIGEST_MISMATCH");
    expect(await forge("1.targets.json", "targets", TEST_ROLES.snapshot)).toContain("METADATA_DIGEST_MISMATCH");
    expect(await forge("1.bins-1.json", "targets", thief)).toContain("METADATA_UNTRUSTED");
    const swapped = new Map(served).set("timestamp.json", served.get("1.snapshot.json")!);
    expect(await refusal(open(root, swapped).refresh(TEST_NOW_MS))).toBe("METADATA_ROLE_WRONG arbitrary-software");
  });

  it("stops fewer root keys than the threshold, and a root out of order", async () => {
    const { root, served } = await testRepository();
    const thief = testSigner("thief");
    const stolen = {
      ...TEST_ROOT_ROLES,
      root: { keys: [TEST_ROOT_ROLES.root.keys[0]!, thief.publicKey], threshold: 2 },
    };
    const next = nextRoot(root, { roles: stolen, expiresMs: TEST_NOW_MS + 24 * HOUR_MS });
    const one = await signMetadata(next, "root", [TEST_ROLES.root[0]!, thief]);
    expect(await refusal(open(root, new Map(served).set("2.root.json", one)).refresh(TEST_NOW_MS))).toBe(
      "METADATA_ROOT_UNTRUSTED key-compromise",
    );
    expect(await refusal(open(root, new Map(served).set("2.root.json", root)).refresh(TEST_NOW_MS))).toBe(
      "METADATA_ROOT_NOT_NEXT rollback",
    );
  });

  it("recovers from a fast-forward when the online keys are rotated", async () => {
    const first = await testRepository();
    const store = memoryMetadataStore();
    const far = { version: Number.MAX_SAFE_INTEGER };
    const timestamp = await resign(first.served.get("timestamp.json")!, "timestamp", TEST_ROLES.timestamp, far);
    await open(first.root, new Map(first.served).set("timestamp.json", timestamp), { store }).refresh(TEST_NOW_MS);
    const honest = await update(first.repository);
    const served = new Map([...first.served, ...honest.files]);
    expect(await refusal(open(first.root, served, { store }).refresh(TEST_NOW_MS))).toBe("METADATA_ROLLBACK rollback");
    const fresh = testSigner("fresh timestamp");
    const draft = nextRoot(first.root, {
      roles: { timestamp: { keys: [fresh.publicKey] } },
      expiresMs: TEST_NOW_MS + 30 * 24 * HOUR_MS,
    });
    const root = await signMetadata(draft, "root", TEST_ROLES.root.slice(1));
    const recovered = await update(honest.repository, { root, signers: [...SIGNERS, fresh] });
    for (const [path, bytes] of recovered.files) served.set(path, bytes);
    const state = await open(first.root, served, { store }).refresh(TEST_NOW_MS);
    expect(state.versions).toMatchObject({ root: 2, timestamp: 3 });
  });

  it("forgets the timestamp too when the snapshot's keys alone are rotated", async () => {
    const first = await testRepository();
    const store = memoryMetadataStore();
    const far = { version: 2, meta: { "snapshot.json": { version: 1000 } } };
    const timestamp = await resign(first.served.get("timestamp.json")!, "timestamp", TEST_ROLES.timestamp, far);
    const forged = new Map(first.served).set("timestamp.json", timestamp);
    expect(await refusal(open(first.root, forged, { store }).refresh(TEST_NOW_MS))).toContain("METADATA_MISSING");
    const second = await update(first.repository);
    const fresh = testSigner("fresh snapshot");
    const draft = nextRoot(first.root, {
      roles: { snapshot: { keys: [fresh.publicKey] } },
      expiresMs: TEST_NOW_MS + 30 * 24 * HOUR_MS,
    });
    const root = await signMetadata(draft, "root", TEST_ROLES.root.slice(1));
    const third = await update(second.repository, { root, signers: [...SIGNERS, fresh] });
    const served = new Map([...first.served, ...second.files, ...third.files]);
    served.delete("2.root.json");
    expect(await refusal(open(first.root, served, { store }).refresh(TEST_NOW_MS))).toContain("METADATA_ROLLBACK");
    served.set("2.root.json", root);
    expect((await open(first.root, served, { store }).refresh(TEST_NOW_MS)).versions.snapshot).toBe(2);
  });

  it("counts a key once, whatever ids it is listed under", async () => {
    const { root, served } = await testRepository();
    const signer = TEST_ROLES.root[0]!;
    const body = parseMetadata(root, "root").body.raw;
    const plain = { keytype: "ed25519", keyval: { public: hexOf(signer.publicKey) }, scheme: "ed25519" };
    const twin = { ...plain, "x-note": "same key" };
    const idOf = (value: JsonObject): string => hexOf(sha256(encodeUtf8(encodeTufCanonical(value))));
    const forged: JsonObject = {
      ...body,
      keys: { ...(body["keys"] as JsonObject), [idOf(plain)]: plain, [idOf(twin)]: twin },
      roles: { ...(body["roles"] as JsonObject), root: { keyids: [idOf(plain), idOf(twin)], threshold: 2 } },
    };
    const message = encodeUtf8(encodeTufCanonical(forged));
    const sig = hexOf(await signer.sign(message));
    const signatures = [idOf(plain), idOf(twin)].map((keyid) => ({ keyid, sig }));
    const file = encodeUtf8(encodeTufCanonical({ signatures, signed: forged }));
    expect(await refusal(open(file, served, { form: "any" }).refresh(TEST_NOW_MS))).toContain(
      "METADATA_ROOT_UNTRUSTED",
    );
  });

  it("refuses a key under another id, a spare signature and another spelling", async () => {
    const { root, served } = await testRepository();
    const timestamp = served.get("timestamp.json")!;
    const text = new TextDecoder().decode(timestamp);
    const withFile = (bytes: Uint8Array): Promise<string> =>
      refusal(open(root, new Map(served).set("timestamp.json", bytes)).refresh(TEST_NOW_MS));
    expect(await withFile(encodeUtf8(`${text}\n`))).toBe("METADATA_NOT_EXACT arbitrary-software");
    expect(await withFile(await signMetadata(timestamp, "timestamp", [testSigner("thief")]))).toBe(
      "METADATA_SIGNATURE_ALTERED arbitrary-software",
    );
    expect(await withFile(encodeUtf8(text.replace('"1.0.31"', '"2.0.0"')))).toBe("METADATA_UNSUPPORTED -");
    expect(await withFile(encodeUtf8("{"))).toBe("METADATA_MALFORMED -");
    const moved = new TextDecoder().decode(root).replace(/"[0-9a-f]{64}":/, `"${"0".repeat(64)}":`);
    expect(await refusal(open(encodeUtf8(moved), served, { form: "any" }).refresh(TEST_NOW_MS))).toBe(
      "METADATA_KEY_INVALID arbitrary-software",
    );
  });
});

describe("bit flips", () => {
  // A spread of them; scripts/stress flips every bit.
  it("are refused in every file, wherever they are", async () => {
    const registry = await testRepository({ [TOOL]: "{}" });
    const chosen = (bit: number, signatures: number): boolean => bit % (bit < signatures ? 11 : 101) === 0;
    expect(await flipRegistry(registry, chosen, nodeVerifier)).toEqual([]);
  });
});

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
