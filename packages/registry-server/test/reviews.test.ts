import { canonicalName, parsePackageName, type CanonicalName } from "@lading/core-manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PublicationRule } from "../src/lib/governance/publication-policy.ts";
import { isWithinEdits, similarNames } from "../src/lib/governance/similar-names.ts";
import { FakeClock } from "../src/testing.ts";
import { buildPackage, startServer, type BuiltPackage, type TestServer } from "./harness.ts";

interface Json {
  readonly [key: string]: unknown;
  readonly review?: { readonly id: string; readonly state: string };
  readonly findings?: readonly { readonly rule: string }[];
}

const RULES: readonly PublicationRule[] = [
  { names: ["company/*"], review: true, reviewers: ["rita", "ada"] },
  { names: ["fresh-*"], review: true, newPackagesOnly: true },
  { names: ["free-*"], allowedLicenses: ["MIT", "Apache-2.0"] },
  { names: ["odd-*"], allowedLicenses: ["MIT"], licenseAction: "hold" },
  { names: ["signed-*"], requireSignatures: true },
];

let server: TestServer;
let people: Record<"ada" | "bob" | "rita", string>;

beforeAll(async () => {
  server = await startServer({ publicationRules: RULES });
  people = {
    ada: await server.account("ada"),
    bob: await server.account("bob"),
    rita: await server.account("rita"),
  };
});
afterAll(async () => server.close());

async function ask(
  method: string,
  path: string,
  auth: string,
  json?: unknown,
): Promise<{ status: number; body: Json }> {
  const response = await server.call(path, { method, auth, ...(json === undefined ? {} : { json }) });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, body: isJson ? (JSON.parse(text) as Json) : { text } };
}

async function publish(built: BuiltPackage, auth: string): Promise<{ status: number; body: Json }> {
  const response = await server.publish(built, { auth });
  return { status: response.status, body: (await response.json()) as Json };
}

async function hold(name: string, version = "1.0.0", auth = people.ada): Promise<{ id: string; built: BuiltPackage }> {
  const built = await buildPackage({ name, version, license: "MIT" }, { files: { "README.md": `# ${name}\n` } });
  const { status, body } = await publish(built, auth);
  expect([status, body["status"], body["visible"], body.review?.state]).toEqual([202, "held", false, "held"]);
  expect(body["log"]).toBeUndefined();
  return { id: body.review!.id, built };
}

const review = (id: string, step = ""): string => `/api/v1/reviews/${id}${step}`;

describe("a publication that a rule holds", () => {
  it("leaves no trace for anybody but its publisher, owners and reviewers", async () => {
    const { id, built } = await hold("company/secret");
    const hex = built.blob.slice("sha256:".length);
    const paths = [
      "/api/v1/packages/company%2Fsecret",
      "/api/v1/packages/company%2Fsecret/versions",
      "/api/v1/packages/company%2Fsecret/versions/1.0.0",
      "/api/v1/packages/company%2Fsecret/versions/1.0.0/download",
      "/api/v1/packages/company%2Fsecret/readme",
      "/index/@company/se/secret.json",
      `/blobs/sha256/${hex}`,
      `/blobs/sha256/${hex}.sig`,
    ];
    for (const auth of ["", people.bob, people.ada, server.token])
      for (const path of paths) expect([path, (await ask("GET", path, auth)).status]).toEqual([path, 404]);
    await server.node.registry.signNow();
    for (const path of [
      "/api/v1/packages/",
      "/api/v1/search?q=secret",
      "/feed/0.json",
      "/metadata/snapshot.json",
      "/log/checkpoint",
    ])
      expect(JSON.stringify((await ask("GET", path, "")).body)).not.toMatch(/secret/);
    const entries = await server.node.metadata.logEntries(0, 1000);
    expect(entries.map((entry) => new TextDecoder().decode(entry)).join("\n")).not.toMatch(/secret/);
    expect((await ask("GET", review(id), "")).status).toBe(401);
    expect((await ask("GET", review(id), people.bob)).body["code"]).toBe("REVIEW_NOT_FOUND");
    expect((await ask("GET", review(id, "/download"), people.bob)).status).toBe(404);
    for (const auth of [people.ada, people.rita, server.token])
      expect((await ask("GET", review(id), auth)).body.findings?.[0]?.rule).toBe("review");
    const file = await server.call(review(id, "/download"), { auth: people.rita });
    expect(Buffer.from(await file.arrayBuffer()).equals(built.bytes)).toBe(true);
    const listed = async (auth: string): Promise<number> =>
      (await ask("GET", "/api/v1/reviews?package=company%2Fsecret", auth)).body["total"] as number;
    expect([await listed(people.ada), await listed(people.rita), await listed(people.bob)]).toEqual([1, 1, 0]);
  });

  it("takes its name, number and digest", async () => {
    const { id, built } = await hold("company/taken");
    const again = await publish(built, people.ada);
    expect([again.status, again.body.review?.id, again.body["status"]]).toEqual([200, id, "held"]);
    const other = await buildPackage({ name: "company/taken", version: "1.0.0" }, { files: { other: "bytes" } });
    expect((await publish(other, people.ada)).body["code"]).toBe("VERSION_EXISTS");
    const stranger = await buildPackage({ name: "company/taken", version: "2.0.0" });
    expect((await publish(stranger, people.bob)).body["code"]).toBe("NAME_RESERVED");
    const name = await ask("POST", "/api/v1/packages/", people.bob, { name: "company/taken" });
    expect(name.body["code"]).toBe("NAME_RESERVED");
  });

  it("is published when a reviewer who is not its publisher agrees", async () => {
    const { id, built } = await hold("company/good");
    const entries = (await server.node.metadata.logEntries(0, 1000)).length;
    const self = await ask("POST", review(id, "/approve"), people.ada);
    expect([self.status, self.body["code"]]).toEqual([403, "REVIEWER_IS_PUBLISHER"]);
    expect((await ask("POST", review(id, "/approve"), people.bob)).status).toBe(404);
    const done = await ask("POST", review(id, "/approve"), people.rita);
    expect([done.status, done.body["state"], done.body["decided_by"]]).toEqual([200, "published", "rita"]);
    await server.node.registry.signNow();
    expect((await ask("GET", "/index/@company/go/good.json", "")).body["channels"]).toEqual({ latest: "1.0.0" });
    expect((await server.call(`/blobs/sha256/${built.blob.slice(7)}`, { auth: "" })).status).toBe(200);
    const version = await ask("GET", "/api/v1/packages/company%2Fgood/versions/1.0.0", "");
    expect(version.body["publisher"]).toBe("ada");
    const logged = await server.node.metadata.logEntries(entries, 10);
    expect(logged.map((entry) => (JSON.parse(new TextDecoder().decode(entry)) as Json)["type"])).toEqual(["publish"]);
    expect((await publish(built, people.ada)).body["status"]).toBe("active");
    const twice = await ask("POST", review(id, "/reject"), people.rita, { reason: "late" });
    expect([twice.status, twice.body["code"]]).toEqual([409, "REVIEW_DECIDED"]);
    const { items } = await server.node.metadata.audits({ package: "company/good", page: 1, perPage: 10 });
    expect(items.map(({ action, actor }) => `${action} ${actor}`)).toEqual([
      "review.approve rita",
      "package.publish ada",
      "review.submit ada",
    ]);
  });

  it("is rejected with a reason, which its publisher may answer", async () => {
    const { id, built } = await hold("company/bad");
    expect((await ask("POST", review(id, "/reject"), people.rita, {})).status).toBe(400);
    const rejected = await ask("POST", review(id, "/reject"), people.rita, { reason: "it has no tests" });
    expect([rejected.body["state"], rejected.body["reason"]]).toEqual(["rejected", "it has no tests"]);
    const again = await publish(built, people.ada);
    expect([again.status, again.body["code"]]).toEqual([422, "PUBLICATION_REJECTED"]);
    expect(again.body["detail"]).toContain("it has no tests");
    expect((await server.call(`/blobs/sha256/${built.blob.slice(7)}`, { auth: "" })).status).toBe(404);
    expect((await ask("POST", review(id, "/appeal"), people.rita, { text: "x" })).status).toBe(403);
    const appealed = await ask("POST", review(id, "/appeal"), people.ada, { text: "they are in another package" });
    expect([appealed.body["state"], appealed.body["appeal"]]).toEqual(["appealed", "they are in another package"]);
    expect((await ask("POST", review(id, "/approve"), people.rita)).body["state"]).toBe("published");
    expect((await ask("GET", "/api/v1/packages/company%2Fbad", "")).status).toBe(200);
  });

  it("does not come back by an appeal where other bytes wait under its number by then", async () => {
    const { id } = await hold("company/rival");
    await ask("POST", review(id, "/reject"), people.rita, { reason: "no" });
    const other = await buildPackage({ name: "company/rival", version: "1.0.0" }, { files: { other: "bytes" } });
    expect((await publish(other, people.ada)).status).toBe(202);
    expect((await ask("POST", review(id, "/appeal"), people.ada, { text: "yes" })).body["code"]).toBe("VERSION_EXISTS");
  });

  it("stays where what is published by now leaves no room", async () => {
    const { id } = await hold("company/blocked");
    const { metadata } = server.node;
    const held = (await metadata.reviews.review(id))!.publication;
    const account = (await metadata.accountByName("bob"))!;
    await metadata.publish({ ...held, account });
    const done = await ask("POST", review(id, "/approve"), people.rita);
    expect([done.status, done.body["code"]]).toEqual([409, "REVIEW_BLOCKED"]);
    expect((await ask("GET", review(id), people.rita)).body["state"]).toBe("held");
  });

  it("is rejected with the deletion of its publisher, and not to be approved any more", async () => {
    const leaver = await server.account("leaver");
    const { id } = await hold("fresh-left", "1.0.0", leaver);
    const credentials = { username: "leaver", password: "password of leaver" };
    const { body: opened } = await ask("POST", "/api/v1/auth/login", "", credentials);
    const gone = await ask("POST", "/api/v1/account/delete", opened["token"] as string, credentials);
    expect(gone.status).toBe(204);
    const { body: ended } = await ask("GET", review(id), server.token);
    expect([ended["state"], ended["reason"]]).toEqual(["rejected", "account deleted"]);
    const { status, body } = await ask("POST", review(id, "/approve"), server.token);
    expect([status, body["code"]]).toEqual([409, "REVIEW_BLOCKED"]);
    expect(body["detail"]).toContain('the account of "leaver", its publisher, was deleted');
  });

  it("is one of a new package alone, where the rule says so", async () => {
    const { id } = await hold("fresh-one");
    await ask("POST", review(id, "/approve"), server.token);
    const next = await publish(await buildPackage({ name: "fresh-one", version: "1.1.0" }), people.ada);
    expect([next.status, next.body["status"]]).toEqual([201, "active"]);
    // A name without versions is a new package still.
    await ask("POST", "/api/v1/packages/", people.ada, { name: "fresh-name" });
    expect((await publish(await buildPackage({ name: "fresh-name", version: "1.0.0" }), people.ada)).status).toBe(202);
  });

  it("stays held, unread and unforgotten over a restart and garbage collection", async () => {
    const { id, built } = await hold("company/kept");
    const { directory } = server;
    await server.server.close(1000);
    const next = await startServer({ publicationRules: RULES, dataDirectory: directory });
    server = { ...next, directory };
    expect((await ask("GET", `/blobs/sha256/${built.blob.slice(7)}`, "")).status).toBe(404);
    expect([...(await server.node.metadata.referencedBlobs())]).toContain(built.blob);
    expect((await ask("POST", review(id, "/approve"), people.rita)).body["state"]).toBe("published");
    expect((await server.call(`/blobs/sha256/${built.blob.slice(7)}`, { auth: "" })).status).toBe(200);
  });
});

describe("rules about publications", () => {
  it("refuse or hold licences that are not allowed, by SPDX expression", async () => {
    const judged = async (name: string, license?: string): Promise<[number, string]> => {
      const built = await buildPackage({ name, version: "1.0.0", ...(license === undefined ? {} : { license }) });
      const { status, body } = await publish(built, people.ada);
      return [status, (body["code"] ?? body["status"]) as string];
    };
    expect(await judged("free-mit", "MIT")).toEqual([201, "active"]);
    expect(await judged("free-either", "MIT OR GPL-3.0-only")).toEqual([201, "active"]);
    expect(await judged("free-both", "MIT AND GPL-3.0-only")).toEqual([422, "POLICY_REFUSED"]);
    expect(await judged("free-gpl", "GPL-3.0-only")).toEqual([422, "POLICY_REFUSED"]);
    expect(await judged("free-none")).toEqual([422, "POLICY_REFUSED"]);
    expect(await judged("odd-gpl", "GPL-3.0-only")).toEqual([202, "held"]);
    expect(await judged("signed-tool", "MIT")).toEqual([422, "SIGNATURE_REQUIRED"]);
  });

  it("refuse or hold a new name that is one letter from a much used one of others", async () => {
    const clock = new FakeClock(Date.now());
    const rules: readonly PublicationRule[] = [
      { names: ["*"], similarNames: "refuse" },
      { names: ["**"], similarNames: "hold" },
    ];
    const judging = await startServer({ publicationRules: rules, clock });
    try {
      const [ada, bob] = [await judging.account("ada"), await judging.account("bob")];
      const judged = async (name: string, auth: string): Promise<Json> => {
        const response = await judging.publish(await buildPackage({ name, version: "1.0.0" }), { auth });
        return { status: response.status, ...((await response.json()) as Json) };
      };
      expect((await judged("reactor", ada))["status"]).toBe("active");
      // The names that are much used are looked up once a minute.
      clock.advance(61_000);
      const refused = await judged("reactro", bob);
      expect([refused["code"], refused["detail"]]).toEqual(["POLICY_REFUSED", expect.stringContaining('"reactor"')]);
      expect((await judged("reactors", ada))["status"]).toBe("active");
      expect((await judged("reaction", bob))["status"]).toBe("active");
      expect((await judged("team/reactro", bob))["status"]).toBe("active");
      clock.advance(61_000);
      const held = await judged("team/reactors", ada);
      expect([held["code"], held["status"]]).toEqual(["NOT_OWNER", 403]);
      expect((await judged("team/reacto", bob))["status"]).toBe("active");
    } finally {
      await judging.close();
    }
  });
});

describe("similarNames()", () => {
  const name = (text: string): CanonicalName => canonicalName(parsePackageName(text));
  const similar = (text: string, ...known: readonly string[]): readonly string[] =>
    similarNames(name(text), known.map(name));

  it("finds names that differ by one letter, and by two in long ones", () => {
    expect(similar("lodahs", "lodash")).toEqual(["lodash"]);
    expect(similar("loda-sh", "lodash")).toEqual(["lodash"]);
    expect(similar("lodash", "lodash", "lodashes")).toEqual([]);
    expect(similar("typescirtp", "typescript")).toEqual(["typescript"]);
    expect(similar("abd", "abc")).toEqual([]);
    expect(similar("acme/tool", "tool", "acne/tool", "acme/tools")).toEqual(["acme/tools"]);
  });

  it("agrees with the plain table of distances", () => {
    const words = ["", "a", "ab", "ba", "abc", "acb", "abcd", "bacd", "xbcd", "abxcd", "badc"];
    for (const left of words)
      for (const right of words)
        for (const limit of [0, 1, 2, 3])
          expect([left, right, limit, isWithinEdits(left, right, limit)]).toEqual([
            left,
            right,
            limit,
            distance(left, right) <= limit,
          ]);
  });
});

function distance(left: string, right: string): number {
  if (left === "" || right === "") return left.length + right.length;
  const [a, b] = [left.slice(0, -1), right.slice(0, -1)];
  const swapped = left.length > 1 && right.length > 1 && left.at(-1) === right.at(-2) && left.at(-2) === right.at(-1);
  return Math.min(
    distance(a, right) + 1,
    distance(left, b) + 1,
    distance(a, b) + (left.at(-1) === right.at(-1) ? 0 : 1),
    swapped ? distance(left.slice(0, -2), right.slice(0, -2)) + 1 : Number.POSITIVE_INFINITY,
  );
}
