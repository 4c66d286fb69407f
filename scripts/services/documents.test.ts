/**
 * What the documents of GAL and RevitPy give an operator to write down, as they write it: the service of a compose file, the
 * variables of an environment file, and a registry in a bucket, each used through the branded programs.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "@lading/acceptance/harness";
import { S3Client } from "@lading/registry-server/node";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { freePort } from "./processes.ts";
import { startRadosgw, type S3Server } from "./radosgw.ts";
import { startRedis, type RedisServer } from "./redis.ts";
import { addPerson, startSlapd, type LdapServer } from "./slapd.ts";

const COMPOSE = `version: '3.8'
services:
  gal-registry:
    image: gal-lang/registry:latest
    environment:
      - REGISTRY_AUTH_TYPE=ldap
      - REGISTRY_LDAP_URL=ldap://company-ldap:389
      - REGISTRY_REQUIRE_SIGNATURES=true
    volumes:
      - registry-data:/var/lib/gal-registry
    ports:
      - "8080:8080"
`;

const ENVIRONMENT = `# Database Configuration
DATABASE_URL=postgresql+asyncpg://user:pass@localhost/revitpy_registry
REDIS_URL=redis://localhost:6379/0

# Storage Configuration
AWS_ACCESS_KEY_ID=your_access_key
AWS_SECRET_ACCESS_KEY=your_secret_key
S3_BUCKET_NAME=revitpy-packages
S3_REGION=us-east-1

# Security Configuration
PACKAGE_SIGNING_KEY=/path/to/signing.key
JWT_SECRET_KEY=your-jwt-secret

# Registry Configuration
REGISTRY_URL=https://registry.revitpy.dev
ALLOW_UNSIGNED_PACKAGES=false
`;

/** Variables of lines `NAME=value`, also as items of a list. */
function variables(text: string): Record<string, string> {
  const found = [...text.matchAll(/^\s*(?:- )?([A-Z][A-Z0-9_]*)=(.*)$/gm)];
  return Object.fromEntries(found.map(([, name, value]) => [name!, value!]));
}

let s3: S3Server;
let postgres: PostgresServer;
let redis: RedisServer;
let ldap: LdapServer;
const sandboxes: Sandbox[] = [];
const registries: RegistryProcess[] = [];
const directories: string[] = [];

beforeAll(async () => {
  [s3, postgres, redis, ldap] = await Promise.all([startRadosgw(), startPostgres(), startRedis(), startSlapd()]);
});

afterAll(async () => {
  for (const sandbox of sandboxes) await sandbox.dispose();
  for (const registry of registries) await registry.dispose();
  await Promise.all([s3?.stop(), postgres?.stop(), redis?.stop(), ldap?.stop()]);
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

function open(env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({ env });
  sandboxes.push(sandbox);
  return sandbox;
}

async function start(options: Parameters<typeof startRegistry>[0]): Promise<RegistryProcess> {
  const registry = await startRegistry(options);
  registries.push(registry);
  return registry;
}

const galPackage = (name: string): string =>
  `[package]\nname = "${name}"\nversion = "1.0.0"\ndescription = "A GAL package"\nlicense = "MIT"\n`;

describe("the service of GAL's compose file", () => {
  test("[SRV-23] people of the directory log in and publish what is signed, and its volume outlives it", async () => {
    await addPerson(ldap, { uid: "user", password: "pass" });
    const env = { ...variables(COMPOSE), REGISTRY_LDAP_URL: ldap.url };
    expect(Object.keys(env)).toHaveLength(3);
    const volume = await mkdtemp(join(tmpdir(), "lading-volume-"));
    directories.push(volume);
    // What is signed for a registry is signed for its address.
    const port = await freePort();
    const first = await start({ data: volume, env, port });
    const sandbox = open();
    await sandbox.ok(`gal-pkg registry add company ${first.url}`);
    await sandbox.ok("gal-pkg config set default-registry company");
    await sandbox.ok("gal-pkg login --username user --password pass");
    expect((await sandbox.ok("gal-pkg whoami")).stdout).toMatch(/^user at /);
    sandbox.write("my-package/gal.toml", galPackage("my-package"));
    const inside = { cwd: "my-package" };
    const refused = await sandbox.line("gal-pkg publish", inside);
    expect([refused.code === 0, refused.stderr]).toEqual([
      false,
      expect.stringContaining("accepts signed packages only"),
    ]);
    await sandbox.ok("gal-pkg keygen --output ./my-key.pem", inside);
    const [{ token }, key] = await Promise.all([
      fetch(`${first.url}/api/v1/auth/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: "user", password: "pass" }),
      }).then(async (answer) => (await answer.json()) as { token: string }),
      readFile(sandbox.path("my-package/my-key.pub"), "utf8"),
    ]);
    const added = await fetch(`${first.url}/api/v1/keys`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ public_key: key }),
    });
    expect(added.status).toBe(201);
    await sandbox.ok("gal-pkg publish --sign ./my-key.pem", inside);
    expect(await first.stop()).toBe(0);

    const second = await start({ data: volume, env, port });
    const reader = open({ GAL_REGISTRY_URL: second.url });
    await reader.ok("gal-pkg fetch my-package@1.0.0");
    const sums = await Promise.all(
      [sandbox.path("my-package/target"), reader.work].map(
        async (directory) => (await reader.ok(`sha256sum < ${directory}/my-package-1.0.0.galpkg`)).stdout,
      ),
    );
    expect(sums[0]).toBe(sums[1]);
  });

  test("another way to log in than those that there are is refused at the start", async () => {
    const refused = await open().line("REGISTRY_AUTH_TYPE=kerberos lading-registry");
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/REGISTRY_AUTH_TYPE.*"kerberos".*ldap/)]);
  });
});

describe("RevitPy's environment file", () => {
  test("[SRV-18] [SRV-19] [SRV-20] [STO-04] [SIG-16] [SIG-17] all of its variables at once make a registry that the documented lines use", async () => {
    const bucket = await s3.createBucket();
    const sandbox = open();
    await sandbox.ok("revitpy-build generate-key --output signing.key");
    const database = new URL(await postgres.createDatabase());
    database.protocol = "postgresql+asyncpg:";
    const port = await freePort();
    const own = {
      DATABASE_URL: database.href,
      REDIS_URL: new URL("/0", redis.url).href,
      AWS_ACCESS_KEY_ID: bucket.accessKeyId,
      AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey,
      S3_BUCKET_NAME: bucket.bucket,
      S3_REGION: bucket.region,
      PACKAGE_SIGNING_KEY: sandbox.path("signing.key"),
      JWT_SECRET_KEY: "of-the-test-0123456789-0123456789-abc",
      REGISTRY_URL: `http://127.0.0.1:${port}`,
    };
    const written = variables(ENVIRONMENT);
    expect(Object.keys({ ...written, ...own })).toEqual(Object.keys(written));
    const env = { ...written, ...own, S3_ENDPOINT_URL: bucket.endpoint };
    const { url, token } = await start({ bin: "revitpy-registry", port, env });

    await sandbox.ok(`revitpy-install config set registry.url ${url}`);
    await sandbox.ok(`revitpy-install config set auth.token ${token}`);
    sandbox.write(
      "my-package/pyproject.toml",
      '[project]\nname = "my-package"\nversion = "1.0.0"\ndescription = "Measures walls"\nlicense = "MIT"\n\n[tool.revitpy]\nsupported_revit_versions = ["2025"]\n',
    );
    sandbox.write("my-package/my_package/__init__.py", "");
    await sandbox.ok("revitpy-build package --source ./my-package");
    const publish = "revitpy-build publish ./dist/my-package-1.0.0.tar.gz";
    const refused = await sandbox.line(publish);
    expect([refused.code === 0, refused.stderr]).toEqual([
      false,
      expect.stringContaining("accepts signed packages only"),
    ]);
    // The key of the file is one of the administrator's, who publishes here.
    await sandbox.ok("revitpy-build sign ./dist/my-package-1.0.0.tar.gz --key signing.key");
    await sandbox.ok(publish);
    sandbox.write("project/.keep", "");
    await sandbox.ok("revitpy-install install my-package --revit-version 2025", { cwd: "project" });

    const keys: string[] = [];
    for await (const key of new S3Client(bucket).list("")) keys.push(key);
    expect(keys.some((key) => key.startsWith("blobs/sha256/"))).toBe(true);
    const rows = await postgres.query(database.href.replace("+asyncpg", ""), "select canonical from packages");
    expect(rows).toEqual([{ canonical: "my-package" }]);

    const answer = async (path: string): Promise<unknown> => (await fetch(`${url}/api/v1${path}`)).json();
    expect(await answer("/packages/")).toMatchObject({ items: [{ name: "my-package" }] });
    expect(JSON.stringify(await answer("/packages/my-package"))).toContain(`${own.REGISTRY_URL}/`);
    expect(await answer("/packages/my-package/versions")).toMatchObject({ items: [{ version: "1.0.0" }] });
    expect(await answer("/health")).toMatchObject({ status: "ok", checks: { cache: { status: "up" } } });
    expect((await (await fetch(`${url}/docs`)).text()).toLowerCase()).toContain("<!doctype html>");
    const login = await fetch(`${url}/api/v1/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "admin", password: "guessed" }),
    });
    expect(login.status).toBe(401);
  });

  test("[AUT-03] the secret that it shows as an example is refused in production, by name and without being shown", async () => {
    const sandbox = open();
    await writeFile(sandbox.path(".env"), ENVIRONMENT);
    const line = "set -a && . ./.env && REGISTRY_MODE=production revitpy-registry --host 127.0.0.1 --port 0";
    const { code, stderr } = await sandbox.line(line);
    expect([code, stderr]).toEqual([2, expect.stringContaining("JWT_SECRET_KEY")]);
    expect(stderr).not.toContain("your-jwt-secret");
  });
});

describe("a registry in a bucket, by the programs of an ecosystem", () => {
  test("[CCH-33] is made, published to and installed from; without its keys nothing is read", async () => {
    const bucket = await s3.createBucket();
    const aws = {
      AWS_ACCESS_KEY_ID: bucket.accessKeyId,
      AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey,
      AWS_REGION: bucket.region,
    };
    const place = `s3+${bucket.endpoint}/${bucket.bucket}/`;
    const author = open(aws);
    await author.ok(`gal-pkg index-init ${place} --native --keys keys --name Company --signatures optional`);
    for (const name of ["actor-utils", "chaos-lib"]) {
      author.write(`${name}/gal.toml`, galPackage(name));
      await author.ok("gal-pkg pack", { cwd: name });
    }
    const files = "actor-utils/target/actor-utils-1.0.0.galpkg chaos-lib/target/chaos-lib-1.0.0.galpkg";
    const published = await author.ok(`gal-pkg index-publish ${files} --to ${place} --keys keys`);
    for (const name of ["actor-utils", "chaos-lib"]) expect(published.stdout).toContain(`${name} 1.0.0`);

    const manifest = `${galPackage("app")}\n[dependencies]\nactor-utils = "^1.0"\n`;
    const user = open({ ...aws, GAL_REGISTRY_URL: place });
    user.write("app/gal.toml", manifest);
    await user.ok("gal-pkg install && gal-pkg add chaos-lib && gal-pkg verify", { cwd: "app" });
    expect(user.has("app/gal_packages/chaos-lib/gal.toml")).toBe(true);
    await author.ok(`gal-pkg index-status chaos-lib 1.0.0 yanked --reason "loses data" --to ${place} --keys keys`);
    expect((await user.ok("gal-pkg info chaos-lib@1.0.0")).stdout).toContain("loses data");
    const stranger = open({ GAL_REGISTRY_URL: place });
    stranger.write("app/gal.toml", manifest);
    expect((await stranger.line("gal-pkg install", { cwd: "app" })).code).not.toBe(0);
  });
});
