import { packDirectory } from "@lading/archive/node";
import type { PackageRecord, PublishedManifest } from "@lading/core-manifest";
import { createStatement, encodeEnvelope, formatPublicKey, softwareSigner, type Signer } from "@lading/signing";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  Argon2Hasher,
  createNodeRegistry,
  serve,
  type NodeRegistry,
  type NodeRegistryOptions,
  type RegistryServer,
} from "../src/node.ts";

/** A package file as a test made it. */
export interface BuiltPackage {
  readonly bytes: Uint8Array;
  readonly blob: string;
  readonly size: number;
  readonly tree: string;
  readonly record: PackageRecord;
  readonly recordDigest: string;
}

/** Packs real files with the real packer. */
export async function buildPackage(
  manifest: Partial<PublishedManifest> & { name: string; version: string },
  options: { files?: Record<string, string>; kind?: "binary" | "source"; target?: string } = {},
): Promise<BuiltPackage> {
  const directory = await mkdtemp(join(tmpdir(), "lading-build-"));
  try {
    const source = join(directory, "source");
    const files = { "lading.toml": `# ${manifest.name}\n`, ...options.files };
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(source, path)), { recursive: true });
      await writeFile(join(source, path), text);
    }
    const record: PackageRecord = {
      format: 1,
      kind: options.kind ?? "binary",
      target: options.target ?? "any",
      manifestFile: "lading.toml",
      executables: [],
      manifest,
    };
    const packed = await packDirectory({
      directory: source,
      record,
      output: join(directory, "out.lpk"),
      codec: "zstd",
    });
    return {
      bytes: await readFile(packed.path),
      blob: packed.blob,
      size: packed.size,
      tree: packed.tree,
      record: packed.record,
      recordDigest: packed.files[0]!.sha256,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A signed statement about a package. */
export async function signPackage(
  built: BuiltPackage,
  signer: Signer,
  change: Record<string, string> = {},
): Promise<Uint8Array> {
  const { record } = built;
  const facts = {
    name: record.manifest.name,
    version: record.manifest.version,
    kind: record.kind,
    target: record.target,
    blob: built.blob,
    tree: built.tree,
    manifestDigest: built.recordDigest,
    ...change,
  } as Parameters<typeof createStatement>[0];
  return encodeEnvelope(createStatement(facts), [signer]);
}

export function testSigner(fill: number): { signer: Signer; pem: string } {
  const signer = softwareSigner(new Uint8Array(32).fill(fill));
  return { signer, pem: formatPublicKey(signer.publicKey) };
}

/** The multipart body of a publication. */
export function publishBody(
  built: Pick<BuiltPackage, "bytes" | "blob" | "size"> & { tree?: string },
  statement?: Uint8Array,
): FormData {
  const form = new FormData();
  form.append(
    "metadata",
    JSON.stringify({ blob: built.blob, size: built.size, ...(built.tree === undefined ? {} : { tree: built.tree }) }),
  );
  if (statement !== undefined)
    form.append("statement", new Blob([statement.slice()], { type: "application/vnd.dsse+json" }), "statement.sig");
  form.append("package", new Blob([built.bytes.slice()]), "package.lpk");
  return form;
}

/** A running server on loopback with its own data directory. */
export interface TestServer {
  readonly url: string;
  readonly token: string;
  readonly password: string;
  readonly directory: string;
  readonly node: NodeRegistry;
  readonly server: RegistryServer;
  /** A request with the admin token, or with `auth` (empty: none). */
  call(path: string, init?: RequestInit & { auth?: string; json?: unknown }): Promise<Response>;
  publish(built: BuiltPackage, init?: { auth?: string; statement?: Uint8Array; path?: string }): Promise<Response>;
  /** Registers an account and returns a token of it. */
  account(username: string, token?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

/** Argon2id as weak as it gets: tests are not attacked. */
export const testHasher: Argon2Hasher = new Argon2Hasher({ memoryKib: 64 });

export async function startServer(options: Partial<NodeRegistryOptions> = {}): Promise<TestServer> {
  const directory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), "lading-server-")));
  const node = await createNodeRegistry({
    loginsPerMinute: 0,
    hasher: testHasher,
    ...options,
    dataDirectory: directory,
  });
  await node.registry.start();
  const server = await serve(node.registry, { host: "127.0.0.1", port: 0 });
  const token = node.bootstrap?.token ?? (await readFile(join(directory, "admin-token"), "utf8")).trim();
  const call: TestServer["call"] = async (path, { auth = token, json, headers, ...init } = {}) =>
    fetch(`${server.url}${path}`, {
      redirect: "manual",
      ...init,
      headers: {
        ...(auth === "" ? {} : { authorization: auth.includes(" ") ? auth : `Bearer ${auth}` }),
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...(headers as Record<string, string> | undefined),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
  return {
    url: server.url,
    token,
    password: node.bootstrap?.password ?? "",
    directory,
    node,
    server,
    call,
    publish: (built, { auth, statement, path = "/api/v1/packages/" } = {}) =>
      call(path, { method: "POST", body: publishBody(built, statement), ...(auth === undefined ? {} : { auth }) }),
    account: async (username, body = {}) => {
      await call("/api/v1/auth/register", {
        method: "POST",
        auth: "",
        json: { username, password: `password of ${username}` },
      });
      const login = await call("/api/v1/auth/login", {
        method: "POST",
        auth: "",
        json: { username, password: `password of ${username}` },
      });
      const { token: session } = (await login.json()) as { token: string };
      const made = await call("/api/v1/tokens", {
        method: "POST",
        auth: session,
        json: { name: "test", scopes: ["read", "publish", "yank", "owner"], ...body },
      });
      return ((await made.json()) as { token: string }).token;
    },
    close: async () => {
      await server.close(1000);
      // Fetches of a mirror that are under way end by themselves, a moment later.
      if (options.dataDirectory === undefined)
        await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
}
