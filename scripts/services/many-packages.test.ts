import { once } from "node:events";
import { Agent, request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SEEDED_WORDS, seedRegistry, seededName } from "../bench/seeded.ts";
import { freshDirectory, type Directory } from "./processes.ts";
import { indexedVersions, makePackage, publishAt, type PackageFile } from "./publications.ts";
import { adminToken, startServer, type Server } from "./server.ts";

const PACKAGES = 10_000;
const CONNECTIONS = 1000;

let directory: Directory;
let server: Server;
let token: string;
/** A new version of one of the packages, with bytes. */
let published: PackageFile;
beforeAll(async () => {
  directory = await freshDirectory("many");
  server = await startServer({ data: await seedRegistry(directory.path, PACKAGES, 1), flags: ["--rate-limit", "0"] });
  token = await adminToken(server.data);
  published = await makePackage(seededName(4321), "2.0.0");
}, 600_000);
afterAll(async () => {
  await server?.kill();
  await directory?.remove();
});

async function read(path: string): Promise<Response> {
  return fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
}

async function json<Body>(path: string): Promise<Body> {
  const answer = await read(path);
  expect([path, answer.status]).toEqual([path, 200]);
  return (await answer.json()) as Body;
}

interface Listed {
  readonly total: number;
  readonly items: readonly { readonly name: string }[];
}

it("[PRF-05] [SRV-28] 10,000 packages are listed page by page, found by word and prefix, and read one by one", async () => {
  const names = new Set<string>();
  for (let page = 1; page <= PACKAGES / 100; page += 1) {
    const { total, items } = await json<Listed>(`/api/v1/packages/?per_page=100&page=${page}`);
    expect(total).toBe(PACKAGES);
    for (const { name } of items) names.add(name);
  }
  expect(names.size).toBe(PACKAGES);
  for (const [at, word] of SEEDED_WORDS.entries()) {
    for (const text of [word, word.slice(0, 4)]) {
      const { total, items } = await json<Listed>(`/api/v1/search?q=${text}&sort=downloads`);
      expect(total).toBe(PACKAGES / SEEDED_WORDS.length);
      expect(items.every(({ name }) => name.startsWith(`${word}-`))).toBe(true);
    }
    const name = seededName(at * 7 + 3);
    const [first] = (await json<Listed>(`/api/v1/search?q=${name}`)).items;
    expect(first?.name).toBe(name);
    expect([...(await indexedVersions(server.url, name)).keys()]).toEqual(["1.0.0"]);
  }
});

/** What this registry has none of: keys, a provider of logins, readmes, statements; and a query that is not asked. */
const NOT_THERE = {
  "/api/v1/accounts/{username}/keys": 404,
  "/api/v1/auth/oidc": 404,
  "/api/v1/packages/{name}/readme": 404,
  "/api/v1/packages/{name}/versions/{version}/readme": 404,
  "/blobs/sha256/{hex}.sig": 404,
  "/graphql": 400,
  "/simple/{name}/{file}": 404,
};

/** Values for the parameters of addresses, all of things that there are. */
function valuesOf({ name, version, blob }: PackageFile): Readonly<Record<string, string>> {
  const hex = blob.slice("sha256:".length);
  return {
    name,
    version,
    hex,
    ab: name.slice(0, 2),
    file: `${name}.json`,
    page: "1",
    username: "admin",
    user: "admin",
  };
}

it("[PRF-05] every address of the API that is read answers over 10,000 packages, and a publication among them", async () => {
  expect((await publishAt(server.url, token, published)).status).toBe(201);
  const { paths } = await json<{ paths: Record<string, Record<string, unknown>> }>("/openapi.json");
  const values = valuesOf(published);
  const answers: Record<string, number> = {};
  for (const path of Object.keys(paths).filter((one) => "get" in paths[one]!)) {
    const unknown = [...path.matchAll(/\{(\w+)\}/g)].filter(([, parameter]) => values[parameter!] === undefined);
    // Of reviews, organisations, uploads and installations there are none here.
    if (unknown.length > 0) continue;
    const answer = await read(path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) => values[parameter]!));
    answers[path] = answer.status;
    await answer.body?.cancel();
  }
  expect(Object.keys(answers).length).toBeGreaterThan(40);
  const others = Object.fromEntries(Object.entries(answers).filter(([, status]) => status !== 200));
  expect(others).toEqual(NOT_THERE);
});

/** Asks on a connection of its own, which stays open. */
async function ask(agent: Agent, path: string): Promise<number> {
  const outgoing = request(`${server.url}${path}`, { agent, headers: { authorization: `Bearer ${token}` } });
  outgoing.end();
  const [answer] = await once(outgoing, "response");
  answer.resume();
  await once(answer, "end");
  return answer.statusCode as number;
}

it("[PRF-06] [SRV-28] 1,000 connections that are open at once are answered without an error", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, maxFreeSockets: CONNECTIONS });
  try {
    for (let round = 0; round < 3; round += 1) {
      const statuses = await Promise.all(
        Array.from({ length: CONNECTIONS }, (_, at) => {
          const name = seededName(at * 10);
          const paths = [
            `/index/_/${name.slice(0, 2)}/${name}.json`,
            `/api/v1/packages/${name}`,
            `/api/v1/search?q=${SEEDED_WORDS[at % SEEDED_WORDS.length]!}`,
            "/metadata/timestamp.json",
          ];
          return ask(agent, paths[(at + round) % paths.length]!);
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([200]));
      // Every one of them is open still, and is asked again.
      const open = Object.values(agent.freeSockets).reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0);
      expect(open).toBe(CONNECTIONS);
    }
  } finally {
    agent.destroy();
  }
});
