import { digestFromBytes } from "@lading/core-manifest";
import { sha256 } from "@noble/hashes/sha2.js";
import { type MetadataRequest, type MetadataSource } from "../metadata/client.ts";
import {
  createRepository,
  type RepositoryUpdate,
  type TargetEntry,
  type WriteOptions,
} from "../metadata/repository.ts";
import { createRoot, type RootRoles } from "../metadata/root-ceremony.ts";
import { signMetadata } from "../metadata/sign-metadata.ts";
import { encodeUtf8 } from "../bytes.ts";
import type { Signer } from "../signer.ts";
import { testSigner } from "./builders.ts";

/** Signers of the test registry: three of the root, one each of the others. */
export const TEST_ROLES: {
  readonly root: readonly Signer[];
  readonly targets: Signer;
  readonly snapshot: Signer;
  readonly timestamp: Signer;
} = {
  root: ["root 1", "root 2", "root 3"].map(testSigner),
  targets: testSigner("targets"),
  snapshot: testSigner("snapshot"),
  timestamp: testSigner("timestamp"),
};

/** The roles of {@link TEST_ROLES}, the root 2 of 3. */
export const TEST_ROOT_ROLES: RootRoles = {
  root: { keys: TEST_ROLES.root.map(({ publicKey }) => publicKey), threshold: 2 },
  targets: { keys: [TEST_ROLES.targets.publicKey] },
  snapshot: { keys: [TEST_ROLES.snapshot.publicKey] },
  timestamp: { keys: [TEST_ROLES.timestamp.publicKey] },
};

/** 2030-01-01, when the test registry starts. */
export const TEST_NOW_MS = 1_893_456_000_000;

/** A root of the test registry, signed by two of its three keys; valid for a year. */
export function testRoot(roles: Partial<RootRoles> = {}): Promise<Uint8Array> {
  const root = createRoot({ roles: { ...TEST_ROOT_ROLES, ...roles }, expiresMs: TEST_NOW_MS + 365 * 86_400_000 });
  return signMetadata(root, "root", TEST_ROLES.root.slice(0, 2));
}

/** An entry for a file with that content. */
export function testTarget(path: string, content: string): TargetEntry {
  const bytes = encodeUtf8(content);
  return { path, length: bytes.length, digest: digestFromBytes(sha256(bytes)) };
}

/** A whole small registry: its root, and what was made for those files. */
export async function testRepository(
  files: Readonly<Record<string, string>> = { "index/_/to/tool.json": "{}" },
  options: Partial<WriteOptions> = {},
): Promise<RepositoryUpdate & { readonly root: Uint8Array; readonly served: Map<string, Uint8Array> }> {
  const root = await testRoot();
  const { targets, snapshot, timestamp } = TEST_ROLES;
  const update = await createRepository({
    root,
    targets: Object.entries(files).map(([path, content]) => testTarget(path, content)),
    signers: [targets, snapshot, timestamp],
    nowMs: TEST_NOW_MS,
    ...options,
  });
  return { ...update, root, served: new Map(update.files) };
}

/** Serves files from memory, and notes what is asked for. */
export function memorySource(files: ReadonlyMap<string, Uint8Array>): MetadataSource & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    fetch: ({ path }: MetadataRequest) => {
      asked.push(path);
      return Promise.resolve(files.get(path));
    },
  };
}
