import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { AwsClient } from "aws4fetch";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectPackage, packDirectory } from "@lading/archive/node";
import { builtinProfile } from "@lading/core-manifest";
import { createContext, install, type EngineContext } from "@lading/engine";
import { checkStaticRegistry, createStaticRegistry, publishStatic, type RegistryStore } from "@lading/registry-static";
import { createKeyDirectory, readKeyDirectory, s3Store } from "@lading/registry-static/node";
import { storeContract } from "@lading/registry-static/testing";
import { startRadosgw, type BucketAccess, type S3Server } from "./radosgw.ts";

let server: S3Server;
const made: string[] = [];
beforeAll(async () => {
  server = await startRadosgw();
});
afterAll(async () => {
  await server?.stop();
  for (const directory of made) await rm(directory, { recursive: true, force: true });
});

async function temporary(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), "lading-static-s3-"));
  made.push(directory);
  return directory;
}

function storeOf({ endpoint, bucket, region, accessKeyId, secretAccessKey }: BucketAccess, prefix = ""): RegistryStore {
  return s3Store({ endpoint, bucket, region, prefix, credentials: { accessKeyId, secretAccessKey } });
}

describe("a static registry in a bucket", () => {
  it.each(storeContract)("$name", async ({ run }) => {
    const bucket = await server.createBucket();
    await run(() => storeOf(bucket, "packages/"));
  });

  it("[CCH-33] takes packages of writers at once, is whole, and is installed from by signed requests", async () => {
    const bucket = await server.createBucket();
    const directory = await temporary();
    const keys = path.join(directory, "keys");
    const settings = { name: "Bucket", signatures: "optional", expiryDays: 30 } as const;
    await createKeyDirectory({
      directory: keys,
      settings,
      url: `s3+${bucket.endpoint}/${bucket.bucket}/`,
      nowMs: Date.now(),
    });
    const trust = await readKeyDirectory({ directory: keys });
    await createStaticRegistry({ store: storeOf(bucket), trust });
    await Promise.all(
      ["tool", "gear", "nut"].map(async (name) => {
        const source = await temporary();
        await writeFile(path.join(source, "lading.toml"), `[package]\nname = "${name}"\nversion = "1.0.0"\n`);
        const file = path.join(await temporary(), "package.lpk");
        const record = {
          format: 1,
          kind: "binary",
          target: "any",
          manifestFile: "lading.toml",
          executables: [],
        } as const;
        await packDirectory({
          directory: source,
          output: file,
          codec: "zstd",
          record: { ...record, manifest: { name, version: "1.0.0" } },
        });
        await publishStatic({ store: storeOf(bucket), trust }, [{ file, inspected: await inspectPackage(file) }]);
      }),
    );
    const session = await storeOf(bucket).open();
    const checked = await checkStaticRegistry({ read: (file) => session.read(file), nowMs: Date.now() });
    await session.close();
    expect(checked).toMatchObject({ packages: 3, versions: 3, logSize: 4, problems: [] });

    const project = await temporary();
    const manifest = '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "^1.0.0"\n';
    await writeFile(path.join(project, "lading.toml"), manifest);
    const use = async (env: Readonly<Record<string, string>>): Promise<unknown> => {
      const context: EngineContext = createContext({
        profile: builtinProfile("lading"),
        cwd: project,
        home: await temporary(),
        env: { PATH: process.env["PATH"], LADING_REGISTRY_URL: `s3+${bucket.endpoint}/${bucket.bucket}/`, ...env },
      });
      try {
        return await install({}, context);
      } finally {
        await context.close();
      }
    };
    await expect(use({})).rejects.toThrow(/40[13]/);
    const { accessKeyId, secretAccessKey, region } = bucket;
    await use({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: region });
  });

  it("does not write over what another has written since, whatever it holds", async () => {
    const bucket = await server.createBucket();
    const session = await storeOf(bucket).open();
    const pointer = { path: "metadata/timestamp.json", content: Buffer.from("1") };
    await session.read(pointer.path);
    const { endpoint, region, accessKeyId, secretAccessKey } = bucket;
    const other = new AwsClient({ accessKeyId, secretAccessKey, service: "s3", region });
    await other.fetch(`${endpoint}/${bucket.bucket}/${pointer.path}`, { method: "PUT", body: "theirs" });
    expect(await session.commit(pointer, "Change")).toBe("conflict");
    await session.close();
  });
});
