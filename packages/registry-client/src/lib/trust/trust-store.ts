import { RegistryClientError } from "../registry-client-error.ts";

/**
 * Where a client keeps what it trusts of each registry: its root, the metadata seen last, the log's last checkpoint. Names
 * are small file names, such as `root` or `bins-0f`. Who can remove files from it can undo the memory that rollbacks are
 * seen by; who can alter them causes a download, or for the anchor a refusal.
 */
export interface TrustStore {
  /** The bytes last written; `undefined` where there are none. */
  read(registryUrl: string, name: string): Promise<Uint8Array | undefined>;
  /** Replaces in one step: a reader sees the old bytes or the new. */
  write(registryUrl: string, name: string, bytes: Uint8Array, options?: TrustWriteOptions): Promise<void>;
  /** Removes, where it is there. */
  remove(registryUrl: string, name: string): Promise<void>;
  /** Forgets a registry. */
  clear(registryUrl: string): Promise<void>;
}

/** How a file of a trust store is written. */
export interface TrustWriteOptions {
  /** Whether it survives a loss of power. */
  readonly durable?: boolean | undefined;
  /**
   * Asked of the bytes that are there, in one step with the write: true leaves them. Another process may have written
   * what is newer since they were read.
   */
  readonly unless?: ((stored: Uint8Array) => boolean) | undefined;
}

/** A store that lasts as long as the process. */
export function createMemoryTrustStore(): TrustStore {
  const kept = new Map<string, Uint8Array>();
  const key = (url: string, name: string): string => `${url} ${name}`;
  return {
    read: (url, name) => Promise.resolve(kept.get(key(url, name))),
    write: (url, name, bytes, { unless } = {}) => {
      const stored = kept.get(key(url, name));
      if (stored === undefined || unless?.(stored) !== true) kept.set(key(url, name), bytes.slice());
      return Promise.resolve();
    },
    remove: (url, name) => Promise.resolve(void kept.delete(key(url, name))),
    clear: (url) => {
      for (const known of kept.keys()) if (known.startsWith(`${url} `)) kept.delete(known);
      return Promise.resolve();
    },
  };
}

/** The error of a trust store that cannot be read or written. */
export function trustStoreFailed(what: string, cause: unknown): RegistryClientError {
  return new RegistryClientError({
    code: "REGISTRY_TRUST_UNWRITABLE",
    message: `Cannot ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: "Check the directory's owner, permissions and free space; what a registry is trusted by must outlast a run",
    cause,
  });
}
