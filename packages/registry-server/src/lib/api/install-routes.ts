import { createRoute, z } from "@hono/zod-openapi";
import type { LadingEvent } from "@lading/core-manifest";
import { streamSSE } from "hono/streaming";
import { timestamp } from "../index-model.ts";
import type { InstallAnswer, InstallPackRequest, InstallService } from "../install-service.ts";
import { RegistryError } from "../registry-error.ts";
import { randomId } from "../token.ts";
import { administrators, smallBody } from "./access.ts";
import type { App, RouteContext, Services } from "./context.ts";
import { SECURED, jsonResponse, problems } from "./schemas.ts";

const TAGS = ["packs"];
/** Finished installations that are remembered; the oldest are forgotten. */
const JOBS_KEPT = 100;
/** Events of one installation that are kept for who asks later. */
const EVENTS_KEPT = 10_000;
const KEEP_ALIVE_MS = 15_000;

const installBody = z
  .object({
    source: z.string().min(1).max(2000).openapi({ example: "https://github.com/org/pack.git" }),
    ref: z.string().min(1).max(200).optional().openapi({ description: "Branch, tag or commit of a Git address" }),
    checksum: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/)
      .optional(),
    skip_deps: z.boolean().default(false),
    skip_tests: z.boolean().default(false),
    async: z.boolean().default(false).openapi({ description: "Answer 202 at once; the outcome is at `location`" }),
  })
  .openapi("InstallPackRequest");
const pack = z.object({
  name: z.string(),
  version: z.string(),
  source: z.object({ type: z.string(), url: z.string().optional(), commit: z.string().optional() }),
  checksum: z.string().optional(),
  installed: z.string(),
  direct: z.boolean(),
});
const jobView = z
  .object({
    id: z.string(),
    status: z.enum(["running", "installed", "refused", "failed"]),
    source: z.string(),
    started: z.string(),
    packs: z.array(pack).optional(),
    validation: z.unknown().optional(),
    code: z.string().optional(),
    detail: z.string().optional(),
    errors: z.array(z.string()).optional(),
    links: z.object({ self: z.string(), events: z.string() }),
  })
  .openapi("PackInstallation");

interface Job {
  readonly id: string;
  readonly request: InstallPackRequest;
  readonly started: number;
  readonly events: LadingEvent[];
  readonly listeners: Set<() => void>;
  outcome: InstallAnswer | { readonly ok: "fault" } | undefined;
  done: Promise<void>;
}

/** Installations of this process, one after the other: two at once would build two generations from one. */
class InstallJobs {
  readonly #service: InstallService;
  readonly #services: Services;
  readonly #jobs = new Map<string, Job>();
  readonly #abort = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(service: InstallService, services: Services) {
    this.#service = service;
    this.#services = services;
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  start(request: InstallPackRequest): Job {
    const started = this.#services.clock.now();
    const job: Job = {
      id: randomId(),
      request,
      started,
      events: [],
      listeners: new Set(),
      outcome: undefined,
      done: Promise.resolve(),
    };
    this.#jobs.set(job.id, job);
    for (const [id, old] of this.#jobs) {
      if (this.#jobs.size <= JOBS_KEPT) break;
      if (old.outcome !== undefined) this.#jobs.delete(id);
    }
    job.done = this.#last = this.#last.then(() => this.#run(job));
    return job;
  }

  /**
   * Lets the installation that runs come to its end, for a while; what has not begun is refused. One that takes longer is
   * aborted, and takes back what it has done, so that in the end every one is whole or nothing.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const timer = setTimeout(() => this.#abort.abort(), graceMs);
    await this.#last;
    clearTimeout(timer);
  }

  async #run(job: Job): Promise<void> {
    const tell = (): void => {
      for (const listener of job.listeners) listener();
    };
    const onEvent = (event: LadingEvent): void => {
      if (job.events.length < EVENTS_KEPT) job.events.push(event);
      tell();
    };
    const { signal } = this.#abort;
    try {
      job.outcome = this.#stopping ? STOPPED : await this.#service.install(job.request, { onEvent, signal });
    } catch (error) {
      job.outcome = signal.aborted ? STOPPED : this.#fault(job, error);
    }
    tell();
  }

  #fault(job: Job, error: unknown): { readonly ok: "fault" } {
    this.#services.log("error", "an installation failed", {
      installation: job.id,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    return { ok: "fault" };
  }
}

const STOPPED: InstallAnswer = {
  ok: false,
  code: "SERVER_STOPPING",
  message: "Cannot install: the server is stopping; nothing was changed",
  hint: "Ask again when it has started",
  problems: ["the server is stopping"],
};

const STATUS = { true: "installed", false: "refused", fault: "failed", undefined: "running" } as const;

function viewOf({ id, request, started, outcome }: Job): z.infer<typeof jobView> {
  const self = `/api/v1/packs/install/${id}`;
  const base = {
    id,
    status: STATUS[String(outcome?.ok) as keyof typeof STATUS],
    // A token in an address is nobody else's business, another administrator's included.
    source: request.source.replace(/\/\/[^/@]*@/, "//"),
    started: timestamp(started),
    links: { self, events: `${self}/events` },
  };
  if (outcome === undefined || outcome.ok === "fault") return base;
  const validation = outcome.validation === undefined ? {} : { validation: outcome.validation };
  if (outcome.ok) return { ...base, packs: outcome.packs.map((one) => ({ ...one })), ...validation };
  return { ...base, code: outcome.code, detail: outcome.message, errors: [...outcome.problems], ...validation };
}

/** Everything that was told so far and will be told, as server-sent events; the last is `installed`, `refused` or `failed`. */
function stream(context: RouteContext, job: Job): Response {
  // A proxy that collects an answer before it passes it on would take the progress out of it.
  context.header("x-accel-buffering", "no");
  return streamSSE(context, async (sse) => {
    let wake = (): void => {};
    const listener = (): void => wake();
    job.listeners.add(listener);
    sse.onAbort(() => {
      job.listeners.delete(listener);
      wake();
    });
    for (let next = 0; !sse.aborted;) {
      const event = job.events[next];
      if (event !== undefined) {
        await sse.writeSSE({ id: String(next), event: "progress", data: JSON.stringify({ v: 1, ...event }) });
        next += 1;
        continue;
      }
      if (job.outcome !== undefined) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
        // A comment now and then, so that nothing between takes silence for the end.
        const timer = setTimeout(
          () =>
            void sse.write(": waiting\n\n").then(
              () => wake(),
              () => wake(),
            ),
          KEEP_ALIVE_MS,
        );
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (job.events.length > next || job.outcome !== undefined || sse.aborted) wake();
      });
    }
    job.listeners.delete(listener);
    if (sse.aborted) return;
    const view = viewOf(job);
    await sse.writeSSE({ event: view.status, data: JSON.stringify(view) });
  });
}

function refusal({ outcome }: Job): RegistryError {
  if (outcome?.ok !== false)
    return new RegistryError({ code: "INTERNAL", message: "Cannot install: a fault of the server" });
  const { code, message, hint, problems: found } = outcome;
  return new RegistryError({
    code: "INSTALL_REFUSED",
    message,
    reason: code,
    errors: found.map((problem) => ({ field: "pack", message: problem })),
    ...(hint === undefined ? {} : { hint }),
  });
}

/**
 * `POST /api/v1/packs/install`, with `/packs/install` as alias: installs a pack on the server's machine. Waits for the
 * end; with `async`, or where the client accepts `text/event-stream`, it can be watched. What is returned ends them.
 */
export function registerInstallRoutes(
  app: App,
  services: Services,
  service: InstallService,
): { stop(graceMs: number): Promise<void> } {
  const jobs = new InstallJobs(service, services);
  const guard = administrators(services);
  const find = (id: string): Job => {
    const job = jobs.get(id);
    if (job !== undefined) return job;
    throw new RegistryError({ code: "NOT_FOUND", message: `Cannot find installation "${id.slice(0, 60)}"` });
  };
  app.openapi(
    createRoute({
      method: "post",
      path: "/api/v1/packs/install",
      tags: TAGS,
      summary: "Install a pack on the server's machine",
      security: SECURED,
      middleware: [guard, smallBody],
      request: { body: { content: { "application/json": { schema: installBody } }, required: true } },
      responses: {
        201: jsonResponse(jobView, "Installed; as text/event-stream: progress and the outcome"),
        202: jsonResponse(jobView, "Begun"),
        ...problems(400, 401, 403, 500),
      },
    }),
    async (context) => {
      const body = context.req.valid("json");
      const job = jobs.start({
        source: body.source,
        ...(body.ref === undefined ? {} : { ref: body.ref }),
        ...(body.checksum === undefined ? {} : { checksum: body.checksum }),
        skipDependencies: body.skip_deps,
        skipTests: body.skip_tests,
      });
      const view = viewOf(job);
      context.header("location", view.links.self);
      if (context.req.header("accept")?.includes("text/event-stream") === true) return stream(context, job);
      if (body.async) return context.json(view, 202);
      await job.done;
      if (job.outcome?.ok !== true) throw refusal(job);
      return context.json(viewOf(job), 201);
    },
  );
  const idParam = z.object({
    id: z
      .string()
      .max(64)
      .openapi({ param: { name: "id", in: "path" } }),
  });
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packs/install/{id}",
      tags: TAGS,
      summary: "How an installation stands",
      security: SECURED,
      middleware: [guard],
      request: { params: idParam },
      responses: { 200: jsonResponse(jobView, "The installation"), ...problems(401, 403, 404) },
    }),
    (context) => context.json(viewOf(find(context.req.valid("param").id)), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/api/v1/packs/install/{id}/events",
      tags: TAGS,
      summary: "What an installation does, as server-sent events from its beginning to its end",
      security: SECURED,
      middleware: [guard],
      request: { params: idParam },
      responses: {
        200: { description: "Events", content: { "text/event-stream": { schema: z.string() } } },
        ...problems(401, 403, 404),
      },
    }),
    (context) => stream(context, find(context.req.valid("param").id)) as never,
  );
  app.post("/packs/install", (context) => {
    const url = new URL(context.req.url);
    url.pathname = "/api/v1/packs/install";
    return app.fetch(new Request(url, context.req.raw), context.env);
  });
  return jobs;
}
