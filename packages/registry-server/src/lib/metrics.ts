import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

/** What the index's memory says of itself when metrics are read. */
interface IndexStatistics {
  readonly hits: number;
  readonly misses: number;
  readonly bytes: number;
}

// Every label has a few known values: a client must not be able to make up new series.
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]);

/** Prometheus metrics of one registry; every embedded registry has its own. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"method" | "status">;
  readonly #duration: Histogram;
  readonly #steps: Histogram<"step">;
  readonly #publications: Counter<"result">;
  readonly #downloads: Counter;
  readonly #reads = new Map<number, number>();

  constructor(index: () => IndexStatistics) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    const reads = (): ReadonlyMap<number, number> => this.#reads;
    this.#requests = new Counter({
      name: "lading_http_requests_total",
      help: "Answered requests, by method and status",
      labelNames: ["method", "status"],
      registers,
    });
    this.#duration = new Histogram({
      name: "lading_http_api_duration_seconds",
      help: "Time to answer API requests",
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    this.#steps = new Histogram({
      name: "lading_publish_step_seconds",
      help: "Time of each step of a publication",
      labelNames: ["step"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    this.#publications = new Counter({
      name: "lading_publications_total",
      help: "Publications, by result: created, same, or the code of the refusal",
      labelNames: ["result"],
      registers,
    });
    this.#downloads = new Counter({ name: "lading_downloads_total", help: "Blobs sent from their start", registers });
    const collected = [
      new Counter({
        name: "lading_reads_total",
        help: "Answered reads of index and blobs, by status",
        labelNames: ["status"],
        registers: [],
        collect() {
          this.reset();
          for (const [status, count] of reads()) this.inc({ status: String(status) }, count);
        },
      }),
      ...(["hits", "misses", "bytes"] as const).map(
        (key) =>
          new Gauge({
            name: `lading_index_memory_${key}`,
            help: `Memory of rendered index documents: ${key}`,
            registers: [],
            collect() {
              this.set(index()[key]);
            },
          }),
      ),
    ];
    for (const metric of collected) this.#registry.registerMetric(metric);
  }

  /** A value that others know: asked for when metrics are read. */
  gauge(
    { name, help, labelNames }: { readonly name: string; readonly help: string; readonly labelNames: string[] },
    values: () => Promise<readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[]>,
  ): void {
    // Its registry keeps it.
    void new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      async collect() {
        this.reset();
        for (const [labels, value] of await values()) this.set(labels, value);
      },
    });
  }

  /** One answered API request. */
  request(method: string, status: number, seconds: number): void {
    this.#requests.inc({ method: METHODS.has(method) ? method : "other", status: String(status) });
    this.#duration.observe(seconds);
  }

  /** One answered read; cheap, for the fast path. */
  read(status: number): void {
    this.#reads.set(status, (this.#reads.get(status) ?? 0) + 1);
  }

  /** One step of a publication. */
  step(step: string, durationMs: number): void {
    this.#steps.observe({ step }, durationMs / 1000);
  }

  /** One publication, with its result. */
  publication(result: string): void {
    this.#publications.inc({ result });
  }

  /** One download. */
  download(): void {
    this.#downloads.inc();
  }

  /** The text exposition format and its content type. */
  async render(): Promise<{ readonly text: string; readonly contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }
}
