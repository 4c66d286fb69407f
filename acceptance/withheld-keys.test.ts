import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { update } from "@lading/engine";
import { SERVER_LIFETIMES, loadRepository, updateRepository, type Repository } from "@lading/signing/metadata";
import { readRegistryKeys } from "@lading/signing/node";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { replay, startHostile, type HostileServer } from "./lib/hostile.ts";
import { createProject, locked, removeTemporary, sha256, type Project } from "./lib/more.ts";

/**
 * A registry that was broken into hides that a stolen key was revoked: it signs, by its own online keys, an index document
 * without the revocation, which its log goes on to have.
 */

const DOCUMENT = "index/_/to/tool.json";
const HOUR_MS = 3_600_000;
const APP = '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "^1.0.0"\n';
const WORDS = "hides that a stolen key is no longer trusted";

let origin: RegistryProcess;
let between: HostileServer;
let owner: Sandbox;
/** Was shown the revocation. */
let informed: Sandbox;
/** Saw the registry before the key was revoked, and not since. */
let away: Project;
const sandboxes: Sandbox[] = [];

function person(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({ env });
  sandboxes.push(sandbox);
  return sandbox;
}

async function bytesAt(file: string): Promise<Uint8Array | undefined> {
  const answer = await fetch(`${origin.url}/${file}`);
  return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined;
}

type Document = Readonly<Record<string, unknown>>;
const read = async (): Promise<Document> => JSON.parse(new TextDecoder().decode(await bytesAt(DOCUMENT))) as Document;

async function repository() {
  const { roots, signers } = await readRegistryKeys(path.join(origin.data, "keys"));
  const loaded = await loadRepository({ root: roots.at(-1)!, read: (file) => bytesAt(`metadata/${file}`) });
  return { loaded, signers };
}

/** Until signed metadata shows the revocation, as far as the honest registry is concerned. */
async function isShown(): Promise<void> {
  for (;;) {
    const plain = (await bytesAt(DOCUMENT))!;
    const { loaded } = await repository();
    const target = loaded.bins.map(({ targets }) => targets.get(DOCUMENT)).find((one) => one !== undefined);
    const isSigned = `sha256:${target?.hashes["sha256"]}` === sha256(plain);
    if (isSigned && (await read())["keys"] !== undefined) return;
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** What an index that hides a revocation says of who published and signed: what it said before, or what suits it. */
const BENT = {
  "as they were": (document: Document): Document => document,
  "by another account": (document: Document) => replaced(document, "publisher", "mallory"),
  "without signers": (document: Document) => replaced(document, "signers", undefined),
} as const;
type Bent = keyof typeof BENT;
const ALL = Object.keys(BENT) as readonly Bent[];

/** A member of everything in a document; the document's own of that name is a table that others refer to. */
function replaced(document: Document, member: string, by: string | undefined): Document {
  const within = (value: unknown): unknown =>
    value === null || typeof value !== "object"
      ? value
      : Array.isArray(value)
        ? value.map(within)
        : Object.fromEntries(
            Object.entries(value).map(([key, one]) => [key, key === member ? by : within(one)] as const),
          );
  const parts = Object.entries(document).map(([key, value]) => [key, within(value)] as const);
  return Object.fromEntries(parts);
}

/** What was signed without the revocation so far. */
let signed: { readonly repository: Repository; readonly files: ReadonlyMap<string, Uint8Array> } | undefined;

/** The newest state without the revocation, signed by the registry's own keys. */
async function withheld(nowMs: number, bent: Bent = "as they were"): Promise<ReadonlyMap<string, Uint8Array>> {
  const { keys: _keys, entries: _entries, ...honest } = await read();
  const rest = BENT[bent](honest);
  if (bent !== "as they were" && isDeepStrictEqual(rest, honest)) throw new Error(`nothing was bent: ${bent}`);
  const bytes = new TextEncoder().encode(JSON.stringify(rest));
  const digest = sha256(bytes);
  const { loaded, signers } = await repository();
  // Each state follows the one before: a victim that has seen that one must not take it for the same.
  signed ??= { repository: loaded, files: new Map() };
  const put = [{ path: DOCUMENT, length: bytes.length, digest }];
  const next = await updateRepository(signed.repository, { signers, nowMs, lifetimes: SERVER_LIFETIMES, put });
  signed = { repository: next.repository, files: new Map([...signed.files, ...next.files]) };
  return new Map([
    ...[...signed.files].map(([file, content]) => [`metadata/${file}`, content] as const),
    [DOCUMENT.replace("tool.json", `${digest.slice("sha256:".length)}.tool.json`), bytes],
    [DOCUMENT, bytes],
  ]);
}

async function publish(version: string): Promise<void> {
  owner.write("tool/lading.toml", `[package]\nname = "tool"\nversion = "${version}"\n`);
  owner.write("tool/readme.txt", version);
  await owner.ok("lading -C tool publish --any-registry --sign ../own.pem");
}

beforeAll(async () => {
  origin = await startRegistry();
  between = await startHostile(origin.url);
  owner = person({ LADING_TOKEN: origin.token });
  await owner.ok(`lading registry add local ${origin.url}`);
  await owner.ok("lading keygen --output own.pem");
  await publish("1.0.0");
  away = createProject({ "lading.toml": APP }, { registry: between.url });
  await away.use((context) => update({}, context));
  // By whoever has stolen the key.
  await publish("1.1.0");
  const { entries } = (await owner.json("lading log monitor tool --json")) as {
    readonly entries: readonly { readonly index: number; readonly text: string }[];
  };
  const stolen = entries.find(({ text }) => text.startsWith("1.1.0 published"))!;
  await owner.ok(`lading key revoke --key own.pem --from ${stolen.index} --reason stolen`);
  await isShown();
  informed = person({ LADING_REGISTRY_URL: between.url });
  informed.write("lading.toml", APP);
  await informed.ok("lading update");
}, 300_000);

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await between?.close();
  await origin?.dispose();
  removeTemporary();
});

describe("a revocation that a registry withholds", () => {
  test("was heeded while it was shown", () => {
    expect(informed.read("lading.lock")).toContain('version = "1.0.0"');
  });

  test.each(ALL)("is missed at once by an installation that was shown it before: versions %s", async (bent) => {
    const before = informed.read("lading.lock");
    between.bend = replay(await withheld(Date.now(), bent));
    const { code, stderr } = await informed.line("lading update");
    expect(stderr).toContain("REGISTRY_KEY_CHANGE_WITHHELD");
    expect(stderr).toContain(WORDS);
    expect(code).toBe(7);
    expect(informed.read("lading.lock")).toBe(before);
  });

  test.each(ALL)("is missed by one that was never shown it, a day later: versions %s", async (bent) => {
    // Each later than the one before, of which the same machine has seen the state.
    const later = Date.now() + (25 + ALL.indexOf(bent)) * HOUR_MS;
    between.bend = replay(await withheld(later, bent));
    const error = await away
      .use((context) => update({}, context), { now: () => later })
      .catch((cause: unknown) => cause);
    // A version of which nobody is named as the signer is none of the publisher that the lock has pinned.
    const code = bent === "without signers" ? "PUBLISHER_CHANGED" : "REGISTRY_KEY_CHANGE_WITHHELD";
    expect(error).toMatchObject({ code });
    expect(String((error as { hint?: string }).hint).includes(WORDS)).toBe(bent !== "without signers");
    expect(locked(away.lock())).toEqual(["tool 1.0.0"]);
  });

  test("is missed on a new machine once log verify --full has read the log, and not before", async () => {
    between.bend = replay(await withheld(Date.now()));
    const fresh = person({ LADING_REGISTRY_URL: between.url });
    fresh.write("lading.toml", APP);
    await fresh.ok("lading update");
    expect(fresh.read("lading.lock")).toContain('version = "1.1.0"');
    for (const bent of ALL) {
      const another = person({ LADING_REGISTRY_URL: between.url });
      another.write("lading.toml", APP);
      another.write("lading.lock", fresh.read("lading.lock"));
      between.bend = replay(await withheld(Date.now(), bent));
      const verified = await another.line("lading log verify --full");
      expect({ bent, ...verified }).toMatchObject({
        bent,
        code: 7,
        stderr: expect.stringContaining("PUBLISHER_STATEMENT_WITHHELD") as string,
      });
    }
    await fresh.line("lading log verify --full");
    const refused = await fresh.line("lading update");
    expect(refused).toMatchObject({
      code: 7,
      stderr: expect.stringContaining("REGISTRY_KEY_CHANGE_WITHHELD") as string,
    });
  });
});
