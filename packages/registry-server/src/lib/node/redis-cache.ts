import type { RedisClientType } from "@redis/client";
import { MemoryCache } from "../memory-cache.ts";
import type { Cache, Clock, LogListener, WindowCount } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";

const CONNECT_MS = 3000;
const COMMAND_MS = 500;
const RETRY_MAX_MS = 2000;

type Client = RedisClientType;

// Loaded where it is used: it takes 25 MB of memory and a fifth of a second at the start of every server.
async function clientOf(url: string): Promise<Client> {
  const { createClient } = await import("@redis/client");
  try {
    return createClient({
      url,
      // What Redis does not answer now is answered from memory; nothing waits in a queue for its return.
      disableOfflineQueue: true,
      commandOptions: { timeout: COMMAND_MS },
      socket: { connectTimeout: CONNECT_MS, reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, RETRY_MAX_MS) },
    });
  } catch (cause) {
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot use REDIS_URL: ${(cause as Error).message}, allowed is redis://user:password@host:port/number`,
      cause,
    });
  }
}

/**
 * The {@link Cache} in Redis, which servers share. While Redis cannot be reached, each server goes on with a memory of its
 * own: what was cached is looked up again, and rate limits hold for each server by itself.
 */
export class RedisCache implements Cache {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #log: LogListener;
  readonly #fallback: MemoryCache;
  #down = false;
  #closed = false;

  private constructor(client: Client, options: { clock: Clock; prefix: string; log: LogListener }) {
    this.#client = client;
    this.#clock = options.clock;
    this.#prefix = options.prefix;
    this.#log = options.log;
    this.#fallback = new MemoryCache(options.clock);
  }

  /**
   * Connects to `url`, now or as soon as Redis is there. `prefix` is put before every key.
   * @throws {RegistryError} `SERVER_CONFIG_INVALID`
   */
  static async open(options: {
    readonly url: string;
    readonly clock: Clock;
    readonly prefix?: string;
    readonly log?: LogListener;
  }): Promise<RedisCache> {
    const { url, clock, prefix = "lading:", log = (): void => {} } = options;
    const client = await clientOf(url);
    const cache = new RedisCache(client, { clock, prefix, log });
    client.on("error", (error: Error) => cache.#lost(error));
    client.on("ready", () => cache.#found());
    // Its promise settles when a connection is made, however late; the server does not wait for it for ever.
    const connected = client.connect().catch((error: unknown) => cache.#lost(error));
    await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, CONNECT_MS).unref())]);
    return cache;
  }

  #lost(error: unknown): void {
    if (this.#down || this.#closed) return;
    this.#down = true;
    this.#log("warn", "Redis cannot be reached; this server goes on with its own memory", { error: String(error) });
  }

  #found(): void {
    if (!this.#down) return;
    this.#down = false;
    this.#log("info", "Redis is back", {});
  }

  /** A command's result, or that of the memory in its place. */
  async #ask<Result>(command: () => Promise<Result>, instead: () => Promise<Result>): Promise<Result> {
    if (!this.#client.isReady) return instead();
    try {
      return await command();
    } catch (error) {
      this.#log("warn", "a command of Redis failed", { error: String(error) });
      return instead();
    }
  }

  // The time is kept beside the value, so that it ends by our clock, to the millisecond.
  async get(key: string): Promise<string | undefined> {
    return this.#ask(
      async () => {
        const stored = await this.#client.get(this.#prefix + key);
        if (stored === null) return undefined;
        const space = stored.indexOf(" ");
        return Number(stored.slice(0, space)) > this.#clock.now() ? stored.slice(space + 1) : undefined;
      },
      () => this.#fallback.get(key),
    );
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    const until = this.#clock.now() + ttlMs;
    await this.#ask(
      async () => {
        await this.#client.set(this.#prefix + key, `${until} ${value}`, {
          expiration: { type: "PX", value: Math.max(1, Math.ceil(ttlMs)) },
        });
      },
      () => this.#fallback.set(key, value, ttlMs),
    );
  }

  async delete(key: string): Promise<void> {
    await this.#fallback.delete(key);
    await this.#ask(
      async () => {
        await this.#client.del(this.#prefix + key);
      },
      async () => {},
    );
  }

  // One transaction: a counter that had no end would shut its address out for ever.
  async count(key: string, windowMs: number): Promise<WindowCount> {
    return this.#ask(
      async () => {
        const name = `${this.#prefix}count:${key}`;
        const [count, , left] = (await this.#client
          .multi()
          .incr(name)
          .pExpire(name, windowMs, "NX")
          .pTTL(name)
          .exec()) as unknown as [number, number, number];
        return { count, endsInMs: Math.max(1, left) };
      },
      () => this.#fallback.count(key, windowMs),
    );
  }

  async check(): Promise<void> {
    if (!this.#client.isReady) throw new Error("Redis cannot be reached");
    await this.#client.ping();
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#client.isOpen) this.#client.destroy();
  }
}
