import { createHash } from "node:crypto";
import {
  canonicalName,
  indexDocumentPath,
  parseIndexDocument,
  parsePackageName,
  tryParsePackageName,
  type IndexDocument,
  type PackageName,
} from "@lading/core-manifest";
import type { DocumentOptions } from "./client-types.ts";
import { invalidAnswer } from "./json.ts";
import { createLimiter } from "./limit.ts";
import type { CachedMetadata, MetadataAnswer } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { Session } from "./session.ts";
import type { TrustView } from "./trust/trust-types.ts";

// A resolution asks for hundreds at once; without a bound each would open a connection of its own.
const DOCUMENT_CONCURRENCY = 16;

/** Index documents of one registry: memory first, then a conditional request with the disk cache's copy. */
export class Documents {
  readonly #session: Session;
  readonly #limited = createLimiter(DOCUMENT_CONCURRENCY);
  readonly #known = new Map<string, IndexDocument | undefined>();
  readonly #pending = new Map<string, Promise<IndexDocument | undefined>>();

  constructor(session: Session) {
    this.#session = session;
  }

  async get(text: string, options: DocumentOptions): Promise<IndexDocument | undefined> {
    const name = parsePackageName(text);
    const key = canonicalName(name);
    options.signal?.throwIfAborted();
    if (options.refresh !== true) {
      if (this.#known.has(key)) {
        this.#session.metrics.memoryHits++;
        return this.#known.get(key);
      }
      const pending = this.#pending.get(key);
      if (pending !== undefined) return this.#join(pending, name, options);
    }
    const loading = this.#load(name, options);
    this.#pending.set(key, loading);
    try {
      const document = await loading;
      this.#known.set(key, document);
      return document;
    } finally {
      if (this.#pending.get(key) === loading) this.#pending.delete(key);
    }
  }

  // Waits for a request that is under way. When only its first caller gave up, this one asks anew.
  async #join(
    pending: Promise<IndexDocument | undefined>,
    name: PackageName,
    options: DocumentOptions,
  ): Promise<IndexDocument | undefined> {
    try {
      const document = await pending;
      this.#session.metrics.memoryHits++;
      return document;
    } catch (error) {
      if (error instanceof RegistryClientError || options.signal?.aborted === true) throw error;
      return this.get(name, { ...options, refresh: true });
    }
  }

  async #load(name: PackageName, options: DocumentOptions): Promise<IndexDocument | undefined> {
    const path = indexDocumentPath(name);
    const view = await this.#session.view(options);
    if (view !== undefined) return this.#loadSigned(name, view, options);
    return this.#limited(() => this.#loadUnsigned(name, path, options));
  }

  async #loadUnsigned(name: PackageName, path: string, options: DocumentOptions): Promise<IndexDocument | undefined> {
    const cached = await this.#session.cached(path);
    if (this.#session.offline && !this.#session.registry.url.startsWith("file:"))
      return this.#fromCache(name, path, cached);
    const answer = await this.#ask(name, path, cached, options);
    if (answer.status === "absent") return this.#absent(path, answer);
    if (answer.status === "unchanged") {
      this.#session.metrics.notModified++;
      const document = this.#tryParse(cached!.bytes, name);
      return document ?? this.#accept(name, path, await this.#ask(name, path, undefined, options));
    }
    return this.#accept(name, path, answer);
  }

  /**
   * A document that signed metadata governs: the one that it names, from the cache where that has it. Unlike the plain path,
   * which shows a change a moment earlier, the name under which it is fetched is that of its content.
   */
  async #loadSigned(name: PackageName, view: TrustView, options: DocumentOptions): Promise<IndexDocument | undefined> {
    const signed = await import("./trust/signed-documents.ts");
    // Not limited here: what is asked for at one moment is read together.
    const found = await signed.readSigned(this.#session, name, view, options);
    if (found === undefined) return undefined;
    const document = this.#parse(found.bytes, name);
    await view.hold(document, { superseded: found.superseded });
    return document;
  }

  async #ask(
    name: PackageName,
    path: string,
    cached: CachedMetadata | undefined,
    options: DocumentOptions,
  ): Promise<MetadataAnswer> {
    const { index } = await this.#session.describe(options);
    const action = `read the index document of "${name}"`;
    return this.#session.retrying(options, () =>
      this.#session.transport.metadata(new URL(path, index).href, {
        action,
        signal: options.signal,
        validator: cached?.validator,
      }),
    );
  }

  async #accept(name: PackageName, path: string, answer: MetadataAnswer): Promise<IndexDocument | undefined> {
    if (answer.status === "absent") return this.#absent(path, answer);
    const { registry } = this.#session;
    if (answer.status === "unchanged") {
      throw invalidAnswer(
        `read the index document of "${name}"`,
        registry.name,
        '"not modified" without having been asked',
      );
    }
    this.#checkValidator(name, answer);
    const document = this.#parse(answer.bytes, name);
    await this.#session.store(path, {
      bytes: answer.bytes,
      checkedAt: this.#session.clock.now(),
      ...(answer.validator === undefined ? {} : { validator: answer.validator }),
    });
    return document;
  }

  /** @throws {RegistryClientError} `REGISTRY_AUTH_FAILED` where it may be there for whom the credential was */
  async #absent(path: string, { rejected }: { readonly rejected?: Error }): Promise<undefined> {
    if (rejected !== undefined) throw rejected;

    await this.#session.cache.delete(this.#session.registry.url, path);
    return undefined;
  }

  #fromCache(name: PackageName, path: string, cached: CachedMetadata | undefined): IndexDocument {
    const document = cached === undefined ? undefined : this.#tryParse(cached.bytes, name);
    if (document === undefined) {
      this.#session.requireOnline(
        `read the index document of "${name}"`,
        `"${path}" of registry "${this.#session.registry.name}"`,
      );
    }
    return document!;
  }

  // An entry that another release wrote may not parse here: then it is as good as absent.
  #tryParse(bytes: Uint8Array, name: PackageName): IndexDocument | undefined {
    try {
      return this.#parse(bytes, name);
    } catch (error) {
      if (error instanceof Error && "code" in error) return undefined;
      throw error;
    }
  }

  #parse(bytes: Uint8Array, name: PackageName): IndexDocument {
    const { registry } = this.#session;
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch (error) {
      throw invalidAnswer(`read the index document of "${name}"`, registry.name, "it is not JSON", error);
    }
    const document = parseIndexDocument(value);
    const found = tryParsePackageName(document.name);
    // A server or cache between that mixes up two documents would otherwise swap one package for another.
    if (found === undefined || canonicalName(found) !== canonicalName(name)) {
      throw this.#mismatch(name, `it is the document of "${document.name.slice(0, 140)}"`);
    }
    return document;
  }

  // The index's entity tags are digests of the content (`docs/spec/index.md`): a truncating or rewriting proxy shows.
  #checkValidator(name: PackageName, answer: { bytes: Uint8Array; validator?: string }): void {
    const claimed = /^"sha256[:-]([0-9a-f]{64})"$/.exec(answer.validator ?? "")?.[1];
    if (claimed === undefined) return;
    const found = createHash("sha256").update(answer.bytes).digest("hex");
    if (found !== claimed)
      throw this.#mismatch(name, `its digest is "sha256:${found}", its entity tag says "sha256:${claimed}"`);
  }

  #mismatch(name: PackageName, problem: string): RegistryClientError {
    return new RegistryClientError({
      code: "REGISTRY_DOCUMENT_MISMATCH",
      message: `Cannot use the index document of "${name}" from registry "${this.#session.registry.name}": ${problem}`,
      hint: "Something on the way alters or mixes up answers; try another network and tell the registry's operator",
      registry: this.#session.registry.name,
    });
  }
}
