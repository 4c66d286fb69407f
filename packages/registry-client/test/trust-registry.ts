import { createHash } from "node:crypto";
import type { Digest } from "@lading/core-manifest";
import { indexDocumentPath, parsePackageName } from "@lading/core-manifest";
import type { Signer } from "@lading/signing";
import {
  appendToLog,
  cosignNote,
  encodeNote,
  parseNote,
  createNoteKey,
  EMPTY_LOG,
  formatNoteKey,
  signCheckpoint,
  tilePath,
  type LogState,
  type LogTree,
} from "@lading/signing/log";
import { createRepository, targetPath, updateRepository, type Repository } from "@lading/signing/metadata";
import { TEST_NOW_MS, TEST_ROLES, testRoot, testSigner } from "@lading/signing/testing";
import type { TestRegistry } from "@lading/registry-client/testing";

const ORIGIN = "test.example/log";

/** A test registry with signed metadata and a log, every file of which a test may replace. */
export interface SignedRegistry {
  readonly root: Uint8Array;
  /** What the registry says of itself. */
  readonly description: object;
  readonly logKey: string;
  /** Publishes documents: one update of the metadata and one log entry, or those that are given. */
  publish(documents: Readonly<Record<string, object>>, nowMs?: number, entries?: readonly string[]): Promise<void>;
  /** Replaces the log by another history of as many entries or fewer. */
  rewriteLog(entries: readonly string[]): Promise<void>;
  /** Signs the same state again. */
  renew(nowMs: number): Promise<void>;
  /** Adds a witness's cosignature to the checkpoint that is served. */
  cosign(witness: Signer, name: string): Promise<void>;
  /** Signs what a registry's own keys sign. */
  readonly signers: readonly Signer[];
}

const hexOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Gives a test registry keys. */
export async function signRegistry(registry: TestRegistry): Promise<SignedRegistry> {
  const root = await testRoot();
  const logSigner = testSigner("log");
  const logKey = formatNoteKey(createNoteKey(ORIGIN, logSigner.publicKey));
  const { targets, snapshot, timestamp } = TEST_ROLES;
  const signers = [targets, snapshot, timestamp];
  let repository: Repository | undefined;
  let tree: LogTree = EMPTY_LOG;
  let state: LogState = { origin: ORIGIN, size: 0, root: new Uint8Array(createHash("sha256").digest()) };
  let count = 0;
  let checkpoint: Uint8Array = new Uint8Array();
  const putLog = async (entries: readonly string[]): Promise<void> => {
    const grown = appendToLog(
      tree,
      entries.map((entry) => new TextEncoder().encode(entry)),
    );
    tree = grown.tree;
    state = { origin: ORIGIN, size: tree.size, root: grown.root };
    for (const [path, bytes] of grown.files) registry.addFile(`log/${path}`, bytes);
    checkpoint = await signCheckpoint(state, [logSigner]);
    registry.addFile("log/checkpoint", checkpoint);
  };
  const sign = async (documents: Readonly<Record<string, object>>, nowMs: number): Promise<void> => {
    const entries = Object.entries(documents).map(([name, document]) => {
      const bytes = Buffer.from(JSON.stringify(document));
      const path = indexDocumentPath(parsePackageName(name));
      const hex = hexOf(bytes);
      registry.addFile(path, bytes);
      registry.addFile(targetPath({ path, length: bytes.length, hashes: { sha256: hex } }, true), bytes);
      return { path, length: bytes.length, digest: `sha256:${hex}` as Digest };
    });
    const options = { signers, nowMs, log: state };
    const update =
      repository === undefined
        ? await createRepository({ ...options, root, targets: entries })
        : await updateRepository(repository, { ...options, put: entries });
    repository = update.repository;
    for (const [path, bytes] of update.files) registry.addFile(`metadata/${path}`, bytes);
  };
  registry.addFile("metadata/1.root.json", root);
  const description = {
    protocol: 1,
    name: "test",
    mode: "production",
    index: registry.url,
    blobs: `${registry.url}blobs/sha256/`,
    api: `${registry.url}api/v1/`,
    signatures: "optional",
    root: { version: 1, digest: `sha256:${hexOf(root)}` },
    metadata: `${registry.url}metadata/`,
    log: { origin: ORIGIN, key: logKey, url: `${registry.url}log/` },
  };
  registry.addFile(".well-known/lading.json", JSON.stringify(description));
  return {
    root,
    description,
    logKey,
    signers,
    publish: async (documents, nowMs = TEST_NOW_MS, entries = [`entry ${++count}`]) => {
      await putLog(entries);
      await sign(documents, nowMs);
    },
    rewriteLog: async (entries) => {
      tree = EMPTY_LOG;
      await putLog(entries);
    },
    renew: (nowMs) => sign({}, nowMs),
    cosign: async (witness, name) => {
      checkpoint = encodeNote(
        await cosignNote(parseNote(checkpoint), { name, signer: witness, timeS: TEST_NOW_MS / 1000 }),
      );
      registry.addFile("log/checkpoint", checkpoint);
    },
  };
}

/** Path of the first tile of hashes. */
export const firstTile = (width: number): string => `log/${tilePath(0, 0, width)}`;
