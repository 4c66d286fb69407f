import {
  canonicalName,
  indexDocumentPath,
  renderIndexDocument,
  tryParsePackageName,
  type CanonicalName,
  type IndexDocument,
} from "@lading/core-manifest";
import type { DocumentStore, LogListener, MetadataStore } from "./ports.ts";
import { prepareDocument, type RenderedDocument } from "./read-answer.ts";
import type { Turn } from "./turn.ts";

/** How long a changed document waits for further changes before it is saved. */
const SAVE_DELAY_MS = 100;
/**
 * How long it waits at least from one save to the next: readers are served from memory meanwhile, and on a busy registry the
 * syncs of the copies would take their turns from those of publications.
 */
const SAVE_INTERVAL_MS = 1000;

/** The package whose index document is at `path` (`index/_/ab/name.json`), or `undefined` for any other path. */
export function packageOfIndexPath(path: string): CanonicalName | undefined {
  const match = /^index\/(?:_|@([a-z0-9-]+))\/[a-z0-9-]{1,2}\/([a-z0-9-]+)\.json$/.exec(path);
  if (match === null) return undefined;
  const name = tryParsePackageName(match[1] === undefined ? match[2]! : `${match[1]}/${match[2]}`);
  return name !== undefined && indexDocumentPath(name) === path ? canonicalName(name) : undefined;
}

function sizeOf({ bytes, whole }: RenderedDocument): number {
  return bytes.length + (whole.text?.length ?? 0);
}

/**
 * Index documents as bytes: answered from memory, else from the document store, never from the metadata
 * store. A publication renders its one document before it is acknowledged; the copy in the document store
 * follows, and the outbox of the publication's transaction makes sure that it does, also after a crash.
 */
export class IndexService {
  readonly #metadata: MetadataStore;
  readonly #documents: DocumentStore;
  readonly #log: LogListener;
  readonly #memoryBytes: number;
  readonly #turn: Turn | undefined;
  // Insertion order is age: a hit moves the entry to the end.
  readonly #memory = new Map<string, RenderedDocument & { readonly sequence: number }>();
  readonly #unsaved = new Map<string, { readonly bytes: Uint8Array }>();
  // Documents that are being read from the metadata store, with the sequence that they must have at least.
  readonly #reading = new Map<string, { readers: number; sequence: number }>();
  #used = 0;
  #saving: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #savedAt = Number.NEGATIVE_INFINITY;
  #hits = 0;
  #misses = 0;

  /** With a `turn`, other servers publish too: documents come from the metadata store, and one server saves them. */
  constructor(options: {
    metadata: MetadataStore;
    documents: DocumentStore;
    log: LogListener;
    memoryBytes: number;
    turn?: Turn | undefined;
  }) {
    this.#turn = options.turn;
    this.#metadata = options.metadata;
    this.#documents = options.documents;
    this.#log = options.log;
    this.#memoryBytes = options.memoryBytes;
  }

  /** Look-ups answered from memory and those that were not. */
  get statistics(): { readonly hits: number; readonly misses: number; readonly bytes: number } {
    return { hits: this.#hits, misses: this.#misses, bytes: this.#used };
  }

  /** The document at `path` where memory has it. */
  peek(path: string): RenderedDocument | undefined {
    const entry = this.#memory.get(path);
    if (entry === undefined) return undefined;
    this.#hits += 1;
    // While there is room nothing will be forgotten, and the order does not matter.
    if (this.#used > this.#memoryBytes / 2) {
      this.#memory.delete(path);
      this.#memory.set(path, entry);
    }
    return entry;
  }

  /** The document at `path`, or `undefined` where no package has it. */
  async read(path: string): Promise<RenderedDocument | undefined> {
    const known = this.peek(path);
    if (known !== undefined) return known;
    this.#misses += 1;
    const canonical = packageOfIndexPath(path);
    if (canonical === undefined) return undefined;
    if (this.#turn !== undefined) {
      // What is saved may be older than what another server has told of already.
      return this.refresh(canonical);
    }
    const bytes = await this.#documents.get(path);
    // A publication may have rendered a newer one while the old bytes were read.
    const newer = this.#memory.get(path);
    if (newer !== undefined) return newer;
    if (bytes === undefined) return undefined;
    const entry = prepareDocument(bytes);
    return this.#remember(path, { ...entry, sequence: -1 });
  }

  /**
   * Renders a package's document from the metadata store; readers see it when this resolves. `undefined` where no version
   * is published.
   */
  async refresh(canonical: CanonicalName): Promise<RenderedDocument | undefined> {
    const path = indexDocumentPath(canonical);
    const document = await this.#newest(canonical, path);
    if (document === undefined) return undefined;
    const entry = prepareDocument(new TextEncoder().encode(renderIndexDocument(document)));
    const current = this.#memory.get(path);
    if (current !== undefined && current.sequence >= document.sequence) return current;
    if (this.#turn === undefined) this.#unsaved.set(path, entry);
    return this.#remember(path, { ...entry, sequence: document.sequence });
  }

  /** The document from the metadata store, not older than a change that was told of while it was read. */
  async #newest(canonical: CanonicalName, path: string): Promise<IndexDocument | undefined> {
    const reading = this.#reading.get(path) ?? { readers: 0, sequence: 0 };
    this.#reading.set(path, reading);
    reading.readers += 1;
    try {
      for (;;) {
        const document = await this.#metadata.indexDocument(canonical);
        if (document === undefined || document.sequence >= reading.sequence) return document;
      }
    } finally {
      reading.readers -= 1;
      if (reading.readers === 0) this.#reading.delete(path);
    }
  }

  /** Another server changed a package, which has this sequence now. */
  async changedElsewhere(canonical: CanonicalName, sequence: number): Promise<void> {
    const reading = this.#reading.get(indexDocumentPath(canonical));
    if (reading !== undefined) reading.sequence = Math.max(reading.sequence, sequence);
    const known = this.#memory.get(indexDocumentPath(canonical));
    if (known !== undefined && known.sequence < sequence) await this.refresh(canonical);
  }

  /** The package's document as the metadata store has it now; `undefined` where no version is published. */
  async current(canonical: CanonicalName): Promise<RenderedDocument | undefined> {
    const path = indexDocumentPath(canonical);
    const summary = await this.#metadata.package(canonical);
    if (this.#memory.get(path)?.sequence !== summary?.sequence) await this.refresh(canonical);
    return this.read(path);
  }

  /** Starts saving what the outbox names; resolves when nothing is left to save. */
  async save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#saving ??= this.#drain().finally(() => {
      this.#saving = undefined;
      this.#savedAt = performance.now();
    });
    return this.#saving;
  }

  /**
   * Saves in the background, a moment later, so that a busy package's document is written once for many changes; a
   * failure is logged and the outbox keeps the work for the next time.
   */
  saveSoon(): void {
    if (this.#timer !== undefined) return;
    const delayMs = Math.max(SAVE_DELAY_MS, this.#savedAt + SAVE_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.save().catch((error: unknown) => {
        this.#log("error", "saving index documents failed; they are served from memory and saved at the next change", {
          error: String(error),
        });
      });
    }, delayMs);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Renders every package again, after removing all documents. Returns their number. */
  async rebuild(): Promise<number> {
    await this.#documents.clear();
    this.#memory.clear();
    this.#used = 0;
    await this.#metadata.rebuildHosts();
    let count = 0;
    for (const canonical of await this.#metadata.packageNames()) {
      const document = await this.#metadata.indexDocument(canonical);
      if (document === undefined) continue;
      await this.#documents.put(indexDocumentPath(canonical), new TextEncoder().encode(renderIndexDocument(document)));
      count += 1;
    }
    return count;
  }

  async #drain(): Promise<void> {
    for (;;) {
      if (this.#turn !== undefined && !(await this.#turn.mayWork())) return;
      const pending = await this.#metadata.pendingIndexUpdates(100);
      if (pending.length === 0) return;
      for (const canonical of new Set(pending.map((update) => update.canonical))) await this.#saveOne(canonical);
      await this.#metadata.completeIndexUpdates(pending.map(({ id }) => id));
    }
  }

  async #saveOne(canonical: CanonicalName): Promise<void> {
    const path = indexDocumentPath(canonical);
    // The pending update may be of a publication that has committed and not yet rendered.
    const summary = await this.#metadata.package(canonical);
    if (this.#memory.get(path)?.sequence !== summary?.sequence) await this.refresh(canonical);
    // What other servers render is not in this one's list of unsaved documents.
    const entry = this.#turn === undefined ? this.#unsaved.get(path) : await this.refresh(canonical);
    if (entry === undefined) return;
    await this.#documents.put(path, entry.bytes);
    if (this.#unsaved.get(path) === entry) this.#unsaved.delete(path);
    this.#trim();
  }

  #remember(path: string, entry: RenderedDocument & { sequence: number }): RenderedDocument {
    this.#forget(path);
    this.#memory.set(path, entry);
    this.#used += sizeOf(entry);
    this.#trim();
    return entry;
  }

  #forget(path: string): void {
    const entry = this.#memory.get(path);
    if (entry === undefined) return;
    this.#memory.delete(path);
    this.#used -= sizeOf(entry);
  }

  #trim(): void {
    if (this.#used <= this.#memoryBytes) return;
    for (const path of this.#memory.keys()) {
      if (this.#used <= this.#memoryBytes) return;
      // What the document store does not have yet can only come from here.
      if (!this.#unsaved.has(path)) this.#forget(path);
    }
  }
}
