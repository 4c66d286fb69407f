import { createSocket } from "node:dgram";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

let server: TestServer;
let dns: { readonly records: Map<string, string[]>; readonly port: number; close(): void };
let numbers = 0;

/** A name server on loopback that answers questions for TXT records (RFC 1035 §4). */
async function nameServer(): Promise<typeof dns> {
  const records = new Map<string, string[]>();
  const socket = createSocket("udp4");
  socket.on("message", (question, peer) => {
    const labels: string[] = [];
    let at = 12;
    for (let size = question[at]!; size > 0; size = question[at]!) {
      labels.push(question.toString("latin1", at + 1, at + 1 + size));
      at += size + 1;
    }
    const texts = records.get(labels.join(".").toLowerCase()) ?? [];
    const asked = question.subarray(12, at + 5);
    const answers = texts.map((text) => {
      const data = Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
      return Buffer.concat([Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1, 0, data.length]), data]);
    });
    const header = Buffer.from([question[0]!, question[1]!, 0x81, 0x80, 0, 1, 0, texts.length, 0, 0, 0, 0]);
    socket.send(Buffer.concat([header, asked, ...answers]), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { records, port: socket.address().port, close: () => socket.close() };
}

beforeAll(async () => {
  dns = await nameServer();
  server = await startServer({ dnsServers: [`127.0.0.1:${dns.port}`] });
});
afterAll(async () => {
  await server.close();
  dns.close();
});

type Answer = { readonly status: number; readonly body: Record<string, unknown> };

async function call(method: string, path: string, auth: string, json?: unknown): Promise<Answer> {
  const response = await server.call(`/api/v1${path}`, { method, auth, ...(json === undefined ? {} : { json }) });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

async function refused(method: string, path: string, auth: string, json?: unknown): Promise<[number, string]> {
  const { status, body } = await call(method, path, auth, json);
  return [status, body["code"] as string];
}

async function account(name: string): Promise<string> {
  return server.account(name, { scopes: ["read", "publish", "yank", "owner"] });
}

async function publish(name: string, auth: string, version = "1.0.0"): Promise<[number, string | undefined]> {
  const response = await server.publish(await buildPackage({ name, version }), { auth });
  return [response.status, ((await response.json()) as { code?: string }).code];
}

/** An organisation of its own for each test, with an owner, a member who is in no team, and a stranger. */
async function acme() {
  numbers += 1;
  const name = `acme${"abcdefghijklmnopqrstuvwxyz"[numbers]!}`;
  const [owner, member, stranger] = [`own-${name}`, `mem-${name}`, `str-${name}`];
  const tokens = { owner: await account(owner), member: await account(member), stranger: await account(stranger) };
  expect((await call("POST", "/organisations", tokens.owner, { name, title: "Acme" })).status).toBe(201);
  const invited = await call("POST", `/organisations/${name}/invitations`, tokens.owner, { username: member });
  const answer = { invitation: invited.body["id"], answer: "accept" };
  expect((await call("POST", "/invitations/answers", tokens.member, answer)).status).toBe(204);
  return { name, people: { owner, member, stranger }, tokens, at: `/organisations/${name}` };
}

async function team(at: string, owner: string, name: string, role: string, member?: string): Promise<void> {
  expect((await call("PUT", `${at}/teams/${name}`, owner, { role })).status).toBe(200);
  if (member === undefined) return;
  expect((await call("PUT", `${at}/teams/${name}/members/${member}`, owner, {})).status).toBe(200);
}

describe("organisations", () => {
  it("belong to whoever created them, and show teams and namespaces to everybody, members to members", async () => {
    const { name, tokens, people, at } = await acme();
    expect(await refused("POST", "/organisations", tokens.stranger, { name })).toEqual([409, "ORGANISATION_EXISTS"]);
    expect(await refused("POST", "/organisations", tokens.owner, { name: "lading" })).toEqual([
      409,
      "ORGANISATION_EXISTS",
    ]);
    expect(await refused("POST", "/organisations", tokens.owner, { name: "No Name" })).toEqual([
      400,
      "REQUEST_INVALID",
    ]);
    await team(at, tokens.owner, "core", "maintain");
    const shown = (await call("GET", at, "")).body;
    expect(shown).toMatchObject({ name, title: "Acme", teams: [{ name: "core", role: "maintain" }], namespaces: [] });
    expect(JSON.stringify(shown)).not.toContain(people.owner);
    expect((await call("GET", `${at}/members`, tokens.member)).body["items"]).toMatchObject([
      { username: people.member, role: "member" },
      { username: people.owner, role: "owner" },
    ]);
    expect(await refused("GET", `${at}/members`, tokens.stranger)).toEqual([403, "NOT_MEMBER"]);
    expect(await refused("GET", "/organisations/none/members", tokens.owner)).toEqual([404, "ORGANISATION_NOT_FOUND"]);
    expect(await refused("PUT", at, tokens.member, { title: "Mine" })).toEqual([403, "NOT_MEMBER"]);
    expect((await call("PUT", at, tokens.owner, { title: null })).body).not.toHaveProperty("title");
    expect((await call("GET", "/organisations?per_page=100", "")).body["items"]).toContainEqual(
      expect.objectContaining({ name }),
    );
  });

  it("are never without an owner", async () => {
    const { tokens, people, at } = await acme();
    const demote = { role: "member" };
    expect(await refused("PUT", `${at}/members/${people.owner}`, tokens.owner, demote)).toEqual([409, "LAST_OWNER"]);
    expect(await refused("DELETE", `${at}/members/${people.owner}`, tokens.owner)).toEqual([409, "LAST_OWNER"]);
    expect((await call("PUT", `${at}/members/${people.member}`, tokens.owner, { role: "owner" })).status).toBe(200);
    expect((await call("DELETE", `${at}/members/${people.owner}`, tokens.owner)).status).toBe(200);
    expect(await refused("GET", `${at}/members`, tokens.owner)).toEqual([403, "NOT_MEMBER"]);
  });

  it("take nobody in who did not say yes, but by an admin", async () => {
    const { tokens, people, at } = await acme();
    const add = { role: "member" };
    expect(await refused("PUT", `${at}/members/${people.stranger}`, tokens.owner, add)).toEqual([403, "NOT_MEMBER"]);
    expect((await call("PUT", `${at}/members/${people.stranger}`, server.token, add)).status).toBe(200);
    expect((await call("DELETE", `${at}/members/${people.stranger}`, tokens.stranger)).status).toBe(200);
  });

  it("let teams be changed by owners, and their members by maintainers of the team", async () => {
    const { tokens, people, at } = await acme();
    await team(at, tokens.owner, "core", "publish", people.member);
    expect(await refused("PUT", `${at}/teams/x`, tokens.member, { role: "read" })).toEqual([403, "NOT_MEMBER"]);
    expect(await refused("PUT", `${at}/teams/No`, tokens.owner, { role: "read" })).toEqual([400, "REQUEST_INVALID"]);
    const path = `${at}/teams/core/members`;
    expect(await refused("DELETE", `${path}/${people.member}`, tokens.member)).toEqual([403, "NOT_MEMBER"]);
    expect(await refused("PUT", `${path}/${people.stranger}`, tokens.owner, {})).toEqual([403, "NOT_MEMBER"]);
    await call("PUT", `${path}/${people.member}`, tokens.owner, { role: "maintainer" });
    expect((await call("PUT", `${path}/${people.owner}`, tokens.member, {})).body["items"]).toMatchObject([
      { username: people.member, role: "maintainer" },
      { username: people.owner, role: "member" },
    ]);
    expect((await call("DELETE", `${path}/${people.owner}`, tokens.member)).status).toBe(200);
    expect(await refused("DELETE", `${path}/${people.owner}`, tokens.owner)).toEqual([403, "NOT_MEMBER"]);
    expect((await call("PUT", `${at}/teams/core`, tokens.owner, { role: "read", title: "Core" })).body).toMatchObject({
      role: "read",
      title: "Core",
    });
    expect((await call("DELETE", `${at}/teams/core`, tokens.owner)).status).toBe(204);
    expect(await refused("GET", path, tokens.owner)).toEqual([404, "TEAM_NOT_FOUND"]);
  });

  it("refuse tokens that are limited to packages", async () => {
    const limited = await server.account("limited-org", { scopes: ["owner"], packages: ["mine-*"] });
    expect(await refused("POST", "/organisations", limited, { name: "limited" })).toEqual([403, "FORBIDDEN"]);
  });
});

describe("invitations", () => {
  it("are for the one who is named, once", async () => {
    const { tokens, people, at } = await acme();
    await team(at, tokens.owner, "core", "publish");
    const body = { username: people.stranger, team: "core" };
    const { id } = (await call("POST", `${at}/invitations`, tokens.owner, body)).body;
    expect((await call("GET", "/invitations", tokens.stranger)).body["items"]).toMatchObject([
      { id, team: "core", role: "member", inviter: people.owner },
    ]);
    const accept = { invitation: id, answer: "accept" };
    expect(await refused("POST", "/invitations/answers", tokens.member, accept)).toEqual([410, "INVITATION_CLOSED"]);
    expect((await call("POST", "/invitations/answers", tokens.stranger, accept)).status).toBe(204);
    expect(await refused("POST", "/invitations/answers", tokens.stranger, accept)).toEqual([410, "INVITATION_CLOSED"]);
    expect((await call("GET", `${at}/teams/core/members`, tokens.owner)).body["items"]).toMatchObject([
      { username: people.stranger },
    ]);
  });

  it("by mail are for whoever has the code, which is told once and stored nowhere", async () => {
    const { tokens, at } = await acme();
    const created = (await call("POST", `${at}/invitations`, tokens.owner, { email: "new@company.test" })).body;
    expect(created["code"]).toMatch(/^[0-9A-Za-z]{40}$/);
    const listed = (await call("GET", `${at}/invitations`, tokens.owner)).body["items"];
    expect(listed).toMatchObject([{ email: "new@company.test" }]);
    expect(JSON.stringify(listed)).not.toContain(created["code"]);
    const byId = { invitation: created["id"], answer: "accept" };
    expect(await refused("POST", "/invitations/answers", tokens.stranger, byId)).toEqual([410, "INVITATION_CLOSED"]);
    const byCode = { invitation: created["code"], answer: "accept" };
    expect((await call("POST", "/invitations/answers", tokens.stranger, byCode)).status).toBe(204);
    const again = await call("POST", "/invitations/answers", tokens.member, byCode);
    expect([again.status, JSON.stringify(again.body).includes(String(created["code"]))]).toEqual([410, false]);
  });

  it("to higher roles come from owners, can be declined and revoked", async () => {
    const { tokens, people, at } = await acme();
    const invite = (auth: string, role: string) =>
      call("POST", `${at}/invitations`, auth, { username: people.stranger, role });
    expect((await invite(tokens.member, "member")).status).toBe(403);
    await call("PUT", `${at}/members/${people.member}`, tokens.owner, { role: "maintainer" });
    expect((await invite(tokens.member, "maintainer")).status).toBe(403);
    const owner = (await invite(tokens.owner, "owner")).body["id"] as string;
    expect(await refused("DELETE", `${at}/invitations/${owner}`, tokens.member)).toEqual([410, "INVITATION_CLOSED"]);
    expect((await call("DELETE", `${at}/invitations/${owner}`, tokens.owner)).status).toBe(204);
    const accept = { invitation: owner, answer: "accept" };
    expect(await refused("POST", "/invitations/answers", tokens.stranger, accept)).toEqual([410, "INVITATION_CLOSED"]);
    const { id } = (await invite(tokens.member, "member")).body;
    const decline = { invitation: id, answer: "decline" };
    expect((await call("POST", "/invitations/answers", tokens.stranger, decline)).status).toBe(204);
    expect(await refused("GET", `${at}/members`, tokens.stranger)).toEqual([403, "NOT_MEMBER"]);
  });
});

describe("namespaces", () => {
  const claim = (at: string, auth: string, namespace: string, proof?: object) =>
    call("POST", `${at}/namespaces`, auth, { namespace, ...(proof === undefined ? {} : { proof }) });

  it("of the organisation's own name need no proof, others do", async () => {
    const { name, tokens, at } = await acme();
    expect((await claim(at, tokens.owner, `@${name}/`)).body).toMatchObject({ name, proof: "name" });
    expect((await claim(at, tokens.owner, name)).body["code"]).toBe("NAMESPACE_TAKEN");
    expect((await claim(at, tokens.owner, "somebody-else")).body["code"]).toBe("NAMESPACE_UNPROVEN");
    expect((await claim(at, tokens.member, "mine")).body["code"]).toBe("NOT_MEMBER");
    expect((await claim(at, tokens.owner, "lading")).body["code"]).toBe("NAME_RESERVED");
    expect((await claim(at, tokens.owner, "a/b")).body["code"]).toBe("REQUEST_INVALID");
    expect((await claim(at, server.token, "granted")).body).toMatchObject({ proof: "admin" });
  });

  it("that look like others' are refused", async () => {
    const { tokens, at } = await acme();
    expect((await claim(at, server.token, "dolly")).status).toBe(201);
    const rival = await acme();
    await call("POST", "/organisations", rival.tokens.owner, { name: "do1ly" });
    const answer = await claim("/organisations/do1ly", rival.tokens.owner, "do1ly");
    expect([answer.status, answer.body["code"]]).toEqual([409, "NAME_CONFUSABLE"]);
    expect(tokens.owner).not.toBe(rival.tokens.owner);
  });

  it("with packages of others are theirs", async () => {
    const { name, tokens, at } = await acme();
    expect(await publish(`${name}/tool`, tokens.stranger)).toEqual([201, undefined]);
    expect((await claim(at, tokens.owner, name)).body["code"]).toBe("NAMESPACE_TAKEN");
  });

  it("are proven by a TXT record of the domain", async () => {
    const { name, tokens, at } = await acme();
    const domain = `${name}.example`;
    const proof = { kind: "dns", domain };
    const missing = (await claim(at, tokens.owner, `${name}-example`, proof)).body;
    expect(missing["code"]).toBe("NAMESPACE_UNPROVEN");
    const path = `${at}/namespaces/${name}-example/challenge?domain=${domain}`;
    const challenge = (await call("GET", path, tokens.owner)).body;
    expect(missing["hint"]).toContain(challenge["value"]);
    dns.records.set(challenge["name"] as string, ["v=spf1 -all", challenge["value"] as string]);
    const other = await acme();
    expect((await claim(other.at, other.tokens.owner, `${name}-example`, proof)).body["code"]).toBe(
      "NAMESPACE_UNPROVEN",
    );
    expect((await claim(at, tokens.owner, "unrelated", proof)).body["code"]).toBe("NAMESPACE_UNPROVEN");
    expect((await claim(at, tokens.owner, `${name}.example`, proof)).body).toMatchObject({
      name: `${name}-example`,
      proof: `dns:${domain}`,
    });
  });

  it("take packages of members by their roles and teams alone", async () => {
    const { name, tokens, people, at } = await acme();
    await claim(at, tokens.owner, name);
    expect(await publish(`${name}/tool`, tokens.stranger)).toEqual([403, "NOT_OWNER"]);
    expect(await publish(`${name}/tool`, tokens.member)).toEqual([403, "NOT_OWNER"]);
    expect(await publish(`${name}/tool`, tokens.owner)).toEqual([201, undefined]);
    await team(at, tokens.owner, "apps", "publish", people.member);
    expect(await publish(`${name}/app`, tokens.member)).toEqual([201, undefined]);
    expect(await publish(`${name}/tool`, tokens.member, "2.0.0")).toEqual([403, "NOT_OWNER"]);
    expect(await publish(`${name}/app`, tokens.owner, "2.0.0")).toEqual([201, undefined]);
    await call("PUT", `${at}/teams/apps`, tokens.owner, { role: "read" });
    await team(at, tokens.owner, "core", "maintain");
    await call("PUT", `${at}/namespaces/${name}`, tokens.owner, { team: "core" });
    // A role that a team lost is felt within five seconds.
    await expect
      .poll(() => publish(`${name}/more`, tokens.member), { timeout: 20_000, interval: 500 })
      .toEqual([403, "NOT_OWNER"]);
    await call("PUT", `${at}/teams/core/members/${people.member}`, tokens.owner, {});
    expect(await publish(`${name}/more`, tokens.member)).toEqual([201, undefined]);
    expect(await publish(`${name}/tool`, tokens.member, "3.0.0")).toEqual([201, undefined]);
    const owners = `/packages/${name}%2Fapp/owners`;
    expect(await refused("PUT", `${owners}/${people.stranger}`, tokens.owner)).toEqual([403, "NOT_MEMBER"]);
    await call("DELETE", `${at}/members/${people.member}`, tokens.owner);
    expect(await publish(`${name}/app`, tokens.member, "9.0.0")).toEqual([403, "NOT_OWNER"]);
    expect(await refused("DELETE", at, tokens.owner)).toEqual([409, "ORGANISATION_IN_USE"]);
    expect((await call("DELETE", `${at}/namespaces/${name}`, tokens.owner)).status).toBe(204);
    expect((await call("DELETE", at, tokens.owner)).status).toBe(204);
  });
});

describe("packages owned by teams", () => {
  it("are published, yanked and given away by what the team may", async () => {
    const { name, tokens, people, at } = await acme();
    const tool = `${name}-tool`;
    await publish(tool, tokens.owner);
    await team(at, tokens.owner, "core", "publish", people.member);
    const owners = `/packages/${tool}/owners`;
    const core = `${owners}/team:${name}%2Fcore`;
    expect(await publish(tool, tokens.member, "1.1.0")).toEqual([403, "NOT_OWNER"]);
    const etag = (await server.call(`/api/v1${owners}`)).headers.get("etag")!;
    expect((await call("PUT", core, tokens.owner)).body["items"]).toEqual([
      { username: people.owner },
      { team: `${name}/core` },
    ]);
    const stale = { method: "PUT", auth: tokens.owner, headers: { "if-match": etag } };
    expect((await server.call(`/api/v1${owners}/${people.stranger}`, stale)).status).toBe(412);
    expect(await publish(tool, tokens.member, "1.1.0")).toEqual([201, undefined]);
    expect(await refused("PUT", `${owners}/${people.stranger}`, tokens.member)).toEqual([403, "NOT_OWNER"]);
    const yank = `/packages/${tool}/versions/1.1.0/yank`;
    expect((await call("POST", yank, tokens.member, { reason: "bad" })).status).toBe(200);
    expect((await call("DELETE", `${owners}/${people.owner}`, tokens.owner)).body["items"]).toEqual([
      { team: `${name}/core` },
    ]);
    expect(await refused("DELETE", core, tokens.owner)).toEqual([409, "LAST_OWNER"]);
    expect(await refused("DELETE", `${at}/teams/core`, tokens.owner)).toEqual([409, "LAST_OWNER"]);
    expect((await call("PUT", `${owners}/${people.stranger}`, tokens.owner)).status).toBe(200);
    expect(await refused("PUT", `${owners}/team:${name}%2Fnone`, tokens.owner)).toEqual([404, "TEAM_NOT_FOUND"]);
    const details = (await call("GET", `/packages/${tool}`, "")).body;
    expect(details["owners"]).toEqual([people.stranger, `team:${name}/core`]);
  });
});
