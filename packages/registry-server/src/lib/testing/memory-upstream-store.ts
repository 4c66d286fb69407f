import type { AuditEntry } from "../records.ts";
import type { AgeException, UpstreamFile, UpstreamStore, UpstreamUpdate } from "../upstream/upstream-store.ts";

interface Known extends UpstreamFile {
  superseded?: number;
}

interface Upstream {
  state?: string;
  readonly files: Map<string, Known>;
}

const byVersion = (left: AgeException, right: AgeException): number => (keyOf(left) < keyOf(right) ? -1 : 1);

function keyOf({ upstream, package: name, version }: Pick<AgeException, "upstream" | "package" | "version">): string {
  return JSON.stringify([upstream, name, version]);
}

/** The {@link UpstreamStore} in memory. */
export class MemoryUpstreamStore implements UpstreamStore {
  readonly #record: (audit: AuditEntry) => void;
  readonly #append: (entry: Uint8Array) => void;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #exceptions = new Map<string, AgeException>();

  constructor(record: (audit: AuditEntry) => void, append: (entry: Uint8Array) => void) {
    this.#record = record;
    this.#append = append;
  }

  /** Every file whose bytes are in the blob store. */
  *held(): Generator<UpstreamFile> {
    for (const { files } of this.#upstreams.values()) for (const file of files.values()) if (file.held) yield file;
  }

  #of(upstream: string): Upstream {
    const known = this.#upstreams.get(upstream) ?? { files: new Map<string, Known>() };
    this.#upstreams.set(upstream, known);
    return known;
  }

  async state(upstream: string): Promise<string | undefined> {
    return this.#upstreams.get(upstream)?.state;
  }

  async file(upstream: string, path: string): Promise<UpstreamFile | undefined> {
    const { superseded: _, ...file } = this.#upstreams.get(upstream)?.files.get(path) ?? ({} as Known);
    return file.path === undefined ? undefined : file;
  }

  async files(upstream: string, prefix: string): Promise<readonly UpstreamFile[]> {
    const found = [...(this.#upstreams.get(upstream)?.files.values() ?? [])].filter(
      ({ path, superseded }) => path.startsWith(prefix) && superseded === undefined,
    );
    return found.sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  async update(update: UpstreamUpdate): Promise<boolean> {
    const { state, put, removed = [], superseded = [], at, forgetBefore } = update;
    const own = this.#of(update.upstream);
    if (state !== undefined && own.state !== state.follows) return false;
    if (state !== undefined) own.state = state.text;
    for (const file of put) {
      const known = own.files.get(file.path);
      const held = file.held || (known?.held === true && known.digest === file.digest);
      own.files.set(file.path, { ...file, held });
    }
    for (const path of superseded) {
      const known = own.files.get(path);
      if (known !== undefined) known.superseded ??= at;
    }
    for (const path of removed) own.files.delete(path);
    for (const [path, file] of own.files)
      if (forgetBefore !== undefined && (file.superseded ?? forgetBefore) < forgetBefore) own.files.delete(path);
    return true;
  }

  async grant(exception: AgeException, audit: AuditEntry, entry?: Uint8Array): Promise<void> {
    this.#exceptions.set(keyOf(exception), exception);
    if (entry !== undefined) this.#append(entry);
    this.#record(audit);
  }

  async revoke(wanted: Pick<AgeException, "upstream" | "package" | "version">, audit: AuditEntry): Promise<boolean> {
    if (!this.#exceptions.delete(keyOf(wanted))) return false;
    this.#record(audit);
    return true;
  }

  async exceptions(): Promise<readonly AgeException[]> {
    return [...this.#exceptions.values()].sort(byVersion);
  }
}
