import type { CallOptions } from "../client-types.ts";
import type { TrustPorts } from "./trust-ports.ts";
import type { TrustSettings, TrustView, TrustWalk } from "./trust-types.ts";

/** What a trust store keeps of a registry whose signed metadata was once verified. */
export const RECORD = "trust.json";

/** Says that a registry has no signed metadata. */
export function noteUnsigned({ onEvent, registry }: Pick<TrustPorts, "onEvent" | "registry">): void {
  onEvent({
    type: "info",
    message: `Registry "${registry.name}" has no signed metadata: what it lists is taken at its word, files are held to its checksums`,
  });
}

/**
 * A walk that loads what verifies only where there is something to verify: not for a registry that has no signed metadata,
 * never had any, and of which nobody demands it. The curves alone take as long to load as a small lock takes.
 */
export class LazyWalk implements TrustWalk {
  readonly #ports: TrustPorts;
  readonly #settings: TrustSettings;
  readonly #load: () => Promise<TrustWalk>;
  #walk: Promise<TrustWalk> | undefined;
  #plain: Promise<boolean> | undefined;
  #noted = false;

  constructor(ports: TrustPorts, settings: TrustSettings, load: () => Promise<TrustWalk>) {
    this.#ports = ports;
    this.#settings = settings;
    this.#load = load;
  }

  #loaded(): Promise<TrustWalk> {
    return (this.#walk ??= this.#load());
  }

  async view(options: CallOptions): Promise<TrustView | undefined> {
    if (this.#walk === undefined && (await this.#isPlain(options))) return undefined;
    return (await this.#loaded()).view(options);
  }

  async refresh(options: CallOptions): Promise<TrustView | undefined> {
    this.#plain = undefined;
    if (this.#walk === undefined && (await this.#isPlain(options))) return undefined;
    return (await this.#loaded()).refresh(options);
  }

  async begin(...given: Parameters<TrustWalk["begin"]>): Promise<TrustView> {
    return (await this.#loaded()).begin(...given);
  }

  async remember(): Promise<void> {
    await (await this.#walk)?.remember();
  }

  async forget(): Promise<boolean> {
    return (await this.#loaded()).forget();
  }

  async #isPlain(options: CallOptions): Promise<boolean> {
    const pending = (this.#plain ??= this.#findPlain(options));
    try {
      return await pending;
    } catch (error) {
      if (this.#plain === pending) this.#plain = undefined;
      throw error;
    }
  }

  async #findPlain(options: CallOptions): Promise<boolean> {
    const { registry, offline } = this.#ports;
    if (registry.root !== undefined || registry.witnesses.length > 0 || (offline && !registry.url.startsWith("file:")))
      return false;
    if ((await this.#settings.store.read(registry.url, RECORD)) !== undefined) return false;
    if ((await this.#ports.describe(options)).metadata !== undefined) return false;
    if (!this.#noted) noteUnsigned(this.#ports);
    this.#noted = true;
    return true;
  }
}
