import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DELIVERIES_KEPT_MS, DeliveryService, WEBHOOK_GIVE_UP_MS, WEBHOOK_PAUSES_MS } from "../src/index.ts";
import { MEMBERSHIP_TTL_MS } from "../src/lib/organisations/groups.ts";
import { FakeClock, fakeAudit } from "../src/testing.ts";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let receiver: Server;
let address: string;
let received: Received[] = [];
let answer: { status: number; headers?: Record<string, string>; body?: string } = { status: 204 };
let server: TestServer;
let owner: string;
let stranger: string;
const clock = new FakeClock(Date.now());

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(answer.status, answer.headers ?? {});
      response.end(answer.body);
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  server = await startServer({ outboundAllow: ["127.0.0.1"], registration: "open", clock });
  owner = await server.account("owner");
  stranger = await server.account("stranger");
  await server.publish(await buildPackage({ name: "tool", version: "1.0.0" }), { auth: owner });
});
afterAll(async () => {
  await server.close();
  receiver.close();
});
beforeEach(() => {
  received = [];
  answer = { status: 204 };
});

interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

async function call<Body = Record<string, unknown>>(
  path: string,
  init: Parameters<TestServer["call"]>[1] = {},
): Promise<Answer<Body>> {
  const response = await server.call(path, { auth: owner, ...init });
  const text = await response.text();
  return { status: response.status, body: (text === "" ? {} : JSON.parse(text)) as Body };
}

const HOOKS = "/api/v1/packages/tool/webhooks";
async function added(events: readonly string[] = ["*"], path = HOOKS, auth = owner) {
  // What happened in the same millisecond counts as after it.
  clock.advance(1);
  const { status, body } = await call(path, { method: "POST", auth, json: { url: address, events } });
  expect([status, body]).toMatchObject([201, { enabled: true }]);
  return body as { id: string; secret: string };
}
async function removed(id: string, path = HOOKS, auth = owner): Promise<void> {
  expect((await call(`${path}/${id}`, { method: "DELETE", auth })).status).toBe(204);
}
const yank = (undo = false) =>
  call(
    `/api/v1/packages/tool/versions/1.0.0/yank`,
    undo ? { method: "DELETE" } : { method: "POST", json: { reason: "bad" } },
  );

/** Waits for what the server sends by itself. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 600; left > 0; left -= 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not come about");
}

function signature({ headers, body }: Received, secret: string): string {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}

interface Delivery {
  id: string;
  state: string;
  event: string;
  due?: string;
  attempts: { status?: number; error?: string; answer?: string }[];
}
const deliveriesOf = async (id: string, path = HOOKS, auth = owner): Promise<Delivery[]> =>
  (await call<{ items: Delivery[] }>(`${path}/${id}/deliveries`, { auth })).body.items;

describe("webhooks", () => {
  it("tell of a change after it is committed, signed, with what happened", async () => {
    const { id, secret } = await added(["version.*"]);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await yank();
    await until(() => received.length === 1);
    const [one] = received;
    const { headers, body } = one!;
    expect(JSON.parse(body)).toEqual({
      type: "version.yanked",
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as string,
      data: { package: "tool", version: "1.0.0", reason: "bad", actor: "owner" },
    });
    expect(headers["content-type"]).toBe("application/json");
    expect(Math.abs(Number(headers["webhook-timestamp"]) * 1000 - clock.now())).toBeLessThan(2000);
    expect(headers["webhook-signature"]).toBe(signature(one!, secret));
    await until(async () => (await deliveriesOf(id))[0]?.state === "delivered");
    expect(await deliveriesOf(id)).toMatchObject([{ id: headers["webhook-id"], attempts: [{ status: 204 }] }]);
    await yank(true);
    await until(() => received.length === 2);
    await server.publish(await buildPackage({ name: "tool", version: "1.1.0" }), { auth: owner });
    await removed(id);
    expect(received.length).toBe(2);
  });

  it("are tried again with the same id after pauses, and signed by both secrets after a rotation", async () => {
    const { id, secret } = await added(["version.*"]);
    answer = { status: 500, body: "x".repeat(5000) };
    await yank();
    await until(async () => (await deliveriesOf(id))[0]?.attempts.length === 1);
    const [failed] = await deliveriesOf(id);
    expect(failed).toMatchObject({ state: "waiting", attempts: [{ status: 500, error: "it answered 500" }] });
    expect(failed!.attempts[0]!.answer).toHaveLength(1024);
    expect(Date.parse(failed!.due!)).toBeGreaterThanOrEqual(
      Math.floor(clock.now() / 1000) * 1000 + WEBHOOK_PAUSES_MS[0]!,
    );
    const rotated = await call<{ secret: string }>(`${HOOKS}/${id}/secret`, { method: "POST" });
    expect(rotated.body.secret).not.toBe(secret);
    answer = { status: 200 };
    clock.advance(WEBHOOK_PAUSES_MS[0]! + 1000);
    await until(async () => (await deliveriesOf(id))[0]?.state === "delivered");
    const [first, second] = received;
    expect(second!.headers["webhook-id"]).toBe(first!.headers["webhook-id"]);
    expect(second!.headers["webhook-signature"]).toBe(
      `${signature(second!, rotated.body.secret)} ${signature(second!, secret)}`,
    );
    clock.advance(25 * 3_600_000);
    await call(`${HOOKS}/${id}/test`, { method: "POST" });
    expect(received.at(-1)!.headers["webhook-signature"]).toBe(signature(received.at(-1)!, rotated.body.secret));
    const again = await call(`${HOOKS}/${id}/deliveries/${failed!.id}/redeliver`, { method: "POST" });
    expect(again.body).toMatchObject({ id: failed!.id, state: "delivered" });
    expect(received.at(-1)!.headers["webhook-id"]).toBe(failed!.id);
    await yank(true);
    await removed(id);
  });

  it("are disabled when every try fails for days, or at once where the address is gone, and enabled again", async () => {
    const { id } = await added(["version.*"]);
    answer = { status: 503 };
    const test = () => call<Delivery>(`${HOOKS}/${id}/test`, { method: "POST" });
    expect((await test()).body).toMatchObject({ state: "waiting", attempts: [{ status: 503 }] });
    const shown = async () =>
      (
        await call<{
          items: { id: string; enabled: boolean; disabled?: { reason: string }; failing_since?: string }[];
        }>(HOOKS)
      ).body.items.find((one) => one.id === id)!;
    expect((await shown()).failing_since).toBeDefined();
    clock.advance(WEBHOOK_GIVE_UP_MS);
    await test();
    expect(await shown()).toMatchObject({
      enabled: false,
      disabled: { reason: expect.stringContaining("five days") as string },
    });
    expect((await test()).body).toMatchObject({
      state: "failed",
      attempts: [{ error: expect.stringContaining("disabled") as string }],
    });
    const audit = await call<{ items: { action: string; actor: string }[] }>("/api/v1/audit?action=webhook.disable", {
      auth: server.token,
    });
    expect(audit.body.items[0]).toMatchObject({ actor: "system" });
    await yank();
    expect((await call(`${HOOKS}/${id}`, { method: "PUT", json: { enabled: true } })).body).toMatchObject({
      enabled: true,
    });
    answer = { status: 410 };
    expect((await test()).body).toMatchObject({ state: "failed" });
    expect(await shown()).toMatchObject({ enabled: false });
    await yank(true);
    await removed(id);
  });

  it("wait as long as the other side asks for", async () => {
    const { id } = await added();
    answer = { status: 429, headers: { "retry-after": "3600" } };
    const { body } = await call<Delivery>(`${HOOKS}/${id}/test`, { method: "POST" });
    expect(Date.parse(body.due!) - clock.now()).toBeGreaterThan(3_590_000);
    await removed(id);
  });

  it("follow no redirect, read no endless answer, and go to no address of a private network", async () => {
    const { id } = await added();
    answer = { status: 302, headers: { location: `${address}/elsewhere` } };
    const { body } = await call<Delivery>(`${HOOKS}/${id}/test`, { method: "POST" });
    expect([body.state, body.attempts[0]!.error, received.length]).toEqual([
      "waiting",
      "it redirects, which is not followed",
      1,
    ]);
    await removed(id);
    for (const url of [
      "http://10.0.0.1/",
      "http://169.254.169.254/latest",
      "http://[::1]/",
      "https://unknown.invalid/",
    ])
      expect(await call(HOOKS, { method: "POST", json: { url } })).toMatchObject({
        status: 422,
        body: { code: "OUTBOUND_REFUSED" },
      });
    for (const url of ["ftp://example.org/", "no url", "https://user:secret@example.org/", "https://example.org/#x"])
      expect(await call(HOOKS, { method: "POST", json: { url } })).toMatchObject({
        status: 400,
        body: { code: "REQUEST_INVALID" },
      });
    expect(await call(HOOKS, { method: "POST", json: { url: address, events: ["package.exploded"] } })).toMatchObject({
      status: 400,
    });
  });

  it("belong to those who own the package, and keep their secret", async () => {
    const { id } = await added();
    const paths: [string, string][] = [
      ["GET", HOOKS],
      ["POST", `${HOOKS}/${id}/test`],
      ["GET", `${HOOKS}/${id}/deliveries`],
      ["DELETE", `${HOOKS}/${id}`],
    ];
    for (const [method, path] of paths)
      expect([path, (await call(path, { method, auth: stranger })).body["code"]]).toEqual([path, "NOT_OWNER"]);
    expect((await call("/api/v1/webhooks", { auth: owner })).body["code"]).toBe("FORBIDDEN");
    expect(JSON.stringify((await call(HOOKS)).body)).not.toContain("whsec_");
    const audits = await call("/api/v1/audit?per_page=100", { auth: server.token });
    expect(JSON.stringify(audits.body)).not.toContain("whsec_");
    // One of another subject is not there.
    expect((await call(`/api/v1/webhooks/${id}/test`, { method: "POST", auth: server.token })).body["code"]).toBe(
      "WEBHOOK_NOT_FOUND",
    );
    expect((await call(`${HOOKS}/${id}/deliveries/none/redeliver`, { method: "POST" })).body["code"]).toBe(
      "DELIVERY_NOT_FOUND",
    );
    await removed(id);
  });

  it("tell an organisation of its packages and people, and operators of everything", async () => {
    await call("/api/v1/organisations", { method: "POST", json: { name: "acme" } });
    await call("/api/v1/organisations/acme/namespaces", { method: "POST", json: { namespace: "acme" } });
    const path = "/api/v1/organisations/acme/webhooks";
    const own = await added(["*"], path);
    const all = await added(["package.published", "team.*"], "/api/v1/webhooks", server.token);
    await server.publish(await buildPackage({ name: "acme/thing", version: "1.0.0" }), { auth: owner });
    await server.publish(await buildPackage({ name: "other", version: "1.0.0" }), { auth: stranger });
    await call("/api/v1/organisations/acme/teams/core", { method: "PUT", json: { role: "publish" } });
    const types = async (id: string, where: string, auth: string) =>
      (await deliveriesOf(id, where, auth)).map(({ event }) => event).sort();
    await until(async () => (await types(all.id, "/api/v1/webhooks", server.token)).length === 3);
    expect(await types(all.id, "/api/v1/webhooks", server.token)).toEqual([
      "package.published",
      "package.published",
      "team.created",
    ]);
    expect(await types(own.id, path, owner)).toEqual(["package.published", "team.created"]);
    await removed(own.id, path);
    await removed(all.id, "/api/v1/webhooks", server.token);
  });
});

describe("a webhook whose maker lost the right to have it", () => {
  interface Hook {
    readonly path: string;
    readonly auth: string;
    readonly id: string;
  }
  const ALL = "/api/v1/webhooks";
  const GUILD = "/api/v1/organisations/guild";
  const OWNER_OF_TOOL = "/api/v1/packages/tool/owners/stranger";
  const heard = async ({ id, path, auth }: Hook): Promise<Delivery[]> => deliveriesOf(id, path, auth);
  /** What a package, an organisation and the registry hear of. */
  async function changed(step: 1 | 2): Promise<void> {
    await yank(step === 2);
    await call(`${GUILD}/teams/team-${step}`, { method: "PUT", json: { role: "read" } });
  }
  const chief = (admin: boolean) =>
    server.node.metadata.identities.externalAccount(
      { origin: "ldap", subject: "chief", username: "chief", groups: [], admin },
      "chief-id",
      fakeAudit(),
    );
  /** A webhook of the registry as an admin of the directory makes it. */
  async function ofChief(): Promise<string> {
    const { webhooks } = server.node.metadata;
    const account = await chief(true);
    if (account === "name-taken") throw new Error(account);
    const { id } = await added(["version.*"], ALL, server.token);
    const { creator: _, accountId: __, ...made } = (await webhooks.webhook(id))!;
    await webhooks.remove(id, fakeAudit());
    await webhooks.create({ ...made, account }, fakeAudit());
    return id;
  }

  it("hears nothing more of the package, organisation or registry, not even what waits", async () => {
    const { organisations } = server.node.metadata;
    await call("/api/v1/organisations", { method: "POST", json: { name: "guild" } });
    const guild = (await organisations.organisation("guild"))!;
    const member = (await server.node.metadata.accountByName("stranger"))!;
    await organisations.setMember(guild.id, member, "owner", fakeAudit());
    expect((await call(OWNER_OF_TOOL, { method: "PUT" })).status).toBe(200);
    clock.advance(MEMBERSHIP_TTL_MS);
    const lost: readonly Hook[] = [
      { path: HOOKS, auth: owner, id: (await added(["version.*"], HOOKS, stranger)).id },
      { path: `${GUILD}/webhooks`, auth: owner, id: (await added(["team.*"], `${GUILD}/webhooks`, stranger)).id },
      { path: ALL, auth: server.token, id: await ofChief() },
    ];
    const { id } = await added(["version.*"], ALL, server.token);
    const kept: Hook = { path: ALL, auth: server.token, id };

    answer = { status: 500 };
    await changed(1);
    for (const hook of [...lost, kept]) await until(async () => (await heard(hook))[0]?.attempts.length === 1);
    expect((await call(OWNER_OF_TOOL, { method: "DELETE" })).status).toBe(200);
    await organisations.setMember(guild.id, member, "maintainer", fakeAudit());
    await chief(false);
    answer = { status: 204 };
    received = [];
    clock.advance(WEBHOOK_PAUSES_MS[0]! + MEMBERSHIP_TTL_MS);
    for (const hook of [...lost, kept]) await until(async () => (await heard(hook))[0]?.state !== "waiting");
    await changed(2);
    await until(async () => (await heard(kept)).filter(({ state }) => state === "delivered").length === 2);
    const why = expect.stringContaining("who made it, has no right to webhooks of the") as string;
    for (const hook of lost) {
      expect(await heard(hook)).toMatchObject([{ state: "failed", attempts: [{ status: 500 }, { error: why }] }]);
      const { path, auth } = hook;
      const tested = await call<Delivery>(`${path}/${hook.id}/test`, { method: "POST", auth });
      expect(tested.body).toMatchObject({ state: "failed", attempts: [{ error: why }] });
    }
    expect(received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
      "version.yanked",
      "version.unyanked",
    ]);
    for (const hook of [...lost, kept]) await removed(hook.id, hook.path, hook.auth);
  });
});

describe("a catch-up", () => {
  it("tells whoever began to listen during it of what happened since", async () => {
    const { metadata } = server.node;
    clock.advance(1000);
    const since = clock.now();
    const listening = ["first"];
    let asked: readonly string[] = [];
    let reads = 0;
    const service = new DeliveryService({
      store: metadata.deliveries,
      trail: {
        records: async (...query: Parameters<typeof metadata.auditTrail.records>) => {
          // Between two batches, somebody makes a webhook and something happens.
          if ((reads += 1) === 2) {
            listening.push("late");
            await yank(true);
          }
          return metadata.auditTrail.records(...query);
        },
      } as typeof metadata.auditTrail,
      clock,
      log: () => {},
      channels: [
        {
          name: "listeners",
          pausesMs: [],
          since: async () => {
            asked = [...listening];
            return since;
          },
          plan: async ({ id, action, at }) =>
            asked.map((target) => ({ id: `${target}_${id}`, target, event: action, payload: "{}", created: at })),
          send: async () => ({ outcome: "delivered" }),
        },
      ],
    });
    await yank();
    await service.idle();
    const heard = async (target: string) =>
      (await metadata.deliveries.deliveries({ channel: "listeners", target, page: 1, perPage: 9 })).items.map(
        ({ event }) => event,
      );
    expect(await heard("first")).toEqual(["version.unyank", "version.yank"]);
    expect(await heard("late")).toEqual(["version.unyank"]);
    await service.stop();
  });
});

describe("two servers over one store", () => {
  it("send each event once, and what one of them left when it died", async () => {
    const { metadata } = server.node;
    const sent: string[] = [];
    const service = (fails = false): DeliveryService =>
      new DeliveryService({
        store: metadata.deliveries,
        trail: metadata.auditTrail,
        clock,
        log: () => {},
        channels: [
          {
            name: "probe",
            pausesMs: [1000],
            since: async () => since,
            plan: async ({ id, at }) => [
              { id: `probe_${id}`, target: "probe", event: "any", payload: "{}", created: at },
            ],
            send: async ({ id }) => {
              if (fails) throw new Error("no");
              sent.push(id);
              return { outcome: "delivered" };
            },
          },
        ],
      });
    // The server's own service has nothing to do, since nobody has a webhook.
    clock.advance(1000);
    const since = clock.now();
    const broken = service(true);
    await yank();
    await broken.idle();
    const [left] = (await metadata.deliveries.deliveries({ channel: "probe", target: "probe", page: 1, perPage: 9 }))
      .items;
    expect(left).toMatchObject({ state: "waiting", attempts: [{ error: "no" }] });
    await broken.stop();
    clock.advance(1500);
    const both = [service(), service()];
    await yank(true);
    await Promise.all(both.map((one) => one.idle()));
    await until(async () => {
      await Promise.all(both.map((one) => one.idle()));
      return sent.length >= 2;
    });
    expect(sent).toHaveLength(2);
    expect(new Set(sent).size).toBe(2);
    for (const one of both) await one.stop();
  });
});

describe("deliveries", () => {
  it("are counted for operators, and forgotten after a month", async () => {
    const { id } = await added();
    await call(`${HOOKS}/${id}/test`, { method: "POST" });
    const metrics = await (await server.call("/metrics")).text();
    expect(metrics).toMatch(/lading_deliveries\{channel="webhook",state="delivered"\} [1-9]/);
    const { deliveries } = server.node.metadata;
    const kept = async () =>
      (await deliveries.deliveries({ channel: "webhook", target: id, page: 1, perPage: 9 })).total;
    expect(await kept()).toBe(1);
    clock.advance(DELIVERIES_KEPT_MS + 3_600_000);
    await until(async () => (await kept()) === 0);
  });
});
