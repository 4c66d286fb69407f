import { createServer, type Server } from "node:http";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectPackage, packDirectory } from "@lading/archive/node";
import { encodeRecord } from "@lading/archive";
import { createStatement, encodeEnvelope, generateKey, softwareSigner, type Signer } from "@lading/signing";
import { mkdir } from "node:fs/promises";
import {
  StaticRegistryError,
  createStaticRegistry,
  type RegistryStore,
  type StaticPublication,
  type StaticTrust,
} from "../src/index.ts";
import { createKeyDirectory, readKeyDirectory } from "../src/node.ts";
import { sha256 } from "../src/lib/state.ts";

const made: string[] = [];
const servers: Server[] = [];

export async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lading-static-"));
  made.push(directory);
  return directory;
}

export async function cleanUp(): Promise<void> {
  for (const server of servers.splice(0)) await new Promise((done) => void server.close(done));
  for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
}

/** A plain web server over a directory. */
export async function serve(directory: string): Promise<string> {
  const server = createServer((request, response) => {
    readFile(join(directory, decodeURIComponent(new URL(request.url!, "http://x").pathname))).then(
      (bytes) => response.writeHead(200).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  servers.push(server);
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const newSigner = (): Signer => softwareSigner(generateKey().seed);

export interface Fixture {
  readonly name?: string;
  readonly version?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly signer?: Signer;
  readonly target?: string;
}

/** Packs and signs a package with the real packer. */
export async function publication(fixture: Fixture = {}): Promise<StaticPublication> {
  const { name = "tool", version = "1.0.0", files = {}, signer, target = "any" } = fixture;
  const directory = await temporary();
  const source = join(directory, "source");
  await mkdir(source);
  for (const [file, text] of Object.entries({ "lading.toml": `[package]\nname = "${name}"\n`, ...files }))
    await writeFile(join(source, file), text);
  const output = join(directory, "package.lpk");
  const record = { format: 1, kind: "binary", target, manifestFile: "lading.toml", executables: [] } as const;
  await packDirectory({ directory: source, record: { ...record, manifest: { name, version } }, output, codec: "none" });
  const inspected = await inspectPackage(output);
  if (signer === undefined) return { file: output, inspected };
  const { blob, tree } = inspected;
  const manifestDigest = sha256(encodeRecord(inspected.record));
  const statement = createStatement({ name, version, kind: "binary", target, blob, tree, manifestDigest });
  return {
    file: output,
    inspected,
    statement: await encodeEnvelope(statement, [signer]),
    publicKeys: [signer.publicKey],
  };
}

export async function newKeys(
  options: Partial<Parameters<typeof createKeyDirectory>[0]> = {},
): Promise<{ readonly keys: string; readonly trust: StaticTrust }> {
  const keys = join(await temporary(), "keys");
  await createKeyDirectory({
    directory: keys,
    settings: { name: "Test", signatures: "optional", expiryDays: 30 },
    url: "https://packages.example.com/registry/",
    nowMs: Date.now(),
    ...options,
  });
  return { keys, trust: await readKeyDirectory({ directory: keys }) };
}

/** A new registry in a store. */
export async function newRegistry(
  store: RegistryStore,
): Promise<{ readonly keys: string; readonly trust: StaticTrust }> {
  const made = await newKeys();
  await createStaticRegistry({ store, trust: made.trust });
  return made;
}

/** The code that a call is refused with. */
export const code = async (run: () => Promise<unknown>): Promise<string> => {
  try {
    await run();
  } catch (error) {
    if (error instanceof StaticRegistryError) return error.code;
    throw error;
  }
  return "none";
};
