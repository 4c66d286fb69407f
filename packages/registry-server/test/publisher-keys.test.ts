import { parseDigest, parseIndexDocument, type IndexDocument } from "@lading/core-manifest";
import {
  countersignEnvelope,
  fingerprint,
  keyIdOf,
  parsePublicKey,
  verifyEnvelope,
  type Signer,
} from "@lading/signing";
import {
  LogError,
  checkInclusion,
  decodeLogEvent,
  openCheckpoint,
  parseLogProof,
  parseNoteKey,
  verifyLogProof,
  type KeyEvent,
} from "@lading/signing/log";
import { nodeVerifier } from "@lading/signing/node";
import {
  decodeKeyStatement,
  encodeKeyStatement,
  ledgerTrust,
  replayKeyStatements,
  type KeyStatement,
} from "@lading/signing/publisher";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, signPackage, startServer, testSigner, type BuiltPackage, type TestServer } from "./harness.ts";

const DAY_MS = 86_400_000;
const [oldKey, newKey, thirdKey] = [testSigner(1), testSigner(2), testSigner(3)];
let clock: FakeClock;
let server: TestServer;
let log: string;

beforeEach(async () => {
  clock = new FakeClock();
  server = await startServer({ clock });
  log = server.node.registry.trust!.log.origin;
});

afterEach(async () => {
  await server.close();
});

const printOf = ({ signer }: { signer: Signer }): string => fingerprint(signer.publicKey);

async function register({ pem }: { pem: string }, auth?: string): Promise<number> {
  const answer = await server.call("/api/v1/keys", {
    method: "POST",
    json: { public_key: pem },
    ...(auth === undefined ? {} : { auth }),
  });
  return answer.status;
}

function rotation(change: Partial<Extract<KeyStatement, { kind: "rotation" }>> = {}): KeyStatement {
  const { signer } = newKey;
  return { kind: "rotation", account: "admin", key: signer.publicKey, previous: printOf(oldKey), log, ...change };
}

async function send(bytes: Uint8Array, auth?: string, type = "application/vnd.dsse+json"): Promise<Response> {
  return server.call("/api/v1/keys/statements", {
    method: "POST",
    body: bytes.slice(),
    headers: { "content-type": type },
    ...(auth === undefined ? {} : { auth }),
  });
}

async function state(statement: KeyStatement, ...signers: readonly { signer: Signer }[]): Promise<Response> {
  const bytes = await encodeKeyStatement(
    statement,
    signers.map(({ signer }) => signer),
  );
  return send(bytes);
}

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly reason?: string;
}

async function problem(answer: Response): Promise<[number, string, string | undefined]> {
  const { code, reason } = (await answer.json()) as Problem;
  return [answer.status, code, reason];
}

async function publish(
  version: string,
  signers: readonly { signer: Signer }[],
  options: { readonly auth?: string; readonly name?: string } = {},
): Promise<{ answer: Response; built: BuiltPackage; statement: Uint8Array | undefined }> {
  const built = await buildPackage({ name: options.name ?? "tool", version });
  let statement: Uint8Array | undefined;
  for (const { signer } of signers) {
    statement =
      statement === undefined ? await signPackage(built, signer) : await countersignEnvelope(statement, [signer]);
  }
  const answer = await server.publish(built, {
    ...(statement === undefined ? {} : { statement }),
    ...(options.auth === undefined ? {} : { auth: options.auth }),
  });
  return { answer, built, statement };
}

async function publishStatus(version: string, ...signers: readonly { signer: Signer }[]): Promise<number> {
  return (await publish(version, signers)).answer.status;
}

interface KeysAnswer {
  readonly keys: readonly { readonly fingerprint: string; readonly state: string; readonly effective?: string }[];
  readonly statements: readonly { readonly entry: number; readonly change: string }[];
}

async function keysOf(account = "admin"): Promise<KeysAnswer> {
  const answer = await server.call(`/api/v1/accounts/${account}/keys`, { auth: "" });
  expect(answer.status).toBe(200);
  return (await answer.json()) as KeysAnswer;
}

async function states(): Promise<Record<string, string>> {
  const names = new Map([oldKey, newKey, thirdKey].map((key, i) => [printOf(key), ["old", "new", "third"][i]!]));
  return Object.fromEntries((await keysOf()).keys.map((key) => [names.get(key.fingerprint), key.state]));
}

async function document(name = "tool"): Promise<IndexDocument> {
  const answer = await fetch(`${server.url}/index/_/${name.slice(0, 2)}/${name}.json`);
  return parseIndexDocument(await answer.json());
}

async function settled(): Promise<IndexDocument> {
  for (;;) {
    const found = await document();
    const known = (found.extra?.["keys"] as unknown[] | undefined)?.length ?? 0;
    if (known === (await keysOf()).statements.length) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function blob(digest: string): Promise<Uint8Array> {
  const answer = await fetch(`${server.url}/blobs/sha256/${digest.replace(/^.*:/, "")}`);
  expect(answer.status).toBe(200);
  return new Uint8Array(await answer.arrayBuffer());
}

interface IndexedChange {
  readonly entry: number;
  readonly logged: string;
  readonly effective?: string;
  readonly statement: string;
}

/** What somebody makes of the index who pinned the old key. */
async function judged(version: string, built: BuiltPackage): Promise<string> {
  const found = await settled();
  const changes = (found.extra?.["keys"] ?? []) as readonly IndexedChange[];
  const statements = await Promise.all(
    changes.map(async ({ entry, logged, effective, statement }) => ({
      bytes: await blob(statement),
      index: entry,
      loggedMs: Date.parse(logged),
      ...(effective === undefined ? {} : { effectiveMs: Date.parse(effective) }),
    })),
  );
  const pinned = [oldKey.signer.publicKey];
  // Who revokes need not be somebody whom the reader knows: the registry vouches for them, and that is enough to refuse.
  const signers = statements.flatMap(({ bytes }) => decodeKeyStatement(bytes).envelope.signatures);
  const revokers = await Promise.all(
    signers.map(async ({ keyid }) => parsePublicKey(Buffer.from(await blob(keyid)).toString("base64")).publicKey),
  );
  const ledger = replayKeyStatements({ pinned, revokers, statements, log, nowMs: clock.now(), verifier: nodeVerifier });
  const entries = found.extra?.["entries"] as Record<string, readonly number[]>;
  const envelope = await blob(`${built.blob}.sig`.replace("sha256:", ""));
  const record = built.record.manifest;
  const verdict = verifyEnvelope(envelope, {
    policy: ledgerTrust(ledger),
    expect: { name: record.name, version, blob: parseDigest(built.blob), tree: parseDigest(built.tree) },
    verifier: nodeVerifier,
    publishedMs: clock.now(),
    logIndex: entries[version]![0]!,
  });
  return verdict.ok ? "trusted" : verdict.code;
}

async function events(): Promise<readonly ReturnType<typeof decodeLogEvent>[]> {
  return (await server.node.metadata.logEntries(0, 100)).map(decodeLogEvent);
}

describe("POST /api/v1/keys/statements", () => {
  it("rotates a key: the log, the API and the index say so, and who pinned the old one can follow", async () => {
    await register(oldKey);
    const first = await publish("1.0.0", [oldKey]);
    const answer = await state(rotation({ reason: "yearly" }), oldKey, newKey);
    expect(answer.status).toBe(201);
    const body = (await answer.json()) as Record<string, unknown> & { log: { proof: string }; statement: string };
    expect(body).toMatchObject({ change: "rotate", account: "admin", key: printOf(newKey), previous: printOf(oldKey) });
    expect(await states()).toEqual({ old: "replaced", new: "active" });

    expect(await problem((await publish("1.0.1", [oldKey])).answer)).toEqual([403, "SIGNER_UNKNOWN", undefined]);
    const second = await publish("1.1.0", [newKey]);
    expect(second.answer.status).toBe(201);
    expect([await judged("1.0.0", first.built), await judged("1.1.0", second.built)]).toEqual(["trusted", "trusted"]);

    const { key } = server.node.registry.trust!.log;
    const proof = new TextEncoder().encode(body.log.proof);
    const parsed = parseLogProof(proof);
    expect(verifyLogProof(proof, { origin: log, keys: [parseNoteKey(key)] }).size).toBeGreaterThan(parsed.index);
    expect(decodeLogEvent(parsed.entry!)).toMatchObject({ type: "key", change: "rotate", statement: body.statement });
    expect(keyIdOf(parsePublicKey(Buffer.from(await blob(printOf(newKey))).toString("base64")).publicKey)).toBe(
      keyIdOf(newKey.signer.publicKey),
    );
  });

  it("takes the same statement again as the same, and shows it in the package's signed metadata", async () => {
    await register(oldKey);
    await publish("1.0.0", [oldKey]);
    const bytes = await encodeKeyStatement(rotation(), [oldKey.signer, newKey.signer]);
    const first = (await (await send(bytes)).json()) as { entry: number };
    const again = await send(bytes);
    expect([again.status, ((await again.json()) as { entry: number }).entry]).toEqual([200, first.entry]);
    const found = await settled();
    expect(found.sequence).toBe(2);
    await vi.waitFor(async () => {
      const version = await server.call("/api/v1/packages/tool/versions/1.0.0");
      expect(await version.json()).toMatchObject({
        trust: {
          visible: true,
          root: { development: true },
          text: [
            expect.stringMatching(/^published \S+Z by admin, entry \d+ of \S+, which has \d+ entries$/) as string,
            `signed by ${printOf(oldKey)}, a key of the publisher (replaced)`,
            expect.stringMatching(/^signed metadata names it, under root 1 \(sha256:\S+, development keys/) as string,
          ],
        },
      });
    });
  });

  it("lets a recovery wait for seven days, in which the old key goes on and can object", async () => {
    await register(oldKey);
    const statement: KeyStatement = {
      kind: "recovery",
      account: "admin",
      key: newKey.signer.publicKey,
      previous: printOf(oldKey),
      log,
    };
    expect((await state(statement, newKey)).status).toBe(201);
    expect(await states()).toEqual({ old: "active", new: "pending" });
    const refused = (await (await publish("1.0.0", [newKey])).answer.json()) as Problem;
    expect(refused.code).toBe("SIGNER_UNKNOWN");
    expect(refused.detail).toContain(new Date(clock.now() + 7 * DAY_MS).toISOString());
    expect(await publishStatus("1.0.0", oldKey)).toBe(201);

    clock.advance(7 * DAY_MS - 1000);
    expect(await states()).toEqual({ old: "active", new: "pending" });
    clock.advance(1000);
    expect(await states()).toEqual({ old: "replaced", new: "active" });
    const after = await publish("1.1.0", [newKey]);
    expect(after.answer.status).toBe(201);
    expect(await judged("1.1.0", after.built)).toBe("trusted");
    expect(await publishStatus("1.2.0", oldKey)).toBe(403);
  });

  it("lets a recovery wait for as long as the registry's policy says, which log, index and description state", async () => {
    await server.close();
    server = await startServer({ clock, recoveryWaitDays: 30 });
    log = server.node.registry.trust!.log.origin;
    await register(oldKey);
    expect(await publishStatus("1.0.0", oldKey)).toBe(201);
    const key = newKey.signer.publicKey;
    await state({ kind: "recovery", account: "admin", key, previous: printOf(oldKey), log }, newKey);
    const end = new Date(clock.now() + 30 * DAY_MS).toISOString().slice(0, 19);
    const description = (await (await server.call("/.well-known/lading.json")).json()) as { policy: object };
    expect(description.policy).toMatchObject({ recovery_wait_days: 30 });
    // What is said of keys reaches the index a moment after the answer.
    await vi.waitFor(async () => {
      const document = await (await server.call("/index/_/to/tool.json")).json();
      expect(document).toMatchObject({ keys: [{ effective: expect.stringMatching(new RegExp(`^${end}`)) as string }] });
    });
    clock.advance(30 * DAY_MS - 1000);
    expect(await states()).toEqual({ old: "active", new: "pending" });
    clock.advance(1000);
    expect(await states()).toEqual({ old: "replaced", new: "active" });
    const after = await publish("1.1.0", [newKey]);
    expect(after.answer.status).toBe(201);
    expect(await judged("1.1.0", after.built)).toBe("trusted");
  });

  it("ends a waiting recovery when the old key revokes it", async () => {
    await register(oldKey);
    const common = { account: "admin", key: newKey.signer.publicKey, log };
    await state({ ...common, kind: "recovery", previous: printOf(oldKey) }, newKey);
    expect((await state({ ...common, kind: "revocation", fromIndex: 0 }, oldKey)).status).toBe(201);
    clock.advance(8 * DAY_MS);
    expect(await states()).toEqual({ old: "active", new: "lapsed" });
    expect(await publishStatus("1.0.0", newKey)).toBe(403);
    expect(await publishStatus("1.0.0", oldKey)).toBe(201);
  });

  it("revokes a key from an entry of the log on: what it signed before stays, what came after is shown as void", async () => {
    await register(oldKey);
    await register(thirdKey);
    const before = await publish("1.0.0", [oldKey]);
    const stolen = await publish("1.0.1", [oldKey]);
    const fromIndex = ((await stolen.answer.json()) as { log: { index: number } }).log.index;
    const key = oldKey.signer.publicKey;
    const revocation: KeyStatement = { kind: "revocation", account: "admin", key, log, fromIndex };
    expect((await state(revocation, thirdKey)).status).toBe(201);
    expect(await states()).toEqual({ old: "revoked", third: "active" });
    expect([await judged("1.0.0", before.built), await judged("1.0.1", stolen.built)]).toEqual([
      "trusted",
      "SIGNATURE_KEY_NOT_ALLOWED",
    ]);
    const shown = async (version: string): Promise<unknown> => {
      const answer = await server.call(`/api/v1/packages/tool/versions/${version}`, { auth: "" });
      return ((await answer.json()) as { trust: { keys: unknown } }).trust.keys;
    };
    const print = printOf(oldKey);
    expect(await shown("1.0.0")).toEqual([{ fingerprint: print, state: "revoked", trusted: true }]);
    expect(await shown("1.0.1")).toEqual([{ fingerprint: print, state: "revoked", trusted: false }]);
    expect(await publishStatus("1.0.2", oldKey)).toBe(403);
    expect(await register(oldKey)).toBe(409);
  });

  it("refuses what would have no effect, and logs nothing of it", async () => {
    await register(oldKey);
    const logged = (await events()).length;
    const refuse = async (statement: KeyStatement, ...signers: readonly { signer: Signer }[]): Promise<unknown> =>
      problem(await state(statement, ...signers));
    const code = "KEY_STATEMENT_REFUSED";
    expect(await refuse(rotation({ account: "ann" }), oldKey, newKey)).toEqual([422, code, "ACCOUNT"]);
    expect(await refuse(rotation({ log: "elsewhere/log" }), oldKey, newKey)).toEqual([422, code, "NO_EFFECT"]);
    expect(await refuse(rotation(), newKey)).toEqual([422, code, "NO_EFFECT"]);
    expect(await refuse(rotation(), oldKey)).toEqual([422, code, "NO_EFFECT"]);
    expect(await refuse(rotation({ previous: printOf(thirdKey) }), oldKey, newKey)).toEqual([422, code, "NO_EFFECT"]);
    const revocation: KeyStatement = {
      kind: "revocation",
      account: "admin",
      key: oldKey.signer.publicKey,
      log,
      fromIndex: 1000,
    };
    expect(await refuse(revocation, oldKey)).toEqual([422, code, "INDEX"]);
    expect(await refuse({ ...revocation, fromIndex: 0 }, thirdKey)).toEqual([422, code, "NO_EFFECT"]);
    expect(await problem(await send(new TextEncoder().encode("{}")))).toEqual([422, code, "ENVELOPE_MALFORMED"]);
    const bytes = await encodeKeyStatement(rotation(), [oldKey.signer, newKey.signer]);
    expect((await send(bytes, undefined, "text/plain")).status).toBe(415);
    expect((await send(bytes, "")).status).toBe(401);
    const bob = await server.account("bob");
    await register(newKey, bob);
    expect(await problem(await send(bytes))).toEqual([409, "KEY_EXISTS", undefined]);
    const publisher = await server.account("cleo", { scopes: ["publish"] });
    expect((await send(bytes, publisher)).status).toBe(403);
    expect((await events()).length).toBe(logged + 1);
  });

  it("of two rotations at once takes one: the other key was not in use any more", async () => {
    await register(oldKey);
    const both = await Promise.all([
      state(rotation(), oldKey, newKey),
      state(rotation({ key: thirdKey.signer.publicKey }), oldKey, thirdKey),
    ]);
    expect(both.map(({ status }) => status).toSorted((left, right) => left - right)).toEqual([201, 422]);
    const { keys } = await keysOf();
    expect(keys.filter((key) => key.state === "active")).toHaveLength(1);
  });

  it("keeps keys that statements speak of: DELETE and a second registration are refused", async () => {
    await register(oldKey);
    await state(rotation(), oldKey, newKey);
    for (const key of [oldKey, newKey]) {
      const answer = await server.call(`/api/v1/keys/${printOf(key)}`, { method: "DELETE" });
      expect(await problem(answer)).toEqual([409, "KEY_HAS_HISTORY", undefined]);
    }
    expect(await register(oldKey)).toBe(409);
    expect(await register(newKey)).toBe(201);
    expect((await server.call("/api/v1/accounts/nobody/keys")).status).toBe(404);
  });
});

async function setPolicy(json: unknown, name = "tool", auth?: string): Promise<Response> {
  return server.call(`/api/v1/packages/${name}/policy`, {
    method: "PUT",
    json,
    ...(auth === undefined ? {} : { auth }),
  });
}

describe("PUT /api/v1/packages/{name}/policy", () => {
  it("demands t of n signers, also of co-owners, and shows them in API, index and log", async () => {
    await register(oldKey);
    const bob = await server.account("bob");
    await register(thirdKey, bob);
    await publish("1.0.0", [oldKey]);
    const answer = await setPolicy({ threshold: 2 });
    expect(await answer.json()).toEqual({ name: "tool", threshold: 2 });
    expect((await document()).extra?.["policy"]).toEqual({ threshold: 2 });
    expect((await events()).at(-1)).toMatchObject({
      type: "policy",
      names: "tool",
      policy: `sha256:${createHash("sha256").update('{"threshold":2}').digest("hex")}`,
    });

    expect(await problem((await publish("1.1.0", [])).answer)).toEqual([422, "SIGNATURE_REQUIRED", undefined]);
    const one = [422, "STATEMENT_REFUSED", "SIGNATURE_THRESHOLD_NOT_MET"];
    expect(await problem((await publish("1.1.0", [oldKey])).answer)).toEqual(one);
    // Bob is no owner yet, so that his signature is one of nobody.
    expect(await problem((await publish("1.1.0", [oldKey, thirdKey])).answer)).toEqual(one);
    await server.call("/api/v1/packages/tool/owners/bob", { method: "PUT" });
    const done = await publish("1.1.0", [oldKey, thirdKey]);
    expect(done.answer.status).toBe(201);
    expect(((await done.answer.json()) as { signers: string[] }).signers).toEqual(
      [printOf(oldKey), printOf(thirdKey)].sort(),
    );
    expect((await server.call("/api/v1/packages/tool/policy", { method: "DELETE" })).status).toBe(200);
    expect(await publishStatus("1.2.0", oldKey)).toBe(201);
  });

  it("narrows which keys and accounts count", async () => {
    for (const key of [oldKey, newKey]) await register(key);
    const bob = await server.account("bob");
    await publish("1.0.0", [oldKey]);
    await server.call("/api/v1/packages/tool/owners/bob", { method: "PUT" });
    await setPolicy({ public_keys: [newKey.pem] });
    expect(await problem((await publish("1.1.0", [oldKey])).answer)).toEqual([403, "SIGNER_UNKNOWN", undefined]);
    expect(await publishStatus("1.1.0", newKey)).toBe(201);
    await setPolicy({ trusted_publishers: ["admin"] });
    const { answer } = await publish("1.2.0", [], { auth: bob });
    expect(await problem(answer)).toEqual([403, "PUBLISHER_REFUSED", undefined]);
    expect(await publishStatus("1.2.0", oldKey)).toBe(201);
  });

  it("is for owners, with If-Match, and refuses what cannot be meant", async () => {
    await publish("1.0.0", []);
    const bob = await server.account("bob");
    expect((await setPolicy({ threshold: 2 }, "tool", bob)).status).toBe(403);
    expect((await setPolicy({ threshold: 0 })).status).toBe(400);
    expect(await problem(await setPolicy({ public_keys: ["nonsense"] }))).toMatchObject([400, "KEY_REFUSED", {}]);
    expect((await setPolicy({ threshold: 2 }, "nothing")).status).toBe(404);
    const etag = (await server.call("/api/v1/packages/tool/policy", { auth: "" })).headers.get("etag")!;
    await setPolicy({ threshold: 1 });
    const late = await server.call("/api/v1/packages/tool/policy", {
      method: "PUT",
      json: { threshold: 2 },
      headers: { "if-match": etag },
    });
    expect(late.status).toBe(412);
  });
});

describe("registry-wide rules about publishers", () => {
  it("hold for names that match, and are named in the discovery document and the log", async () => {
    const publishers = [{ names: ["company/*"], trustedPublishers: ["company-team"], threshold: 1 }];
    await server.close();
    server = await startServer({ clock, publishers });
    await register(oldKey);
    const { answer } = await publish("1.0.0", [oldKey], { name: "company/tool" });
    expect(await problem(answer)).toEqual([403, "PUBLISHER_REFUSED", undefined]);
    const team = await server.account("company-team");
    await register(newKey, team);
    const unsigned = await publish("1.0.0", [], { name: "company/tool", auth: team });
    expect(await problem(unsigned.answer)).toEqual([422, "SIGNATURE_REQUIRED", undefined]);
    expect((await publish("1.0.0", [newKey], { name: "company/tool", auth: team })).answer.status).toBe(201);
    expect((await publish("1.0.0", [], { name: "free" })).answer.status).toBe(201);
    const wellKnown = (await (await fetch(`${server.url}/.well-known/lading.json`)).json()) as { policy: unknown };
    expect(wellKnown.policy).toEqual({ signatures: "optional", publishers });
  });
});

describe("the log", () => {
  it("has one entry for every publication and change of status, owners, keys and policies", async () => {
    const bob = await server.account("bob");
    expect(bob).not.toBe("");
    const on = (path: string, method: string, json?: unknown) =>
      server.call(`/api/v1/packages/tool${path}`, { method, ...(json === undefined ? {} : { json }) });
    await register(oldKey);
    await register(thirdKey);
    const fromIndex = 0;
    const steps: readonly [string, () => Promise<unknown>, Record<string, unknown>][] = [
      [
        "a name",
        () => server.call("/api/v1/packages/", { method: "POST", json: { name: "tool" } }),
        { type: "owner", change: "add", account: "admin" },
      ],
      ["a version", () => publish("1.0.0", [oldKey]), { type: "publish", version: "1.0.0" }],
      [
        "a yank",
        () => on("/versions/1.0.0/yank", "POST", { reason: "broken" }),
        { type: "status", status: "yanked", reason: "broken" },
      ],
      ["its end", () => on("/versions/1.0.0/yank", "DELETE"), { type: "status", status: "active" }],
      [
        "a deprecation",
        () => on("/versions/1.0.0/deprecate", "POST", { reason: "old" }),
        { type: "status", status: "deprecated" },
      ],
      ["its end", () => on("/versions/1.0.0/deprecate", "DELETE"), { type: "status", status: "active" }],
      ["an owner", () => on("/owners/bob", "PUT"), { type: "owner", change: "add", account: "bob" }],
      ["without", () => on("/owners/bob", "DELETE"), { type: "owner", change: "remove", account: "bob" }],
      ["a policy", () => on("/policy", "PUT", { threshold: 1 }), { type: "policy", names: "tool" }],
      ["without", () => on("/policy", "DELETE"), { type: "policy", names: "tool" }],
      ["a key", () => register(testSigner(9)), { type: "key", change: "add" }],
      [
        "without",
        () => server.call(`/api/v1/keys/${printOf(testSigner(9))}`, { method: "DELETE" }),
        { type: "key", change: "revoke" },
      ],
      [
        "a rotation",
        () => state(rotation(), oldKey, newKey),
        { type: "key", change: "rotate", previous: printOf(oldKey) },
      ],
      [
        "a recovery",
        () =>
          state(
            { kind: "recovery", account: "admin", log, key: testSigner(7).signer.publicKey, previous: printOf(newKey) },
            testSigner(7),
          ),
        {
          type: "key",
          change: "recover",
          effective: new Date(clock.now() + 7 * DAY_MS).toISOString().replace(".000", ""),
        },
      ],
      [
        "a revocation",
        () => state({ kind: "revocation", account: "admin", log, key: newKey.signer.publicKey, fromIndex }, thirdKey),
        { type: "key", change: "revoke", key: printOf(newKey) },
      ],
    ];
    for (const [what, step, expected] of steps) {
      const before = (await events()).length;
      await step();
      const added = (await events()).slice(before);
      expect({ what, added }).toMatchObject({ what, added: [expected] });
    }
    const all = (await events()).filter((event): event is KeyEvent => event.type === "key");
    expect(all.every(({ account, time }) => account === "admin" && time !== "")).toBe(true);
    const { log: described } = server.node.registry.trust!;
    await vi.waitFor(async () => {
      const note = new Uint8Array(await (await fetch(`${server.url}/log/checkpoint`)).arrayBuffer());
      const checkpoint = openCheckpoint(note, { origin: log, keys: [parseNoteKey(described.key)] });
      expect(checkpoint.size).toBe((await events()).length);
    });
  });
});

describe("proofs", () => {
  const trust = () => {
    const { key, origin } = server.node.registry.trust!.log;
    return { origin, keys: [parseNoteKey(key)] };
  };

  it("GET …/proof leads from the publication of a version to a checkpoint", async () => {
    const { built } = await publish("1.0.0", []);
    const answer = await server.call("/api/v1/packages/tool/versions/1.0.0/proof", { auth: "" });
    const { proof } = (await answer.json()) as { proof: string };
    const bytes = new TextEncoder().encode(proof);
    verifyLogProof(bytes, trust());
    expect(decodeLogEvent(parseLogProof(bytes).entry!)).toMatchObject({ artifacts: [{ blob: built.blob }] });
    expect((await server.call("/api/v1/packages/tool/versions/9.0.0/proof")).status).toBe(404);
  });

  it("POST /api/v1/proofs proves many publications against one checkpoint, and leaves out what is unknown", async () => {
    const versions = ["1.0.0", "1.1.0", "1.2.0"];
    for (const version of versions) await publish(version, []);
    const packages = [...versions, "9.0.0", "x"].map((version) => ({ name: "tool", version }));
    const answer = await server.call("/api/v1/proofs", { method: "POST", auth: "", json: { packages } });
    const { checkpoint, proofs } = (await answer.json()) as {
      checkpoint: string;
      proofs: readonly { version: string; index?: number; entry: string; hashes: readonly string[] }[];
    };
    const state = openCheckpoint(new TextEncoder().encode(checkpoint), trust());
    expect(proofs.map(({ index }) => index !== undefined)).toEqual([true, true, true, false, false]);
    for (const { version, index, entry, hashes } of proofs.slice(0, 3)) {
      const bytes = new Uint8Array(Buffer.from(entry, "base64"));
      const path = hashes.map((hash) => new Uint8Array(Buffer.from(hash, "base64")));
      checkInclusion(state, index!, bytes, path);
      expect(() => checkInclusion(state, index! + 1, bytes, path)).toThrow(LogError);
      expect(decodeLogEvent(bytes)).toMatchObject({ type: "publish", version });
    }
    expect((await server.call("/api/v1/proofs", { method: "POST", json: { packages: [] } })).status).toBe(400);
  });
});

describe("a version of an index document", () => {
  it("is read from the store once, however many ask for it at the same time", async () => {
    await publish("1.0.0", []);
    const plain = await fetch(`${server.url}/index/_/to/tool.json`);
    const hex = createHash("sha256")
      .update(Buffer.from(await plain.arrayBuffer()))
      .digest("hex");
    const url = `${server.url}/index/_/to/${hex}.tool.json`;
    await vi.waitFor(async () => expect((await server.node.metadata.signedFilePaths()).join()).toContain(hex));
    const reads = vi.spyOn(server.node.metadata, "signedFile");
    const answers = await Promise.all(Array.from({ length: 8 }, () => fetch(url)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect((await fetch(url)).status).toBe(200);
    expect(reads.mock.calls.filter(([path]) => path.includes(hex))).toHaveLength(1);
  });
});
