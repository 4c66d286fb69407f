import { generateKeyPair, writeKeyFiles } from "@lading/signing/node";
import * as fc from "fast-check";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RegistryError } from "../src/index.ts";
import { parseCommandLine } from "../src/lib/node/command-line.ts";
import { parsePostgresUrl } from "../src/lib/node/postgres-pool.ts";
import { parseSetting } from "../src/lib/node/server-settings.ts";
import { DEFAULT_SETTINGS, SETTINGS, loadServerConfig } from "../src/node.ts";
import { startServer } from "./harness.ts";

const SECRET = "3q2-7wG1zXcVbNmQwErTyUiOpAsDfGhJkL";
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-config-"));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

/** The refusal of `work`, if it refuses; any other error is a failure of the test. */
function refusal(work: () => unknown): RegistryError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof RegistryError) return error;
    throw error;
  }
}

function problem(env: Record<string, string>, flags: Record<string, string> = {}): { code: string; message: string } {
  const error = refusal(() => loadServerConfig({ env, flags }));
  if (error === undefined) throw new Error("the configuration was accepted");
  return { code: error.code, message: error.message };
}

describe("loadServerConfig()", () => {
  it("needs nothing", () => {
    const config = loadServerConfig({ env: {}, flags: {} });
    expect(config).toMatchObject({ host: "127.0.0.1", port: 8080, logLevel: "info", shutdownTimeoutMs: 10_000 });
    expect(config.registry).toMatchObject({
      mode: "development",
      signatures: "optional",
      registration: "open",
      readPublic: true,
      decodeBudgetBytes: 256 * 2 ** 20,
    });
  });

  it("lets flags win over environment, environment over file, file over defaults", async () => {
    const file = join(directory, "server.toml");
    await writeFile(
      file,
      '[server]\nport = 1\nname = "from file"\nhost = "::1"\n[packages]\nreserved_names = ["one", "two"]\n[access]\nread_public = false\n',
    );
    const config = loadServerConfig({
      env: { REGISTRY_CONFIG: file, REGISTRY_PORT: "2", REGISTRY_NAME: "" },
      flags: { port: "3" },
    });
    expect([config.port, config.registry.name, config.host, config.registry.readPublic]).toEqual([
      3,
      "from file",
      "::1",
      false,
    ]);
    expect(config.registry.reservedNames).toEqual(["one", "two"]);
    expect(config.resolved.find(({ setting }) => setting.key === "server.port")?.origin).toBe("--port");
  });

  it("honours the names that the documents use", () => {
    const env = {
      DATABASE_URL: "sqlite:////var/lib/registry.db",
      JWT_SECRET_KEY: SECRET,
      REGISTRY_URL: "https://registry.example/base/",
      ALLOW_UNSIGNED_PACKAGES: "false",
      REGISTRY_AUTH_TYPE: "LOCAL",
      AWS_ACCESS_KEY_ID: "ignored",
    };
    expect(loadServerConfig({ env, flags: {} }).registry).toMatchObject({
      databaseFile: "/var/lib/registry.db",
      jwtSecret: SECRET,
      publicUrl: "https://registry.example/base",
      signatures: "required",
    });
    expect(
      loadServerConfig({ env: { REGISTRY_MODE: "production", JWT_SECRET_KEY: SECRET }, flags: {} }).registry,
    ).toMatchObject({
      mode: "production",
      signatures: "required",
      registration: "closed",
    });
  });

  it.each([
    [{ REGISTRY_PORT: "eighty" }, /REGISTRY_PORT: its value is "eighty", allowed is a whole number, 0 to 65535/],
    [{ REGISTRY_PORT: "70000" }, /REGISTRY_PORT/],
    [{ REGISTRY_MODE: "staging" }, /REGISTRY_MODE.*"development", "production"/],
    [{ REGISTRY_READ_PUBLIC: "maybe" }, /REGISTRY_READ_PUBLIC.*true or false/],
    [{ REGISTRY_MAX_PACKAGE_SIZE: "huge" }, /REGISTRY_MAX_PACKAGE_SIZE.*"huge"/],
    [{ REGISTRY_SHUTDOWN_TIMEOUT: "10" }, /REGISTRY_SHUTDOWN_TIMEOUT/],
    [{ REGISTRY_URL: "registry.example" }, /REGISTRY_URL.*http or https/],
    [{ REGISTRY_AUTH_TYPE: "magic" }, /REGISTRY_AUTH_TYPE.*"magic".*"local"/],
    [{ REGISTRY_RESERVED_NAMES: "Not A Name" }, /REGISTRY_RESERVED_NAMES/],
    [{ DATABASE_URL: "mysql://user:pass@host/db" }, /DATABASE_URL.*mysql:\/\/\*\*\*@host/],
    [{ JWT_SECRET_KEY: "your-jwt-secret" }, /JWT_SECRET_KEY.*15 bytes/],
    [{ JWT_SECRET_KEY: "x".repeat(40) }, /JWT_SECRET_KEY.*not random/],
    [{ REGISTRY_MODE: "production" }, /JWT_SECRET_KEY is not set/],
  ] as [Record<string, string>, RegExp][])(
    "refuses %o and names variable, value and what is allowed",
    (env, message) => {
      expect(problem(env)).toEqual({ code: "SERVER_CONFIG_INVALID", message: expect.stringMatching(message) });
    },
  );

  it("refuses contradictions and what this release does not have", () => {
    expect(problem({ REGISTRY_REQUIRE_SIGNATURES: "true", ALLOW_UNSIGNED_PACKAGES: "true" })).toMatchObject({
      code: "SERVER_CONFIG_CONTRADICTION",
    });
    expect(
      problem({ REGISTRY_MODE: "production", JWT_SECRET_KEY: SECRET, REGISTRY_WRITE_REQUIRES_AUTH: "false" }),
    ).toMatchObject({ code: "SERVER_CONFIG_CONTRADICTION" });
  });

  it("takes PostgreSQL, S3 and Redis by the variables that are usual for them", () => {
    const env = {
      DATABASE_URL: "postgresql+asyncpg://user:pass@localhost/revitpy_registry",
      REDIS_URL: "redis://localhost:6379/0",
      AWS_ACCESS_KEY_ID: "AKIA",
      AWS_SECRET_ACCESS_KEY: "secret",
      S3_BUCKET_NAME: "revitpy-packages",
      S3_REGION: "eu-west-3",
      S3_ENDPOINT_URL: "http://localhost:9000",
      S3_PREFIX: "/team/",
      S3_REDIRECT_DOWNLOADS: "yes",
      REGISTRY_KEYS_DIR: "/run/keys",
    };
    expect(loadServerConfig({ env, flags: {} }).registry).toMatchObject({
      databaseUrl: env.DATABASE_URL,
      redisUrl: env.REDIS_URL,
      s3: {
        bucket: "revitpy-packages",
        region: "eu-west-3",
        endpoint: "http://localhost:9000",
        accessKeyId: "AKIA",
        secretAccessKey: "secret",
        prefix: "team",
      },
      redirectDownloads: true,
      keyDirectory: "/run/keys",
    });
    expect(parsePostgresUrl(env.DATABASE_URL)).toEqual({
      url: "postgresql://user:pass@localhost/revitpy_registry",
      shown: 'PostgreSQL database "revitpy_registry" at localhost',
    });
    // Keys that are there for something else name no bucket.
    expect(loadServerConfig({ env: { AWS_ACCESS_KEY_ID: "AKIA" }, flags: {} }).registry.s3).toBeUndefined();
  });

  it("refuses a database or bucket that is half named, without telling passwords", () => {
    for (const [env, expected] of [
      [{ DATABASE_URL: "mysql://user:pass@localhost/x" }, /DATABASE_URL: its value is "mysql:\/\/\*\*\*@localhost\/x"/],
      [{ S3_BUCKET_NAME: "packages" }, /S3_BUCKET_NAME: the bucket's keys are not set/],
      [{ S3_ENDPOINT_URL: "http://localhost:9000" }, /S3_ENDPOINT_URL: no bucket is named/],
      [
        {
          S3_BUCKET_NAME: "packages",
          AWS_ACCESS_KEY_ID: "a",
          AWS_SECRET_ACCESS_KEY: "pass@",
          REGISTRY_MAX_PACKAGE_SIZE: "6GiB",
        },
        /REGISTRY_MAX_PACKAGE_SIZE/,
      ],
    ] as const) {
      const { code, message } = problem(env);
      expect([code, message.includes("pass@")]).toEqual(["SERVER_CONFIG_INVALID", false]);
      expect(message).toMatch(expected);
    }
  });

  it("reads where people and builds are known, and refuses halves of it", () => {
    const ldap = { REGISTRY_AUTH_TYPE: "LDAP", REGISTRY_LDAP_URL: "ldap://company-ldap:389" };
    expect(loadServerConfig({ env: ldap, flags: {} }).registry.ldap).toMatchObject({
      url: "ldap://company-ldap:389",
      startTls: "auto",
      adminGroups: [],
    });
    expect(problem({ REGISTRY_AUTH_TYPE: "ldap" })).toMatchObject({ code: "SERVER_CONFIG_INVALID" });
    expect(problem({ REGISTRY_AUTH_TYPE: "oidc" })).toMatchObject({ code: "SERVER_CONFIG_INVALID" });
    expect(problem({ ...ldap, REGISTRY_LDAP_URL: "company-ldap" })).toMatchObject({ code: "SERVER_CONFIG_INVALID" });
    expect(problem({ REGISTRY_LDAP_URL: "ldap://company-ldap:389" })).toMatchObject({
      code: "SERVER_CONFIG_CONTRADICTION",
    });
    expect(problem({ REGISTRY_CI_ISSUERS: "http://ci.company.test" })).toMatchObject({ code: "SERVER_CONFIG_INVALID" });
    const issuers = { REGISTRY_CI_ISSUERS: "gitlab=https://git.company.test/,https://gitlab.com" };
    expect(loadServerConfig({ env: issuers, flags: {} }).registry.ciIssuers).toEqual([
      { kind: "gitlab", url: "https://git.company.test" },
      { kind: "gitlab", url: "https://gitlab.com" },
    ]);
  });

  it("refuses files that are missing, broken or have unknown keys", async () => {
    const file = join(directory, "bad.toml");
    expect(problem({ REGISTRY_CONFIG: join(directory, "missing.toml") })).toMatchObject({
      code: "SERVER_CONFIG_INVALID",
    });
    for (const text of ["[server", "[server]\nprot = 1\n", "port = 1\n"]) {
      await writeFile(file, text);
      expect(problem({ REGISTRY_CONFIG: file })).toEqual({
        code: "SERVER_CONFIG_INVALID",
        message: expect.stringContaining(file),
      });
    }
  });

  it("throws nothing but RegistryError, whatever the environment holds", () => {
    const variables = SETTINGS.flatMap((setting) => setting.variables);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...variables), fc.string(), { maxKeys: 3 }), (env) => {
        refusal(() => loadServerConfig({ env, flags: {} }));
      }),
    );
  });

  it("comes to the same values by its table of defaults as an embedded registry does without any", () => {
    const { version: _, ...settings } = DEFAULT_SETTINGS;
    expect(loadServerConfig({ env: {}, flags: {} }).registry).toMatchObject(settings);
  });

  it("reads every default that the help shows", () => {
    const unread = SETTINGS.filter((setting) => parseSetting(setting, setting.default ?? "") === undefined);
    expect(unread.filter((setting) => setting.default !== undefined)).toEqual([]);
  });
});

describe("parseCommandLine()", () => {
  it("splits words, values and switches", () => {
    expect(
      parseCommandLine([
        "admin",
        "token",
        "ada",
        "--scopes=read",
        "--port",
        "1",
        "--admin",
        "-h",
        "--read-public=false",
      ]),
    ).toEqual({
      words: ["admin", "token", "ada"],
      flags: { scopes: "read", port: "1", admin: "true", help: "true", "read-public": "false" },
    });
  });

  it("throws nothing but RegistryError", () => {
    for (const argv of [["--nonsense"], ["--port"], ["--__proto__", "x"]])
      expect(() => parseCommandLine(argv)).toThrow(RegistryError);
    fc.assert(
      fc.property(fc.array(fc.string()), (argv) => {
        refusal(() => parseCommandLine(argv));
      }),
    );
  });
});

describe("REGISTRY_PUBLISHERS", () => {
  it("names a file of rules about publishers, read strictly", async () => {
    const file = join(directory, "publishers.toml");
    const read = async (text: string): Promise<unknown> => {
      await writeFile(file, text);
      return loadServerConfig({ env: { REGISTRY_PUBLISHERS: file }, flags: {} }).registry.publishers;
    };
    const key = Buffer.from(generateKeyPair().publicKey).toString("base64");
    const whole = `[[publishers]]\nnames = ["company/*"]\npublic_keys = ["${key}"]\nthreshold = 1\ntrusted_publishers = ["b", "a"]\n`;
    expect(await read(whole)).toEqual([
      { names: ["company/*"], publicKeys: [key], threshold: 1, trustedPublishers: ["a", "b"] },
    ]);
    const wrong: readonly [string, RegExp][] = [
      ["", /has no \[\[publishers\]\]/],
      ["publisher = 1", /unknown key "publisher"/],
      ["publishers = [1]", /rule 1: it is not a table/],
      ["[[publishers]]\nthreshold = 2", /"names" is missing/],
      ['[[publishers]]\nnames = ["A b"]\nthreshold = 2', /"A b" is no name pattern/],
      ['[[publishers]]\nnames = ["a"]', /it demands nothing/],
      ['[[publishers]]\nnames = ["a"]\nthreshold = 0', /"threshold" is no whole number from 1/],
      ['[[publishers]]\nnames = ["a"]\ntresholds = 2', /unknown key "tresholds"/],
      ['[[publishers]]\nnames = ["a"]\npublic_keys = []', /"public_keys" is not a list of texts/],
      ['[[publishers]]\nnames = ["a"]\npublic_keys = ["x"]', /rule 1: Cannot demand signatures by the key "x"/],
      ["[[publishers", /publishers\.toml": /],
    ];
    for (const [text, message] of wrong) {
      await expect(read(text)).rejects.toMatchObject({
        code: "SERVER_CONFIG_INVALID",
        message: expect.stringMatching(message) as string,
      });
    }
  });
});

describe("PACKAGE_SIGNING_KEY", () => {
  it("registers its public half with the account admin", async () => {
    const path = join(directory, "signing.key");
    await writeKeyFiles({ path, key: generateKeyPair(), format: "pem" });
    const server = await startServer({ signingKeyFile: path });
    try {
      expect(((await (await server.call("/api/v1/keys")).json()) as { items: unknown[] }).items).toHaveLength(1);
    } finally {
      await server.close();
    }
    await expect(startServer({ signingKeyFile: join(directory, "missing.key") })).rejects.toMatchObject({
      code: "SERVER_CONFIG_INVALID",
      message: expect.stringMatching(/PACKAGE_SIGNING_KEY ".*missing\.key".*does not exist/) as string,
    });
  });
});
