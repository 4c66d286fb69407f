import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { update } from "@lading/engine";
import { generateKey, softwareSigner, type Signer } from "@lading/signing";
import {
  appendToLog,
  encodeLogEvent,
  readEntries,
  signCheckpoint,
  EMPTY_LOG,
  type LogState,
} from "@lading/signing/log";
import {
  SERVER_LIFETIMES,
  loadRepository,
  nextRoot,
  parseMetadata,
  signMetadata,
  updateRepository,
  type Repository,
} from "@lading/signing/metadata";
import { createStaticRegistry, publishStatic, refreshStatic, type StaticTrust } from "@lading/registry-static";
import {
  createKeyDirectory,
  directoryStore,
  draftStaticRoot,
  installStaticRoot,
  readKeyDirectory,
  signStaticRoot,
} from "@lading/registry-static/node";
import { inspectPackage } from "@lading/archive/node";
import { createSandbox, startRegistry, type CliResult, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { replay, startHostile, type Bend, type HostileServer } from "./lib/hostile.ts";
import {
  build,
  createProject,
  failure,
  locked,
  publishPackage,
  removeTemporary,
  temporary,
  writeFiles,
  type PackageSpec,
} from "./lib/more.ts";

/**
 * The attacks of the TUF specification (§1.5.2) by somebody between a registry and its user, or by the registry itself: the
 * real command line against a real HTTP server that bends a real registry's answers.
 */

type Files = Map<string, Uint8Array>;

const DAY_MS = 86_400_000;
const holders: Signer[] = [];
const seeds: Uint8Array[] = [];
let registry: string;
let keys: string;
let trust: StaticTrust;
let server: HostileServer;
/** Home and project of somebody who has seen the newest state. */
let template: Sandbox;
/** Everything that the registry served before version 1.1.0. */
let old: Files;
let newest: Files;
const victims: Sandbox[] = [];

function filesOf(directory: string): Files {
  const files: Files = new Map();
  for (const file of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const at = path.join(directory, file);
    if (statSync(at).isFile()) files.set(file, readFileSync(at));
  }
  return files;
}

async function publishTo(directory: string, own: StaticTrust, ...specs: readonly PackageSpec[]): Promise<void> {
  const publications = [];
  for (const spec of specs) {
    const file = path.join(temporary(), "package.lpk");
    writeFiles(path.dirname(file), { "package.lpk": (await build(spec)).bytes });
    publications.push({ file, inspected: await inspectPackage(file) });
  }
  await publishStatic({ store: directoryStore(directory), trust: own }, publications);
}

/** A copy of registry and keys, which an attacker or an operator changes. */
function copyRegistry(): { readonly directory: string; readonly keys: string } {
  const place = temporary();
  cpSync(registry, path.join(place, "registry"), { recursive: true });
  cpSync(keys, path.join(place, "keys"), { recursive: true });
  return { directory: path.join(place, "registry"), keys: path.join(place, "keys") };
}

beforeAll(async () => {
  const place = mkdtempSync(path.join(tmpdir(), "lading-attacks-"));
  registry = path.join(place, "registry");
  keys = path.join(place, "keys");
  for (let i = 0; i < 3; i++) {
    const key = generateKey();
    seeds.push(key.seed);
    holders.push(softwareSigner(key.seed));
  }
  const { draft } = await createKeyDirectory({
    directory: keys,
    settings: { name: "Packages", signatures: "optional", expiryDays: 30 },
    url: "https://packages.example.com/",
    rootKeys: holders.map(({ publicKey }) => publicKey),
    nowMs: Date.now(),
  });
  for (const seed of seeds.slice(0, 2)) await signStaticRoot({ file: draft!, seed });
  await installStaticRoot({ directory: keys, files: [draft!] });
  trust = await readKeyDirectory({ directory: keys });
  await createStaticRegistry({ store: directoryStore(registry), trust });
  await publishTo(
    registry,
    trust,
    { name: "tool", version: "1.0.0" },
    { name: "gear", version: "1.0.0", files: { "a.txt": "gear" } },
  );
  old = filesOf(registry);
  await publishTo(registry, trust, { name: "tool", version: "1.1.0", files: { "fix.txt": "fixed" } });
  newest = filesOf(registry);
  server = await startHostile(registry);
  template = createSandbox({ env: { LADING_REGISTRY_URL: server.url } });
  template.write("lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "^1.0.0"\n');
  await template.ok("lading install");
});

beforeEach(() => {
  server.bend = undefined;
  server.asked.length = 0;
});

afterAll(async () => {
  await server?.close();
  await Promise.all([template, ...victims].map((sandbox) => sandbox?.dispose()));
  removeTemporary();
  rmSync(path.dirname(registry), { recursive: true, force: true });
});

/** Somebody who has seen the newest state. */
function victim(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({ env: { LADING_REGISTRY_URL: server.url, ...env } });
  victims.push(sandbox);
  for (const part of ["home", "work"] as const)
    cpSync(template[part], sandbox[part], { recursive: true, verbatimSymlinks: true });
  return sandbox;
}

interface Expected {
  /** What is run; default: `lading update`. */
  readonly line?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly code: string;
  readonly exit: number;
  /** What the message must say of the attack. */
  readonly words: string;
}

/** Runs the command line under an attack: refused with its code, in words, and nothing has changed. */
async function detects(bend: Bend, expected: Expected): Promise<CliResult> {
  const sandbox = victim(expected.env);
  const before = sandbox.read("lading.lock");
  server.bend = bend;
  const result = await sandbox.line(expected.line ?? "lading update");
  expect(result.stderr).toContain(expected.code);
  expect(result.stderr).toContain(expected.words);
  expect(result.code).toBe(expected.exit);
  expect(sandbox.read("lading.lock")).toBe(before);
  // And it was the attack alone: the honest registry is believed again.
  server.bend = undefined;
  return result;
}

const timestampOf = (files: Files): Uint8Array => files.get("metadata/timestamp.json")!;
const snapshotPath = (files: Files): string =>
  `metadata/${parseMetadata(timestampOf(files), "timestamp").body.snapshot.version}.snapshot.json`;
/** Another digit in the place of the first one from a position on, so that the file still reads. */
function nudge(bytes: Uint8Array, from: number): Uint8Array {
  const bent = new Uint8Array(bytes);
  const at = bent.findIndex((byte, i) => i >= from && byte >= 0x30 && byte <= 0x39);
  bent[at]! ^= 1;
  return bent;
}

async function* endless(chunk: Uint8Array, pauseMs: number, sent: { bytes: number }): AsyncGenerator<Uint8Array> {
  for (;;) {
    sent.bytes += chunk.length;
    yield chunk;
    if (pauseMs > 0) await new Promise((done) => setTimeout(done, pauseMs));
    if (sent.bytes > 2 ** 30) throw new Error("the victim takes everything");
  }
}

describe("the honest registry", () => {
  test("is believed through the same server", async () => {
    await victim().ok("lading update");
    expect(template.read("lading.lock")).toContain('version = "1.1.0"');
  });
});

describe("the ten attacks", () => {
  test("freeze: a state that is never renewed is refused once it has expired", async () => {
    const project = createProject(
      { "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "^1"\n' },
      { registry: server.url },
    );
    await project.use((context) => update({}, context));
    const before = project.read("lading.lock");
    // For ever the same answers, each of them genuine.
    server.bend = replay(newest);
    const later = (): number => Date.now() + 31 * DAY_MS;
    let hint: unknown;
    const code = await failure(() =>
      project
        .use((context) => update({}, context), { now: later })
        .catch((error: { hint?: string }) => {
          hint = error.hint;
          throw error;
        }),
    );
    expect(code).toBe("METADATA_EXPIRED");
    expect(hint).toContain("freeze attack");
    expect(project.read("lading.lock")).toBe(before);
  });

  test("rollback: an older state than was seen is refused", async () => {
    await detects(replay(old), { code: "METADATA_ROLLBACK", exit: 7, words: "rollback attack" });
  });

  test("mix-and-match: files of two moments are refused", async () => {
    const mixed: Files = new Map([[snapshotPath(newest), old.get(snapshotPath(old))!]]);
    const fresh = { line: "rm -rf ~/.local/share/lading/trust && lading update" };
    const words = "mix-and-match attack";
    await detects(replay(mixed), { ...fresh, code: "METADATA_DIGEST_MISMATCH", exit: 7, words });
    const bins = [...newest.keys()].filter((file) => /\.bins-/.test(file) && !old.has(file));
    const older = new Map(
      bins.map((file) => {
        const name = file.replace(/^metadata\/\d+/, "");
        const before = [...old.keys()]
          .filter((one) => one.endsWith(name))
          .sort()
          .at(-1)!;
        return [file, old.get(before)!] as const;
      }),
    );
    await detects(replay(older), { ...fresh, code: "METADATA_VERSION_MISMATCH", exit: 7, words });
  });

  test("fast-forward: versions that run ahead by stolen keys are outlived by new keys", async () => {
    const { directory, keys: ownKeys } = copyRegistry();
    const ahead = await resigned({ lifetimeMs: DAY_MS, skip: 1000 });
    const sandbox = victim();
    server.bend = replay(ahead);
    // By keys that are in force: nobody can tell yet.
    await sandbox.ok("lading update");
    server.bend = undefined;
    const stuck = await sandbox.line("lading update");
    expect(stuck).toMatchObject({ code: 7, stderr: expect.stringContaining("METADATA_ROLLBACK") as string });
    const output = path.join(path.dirname(directory), "root.json");
    await draftStaticRoot({ directory: ownKeys, rotate: ["timestamp", "snapshot"], nowMs: Date.now(), output });
    for (const seed of seeds.slice(1)) await signStaticRoot({ file: output, seed });
    await installStaticRoot({ directory: ownKeys, files: [output] });
    await refreshStatic({ store: directoryStore(directory), trust: await readKeyDirectory({ directory: ownKeys }) });
    server.bend = replay(filesOf(directory));
    await sandbox.ok("lading update");
  });

  test("endless data: every file is cut off at the length that it may have", async () => {
    const sent = { bytes: 0 };
    const chunk = Buffer.alloc(65_536, " ");
    const without =
      (wanted: RegExp): Bend =>
      (file) =>
        wanted.test(file) ? { status: 200, body: endless(chunk, 0, sent) } : undefined;
    const words = "endless data attack";
    await detects(without(/timestamp\.json$/), { code: "METADATA_TOO_LARGE", exit: 7, words });
    const fresh = "rm -rf ~/.local/share/lading/trust ~/.cache/lading && lading update";
    await detects(without(/\.snapshot\.json$/), { line: fresh, code: "METADATA_TOO_LARGE", exit: 7, words });
    await detects(without(/\/[0-9a-f]{64}\.tool\.json$/), { line: fresh, code: "TARGET_TOO_LARGE", exit: 7, words });
    await detects(without(/^blobs\//), {
      line: "rm -rf ~/.local/share/lading/store .lading && lading install",
      code: "DOWNLOAD_SIZE_MISMATCH",
      exit: 7,
      words: "expected",
    });
    // What is sent before a connection ends is what lies in the buffers between, some megabytes each.
    expect(sent.bytes).toBeLessThan(2 ** 27);
  });

  test("[SIG-20] extraneous data: dependencies and packages that the registry does not know are refused", async () => {
    const served = [...newest.keys()].find((file) => /\/[0-9a-f]{64}\.tool\.json$/.test(file) && !old.has(file))!;
    const honest = newest.get(served)!;
    const document = JSON.parse(new TextDecoder().decode(honest)) as {
      readonly defaults: object;
      readonly groups: readonly { readonly versions: readonly string[] }[];
    };
    // The newest version alone, which now needs another package, in as many bytes as the genuine document has.
    const evil = {
      schema: 1,
      name: "tool",
      sequence: 2,
      channels: {},
      defaults: document.defaults,
      dependencies: [{ name: "evil", requirement: "*" }],
      groups: [{ dependencies: [0], versions: [document.groups.at(-1)!.versions.at(-1)!] }],
      versions: [],
    };
    const bent = Buffer.from(JSON.stringify(evil).padEnd(honest.length));
    expect(bent.length).toBe(honest.length);
    const slipped: Bend = (file) => (file.endsWith(".tool.json") ? { status: 200, body: bent } : undefined);
    const fresh = "rm -rf ~/.cache/lading && lading update";
    await detects(slipped, { line: fresh, code: "TARGET_DIGEST_MISMATCH", exit: 7, words: "wrong software attack" });
    const other = Buffer.from(JSON.stringify({ schema: 1, name: "evil", sequence: 1, channels: {}, versions: [] }));
    await detects((file) => (file === "index/_/ev/evil.json" ? { status: 200, body: other } : undefined), {
      line: "lading add evil",
      code: "TARGET_UNKNOWN",
      exit: 5,
      words: "extraneous data",
    });
  });

  test("wrong software: another genuine file in the place of the one that was asked for is refused", async () => {
    const documents = [...newest.keys()].filter((file) => /\/[0-9a-f]{64}\./.test(file));
    const gear = newest.get(documents.find((file) => file.endsWith(".gear.json"))!)!;
    await detects((file) => (file.endsWith(".tool.json") ? { status: 200, body: gear } : undefined), {
      line: "rm -rf ~/.cache/lading && lading update",
      code: "TARGET_",
      exit: 7,
      words: "wrong software attack",
    });
    const tool = template.read("lading.lock").match(/checksum = "sha256:([0-9a-f]{64})"/)![1]!;
    const [another] = [...newest.keys()].filter((file) => file.startsWith("blobs/") && !file.includes(tool));
    await detects(replay(new Map([[`blobs/sha256/${tool}`, newest.get(another!)!]])), {
      line: "rm -rf ~/.local/share/lading/store .lading && lading install",
      code: "DOWNLOAD_",
      exit: 7,
      words: "expected",
    });
  });

  test("slow retrieval: an answer that trickles is given up", async () => {
    const sent = { bytes: 0 };
    const trickle =
      (wanted: RegExp): Bend =>
      (file) =>
        wanted.test(file) ? { status: 200, body: endless(Buffer.from(" "), 100, sent) } : undefined;
    const env = { LADING_REGISTRY_TIMEOUT: "3" };
    const words = "slow retrieval attack";
    await detects(trickle(/timestamp\.json$/), { env, code: "REGISTRY_TOO_SLOW", exit: 5, words });
    await detects(trickle(/^blobs\//), {
      env,
      line: "rm -rf ~/.local/share/lading/store .lading && lading install",
      code: "REGISTRY_TOO_SLOW",
      exit: 5,
      words,
    });
  });

  test("key compromise below the threshold: one of the root's keys, or one online key, is not enough", async () => {
    const thief = softwareSigner(generateKey().seed);
    const roles = {
      timestamp: { keys: [thief.publicKey] },
      snapshot: { keys: [thief.publicKey] },
      targets: { keys: [thief.publicKey] },
    };
    const draft = nextRoot(newest.get("metadata/1.root.json")!, { roles, expiresMs: Date.now() + DAY_MS });
    const root = await signMetadata(draft, "root", [holders[0]!]);
    const words = "key compromise";
    await detects(replay(new Map([["metadata/2.root.json", root]])), {
      code: "METADATA_ROOT_UNTRUSTED",
      exit: 7,
      words,
    });
    // The key of the snapshot alone: a timestamp that names its file is signed by a key that the root does not name for it.
    const snapshotSigner = await signerOf("snapshot");
    const body = parseMetadata(timestampOf(newest), "timestamp");
    const forged = await signMetadata(unsigned(body.bytes), "timestamp", [snapshotSigner]);
    const result = await detects(replay(new Map([["metadata/timestamp.json", forged]])), {
      code: "METADATA_UNTRUSTED",
      exit: 7,
      words: "An attack would look like this",
    });
    expect(result.stderr).toContain("Do not install");
  });

  test("malicious mirror: files that are withheld are missed, and no keys where there were some is no answer", async () => {
    const words = "withholds files";
    const fresh = "rm -rf ~/.local/share/lading/trust ~/.cache/lading && lading update";
    const hide =
      (wanted: RegExp): Bend =>
      (file) =>
        wanted.test(file) ? { status: 404, body: new Uint8Array() } : undefined;
    await detects(hide(/timestamp\.json$/), { code: "METADATA_MISSING", exit: 5, words });
    await detects(hide(/\.snapshot\.json$/), { line: fresh, code: "METADATA_MISSING", exit: 5, words });
    await detects(hide(/\/[0-9a-f]{64}\.tool\.json$/), { line: fresh, code: "TARGET_MISSING", exit: 5, words });
    const keyless = Buffer.from(JSON.stringify({ protocol: 1, index: "./", blobs: "./blobs/sha256/" }));
    await detects(replay(new Map([[".well-known/lading.json", keyless]])), {
      line: "rm -rf ~/.cache/lading && lading update",
      code: "REGISTRY_TRUST_WITHDRAWN",
      exit: 7,
      words: "An attack would look like this",
    });
  });
});

describe("arbitrary software", () => {
  test("altered metadata is refused, in its signature as in what it says", async () => {
    const text = new TextDecoder().decode(timestampOf(newest));
    for (const place of [text.indexOf('"sig":'), text.indexOf('"expires":')]) {
      const bent = replay(new Map([["metadata/timestamp.json", nudge(timestampOf(newest), place)]]));
      await detects(bent, { code: "METADATA_", exit: 7, words: "An attack would look like this" });
    }
  });

  test("a registry with other keys under a known address is refused, and under a pinned root from the first contact on", async () => {
    const place = temporary();
    const own = path.join(place, "keys");
    const settings = { name: "Evil", signatures: "optional", expiryDays: 30 } as const;
    await createKeyDirectory({ directory: own, settings, url: "https://packages.example.com/", nowMs: Date.now() });
    const evil = await readKeyDirectory({ directory: own });
    await createStaticRegistry({ store: directoryStore(path.join(place, "registry")), trust: evil });
    await publishTo(path.join(place, "registry"), evil, { name: "tool", version: "1.2.0" });
    const files = replay(filesOf(path.join(place, "registry")));
    await detects(files, { code: "METADATA_UNTRUSTED", exit: 7, words: "An attack would look like this" });
    const { createHash } = await import("node:crypto");
    const pin = `sha256:${createHash("sha256").update(trust.roots[0]!).digest("hex")}`;
    await detects(files, {
      line: "rm -rf ~/.local/share/lading/trust ~/.cache/lading && lading update",
      env: { LADING_REGISTRY_ROOT: pin },
      code: "METADATA_ROOT_PIN_MISMATCH",
      exit: 7,
      words: "arbitrary software attack",
    });
  });
});

describe("the log", () => {
  test("a registry that removes an entry has fewer than were seen", async () => {
    const files = await resigned({ entries: (entries) => entries.slice(0, -1) });
    await detects(replay(files), { code: "LOG_ROLLBACK", exit: 7, words: "rollback of the log" });
  });

  test("an entry that is replaced is a second history", async () => {
    const files = await resigned({ entries: (entries) => [...entries.slice(0, -1), policyEntry()] });
    await detects(replay(files), { code: "LOG_SPLIT_VIEW", exit: 7, words: "split view" });
  });

  test("entries that are reordered are a rewritten history, however long the log has become", async () => {
    const files = await resigned({ entries: ([first, second, ...rest]) => [second!, first!, ...rest, policyEntry()] });
    await detects(replay(files), { code: "LOG_INCONSISTENT", exit: 7, words: "rewritten its history" });
  });

  test("a split view is found by the one who saw the other side", async () => {
    const mine = await resigned({ entries: (entries) => [...entries, policyEntry("1".repeat(64))] });
    const yours = await resigned({ entries: (entries) => [...entries, policyEntry("2".repeat(64))] });
    const sandbox = victim();
    server.bend = replay(mine);
    await sandbox.ok("lading update");
    server.bend = replay(yours);
    const { code, stderr } = await sandbox.line("lading update");
    expect(code).toBe(7);
    expect(stderr).toContain("LOG_SPLIT_VIEW");
    expect(stderr).toContain("different people different histories");
  });

  test("a mirror that alters the checkpoint or a tile is found by their signature and by the proof", async () => {
    const checkpoint = newest.get("log/checkpoint")!;
    const bent = nudge(checkpoint, checkpoint.length - 60);
    await detects(replay(new Map([["log/checkpoint", bent]])), {
      code: "LOG_CHECKPOINT_ALTERED",
      exit: 7,
      words: "attack would look like this",
    });
    const longer = await resigned({ entries: (entries) => [...entries, policyEntry()] });
    const tile = [...longer.keys()].find((file) => /^log\/tile\/0\/000\.p\/\d+$/.test(file) && !newest.has(file))!;
    const altered = new Map([...longer, [tile, longer.get(tile)!.map((byte) => byte ^ 1)]]);
    await detects(replay(altered), { code: "LOG_INCONSISTENT", exit: 7, words: "rewritten its history" });
  });
});

describe("before a registry's server", () => {
  let origin: RegistryProcess;
  let between: HostileServer;
  const known: Files = new Map();

  beforeAll(async () => {
    origin = await startRegistry();
    between = await startHostile(origin.url);
    await publishPackage(origin, { name: "tool", version: "1.0.0" });
  });

  afterAll(async () => {
    await between?.close();
    await origin?.dispose();
  });

  test("rollback, freeze, wrong software and a withheld log are refused as before files", async () => {
    const project = createProject(
      { "lading.toml": '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "^1"\n' },
      { registry: between.url },
    );
    const run = (change: Parameters<typeof project.use>[1] = {}): Promise<unknown> =>
      project.use((context) => update({}, context), change);
    await run();
    for (const [file, bytes] of between.recorded) known.set(file, bytes);
    await publishPackage(origin, { name: "tool", version: "1.1.0", files: { "fix.txt": "fixed" } });
    await run();
    expect(locked(project.lock())).toEqual(["tool 1.1.0"]);
    between.bend = replay(known);
    expect(await failure(run)).toBe("METADATA_ROLLBACK");
    between.bend = replay(new Map(between.recorded));
    expect(await failure(() => run({ now: () => Date.now() + 2 * DAY_MS }))).toBe("METADATA_EXPIRED");
    between.bend = (file) => (file === "log/checkpoint" ? { status: 404, body: new Uint8Array() } : undefined);
    expect(await failure(run)).toMatch(/^LOG_/);
    const genuine = [...known].find(([file]) => /[0-9a-f]{64}\.tool\.json$/.test(file))![1];
    between.bend = (file) => (file.endsWith(".tool.json") ? { status: 200, body: genuine } : undefined);
    await publishPackage(origin, { name: "tool", version: "1.2.0" });
    expect(await failure(run)).toMatch(/^TARGET_/);
    between.bend = undefined;
    await run();
    expect(locked(project.lock())).toEqual(["tool 1.2.0"]);
  });
});

// --- what an attacker does who has the registry's online keys -------------------------------------------------------------

async function signerOf(role: string): Promise<Signer> {
  const { readPrivateKeyFile } = await import("@lading/signing/node");
  return softwareSigner((await readPrivateKeyFile(path.join(keys, `${role}.pem`))).seed);
}

/** The file without its signatures. */
function unsigned(bytes: Uint8Array): Uint8Array {
  const { signed } = JSON.parse(new TextDecoder().decode(bytes)) as { signed: object };
  return Buffer.from(JSON.stringify({ signatures: [], signed }));
}

function policyEntry(digits = "0".repeat(64)): Uint8Array {
  const policy = `sha256:${digits}` as never;
  return encodeLogEvent({ type: "policy", time: "2030-01-01T00:00:00Z", names: "**", policy });
}

/** The newest state, signed anew by the registry's own keys over another log or with versions that run ahead. */
async function resigned(change: {
  readonly entries?: (entries: readonly Uint8Array[]) => readonly Uint8Array[];
  readonly skip?: number;
  readonly lifetimeMs?: number;
}): Promise<Files> {
  const read = (file: string): Promise<Uint8Array | undefined> => Promise.resolve(newest.get(file));
  const size = Number(new TextDecoder().decode(newest.get("log/checkpoint")).split("\n")[1]);
  const entries: Uint8Array[] = [];
  for await (const { entry } of readEntries(size, (file) => read(`log/${file}`))) entries.push(entry);
  const grown = appendToLog(EMPTY_LOG, change.entries?.(entries) ?? entries);
  const log: LogState = { origin: trust.logOrigin, size: grown.tree.size, root: grown.root };
  let repository: Repository = await loadRepository({
    root: trust.roots.at(-1)!,
    read: (file) => read(`metadata/${file}`),
  });
  const files: Files = new Map(newest);
  // Each renewal of an expired file moves its version on by one.
  const day = change.lifetimeMs ?? SERVER_LIFETIMES.timestampMs;
  const lifetimes = { timestampMs: day, snapshotMs: day, targetsMs: 90 * day, binsMs: 90 * day };
  for (let i = 0; i < (change.skip ?? 1); i++) {
    const update = await updateRepository(repository, {
      signers: trust.signers,
      nowMs: Date.now(),
      lifetimes,
      log,
      verifier: trust.verifier,
    });
    repository = update.repository;
    for (const [file, bytes] of update.files) files.set(`metadata/${file}`, bytes);
  }
  for (const [file, bytes] of grown.files) files.set(`log/${file}`, bytes);
  files.set("log/checkpoint", await signCheckpoint(log, [trust.logSigner]));
  return files;
}
