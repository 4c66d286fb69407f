import { chmod, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Updater } from "tuf-js";
import { afterAll, describe, expect, it } from "vitest";
import { parseIndexDocument } from "@lading/core-manifest";
import { generateKey } from "@lading/signing";
import {
  LogError,
  createNoteKey,
  decodeLogEvent,
  formatNoteKey,
  openCheckpoint,
  parseNoteKey,
  readEntries,
  rootFromTiles,
  type LogEvent,
} from "@lading/signing/log";
import { memoryMetadataStore, openMetadataClient, readLogBinding, type JsonObject } from "@lading/signing/metadata";
import { nextLogKeyFile, nodeVerifier, writeKeyFiles } from "@lading/signing/node";
import {
  checkStaticRegistry,
  createStaticRegistry,
  publishStatic,
  refreshStatic,
  setStaticChannel,
  setStaticStatus,
} from "../src/index.ts";
import {
  createKeyDirectory,
  directoryStore,
  draftStaticRoot,
  installStaticRoot,
  readKeyDirectory,
  signStaticRoot,
  staticRootStatus,
} from "../src/node.ts";
import { cleanUp, code, newKeys, newRegistry, newSigner, publication, serve, temporary } from "./harness.ts";

afterAll(cleanUp);

async function events(directory: string): Promise<LogEvent[]> {
  const read = (path: string) => readFile(join(directory, "log", path)).catch(() => undefined);
  const description = JSON.parse(await readFile(join(directory, ".well-known/lading.json"), "utf8")) as {
    log: { origin: string; key: string };
  };
  const { origin, key } = description.log;
  const checkpoint = openCheckpoint((await read("checkpoint"))!, { origin, keys: [parseNoteKey(key)] });
  expect(Buffer.from(await rootFromTiles(checkpoint.size, read))).toEqual(Buffer.from(checkpoint.root));
  const found: LogEvent[] = [];
  for await (const { entry } of readEntries(checkpoint.size, read)) found.push(decodeLogEvent(entry) as LogEvent);
  return found;
}

async function document(directory: string, path = "index/_/to/tool.json") {
  return parseIndexDocument(JSON.parse(await readFile(join(directory, path), "utf8")));
}

describe("a static registry in a directory", () => {
  it.skipIf(process.platform === "win32")(
    "is for its readers, whoever may read the file that is published",
    async () => {
      const directory = await temporary();
      const store = directoryStore(directory);
      const { trust } = await newRegistry(store);
      const one = await publication();
      await chmod(one.file, 0o400);
      await publishStatic({ store, trust }, [one]);
      const mode = async (file: string): Promise<number> => (await stat(join(directory, file))).mode;
      const blob = one.inspected.blob.slice("sha256:".length);
      const [file] = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith(blob));
      expect(await mode(file!)).toBe(await mode(".well-known/lading.json"));
    },
  );

  it("is refreshed and downloaded from by tuf-js, from the first package to the next", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication(), await publication({ name: "company/gear" })]);
    const url = await serve(directory);
    const folder = await temporary();
    await writeFile(join(folder, "root.json"), trust.roots[0]!);
    const download = async (path: string): Promise<string> => {
      const client = new Updater({
        metadataDir: folder,
        targetDir: folder,
        metadataBaseUrl: `${url}/metadata`,
        targetBaseUrl: url,
      });
      await client.refresh();
      return readFile(await client.downloadTarget((await client.getTargetInfo(path))!, join(folder, "file")), "utf8");
    };
    expect(await download("index/_/to/tool.json")).toContain('"1.0.0');
    expect(await download("index/@company/ge/gear.json")).toContain('"company/gear"');
    await publishStatic({ store, trust }, [await publication({ version: "1.1.0" })]);
    expect(await download("index/_/to/tool.json")).toContain('"1.1.0');
  });

  it("says under the plain path what signed metadata says, with blob, statement and key beside", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    const signer = newSigner();
    const { published } = await publishStatic({ store, trust, publisher: "ann" }, [await publication({ signer })]);
    const [entry] = (await document(directory)).versions;
    expect(entry).toMatchObject({
      version: "1.0.0",
      status: "active",
      publisher: "ann",
      signers: published[0]!.signers,
    });
    expect(entry!.artifacts[0]).toMatchObject({ blob: published[0]!.blob, statement: "beside" });
    const hex = published[0]!.blob.slice(7);
    const files = await readdir(join(directory, "blobs/sha256"));
    expect(files.sort()).toEqual([hex, `${hex}.sig`, published[0]!.signers[0]!.slice(8)].sort());
    const read = (path: string) => readFile(join(directory, path)).catch(() => undefined);
    const client = openMetadataClient({
      root: trust.roots[0]!,
      source: { fetch: ({ path }) => read(`metadata/${path}`) },
      store: memoryMetadataStore(),
      verifier: nodeVerifier,
    });
    const { development, log } = await client.refresh(Date.now());
    expect({ development, size: log?.size }).toEqual({ development: true, size: 2 });
    const bytes = await client.download("index/_/to/tool.json", ({ path }) => read(path));
    expect(Buffer.from(bytes)).toEqual(await read("index/_/to/tool.json"));
  });

  it("logs its policy, publications, yanks and their ends", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication()]);
    const wanted = { name: "tool", version: "1.0.0", status: "yanked", reason: "broken" } as const;
    expect(await setStaticStatus({ store, trust }, wanted)).toMatchObject({ changed: true });
    expect(await setStaticStatus({ store, trust }, wanted)).toMatchObject({ changed: false });
    expect((await document(directory)).versions[0]).toMatchObject({ status: "yanked", reason: "broken" });
    await setStaticStatus({ store, trust }, { name: "tool", version: "1.0.0", status: "active" });
    expect((await document(directory)).versions[0]!.reason).toBeUndefined();
    expect((await events(directory)).map(({ type }) => type)).toEqual(["policy", "publish", "status", "status"]);
    const strict = { ...trust, settings: { ...trust.settings, signatures: "required" as const } };
    await refreshStatic({ store, trust: strict });
    await refreshStatic({ store, trust: strict });
    expect((await events(directory)).map(({ type }) => type).slice(4)).toEqual(["policy"]);
    expect(await code(() => setStaticStatus({ store, trust }, { ...wanted, version: "9.0.0" }))).toBe(
      "STATIC_VERSION_MISSING",
    );
  });

  it("has channels: one of its own leaves latest, later versions move latest upwards only, and each change is logged", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    const publish = async (version: string, channel?: string) =>
      publishStatic({ store, trust, publisher: "ann", channel }, [await publication({ version })]);
    const channels = async () => (await document(directory)).channels;
    await publish("1.0.0");
    await publish("2.0.0", "beta");
    expect(await channels()).toEqual({ beta: "2.0.0", latest: "1.0.0" });
    await publish("1.1.0");
    await publish("0.9.0");
    expect(await channels()).toEqual({ beta: "2.0.0", latest: "1.1.0" });
    expect((await publish("1.1.0", "lts")).published[0]!.outcome).toBe("exists");
    expect((await publish("1.1.0", "lts")).maintained).toBeUndefined();
    await publish("3.0.0");
    expect(await channels()).toEqual({ beta: "2.0.0", latest: "3.0.0", lts: "1.1.0" });
    const named = (await events(directory)).filter(({ type }) => type === "channel");
    expect(named).toMatchObject([
      { channel: "beta", version: "2.0.0", actor: "ann", name: "tool" },
      { channel: "lts", version: "1.1.0" },
    ]);
    const read = (path: string) => readFile(join(directory, path)).catch(() => undefined);
    expect((await checkStaticRegistry({ read, nowMs: Date.now() })).problems).toEqual([]);
  });

  it("lets a channel name another version or nothing, and refuses what would leave a name without meaning", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    for (const version of ["1.0.0", "2.0.0"]) await publishStatic({ store, trust }, [await publication({ version })]);
    const set = (channel: string, version?: string) =>
      setStaticChannel({ store, trust }, { name: "tool", channel, version });
    expect((await set("latest", "1.0.0")).channels).toEqual({ latest: "1.0.0" });
    expect((await set("latest", "1.0.0")).maintained).toBeUndefined();
    await setStaticStatus({ store, trust }, { name: "tool", version: "2.0.0", status: "deprecated", reason: "old" });
    expect((await document(directory)).channels).toEqual({ latest: "1.0.0" });
    expect((await set("next", "2.0.0")).channels).toEqual({ latest: "1.0.0", next: "2.0.0" });
    expect((await set("next")).channels).toEqual({ latest: "1.0.0" });
    expect((await events(directory)).slice(-1)).toMatchObject([{ type: "channel", channel: "next" }]);
    await setStaticStatus({ store, trust }, { name: "tool", version: "1.0.0", status: "yanked", reason: "broken" });
    expect((await document(directory)).channels).toEqual({ latest: "2.0.0" });
    const refusals = [
      ["latest", undefined, "STATIC_CHANNEL_REFUSED"],
      ["latest", "1.0.0", "STATIC_CHANNEL_REFUSED"],
      ["next", undefined, "STATIC_CHANNEL_REFUSED"],
      ["next", "9.0.0", "STATIC_VERSION_MISSING"],
    ] as const;
    for (const [channel, version, refused] of refusals)
      expect([channel, await code(() => set(channel, version))]).toEqual([channel, refused]);
    const other = () => setStaticChannel({ store, trust }, { name: "other", channel: "next", version: "1.0.0" });
    expect(await code(other)).toBe("STATIC_VERSION_MISSING");
    await expect(set("1.x", "2.0.0")).rejects.toMatchObject({ code: "CHANNEL_INVALID" });
  });

  it("keeps what latest was set to while that version is yanked, and takes it up again afterwards", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    const publish = async (version: string, channel?: string) =>
      publishStatic({ store, trust, channel }, [await publication({ version })]);
    const say = (version: string, status: "active" | "yanked") =>
      setStaticStatus({ store, trust }, { name: "tool", version, status });
    const latest = async () => (await document(directory)).channels["latest"];
    await publish("1.0.0");
    await publish("2.0.0");
    expect((await document(directory)).extra).toBeUndefined();
    await setStaticChannel({ store, trust }, { name: "tool", channel: "latest", version: "1.0.0" });
    await say("1.0.0", "yanked");
    expect(await latest()).toBe("2.0.0");
    await say("1.0.0", "active");
    expect(await latest()).toBe("1.0.0");
    // Set to what the versions alone would make, it stays so when the other one comes back.
    await say("1.0.0", "yanked");
    const { channels, maintained } = await setStaticChannel(
      { store, trust },
      { name: "tool", channel: "latest", version: "2.0.0" },
    );
    expect([channels["latest"], maintained === undefined]).toEqual(["2.0.0", false]);
    await say("1.0.0", "active");
    expect(await latest()).toBe("2.0.0");
    // A publication in a channel of its own sets it too, and one without a channel moves it only upwards.
    await publish("4.0.0", "beta");
    await say("2.0.0", "yanked");
    expect(await latest()).toBe("4.0.0");
    await publish("3.0.0");
    await say("2.0.0", "active");
    expect(await latest()).toBe("3.0.0");
    const read = (path: string) => readFile(join(directory, path)).catch(() => undefined);
    expect((await checkStaticRegistry({ read, nowMs: Date.now() })).problems).toEqual([]);
  });

  it("takes the same content again for what is there, and no other content", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication()]);
    const before = await readFile(join(directory, "metadata/timestamp.json"));
    const { published, maintained } = await publishStatic({ store, trust }, [await publication()]);
    expect([published[0]!.outcome, maintained]).toEqual(["exists", undefined]);
    const other = await publication({ files: { "a.txt": "other" } });
    expect(await code(() => publishStatic({ store, trust }, [other]))).toBe("STATIC_VERSION_EXISTS");
    expect(await readFile(join(directory, "metadata/timestamp.json"))).toEqual(before);
    const linux = await publication({ target: "x86_64-linux" });
    await publishStatic({ store, trust }, [linux]);
    expect((await document(directory)).versions[0]!.artifacts.map(({ target }) => target)).toEqual([
      "any",
      "x86_64-linux",
    ]);
  });

  it("refuses signatures that do not hold, of other bytes, by strangers, and none where there were some", async () => {
    const store = directoryStore(await temporary());
    const { trust } = await newRegistry(store);
    const [signer, stranger] = [newSigner(), newSigner()];
    const good = await publication({ signer });
    const other = await publication({ signer, files: { "a.txt": "other" } });
    const publish = (one: typeof good) => publishStatic({ store, trust }, [one]);
    expect(await code(() => publish({ ...good, statement: other.statement }))).toBe("STATIC_STATEMENT_REFUSED");
    expect(await code(() => publish({ ...good, publicKeys: [] }))).toBe("STATIC_STATEMENT_REFUSED");
    await publish(good);
    const next = { version: "2.0.0" };
    expect(await code(async () => publish(await publication(next)))).toBe("STATIC_SIGNATURE_REQUIRED");
    const foreign = await publication({ ...next, signer: stranger });
    expect(await code(() => publish(foreign))).toBe("STATIC_PUBLISHER_CHANGED");
    await publish({ ...(await publication({ ...next, signer })), publicKeys: [] });
    await publish({ ...(await publication({ version: "3.0.0", signer: stranger })), acceptKey: true });
    const strict = { ...trust, settings: { ...trust.settings, signatures: "required" as const } };
    const unsigned = await publication({ name: "other" });
    expect(await code(() => publishStatic({ store, trust: strict }, [unsigned]))).toBe("STATIC_SIGNATURE_REQUIRED");
  });

  it("is not signed for where a document, a tile, the checkpoint or metadata was altered in its place", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication()]);
    const next = await publication({ version: "1.1.0" });
    const names = await readdir(join(directory, "index/_/to"));
    const altered = [
      `index/_/to/${names.find((name) => name.length > 70)!}`,
      "log/tile/0/000.p/2",
      "log/checkpoint",
      "metadata/1.root.json",
      "metadata/timestamp.json",
    ];
    for (const path of altered) {
      const file = join(directory, path);
      const bytes = await readFile(file);
      const bent = Buffer.from(bytes);
      bent[Math.floor(bent.length / 2)]! ^= 1;
      await writeFile(file, bent);
      expect([path, await code(() => publishStatic({ store, trust }, [next]))]).toEqual([
        path,
        "STATIC_REGISTRY_DAMAGED",
      ]);
      await writeFile(file, bytes);
    }
    await publishStatic({ store, trust }, [next]);
  });

  it("is found to be missing, or to be there already", async () => {
    const store = directoryStore(await temporary());
    const { trust, keys } = await newKeys();
    expect(await code(() => refreshStatic({ store, trust }))).toBe("STATIC_REGISTRY_MISSING");
    await createStaticRegistry({ store, trust });
    expect(await code(() => createStaticRegistry({ store, trust }))).toBe("STATIC_REGISTRY_EXISTS");
    const again = createKeyDirectory({ directory: keys, settings: trust.settings, url: "https://a.test/", nowMs: 0 });
    expect(await code(() => again)).toBe("STATIC_REGISTRY_EXISTS");
  });

  it("is not given a file that was replaced since it was inspected", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    const one = await publication();
    await writeFile(one.file, "other bytes");
    expect(await code(() => publishStatic({ store, trust }, [one]))).toBe("STATIC_STORE_FAILED");
    await publishStatic({ store, trust }, [await publication()]);
  });

  it("is checked as a stranger would, and every kind of damage is named", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    const { published } = await publishStatic({ store, trust }, [await publication({ signer: newSigner() })]);
    const read = (path: string) => readFile(join(directory, path)).catch(() => undefined);
    const check = (nowMs = Date.now()) => checkStaticRegistry({ read, nowMs });
    expect(await check()).toMatchObject({ packages: 1, versions: 1, logSize: 2, development: true, problems: [] });
    const late = await check(Date.now() + 25 * 86_400_000);
    expect(late.problems).toEqual([expect.objectContaining({ severity: "warning", path: "metadata" })]);
    const hex = published[0]!.blob.slice(7);
    const [prefixed] = (await readdir(join(directory, "index/_/to"))).filter((name) => name.length > 70);
    const expected: Readonly<Record<string, string>> = {
      [`blobs/sha256/${hex}`]: `blobs/sha256/${hex}`,
      [`blobs/sha256/${hex}.sig`]: `blobs/sha256/${hex}.sig`,
      [`index/_/to/${prefixed!}`]: `index/_/to/${prefixed!}`,
      "index/_/to/tool.json": "index/_/to/tool.json",
      "log/checkpoint": "log/checkpoint",
      "log/tile/0/000.p/2": "log/tile",
      ".well-known/lading.json": "log/checkpoint",
      "metadata/timestamp.json": "metadata",
    };
    for (const [file, place] of Object.entries(expected)) {
      const bytes = (await read(file))!;
      await writeFile(
        join(directory, file),
        file.endsWith("lading.json") ? "{" : bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
      );
      const { problems } = await check();
      expect([file, problems.map(({ path }) => path)]).toEqual([file, expect.arrayContaining([place])]);
      await writeFile(join(directory, file), bytes);
    }
    expect((await check()).problems).toEqual([]);
  });

  it("takes every package of writers that run at once", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    const names = ["a1", "b1", "c1", "d1"];
    const all = await Promise.all(names.map((name) => publication({ name })));
    await Promise.all(all.map((one) => publishStatic({ store: directoryStore(directory), trust }, [one])));
    expect((await events(directory)).flatMap((event) => (event.type === "publish" ? [event.name] : [])).sort()).toEqual(
      names,
    );
  });

  it("is renewed: expired metadata is good again, under the same bins", async () => {
    const directory = await temporary();
    const store = directoryStore(directory);
    const { trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication()]);
    const read = (path: string) => readFile(join(directory, path)).catch(() => undefined);
    const client = openMetadataClient({
      root: trust.roots[0]!,
      source: { fetch: ({ path }) => read(`metadata/${path}`) },
      store: memoryMetadataStore(),
    });
    const later = Date.now() + 31 * 86_400_000;
    await expect(client.refresh(later)).rejects.toMatchObject({ code: "METADATA_EXPIRED" });
    const { expiresMs } = await refreshStatic({ store, trust, now: () => later });
    expect(expiresMs).toBe(Math.floor((later + 30 * 86_400_000) / 1000) * 1000);
    await client.refresh(later);
  });
});

describe("the root of a static registry", () => {
  it("begins offline with 2 of 3 keys, and nothing is signed before two have signed it", async () => {
    const holders = [0, 1, 2].map(() => generateKey());
    const keys = join(await temporary(), "keys");
    const settings = { name: "Test", signatures: "required", expiryDays: 30 } as const;
    const rootKeys = holders.map(({ publicKey }) => publicKey);
    const url = "https://packages.example.com/";
    const { draft } = await createKeyDirectory({ directory: keys, settings, url, rootKeys, nowMs: Date.now() });
    expect(await code(() => readKeyDirectory({ directory: keys }))).toBe("STATIC_KEYS_UNUSABLE");
    const folder = await temporary();
    const copies = [join(folder, "ann.json"), join(folder, "bob.json")];
    await signStaticRoot({ file: draft!, seed: holders[0]!.seed, output: copies[0] });
    expect(await code(() => installStaticRoot({ directory: keys, files: [copies[0]!] }))).toBe("STATIC_ROOT_REFUSED");
    expect(await signStaticRoot({ file: draft!, seed: generateKey().seed, output: copies[1] })).toMatchObject({
      named: false,
    });
    await signStaticRoot({ file: draft!, seed: holders[2]!.seed, output: copies[1] });
    expect(await installStaticRoot({ directory: keys, files: copies })).toMatchObject({ version: 1, complete: true });
    const trust = await readKeyDirectory({ directory: keys });
    const store = directoryStore(await temporary());
    await createStaticRegistry({ store, trust });
    expect(await staticRootStatus({ directory: keys })).toMatchObject({
      version: 1,
      development: false,
      complete: true,
    });
    // A new timestamp key takes a new root, which two holders sign; clients follow from the first one.
    const drafted = join(folder, "next.json");
    const change = { directory: keys, rotate: ["timestamp"], nowMs: Date.now(), output: drafted } as const;
    expect(await draftStaticRoot(change)).toMatchObject({ version: 2, complete: false });
    for (const holder of holders.slice(1)) await signStaticRoot({ file: drafted, seed: holder.seed });
    await installStaticRoot({ directory: keys, files: [drafted] });
    await refreshStatic({ store, trust: await readKeyDirectory({ directory: keys }) });
    const client = openMetadataClient({
      root: trust.roots[0]!,
      source: { fetch: ({ path }) => readFile(join(store.location, "metadata", path)).catch(() => undefined) },
      store: memoryMetadataStore(),
    });
    expect((await client.refresh(Date.now())).versions.root).toBe(2);
    await rm(join(keys, "2.root.json"));
    expect(await code(async () => refreshStatic({ store, trust: await readKeyDirectory({ directory: keys }) }))).toBe(
      "STATIC_KEYS_UNUSABLE",
    );
  });
});

describe("the log's key of a static registry", () => {
  it("changes while those who know the former one go on, and until its file is gone both sign", async () => {
    const store = directoryStore(await temporary());
    const { keys, trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication()]);
    const path = await nextLogKeyFile(keys);
    await writeKeyFiles({ path, format: "pem" });
    const rotated = await readKeyDirectory({ directory: keys });
    await publishStatic({ store, trust: rotated }, [await publication({ version: "1.1.0" })]);
    const signedBy = async (publicKey: Uint8Array): Promise<boolean> => {
      const checkpoint = await readFile(join(store.location, "log/checkpoint"));
      const origin = trust.logOrigin;
      try {
        return openCheckpoint(checkpoint, { origin, keys: [createNoteKey(origin, publicKey)] }).size === 3;
      } catch (error) {
        if (error instanceof LogError) return false;
        throw error;
      }
    };
    const [former, present] = [trust.logSigner.publicKey, rotated.logSigner.publicKey];
    expect([await signedBy(former), await signedBy(present)]).toEqual([true, true]);
    const timestamp = await readFile(join(store.location, "metadata/timestamp.json"), "utf8");
    expect(readLogBinding((JSON.parse(timestamp) as { signed: JsonObject }).signed)?.key).toBe(
      formatNoteKey(createNoteKey(trust.logOrigin, present)),
    );
    const read = (file: string) => readFile(join(store.location, file)).catch(() => undefined);
    expect((await checkStaticRegistry({ read, nowMs: Date.now() })).problems).toEqual([]);

    await rm(join(keys, "log.pem"));
    const alone = await readKeyDirectory({ directory: keys });
    await refreshStatic({ store, trust: alone });
    expect([await signedBy(former), await signedBy(present)]).toEqual([false, true]);
    // Who lost both is refused: another history could be told under another key.
    const stranger = { ...alone, logSigner: newSigner(), formerLogKeys: [] };
    expect(await code(() => refreshStatic({ store, trust: stranger }))).toBe("STATIC_REGISTRY_DAMAGED");
  });
});
