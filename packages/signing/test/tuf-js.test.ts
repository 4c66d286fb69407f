import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Updater } from "tuf-js";
import { createRoot, signMetadata, targetPath, createRepository, updateRepository, nextRoot } from "../src/metadata.ts";
import { TEST_ROLES, TEST_ROOT_ROLES, testSigner, testTarget } from "../src/testing.ts";

/** An independent client of TUF on a repository of ours, over loopback. */
describe("tuf-js", () => {
  const folder = mkdtempSync(join(tmpdir(), "lading-tuf-js-"));
  const served = new Map<string, Uint8Array>();
  let server: Server;
  let base: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const bytes = served.get(decodeURIComponent(request.url!));
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    await new Promise((resolve) => void server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const updater = (): Updater =>
    new Updater({
      metadataDir: folder,
      targetDir: folder,
      metadataBaseUrl: `${base}/metadata`,
      targetBaseUrl: `${base}/targets`,
    });

  async function download(path: string): Promise<string> {
    const client = updater();
    await client.refresh();
    const target = await client.getTargetInfo(path);
    return readFileSync(await client.downloadTarget(target!), "utf8");
  }

  it("refreshes and downloads, follows updates, re-binning and a new root", { timeout: 120_000 }, async () => {
    const nowMs = Date.now();
    const signers = [TEST_ROLES.targets, TEST_ROLES.snapshot, TEST_ROLES.timestamp];
    const draft = createRoot({ roles: TEST_ROOT_ROLES, expiresMs: nowMs + 86_400_000 });
    const root = await signMetadata(draft, "root", TEST_ROLES.root.slice(1));
    const contents = new Map(Array.from({ length: 40 }, (_, i) => [`index/_/p/p${i}.json`, `{"n":${i}}`]));
    const entry = ([path, text]: readonly [string, string]) => testTarget(path, text);
    const publish = (update: Awaited<ReturnType<typeof createRepository>>): void => {
      for (const [path, bytes] of update.files) served.set(`/metadata/${path}`, bytes);
      for (const { targets } of update.repository.bins) {
        for (const target of targets.values()) {
          served.set(`/targets/${targetPath(target, true)}`, new TextEncoder().encode(contents.get(target.path)));
        }
      }
    };
    const log = { origin: "registry.example/log", size: 1, root: new Uint8Array(32) };
    const first = await createRepository({ root, targets: [...contents].map(entry), signers, nowMs, log });
    publish(first);
    writeFileSync(join(folder, "root.json"), root);
    expect(await download("index/_/p/p7.json")).toBe('{"n":7}');

    contents.set("index/_/p/p7.json", "[]");
    for (let i = 40; i < 300; i++) contents.set(`index/_/p/p${i}.json`, `{"n":${i}}`);
    const second = await updateRepository(first.repository, { put: [...contents].map(entry), signers, nowMs });
    expect(second.rebinned).toBe(true);
    publish(second);
    expect(await download("index/_/p/p7.json")).toBe("[]");
    expect(await download("index/_/p/p299.json")).toBe('{"n":299}');

    const fresh = testSigner("fresh snapshot");
    const next = nextRoot(root, {
      roles: { snapshot: { keys: [fresh.publicKey] } },
      expiresMs: nowMs + 86_400_000,
    });
    const newRoot = await signMetadata(next, "root", TEST_ROLES.root);
    publish(await updateRepository(second.repository, { root: newRoot, signers: [...signers, fresh], nowMs }));
    expect(await download("index/_/p/p0.json")).toBe('{"n":0}');

    served.set("/metadata/timestamp.json", first.files.get("timestamp.json")!);
    await expect(updater().refresh()).rejects.toThrow(/version/i);
  });
});
