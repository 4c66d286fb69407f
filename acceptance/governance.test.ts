import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api, apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

const POLICY = `
[[rules]]
names = ["company-*"]
review = true
reviewers = ["rita"]

[[rules]]
names = ["free-*"]
allowed_licenses = ["MIT", "Apache-2.0"]
`;

let sandbox: Sandbox;
let registry: RegistryProcess;
let tokens: Record<"ada" | "bob" | "rita", string>;

async function account(username: string): Promise<string> {
  const post = async (route: string, body: object, token?: string): Promise<{ token: string }> =>
    apiJson(registry, route, {
      method: "POST",
      body: JSON.stringify(body),
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    });
  const credentials = { username, password: `password of ${username}` };
  await post("/api/v1/auth/register", credentials);
  const session = await post("/api/v1/auth/login", credentials);
  return (await post("/api/v1/tokens", { name: "t", scopes: ["read", "publish", "yank", "owner"] }, session.token))
    .token;
}

const as = (who: keyof typeof tokens, cwd = "."): { env: Record<string, string>; cwd: string } => ({
  env: { LADING_TOKEN: tokens[who] },
  cwd,
});

function project(name: string, license = "MIT", version = "1.0.0"): void {
  sandbox.write(
    `${name}/lading.toml`,
    `[package]\nname = "${name}"\nversion = "${version}"\nlicense = "${license}"\ndescription = "A secret thing"\n`,
  );
  sandbox.write(`${name}/file.txt`, `${name} ${version}\n`);
}

beforeAll(async () => {
  sandbox = createSandbox();
  sandbox.write("policy.toml", POLICY);
  registry = await startRegistry({ env: { REGISTRY_POLICY: sandbox.path("policy.toml") } });
  tokens = { ada: await account("ada"), bob: await account("bob"), rita: await account("rita") };
  await sandbox.ok(`lading registry add local ${registry.url}`);
});
afterAll(async () => {
  await registry.dispose();
  await sandbox.dispose();
});

describe("approval workflow", () => {
  test("[CMP-08] a new version is pending, and invisible to others, until an approver accepts it", async () => {
    project("company-tool");
    const published = (await sandbox.json("lading publish --json", as("ada", "company-tool"))) as {
      outcome: string;
      review: string;
      visible: boolean;
      checksum: string;
    };
    expect([published.outcome, published.visible]).toEqual(["held", false]);
    const again = await sandbox.ok("lading publish", as("ada", "company-tool"));
    expect(again.stdout).toContain(`review show ${published.review}`);
    for (const who of ["bob", "rita"] as const) {
      expect((await sandbox.line("lading info company-tool", as(who))).code).not.toBe(0);
      expect((await sandbox.ok("lading search company", as(who))).stdout).not.toContain("company-tool");
    }
    const hex = published.checksum.slice("sha256:".length);
    expect((await api(registry, `/blobs/sha256/${hex}`)).status).toBe(404);
    expect((await sandbox.ok("lading review list", as("bob"))).stdout).toContain("Nothing waits");
    expect((await sandbox.line(`lading review show ${published.review}`, as("bob"))).stderr).toContain(
      "REGISTRY_NOT_FOUND",
    );
    expect((await sandbox.ok("lading review list --state held", as("rita"))).stdout).toContain("company-tool");
    const shown = await sandbox.ok(`lading review show ${published.review} --output pending.lpk`, as("rita"));
    expect(shown.stdout).toContain("held");
    expect((await sandbox.ok("lading checksum pending.lpk")).stdout).toContain(hex);
    const own = await sandbox.line(`lading review approve ${published.review}`, as("ada"));
    expect([
      own.code,
      own.stderr.includes('"ada" published it') || own.stderr.includes("not one of its reviewers"),
    ]).toEqual([6, true]);
    await sandbox.ok(`lading review approve ${published.review}`, as("rita"));
    await expect
      .poll(async () => (await sandbox.line("lading fetch company-tool", as("bob"))).code, { timeout: 30_000 })
      .toBe(0);
    await sandbox.ok("lading log verify --full", as("bob"));
    expect((await sandbox.ok("lading publish", as("ada", "company-tool"))).stdout).toContain("published already");
  });

  test("[CMP-08] a rejection has a reason, and the publisher can answer it", async () => {
    project("company-odd");
    const { review } = (await sandbox.json("lading publish --json", as("ada", "company-odd"))) as { review: string };
    expect((await sandbox.line(`lading review reject ${review}`, as("rita"))).code).toBe(2);
    await sandbox.ok(`lading review reject ${review} --reason "it has no tests"`, as("rita"));
    expect((await sandbox.ok(`lading review show ${review}`, as("ada"))).stdout).toContain("it has no tests");
    const again = await sandbox.line("lading publish", as("ada", "company-odd"));
    expect([again.code === 0, again.stderr.includes("it has no tests")]).toEqual([false, true]);
    await sandbox.ok(`lading review appeal ${review} --text "they are elsewhere"`, as("ada"));
    const answered = (await sandbox.json(`lading review show ${review} --json`, as("rita"))) as object;
    expect(answered).toMatchObject({ state: "appealed", appeal: "they are elsewhere", reason: "it has no tests" });
    await sandbox.ok(`lading review approve ${review}`, as("rita"));
    await expect
      .poll(async () => (await sandbox.line("lading info company-odd", as("bob"))).code, { timeout: 30_000 })
      .toBe(0);
  });
});

describe("server policy", () => {
  test("[CMP-09] a policy file makes the server refuse uploads that break it", async () => {
    project("free-tool", "MIT OR GPL-3.0-only");
    await sandbox.ok("lading publish", as("ada", "free-tool"));
    project("free-copyleft", "GPL-3.0-only");
    const refused = await sandbox.line("lading publish", as("ada", "free-copyleft"));
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('its licence is "GPL-3.0-only", allowed are "MIT", "Apache-2.0"');
    expect((await api(registry, "/api/v1/packages/free-copyleft")).status).toBe(404);
  });
});

describe("takedown", () => {
  test("a version that was taken down keeps its number, answers 451 with the reason, and can be brought back", async () => {
    project("removed-tool");
    await sandbox.ok("lading publish", as("ada", "removed-tool"));
    const admin = { env: { LADING_TOKEN: registry.token } };
    const refused = await sandbox.line('lading takedown removed-tool@1.0.0 --reason "malware"', as("ada"));
    expect(refused.code).toBe(6);
    await sandbox.ok('lading takedown removed-tool@1.0.0 --reason "malware"', admin);
    const fetched = await sandbox.line("lading fetch removed-tool@1.0.0", as("bob"));
    expect([fetched.code === 0, fetched.stderr.includes("malware")]).toEqual([false, true]);
    expect((await sandbox.line("lading publish", as("ada", "removed-tool"))).stderr).toContain("malware");
    await sandbox.ok("lading log verify --full", as("bob"));
    await sandbox.ok("lading takedown removed-tool@1.0.0 --undo", admin);
    await sandbox.ok("lading fetch removed-tool@1.0.0", as("bob"));
  });
});

describe("policies of a project", () => {
  const consumer = (dependency: string, security: string): void => {
    sandbox.write(
      "consumer/lading.toml",
      `[package]\nname = "consumer"\nversion = "1.0.0"\n\n[dependencies]\n${dependency} = "1.0.0"\n\n[security]\n${security}\n`,
    );
  };

  test("[CMP-05] a dependency with a licence that is not allowed fails the install; one of several licences suffices", async () => {
    for (const [name, license] of [
      ["one-of-two", "MIT OR GPL-3.0"],
      ["copyleft", "GPL-3.0"],
    ] as const) {
      project(name, license);
      await sandbox.ok("lading publish", as("ada", name));
    }
    const allowed = 'allowed_licenses = ["MIT", "Apache-2.0", "BSD-3-Clause"]';
    consumer("copyleft", allowed);
    const refused = await sandbox.line("lading install", as("bob", "consumer"));
    expect([refused.code === 0, /copyleft/.test(refused.stderr), /GPL-3\.0/.test(refused.stderr)]).toEqual([
      false,
      true,
      true,
    ]);
    consumer("one-of-two", allowed);
    await sandbox.ok("lading install", as("bob", "consumer"));
  });

  test("[CMP-06] every dependency is reported with its licence: allowed, refused or unknown", async () => {
    sandbox.write("unstated/lading.toml", '[package]\nname = "unstated"\nversion = "1.0.0"\n');
    await sandbox.ok("lading publish", as("ada", "unstated"));
    sandbox.write(
      "consumer/lading.toml",
      '[package]\nname = "consumer"\nversion = "1.0.0"\n[dependencies]\ncopyleft = "1"\none-of-two = "1"\nunstated = "1"\n',
    );
    await sandbox.ok("lading lock", as("bob", "consumer"));
    const report = async () => {
      const { code, stdout } = await sandbox.line("lading licenses --json", as("bob", "consumer"));
      return { code, ...(JSON.parse(stdout) as { compliant: boolean; packages: unknown }) };
    };
    const unknown = { name: "unstated", version: "1.0.0", verdict: "unknown", reason: "it states no licence" };
    const [copyleft, either] = [
      { name: "copyleft", version: "1.0.0", license: "GPL-3.0" },
      { name: "one-of-two", version: "1.0.0", license: "MIT OR GPL-3.0" },
    ];
    // Without a policy nothing is refused.
    expect(await report()).toMatchObject({
      code: 0,
      compliant: true,
      packages: [{ ...copyleft, verdict: "allowed" }, { ...either, verdict: "allowed" }, unknown],
    });
    const manifest = `${sandbox.read("consumer/lading.toml")}[security]\nallowed_licenses = ["MIT"]\n`;
    sandbox.write("consumer/lading.toml", manifest);
    expect(await report()).toMatchObject({
      code: 1,
      compliant: false,
      packages: [{ ...copyleft, verdict: "refused" }, { ...either, verdict: "allowed" }, unknown],
    });
    const shown = await sandbox.line("lading licenses", as("bob", "consumer"));
    expect(shown.stdout).toMatch(/copyleft +1\.0\.0 +GPL-3\.0 +refused/);
    expect((await sandbox.line("lading install", as("bob", "consumer"))).stderr).toContain("copyleft");
  });

  test("[CMP-01] require_signatures makes an unsigned dependency fail the install", async () => {
    project("unsigned-tool");
    await sandbox.ok("lading publish", as("ada", "unsigned-tool"));
    consumer("unsigned-tool", "require_signatures = true");
    const refused = await sandbox.line("lading install", as("bob", "consumer"));
    expect([refused.code, /unsigned-tool/.test(refused.stderr)]).toEqual([7, true]);
  });
});
