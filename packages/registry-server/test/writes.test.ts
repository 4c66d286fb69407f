import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IdempotentAnswers } from "../src/lib/idempotent-answers.ts";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, publishBody, startServer, type BuiltPackage, type TestServer } from "./harness.ts";

let server: TestServer;
let tool: BuiltPackage;
beforeAll(async () => {
  server = await startServer();
  tool = await buildPackage({ name: "tool", version: "1.0.0" });
  await server.publish(tool);
});
afterAll(async () => server.close());

type Answer = { status: number; replayed: boolean; code: string | undefined; body: string; headers: Headers };
async function send(path: string, init: Parameters<TestServer["call"]>[1]): Promise<Answer> {
  const response = await server.call(path, init);
  const body = await response.text();
  const code = body.startsWith("{") ? (JSON.parse(body) as { code?: string }).code : undefined;
  const replayed = response.headers.get("idempotency-replayed") === "true";
  return { status: response.status, replayed, code, body, headers: response.headers };
}
const sendForm = (key: string, body: FormData): Promise<Answer> =>
  send("/api/v1/packages/", { method: "POST", body, headers: { "idempotency-key": key } });
const upload = (built: BuiltPackage, key: string): Promise<Answer> => sendForm(key, publishBody(built));
const create = (name: string, key: string, auth?: string): Promise<Answer> =>
  send("/api/v1/packages/", {
    method: "POST",
    json: { name },
    headers: { "idempotency-key": key },
    ...(auth === undefined ? {} : { auth }),
  });

describe("Idempotency-Key", () => {
  it("gives a publication that is sent again the answer of the first", async () => {
    const built = await buildPackage({ name: "again", version: "1.0.0" });
    const key = randomUUID();
    const first = await upload(built, key);
    const second = await upload(built, key);
    expect([first.status, first.replayed, second.status, second.replayed]).toEqual([201, false, 201, true]);
    expect([second.body, second.headers.get("location")]).toEqual([first.body, first.headers.get("location")]);
    const audit = await server.call("/api/v1/audit?action=package.publish&package=again");
    expect(((await audit.json()) as { total: number }).total).toBe(1);
  });

  it("refuses the key of another request, to the same or another address", async () => {
    const key = randomUUID();
    expect((await create("first-name", key)).status).toBe(201);
    expect(await create("first-name", key)).toMatchObject({ status: 201, replayed: true });
    for (const other of [await create("second-name", key), await upload(tool, key)])
      expect(other).toMatchObject({ status: 422, code: "IDEMPOTENCY_KEY_REUSED", replayed: false });
    expect((await server.call("/api/v1/packages/second-name")).status).toBe(404);
  });

  it("refuses the key of the same files for another channel", async () => {
    const built = await buildPackage({ name: "channelled", version: "1.0.0" });
    const publishTo = async (key: string, channel?: string): Promise<Answer> => {
      const body = publishBody(built);
      const { blob, size } = built;
      body.set("metadata", JSON.stringify({ blob, size, ...(channel === undefined ? {} : { channel }) }));
      return sendForm(key, body);
    };
    const key = randomUUID();
    expect((await publishTo(key, "beta")).status).toBe(201);
    expect(await publishTo(key, "beta")).toMatchObject({ status: 201, replayed: true });
    expect(await publishTo(key)).toMatchObject({ status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
  });

  it("belongs to one account", async () => {
    const key = randomUUID();
    expect((await create("of-admin", key)).status).toBe(201);
    const ada = await server.account("ada");
    expect(await create("of-ada", key, ada)).toMatchObject({ status: 201, replayed: false });
  });

  it("keeps no refusal: what was refused may run again", async () => {
    const key = randomUUID();
    const bob = await server.account("bob");
    expect((await create("tool", key, bob)).code).toBe("NOT_OWNER");
    await server.call("/api/v1/packages/tool/owners/bob", { method: "PUT" });
    expect(await create("tool", key, bob)).toMatchObject({ status: 200, replayed: false });
  });

  it("is refused where it is malformed, and ignored where it is absent", async () => {
    expect(await create("keyless", "with space")).toMatchObject({ status: 400, code: "REQUEST_INVALID" });
    expect(await create("keyless", "x".repeat(256))).toMatchObject({ status: 400, code: "REQUEST_INVALID" });
    const path = "/api/v1/packages/tool/versions/1.0.0/yank";
    for (let time = 0; time < 2; time += 1)
      expect(await send(path, { method: "POST", json: { reason: "broken" } })).toMatchObject({ status: 200 });
    await server.call(path, { method: "DELETE" });
  });

  it("of a request under way answers 409 with Retry-After, and the later one finds the answer", async () => {
    const answers = new IdempotentAnswers(new FakeClock());
    let resolve: (response: Response) => void = () => {};
    const promise = new Promise<Response>((done) => {
      resolve = done;
    });
    const slow = answers.answer("key", "a", () => promise);
    await expect(answers.answer("key", "a", async () => new Response())).rejects.toMatchObject({
      code: "IDEMPOTENCY_KEY_IN_USE",
      details: { retryAfter: 1 },
    });
    await expect(answers.answer("key", "b", async () => new Response())).rejects.toMatchObject({
      code: "IDEMPOTENCY_KEY_REUSED",
    });
    resolve(new Response("done", { status: 201 }));
    await slow;
    const again = await answers.answer("key", "a", () => Promise.reject(new Error("ran twice")));
    expect([again.status, await again.text(), again.headers.get("idempotency-replayed")]).toEqual([
      201,
      "done",
      "true",
    ]);
  });

  it("is forgotten after an hour", async () => {
    const clock = new FakeClock();
    const answers = new IdempotentAnswers(clock);
    await answers.answer("key", "a", async () => new Response("first"));
    clock.advance(60 * 60 * 1000 + 1);
    expect(await (await answers.answer("key", "b", async () => new Response("second"))).text()).toBe("second");
  });
});

describe("If-Match", () => {
  const version = "/api/v1/packages/tool/versions/1.0.0";

  it("guards a version: a change on old ground answers 412 and changes nothing", async () => {
    const etag = (await server.call(version)).headers.get("etag")!;
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    const yank = (ifMatch: string): Promise<Answer> =>
      send(`${version}/yank`, { method: "POST", json: { reason: "broken" }, headers: { "if-match": ifMatch } });
    expect(await yank('"other"')).toMatchObject({ status: 412, code: "PRECONDITION_FAILED" });
    expect(await yank(`W/${etag}`)).toMatchObject({ status: 412 });
    const done = await yank(`"other", ${etag}`);
    expect(done.status).toBe(200);
    expect(done.headers.get("etag")).not.toBe(etag);
    expect(await yank(etag)).toMatchObject({ status: 412 });
    expect(await yank("*")).toMatchObject({ status: 200 });
    const undo = await send(`${version}/yank`, { method: "DELETE", headers: { "if-match": '"other"' } });
    expect(undo.status).toBe(412);
    expect(((await (await server.call(version)).json()) as { status: string }).status).toBe("yanked");
    const now = (await server.call(version)).headers.get("etag")!;
    expect((await send(`${version}/yank`, { method: "DELETE", headers: { "if-match": now } })).status).toBe(200);
    expect((await server.call(version)).headers.get("etag")).toBe(etag);
  });

  it("guards the owners", async () => {
    await server.account("eve");
    const owners = "/api/v1/packages/tool/owners";
    const etag = (await server.call(owners)).headers.get("etag")!;
    const change = (method: string, ifMatch: string): Promise<Answer> =>
      send(`${owners}/eve`, { method, headers: { "if-match": ifMatch } });
    const added = await change("PUT", etag);
    expect([added.status, added.headers.get("etag") === etag]).toEqual([200, false]);
    expect(await change("DELETE", etag)).toMatchObject({ status: 412, code: "PRECONDITION_FAILED" });
    expect((await change("DELETE", added.headers.get("etag")!)).status).toBe(200);
    expect((await server.call(owners)).headers.get("etag")).toBe(etag);
  });
});
