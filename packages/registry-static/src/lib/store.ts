/** A file on its way into a registry. */
export interface PlacedFile {
  /** Below the registry's base: `index/_/to/tool.json`; `/` between parts, never `.` or `..`. */
  readonly path: string;
  /** The bytes, or a file on disk that holds them. */
  readonly content: Uint8Array | { readonly file: string };
}

/** A file of a registry as its place lists it. */
export interface StoredFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** Where a static registry is kept: a directory, a Git repository, a bucket, releases. */
export interface RegistryStore {
  /** As people know the place, without secrets. */
  readonly location: string;
  /**
   * Begins one writer's work. Where the place can be locked, others wait or are refused until the session is closed.
   * @throws {StaticRegistryError} `STATIC_REGISTRY_BUSY`, `STATIC_STORE_FAILED`, `STATIC_STORE_REFUSED`
   */
  open(options?: { readonly signal?: AbortSignal | undefined }): Promise<StoreSession>;
}

/** One writer's work. What it has put may or may not be seen before {@link commit}; a reader believes the timestamp alone. */
export interface StoreSession {
  /** The bytes; `undefined` where there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Whether there is such a file. */
  has(path: string): Promise<boolean>;
  /** Stores files, in the order given; each is there whole or not at all. What is there already is replaced. */
  put(files: readonly PlacedFile[]): Promise<void>;
  /**
   * Makes what was put count, by replacing one file: compared with what this session has read of it, and swapped. Of two
   * writers that read the same, one is answered `conflict`, and its work is not visible: it reads again and repeats.
   */
  commit(pointer: PlacedFile & { readonly content: Uint8Array }, message: string): Promise<"committed" | "conflict">;
  /** The files whose paths begin so (`metadata/`), in no order; what this session has put may or may not be among them. */
  list(prefix: string): Promise<readonly StoredFile[]>;
  /**
   * Takes files away that nothing names any more; one that is gone already is no error. Nothing may have been put in this
   * session. Of a place that keeps versions, the change is one; where another writer was first, it is answered `conflict`
   * and nothing is gone.
   */
  remove(paths: readonly string[], message: string): Promise<"committed" | "conflict">;
  /** Ends the session, committed or not. */
  close(): Promise<void>;
}

/** Reads one file of a registry. */
export type ReadRegistryFile = (path: string) => Promise<Uint8Array | undefined>;
