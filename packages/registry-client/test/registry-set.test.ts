import { createRegistrySet, registryProvider, type RegistryClient, type RegistrySet } from "@lading/registry-client";
import { createFakeClock, type TestRegistry } from "@lading/registry-client/testing";
import { resolve } from "@lading/resolver";
import { describe, expect, it } from "vitest";
import { answered, clientOf, documentOf, testRegistry } from "./helpers.ts";

async function twoRegistries(
  fallback: readonly string[] = [],
): Promise<{ main: TestRegistry; company: TestRegistry; set: RegistrySet }> {
  const [main, company] = [await testRegistry(), await testRegistry()];
  const client = (name: string, registry: TestRegistry): RegistryClient =>
    clientOf(registry.url, { clock: createFakeClock() }, { name });
  const set = createRegistrySet({
    clients: [client("main", main), client("company", company)],
    default: "main",
    fallback,
  });
  return { main, company, set };
}

describe("RegistrySet.find()", () => {
  it("asks the default registry alone where nothing else is configured", async () => {
    const { company, set } = await twoRegistries();
    company.addDocument(documentOf("secret-tool"));
    expect(await set.find("secret-tool")).toBeUndefined();
    expect(company.requests).toEqual([]);
  });

  it("asks a fallback for a name that the default registry does not have, and never for one that it has", async () => {
    const { main, company, set } = await twoRegistries(["company"]);
    company.addDocument(documentOf("only-there"));
    company.addDocument(documentOf("both"));
    main.addDocument(documentOf("both"));
    expect((await set.find("only-there"))?.client.registry.name).toBe("company");
    const before = company.requests.length;
    expect((await set.find("both"))?.client.registry.name).toBe("main");
    expect(company.requests).toHaveLength(before);
    expect(await set.find("nowhere")).toBeUndefined();
  });

  it("fails closed when the default registry cannot be read", async () => {
    const { main, company, set } = await twoRegistries(["company"]);
    company.addDocument(documentOf("tool"));
    main.intercept = (_, response) => answered(response.writeHead(503).end());
    await expect(set.find("tool")).rejects.toMatchObject({
      code: "REGISTRY_CHOICE_CLOSED",
      cause: { code: "REGISTRY_UNAVAILABLE" },
    });
    expect(company.requests).toEqual([]);
  });

  it("asks only the registry that is pinned, by name or URL", async () => {
    const { main, company, set } = await twoRegistries();
    company.addDocument(documentOf("tool"));
    expect((await set.find("tool", { registry: "company" }))?.document.name).toBe("tool");
    expect((await set.find("tool", { registry: company.url.slice(0, -1) }))?.document.name).toBe("tool");
    expect(main.requests).toEqual([]);
    await expect(set.find("tool", { registry: "other" })).rejects.toMatchObject({
      code: "REGISTRY_UNKNOWN",
      message: expect.stringContaining('"main", "company"') as string,
    });
  });

  it("refuses a default or fallback that is not configured", () => {
    const client = clientOf("https://a.example");
    expect(() => createRegistrySet({ clients: [client], default: "x" })).toThrow(
      expect.objectContaining({ code: "REGISTRY_UNKNOWN" }) as Error,
    );
    expect(() => createRegistrySet({ clients: [client], default: "test", fallback: ["x"] })).toThrow(
      expect.objectContaining({ code: "REGISTRY_UNKNOWN" }) as Error,
    );
  });
});

const dependency = (name: string, requirement: string, more: object = {}): object => ({
  name,
  kind: "normal",
  requirement,
  ...more,
});

describe("registryProvider()", () => {
  it("lets the resolver solve over real index documents", async () => {
    const { main, set } = await twoRegistries();
    main.addDocument(
      documentOf("app", [
        {
          version: "1.0.0",
          dependencies: [dependency("base", ">=1.0.0 <2.0.0-0"), dependency("tests", "*", { kind: "dev" })],
        },
      ]),
    );
    main.addDocument(
      documentOf("base", [
        { version: "1.0.0" },
        { version: "1.1.0" },
        { version: "1.2.0", status: "yanked", reason: "broken" },
        { version: "1.3.0", status: "held" },
        { version: "1.4.0", schema: 2 },
        { version: "1.5.0", status: "removed", reason: "malware" },
        { version: "1.6.0" },
      ]),
    );
    const reviewed: string[] = [];
    const provider = registryProvider({
      registries: set,
      review: ({ document }) => {
        reviewed.push(document.name);
        if (document.name === "app") return undefined;
        return Promise.resolve(({ version }) =>
          version === "1.6.0" ? [{ reason: "revoked", text: "its key was revoked" }] : [],
        );
      },
    });
    const roots = [{ name: "root", dependencies: [{ key: provider.keyOf("app"), requirement: "*" }] }];
    const result = await resolve({ roots }, provider);
    expect(result.status).toBe("solved");
    if (result.status !== "solved") return;
    expect(result.packages.map((item) => item.id)).toEqual(["app 1.0.0", "base 1.1.0"]);
    expect(result.packages[1]?.candidate.data).toMatchObject({
      name: "base",
      registry: main.url,
      entry: { version: "1.1.0" },
    });
    expect(main.requests.some((request) => request.url.includes("tests"))).toBe(false);
    expect(reviewed).toEqual(["app", "base"]);
    const excluded = provider.get("base")!.candidates.flatMap((one) => one.excluded ?? []);
    expect(excluded.slice(-2)).toEqual([
      { reason: "removed", text: "the registry has taken it down: malware" },
      { reason: "revoked", text: "its key was revoked" },
    ]);
  });

  it("looks up a pinned dependency in its registry, and the dependencies of what it finds there", async () => {
    const { main, company, set } = await twoRegistries();
    main.addDocument(
      documentOf("app", [{ version: "1.0.0", dependencies: [dependency("inner", "*", { registry: company.url })] }]),
    );
    company.addDocument(
      documentOf("inner", [
        { version: "2.0.0", dependencies: [dependency("deep", "*"), dependency("pub", "*", { registry: main.url })] },
      ]),
    );
    company.addDocument(documentOf("deep", [{ version: "3.0.0" }]));
    main.addDocument(documentOf("deep", [{ version: "9.9.9" }]));
    main.addDocument(documentOf("pub", [{ version: "4.0.0" }]));
    const provider = registryProvider({ registries: set });
    const result = await resolve(
      { roots: [{ name: "root", dependencies: [{ key: provider.keyOf("app"), requirement: "*" }] }] },
      provider,
    );
    expect(result.status === "solved" && result.packages.map((item) => item.id)).toEqual([
      "app 1.0.0",
      `deep@${company.url} 3.0.0`,
      `inner@${company.url} 2.0.0`,
      "pub 4.0.0",
    ]);
    expect(provider.displayName?.(`deep@${company.url}`)).toBe('deep (registry "company")');
    expect(provider.found(provider.keyOf("deep", "company"))?.client.registry.name).toBe("company");
  });

  it("says of a missing package where it was looked for, and of an unknown registry that it is not configured", async () => {
    const { set } = await twoRegistries(["company"]);
    const provider = registryProvider({ registries: set });
    const keys = [provider.keyOf("nothing"), provider.keyOf("nothing", "https://other.example/")];
    await provider.load(keys, { speculative: [] });
    expect(provider.get(keys[0]!)).toEqual({
      candidates: [],
      missing: '"nothing" is not in registry "main" or "company"',
    });
    expect(provider.get(keys[1]!)?.missing).toContain("is not configured");
  });

  it("ends with the error of a registry that cannot be read; a guess that fails does not count", async () => {
    const { main, set } = await twoRegistries();
    main.addDocument(documentOf("good"));
    main.intercept = (request, response) =>
      request.url?.includes("bad") === true && answered(response.writeHead(500).end());
    const provider = registryProvider({ registries: set });
    await provider.load(["good"], { speculative: ["bad"] });
    expect(provider.get("good")).toBeDefined();
    expect(provider.get("bad")).toBeUndefined();
    await expect(provider.load(["bad"], { speculative: [] })).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
  });
});
