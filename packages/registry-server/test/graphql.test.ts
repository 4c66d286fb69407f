import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  const packages = [
    { name: "engine-core", version: "1.0.0", description: "Heart of it", keywords: ["base"] },
    { name: "engine-core", version: "1.1.0", description: "Heart of it", keywords: ["base"], license: "MIT" },
    {
      name: "tool",
      version: "2.0.0",
      hosts: { revit: ">=2024.0.0" },
      dependencies: [
        { name: "engine-core", kind: "normal", requirement: ">=1.0.0 <2.0.0" },
        { name: "elsewhere", kind: "dev", requirement: "*" },
      ],
    },
  ] as const;
  for (const manifest of packages) {
    const built = await buildPackage(manifest);
    const response = await server.publish(built);
    if (response.status !== 201) throw new Error(await response.text());
  }
});
afterAll(async () => {
  await server.close();
});

interface Answer {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { readonly message: string }[];
}

async function ask(query: string, rest: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return server.call("/graphql", {
    method: "POST",
    body: JSON.stringify({ query, ...rest }),
    headers: { "content-type": "application/json", ...headers },
  });
}

async function data(query: string, rest: object = {}): Promise<unknown> {
  const answer = (await (await ask(query, rest)).json()) as Answer;
  expect(answer.errors).toBeUndefined();
  return answer.data;
}

async function firstError(query: string): Promise<string> {
  const response = await ask(query);
  const { errors, data: found } = (await response.json()) as Answer;
  expect([response.status, found]).toEqual([200, undefined]);
  return errors![0]!.message;
}

describe("/graphql", () => {
  it("answers a package, its versions and the packages that it depends on in one request", async () => {
    const query = `query ($name: String!) {
      package(name: $name) {
        name
        owners
        latest { version status hosts { axis requirement } artifacts { target blob size url } }
        versions { version dependencies { name kind requirement package { name latest { version license } } } }
      }
    }`;
    const details = (await (await server.call("/api/v1/packages/tool/versions/2.0.0")).json()) as {
      readonly artifacts: readonly Record<string, unknown>[];
    };
    const [{ target, blob, size, url } = {}] = details.artifacts;
    expect(await data(query, { variables: { name: "tool" } })).toEqual({
      package: {
        name: "tool",
        owners: ["admin"],
        latest: {
          version: "2.0.0",
          status: "active",
          hosts: [{ axis: "revit", requirement: ">=2024.0.0" }],
          artifacts: [{ target, blob, size, url }],
        },
        versions: [
          {
            version: "2.0.0",
            dependencies: [
              {
                name: "engine-core",
                kind: "normal",
                requirement: ">=1.0.0 <2.0.0",
                package: { name: "engine-core", latest: { version: "1.1.0", license: "MIT" } },
              },
              { name: "elsewhere", kind: "dev", requirement: "*", package: null },
            ],
          },
        ],
      },
    });
  });

  it("finds packages by words, in pages, and says how many there are", async () => {
    const query = `{ found: packages(text: "heart") { total items { name keywords } }
      all: packages(first: 1, page: 2) { total page items { name versions(status: active) { version } } } }`;
    expect(await data(query)).toEqual({
      found: { total: 1, items: [{ name: "engine-core", keywords: ["base"] }] },
      all: { total: 2, page: 2, items: [{ name: "tool", versions: [{ version: "2.0.0" }] }] },
    });
  });

  it("answers null for what is not there and for names that cannot be", async () => {
    const query = `{ a: package(name: "nobody") { name } b: package(name: "../x") { name } c: package(name: "engine-core") { version(version: "9.9.9") { kind } } }`;
    expect(await data(query)).toEqual({ a: null, b: null, c: { version: null } });
  });

  it("takes queries as addresses, with variables", async () => {
    const search = new URLSearchParams({
      query: "query ($n: String!) { package(name: $n) { name } }",
      variables: JSON.stringify({ n: "engine-core" }),
    });
    const response = await server.call(`/graphql?${search.toString()}`);
    expect(await response.json()).toEqual({ data: { package: { name: "engine-core" } } });
    search.set("variables", "[1");
    const refused = await server.call(`/graphql?${search.toString()}`);
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([400, "REQUEST_INVALID"]);
  });

  it("describes itself", async () => {
    const { __schema: schema } = (await data(
      "{ __schema { queryType { fields { name } } mutationType { name } } }",
    )) as {
      readonly __schema: unknown;
    };
    expect(schema).toEqual({ queryType: { fields: [{ name: "package" }, { name: "packages" }] }, mutationType: null });
  });

  it("says what is wrong with a query, with 400 for those who know the media type", async () => {
    expect(await firstError("{ packages { nothing } }")).toMatch(/Cannot query field "nothing"/);
    expect(await firstError("{")).toMatch(/Syntax Error/);
    const response = await ask("{ nothing }", {}, { accept: "application/graphql-response+json" });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      400,
      "application/graphql-response+json; charset=utf-8",
    ]);
  });

  it.each([
    [
      "long lists in long lists",
      "{ packages(first: 100) { items { versions(first: 100) { dependencies { name } } } } }",
    ],
    [
      "the same by a variable",
      "query ($n: Int) { packages(first: $n) { items { versions(first: $n) { dependencies { name } } } } }",
    ],
    [
      "the same under many names",
      `{ ${Array.from({ length: 60 }, (_, i) => `a${i}: packages { items { versions { version } } }`).join(" ")} }`,
    ],
    [
      "fragments that double",
      `{ packages { items { ...f0 } } } ${Array.from({ length: 20 }, (_, i) => `fragment f${i} on Package { ...f${i + 1} a${i}: latest { dependencies { package { ...f${i + 1} } } } }`).join(" ")} fragment f20 on Package { name }`,
    ],
    [
      "a chain of dependencies",
      `{ package(name: "tool") { ${"latest { dependencies { package { ".repeat(5)} name ${"} } }".repeat(5)} } }`,
    ],
  ])("refuses %s before anything is read", async (_, query) => {
    expect(await firstError(query)).toMatch(/it may ask for more than 20000 fields|fields deep, allowed are 12/);
  });

  it("refuses lists and pages out of bounds, and fragments within themselves", async () => {
    const { data: found, errors } = (await (await ask("{ packages(first: 101) { total } }")).json()) as Answer;
    expect([found, errors![0]!.message]).toEqual([
      null,
      'Cannot answer the query: "first" is 101, allowed are 1 to 100',
    ]);
    expect(await firstError('{ package(name: "engine-core") { ...f } } fragment f on Package { ...f }')).toMatch(
      /itself/,
    );
    expect(await firstError(`{ ${"a ".repeat(4001)} }`)).toMatch(/tokens/);
  });

  it("refuses bodies that are none, and changes nothing", async () => {
    const refused = await server.call("/graphql", {
      method: "POST",
      body: "{",
      headers: { "content-type": "application/json" },
    });
    expect(refused.status).toBe(400);
    expect(await firstError('mutation { package(name: "engine-core") { name } }')).toMatch(/mutation/i);
  });
});
