import type { LogListener, Coordination } from "../ports.ts";
import { RegistryError } from "../registry-error.ts";
import type { Metrics } from "../metrics.ts";
import type { ReadAnswer, ReadHeaders } from "../read-answer.ts";
import { UpstreamTree, type TreePorts } from "./upstream-tree.ts";
import type { SyncReport } from "./mirror-sync.ts";
import type { UpstreamSource } from "./upstream-source.ts";

/** Below which trees are that are not the whole server's. */
export const UPSTREAMS_PREFIX = "upstreams/";
const LEASE_MS = 60_000;

/** Every upstream of a server: a mirror's one, or those that it stands before. */
export class Upstreams {
  readonly trees: ReadonlyMap<string, UpstreamTree>;
  /** The tree that is this server's, of a mirror. */
  readonly whole: UpstreamTree | undefined;
  readonly #coordination: Coordination | undefined;
  readonly #log: LogListener;
  readonly #ended = new AbortController();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #running = new Set<Promise<void>>();
  readonly #results = new Map<string, number>();

  constructor(options: {
    readonly trees: readonly TreePorts[];
    readonly coordination: Coordination | undefined;
    readonly log: LogListener;
    readonly metrics: Metrics;
  }) {
    this.trees = new Map(options.trees.map((ports) => [ports.options.name, new UpstreamTree(ports)]));
    this.whole = [...this.trees.values()].find((tree) => tree.options.isWholeServer);
    this.#coordination = options.coordination;
    this.#log = options.log;
    if (this.trees.size > 0) this.#measure(options.metrics, options.trees[0]!.clock);
  }

  #measure(metrics: Metrics, clock: TreePorts["clock"]): void {
    const each = (value: (tree: Awaited<ReturnType<UpstreamTree["status"]>>) => number | undefined) => async () => {
      const values: (readonly [Readonly<Record<string, string>>, number])[] = [];
      for (const tree of this.trees.values()) {
        const status = await tree.status();
        const found = value(status);
        if (found !== undefined) values.push([{ upstream: status.name }, found]);
      }
      return values;
    };
    metrics.gauge(
      {
        name: "lading_upstream_age_seconds",
        help: "Seconds since an upstream answered, and all that it answered held",
        labelNames: ["upstream"],
      },
      each(({ state }) => state && Math.max(0, (clock.now() - state.checked) / 1000)),
    );
    metrics.gauge(
      {
        name: "lading_upstream_behind_entries",
        help: "Entries of an upstream's feed that are not held",
        labelNames: ["upstream"],
      },
      each(({ behind }) => behind),
    );
    metrics.gauge(
      {
        name: "lading_upstream_expires_seconds",
        help: "Seconds until an upstream's signed metadata ends, from when clients refuse it",
        labelNames: ["upstream"],
      },
      each(({ state }) => state && (state.expires - clock.now()) / 1000),
    );
    metrics.gauge(
      {
        name: "lading_upstream_fetched_bytes",
        help: "Bytes of files that this process fetched from an upstream",
        labelNames: ["upstream"],
      },
      each(({ fetched }) => fetched.bytes),
    );
    metrics.gauge(
      {
        name: "lading_upstream_looks",
        help: "Looks at upstreams by this process, by result",
        labelNames: ["upstream", "result"],
      },
      async () =>
        [...this.#results].map(([key, count]) => {
          const [upstream, result] = JSON.parse(key) as [string, string];
          return [{ upstream, result }, count] as const;
        }),
    );
  }

  /** Begins to look at those that are to be looked at, soon, and from then on at their intervals. */
  start(): void {
    for (const tree of this.trees.values())
      if (tree.options.intervalMs > 0 && tree.options.url !== undefined) this.#later(tree, 0);
  }

  #later(tree: UpstreamTree, delayMs: number): void {
    if (this.#ended.signal.aborted) return;
    const timer = setTimeout(() => {
      const running = this.#look(tree).finally(() => {
        this.#running.delete(running);
        this.#later(tree, tree.options.intervalMs);
      });
      this.#running.add(running);
    }, delayMs);
    (timer as { unref?: () => void }).unref?.();
    this.#timers.set(tree.options.name, timer);
  }

  /** Looks at an upstream where no other server does; a failure is logged, and the next look goes on where it ended. */
  async #look(tree: UpstreamTree): Promise<void> {
    const { name } = tree.options;
    try {
      const report = await this.#leased(name, () => this.sync(tree));
      if (report?.changed === true) {
        const { packages, blobs, bytes, state } = report;
        this.#log("info", "brought an upstream up to date", {
          upstream: name,
          packages,
          blobs,
          bytes,
          feed: state.feed,
        });
      }
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      const { code, message } = error as { code?: unknown; message?: unknown };
      const level = code === "UPSTREAM_UNAVAILABLE" ? "warn" : "error";
      this.#log(level, "an upstream cannot be brought up to date; what was verified before is served", {
        upstream: name,
        code: code ?? "INTERNAL",
        error: String(message ?? error),
      });
    }
  }

  async #leased<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    const lease = `upstream:${name}`;
    if (this.#coordination === undefined) return work();
    if (!(await this.#coordination.lease(lease, LEASE_MS))) return undefined;
    const renew = setInterval(() => {
      // Where it cannot be renewed another server may begin too: the state goes forward for one of them.
      this.#coordination!.lease(lease, LEASE_MS).catch(() => {});
    }, LEASE_MS / 3);
    try {
      return await work();
    } finally {
      clearInterval(renew);
      await this.#coordination.release(lease).catch(() => {});
    }
  }

  /** Looks at an upstream now, or at a directory that was carried here in its place. */
  async sync(tree: UpstreamTree, source?: UpstreamSource): Promise<SyncReport> {
    const count = (result: string): void => {
      const key = JSON.stringify([tree.options.name, result]);
      this.#results.set(key, (this.#results.get(key) ?? 0) + 1);
    };
    try {
      const report = await tree.sync(source, this.#ended.signal);
      count(report.changed ? "changed" : "unchanged");
      return report;
    } catch (error) {
      const { code } = error as { code?: unknown };
      count(typeof code === "string" ? code : "INTERNAL");
      throw error;
    }
  }

  /** Whether a path (without leading slash) is one of a tree. */
  owns(path: string): boolean {
    if (path.startsWith(UPSTREAMS_PREFIX)) return true;
    return (
      this.whole !== undefined && ["index/", "blobs/", "metadata/", "log/", "feed/"].some((one) => path.startsWith(one))
    );
  }

  /** The tree of a path, and the rest of the path. @throws {RegistryError} `NOT_FOUND` */
  at(path: string): { readonly tree: UpstreamTree; readonly rest: string } {
    if (this.whole !== undefined && !path.startsWith(UPSTREAMS_PREFIX)) return { tree: this.whole, rest: path };
    const [, name = "", ...rest] = path.split("/");
    const tree = this.trees.get(name);
    if (tree !== undefined) return { tree, rest: rest.join("/") };
    throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find "/${path.slice(0, 200)}": no such upstream` });
  }

  async answer(path: string, headers: ReadHeaders): Promise<ReadAnswer> {
    const { tree, rest } = this.at(path);
    return tree.answer(rest, headers);
  }

  /** The upstream that a package's name belongs to, by its canonical form. */
  ownerOf(canonical: string): UpstreamTree | undefined {
    return [...this.trees.values()].find((tree) => tree.owns(canonical));
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all(this.#running);
  }
}
