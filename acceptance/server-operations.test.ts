import { copyFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatPublicKey } from "@lading/signing";
import { api, apiJson, runCli, startRegistry, type RegistryProcess } from "./lib/harness.ts";
import { newSigner, publishPackage, removeTemporary, sha256, temporary } from "./lib/more.ts";

let registry: RegistryProcess;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await registry.dispose();
  removeTemporary();
});

const administer = async (...words: string[]): Promise<Record<string, unknown>> => {
  const { stdout } = await runCli("lading-registry", ["admin", ...words]);
  return JSON.parse(stdout) as Record<string, unknown>;
};
const bytesAt = async (url: string): Promise<string> => sha256(new Uint8Array(await (await fetch(url)).arrayBuffer()));

describe("a registry's operator", () => {
  test("[SRV-30] backs up beside the running server, and the restored server serves the same checksums", async () => {
    const signer = newSigner();
    await apiJson(registry, "/api/v1/keys", {
      method: "POST",
      body: JSON.stringify({ public_key: formatPublicKey(signer.publicKey) }),
    });
    const built = await publishPackage(registry, { name: "kept", version: "1.0.0" }, { signer });
    const root = temporary();
    const backup = path.join(root, "backup");
    expect(await administer("backup", backup, "--data", registry.data)).toMatchObject({ blobs: 3, copied: 3 });
    await publishPackage(registry, { name: "kept", version: "1.1.0" }, { signer });
    expect(await administer("backup", backup, "--data", registry.data)).toMatchObject({ blobs: 5, copied: 2 });
    const data = path.join(root, "restored");
    expect(await administer("restore", backup, "--data", data)).toMatchObject({ blobs: 5, documents: 1 });
    expect(await administer("verify", "--data", data)).toMatchObject({ checked: 5, bad: [] });
    copyFileSync(path.join(registry.data, "admin-token"), path.join(data, "admin-token"));
    const restored = await startRegistry({ data });
    try {
      const blob = `/blobs/sha256/${built.blob.slice(7)}`;
      for (const file of [blob, `${blob}.sig`, "/index/_/ke/kept.json"])
        expect(await bytesAt(`${restored.url}${file}`)).toBe(await bytesAt(`${registry.url}${file}`));
      const again = await publishPackage(restored, { name: "kept", version: "1.2.0" }, { signer });
      expect(again.blob).toMatch(/^sha256:/);
    } finally {
      await restored.dispose();
      rmSync(root, { recursive: true, force: true });
    }
  });

  test("learns which port is taken and how to change it, in place of a half-made registry", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    try {
      const data = path.join(temporary(), "data");
      const { code, stderr } = await runCli("lading-registry", ["--data", data, "--port", String(port)]);
      expect([code, stderr]).toEqual([
        5,
        expect.stringMatching(new RegExp(`port ${port}: another process.*--port`, "s")),
      ]);
    } finally {
      other.close();
    }
    expect(await runCli("lading-registry", ["--data", "/proc/lading", "--port", "0"])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('"/proc/lading"') as string,
    });
  });
});

describe("a registry's client", () => {
  test("sends a write again under its Idempotency-Key and gets the first answer", async () => {
    const create = async (name: string): Promise<Response> =>
      api(registry, "/api/v1/packages/", {
        method: "POST",
        body: JSON.stringify({ name }),
        headers: { "idempotency-key": "one-key" },
      });
    const answers = [await create("once"), await create("once"), await create("other")];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 422]);
    expect(await answers[1]!.text()).toBe(await answers[0]!.text());
  });

  test("changes nothing that somebody else has changed meanwhile, with If-Match", async () => {
    await publishPackage(registry, { name: "guarded", version: "1.0.0" });
    const version = "/api/v1/packages/guarded/versions/1.0.0";
    const seen = (await api(registry, version)).headers.get("etag")!;
    const yank = async (): Promise<number> =>
      (
        await api(registry, `${version}/yank`, {
          method: "POST",
          body: JSON.stringify({ reason: "broken" }),
          headers: { "if-match": seen },
        })
      ).status;
    expect([await yank(), await yank()]).toEqual([200, 412]);
  });

  test("follows the feed of changes", async () => {
    const page = await apiJson<{ entries: { id: number; name: string }[] }>(registry, "/feed/0.json");
    expect(page.entries.map(({ id }) => id)).toEqual(page.entries.map((_, index) => index + 1));
    expect(page.entries.map(({ name }) => name)).toContain("guarded");
  });
});
