import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

/** Somebody with an account, logged in on a machine of their own. */
async function person(username: string): Promise<Sandbox> {
  const password = `the password of ${username}`;
  await apiJson(registry, "/api/v1/auth/register", {
    method: "POST",
    body: JSON.stringify({ username, password, email: `${username}@company.test` }),
  });
  const sandbox = createSandbox();
  sandboxes.push(sandbox);
  await sandbox.ok(`lading registry add local ${registry.url}`);
  await sandbox.ok(`lading login --username ${username} --password-stdin`, { input: password });
  await sandbox.ok("lading keygen --output key.pem");
  return sandbox;
}

async function publish(who: Sandbox, name: string, version = "1.0.0") {
  const directory = name.replace("/", "-");
  who.write(`${directory}/lading.toml`, `[package]\nname = "${name}"\nversion = "${version}"\n`);
  return who.line(`lading -C ${directory} publish --sign ../key.pem --json`);
}

async function refused(who: Sandbox, line: string, code: string): Promise<void> {
  const { code: exit, stderr } = await who.line(`${line} --json`);
  expect([line, exit !== 0, stderr.includes(code)]).toEqual([line, true, true]);
}

/** The code of an authenticator at this moment (RFC 6238). */
function totp(secret: string): string {
  const bits = Array.from(secret, (letter) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"),
  );
  const key = Buffer.from(
    bits
      .join("")
      .match(/.{8}/g)!
      .map((byte) => Number.parseInt(byte, 2)),
  );
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const code = digest.readUInt32BE(digest.at(-1)! & 15) & 0x7fffffff;
  return String(code % 1_000_000).padStart(6, "0");
}

let ann: Sandbox;
let bo: Sandbox;
let cy: Sandbox;

beforeAll(async () => {
  registry = await startRegistry({ env: { REGISTRY_REGISTRATION: "open", REGISTRY_LOGIN_RATE_LIMIT: "0" } });
  [ann, bo, cy] = [await person("ann"), await person("bo"), await person("cy")];
  await ann.ok('lading org create acme --title "Acme Ltd"');
});

afterAll(async () => {
  for (const sandbox of sandboxes) await sandbox.dispose();
  await registry.dispose();
});

describe("organisations by the command line", () => {
  test("[SRV-24] packages of an organisation's namespace are published by its members alone, also with encoded names", async () => {
    expect((await publish(cy, "other/tool")).code).toBe(0);
    await refused(ann, "lading namespace claim acme other", "NAMESPACE_TAKEN");
    await refused(ann, "lading namespace claim acme unrelated", "NAMESPACE_UNPROVEN");
    const claimed = (await ann.json("lading namespace claim acme acme --json")) as Record<string, unknown>;
    expect(claimed).toMatchObject({ name: "acme", proof: "name" });
    const stranger = await publish(bo, "acme/tool");
    expect([stranger.code !== 0, stranger.stderr.includes("NOT_OWNER")]).toEqual([true, true]);
    expect((await publish(ann, "acme/tool")).code).toBe(0);
    const owners = await apiJson<{ items: unknown }>(registry, "/api/v1/packages/acme%2Ftool/owners");
    expect(owners.items).toEqual([{ username: "ann" }]);
    expect((await ann.json("lading info acme/tool --json")) as object).toMatchObject({ name: "acme/tool" });
  });

  test("[AUT-19] a team's role decides what its members may do with packages", async () => {
    await ann.ok("lading team set acme/makers --role publish");
    const invited = (await ann.json("lading org invite acme bo --team makers --json")) as { id: string };
    const [waiting] = (await bo.json("lading invitation list --json")) as { id: string; organisation: string }[];
    expect(waiting).toMatchObject({ id: invited.id, organisation: "acme", team: "makers", inviter: "ann" });
    await refused(cy, `lading invitation accept ${invited.id}`, "INVITATION_CLOSED");
    await bo.ok(`lading invitation accept ${invited.id}`);
    expect((await ann.ok("lading team members acme/makers")).stdout).toContain("bo");
    expect((await publish(bo, "acme/made")).code).toBe(0);
    const foreign = await publish(bo, "acme/tool", "1.1.0");
    expect([foreign.code !== 0, foreign.stderr.includes("NOT_OWNER")]).toEqual([true, true]);
    await ann.ok("lading owner add acme/tool team:acme/makers");
    expect((await ann.ok("lading owner list acme/tool")).stdout).toBe("ann\nteam:acme/makers\n");
    expect((await publish(bo, "acme/tool", "1.1.0")).code).toBe(0);
    await bo.ok("lading yank acme/tool@1.1.0 --reason wrong");
    await refused(bo, "lading owner add acme/tool bo", "NOT_OWNER");
    await refused(ann, "lading owner add acme/tool cy", "NOT_MEMBER");
    await refused(bo, "lading team set acme/makers --role maintain", "NOT_MEMBER");
    await ann.ok("lading org remove-member acme bo");
    const former = await publish(bo, "acme/made", "2.0.0");
    expect([former.code !== 0, former.stderr.includes("NOT_OWNER")]).toEqual([true, true]);
    await refused(ann, "lading org remove-member acme ann", "LAST_OWNER");
  });

  test("[AUT-20] a team has a namespace of its own, where it alone creates packages", async () => {
    await ann.ok("lading team set acme/lab --role publish");
    await ann.ok("lading team set acme/shop --role publish");
    const code = ((await ann.json("lading org invite acme cy@company.test --json")) as { code: string }).code;
    await cy.ok(`lading invitation accept ${code}`);
    await ann.ok("lading team add acme/shop cy");
    const namespace = JSON.stringify({ namespace: "lab" });
    await apiJson(registry, "/api/v1/organisations/acme/namespaces", { method: "POST", body: namespace });
    await ann.ok("lading namespace team acme lab lab");
    const outside = await publish(cy, "lab/probe");
    expect([outside.code !== 0, outside.stderr.includes("NOT_OWNER")]).toEqual([true, true]);
    await ann.ok("lading team add acme/lab cy");
    expect((await publish(cy, "lab/probe")).code).toBe(0);
    const info = (await ann.ok("lading org info acme")).stdout;
    expect(info).toContain("Acme Ltd");
    expect(info).toMatch(/lab +lab +admin/);
    await refused(ann, "lading org remove acme", "ORGANISATION_IN_USE");
  });
});

describe("what an organisation shares with its projects", () => {
  const shown = async (who: Sandbox, directory = "project") =>
    (await who.json(`lading -C ${directory} config list --json`)) as Record<string, { value: unknown; source: string }>;
  const project = (who: Sandbox): void =>
    who.write(
      "project/lading.toml",
      '[package]\nname = "app"\nversion = "1.0.0"\n[config.team]\nconfig = "shared/default"\n',
    );

  beforeAll(async () => {
    await ann.ok("lading org create shared");
    const { id } = (await ann.json("lading org invite shared bo --json")) as { id: string };
    await bo.ok(`lading invitation accept ${id}`);
  });

  test("[CMP-12] a configuration is fetched from the registry and merged below the local one, in revisions", async () => {
    ann.write(
      "team.toml",
      '[security]\nverify_signatures = true\n[resolver]\nminimum-release-age = "7d"\nprefer = "oldest"\n',
    );
    const shared = (await ann.json("lading org config set shared/default team.toml --json")) as { revision: number };
    expect(shared).toMatchObject({ organisation: "shared", name: "default", revision: 1, public: false });
    project(bo);
    await bo.ok("lading config set resolver.prefer newest");
    const merged = await shown(bo);
    expect(merged["security.verify_signatures"]).toMatchObject({ value: true, origin: "team" });
    expect(merged["security.verify_signatures"]!.source).toMatch(/^shared\/default revision 1 \(\d{4}-.*Z\)$/);
    expect(merged["resolver.minimum-release-age"]).toMatchObject({ value: "7d", origin: "team" });
    expect(merged["resolver.prefer"]).toMatchObject({ value: "newest", origin: "user" });
    expect(merged["installer.link"]).toMatchObject({ value: "auto", origin: "default" });
    // It has effect: an unsigned package is refused by what the team says alone.
    bo.write("unsigned/lading.toml", '[package]\nname = "unsigned-thing"\nversion = "1.0.0"\n');
    await bo.ok("lading -C unsigned publish");
    bo.write("app/lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\nunsigned-thing = "1"\n');
    await bo.ok("lading -C app install");
    bo.write(
      "app/lading.toml",
      `${bo.read("app/lading.toml")}[config.team]\nconfig = "shared/default"\n[config.resolver]\nminimum-release-age = "1s"\n`,
    );
    await bo.ok("lading -C app clean --all");
    await refused(bo, "lading -C app install", "SIGNATURE_REQUIRED");
    ann.write("team.toml", '[resolver]\nminimum-release-age = "3d"\n');
    await refused(ann, "lading org config set shared/default team.toml --if-revision 7", "PRECONDITION_FAILED");
    await ann.ok("lading org config set shared/default team.toml --if-revision 1");
    const next = await shown(bo);
    expect(next["resolver.minimum-release-age"]).toMatchObject({ value: "3d" });
    expect(next["security.verify_signatures"]).toMatchObject({ value: false, origin: "default" });
    expect((await bo.ok("lading org config get shared/default --revision 1")).stdout).toContain('"7d"');
  });

  test("[CMP-12] what is shared is kept for work without a network, with its age, and is for members", async () => {
    const offline = await bo.line("lading -C project --offline config list");
    expect(offline.code).toBe(0);
    expect(offline.stdout).toMatch(/minimum-release-age +3d +shared\/default revision 2 \(/);
    expect(offline.stderr).toMatch(/revision 2 of the shared configuration "shared\/default" as of \d{4}-/);
    project(cy);
    await refused(cy, "lading -C project config list", "TEAM_CONFIG_UNAVAILABLE");
    await refused(cy, "lading org config get shared/default", "CONFIGURATION_NOT_FOUND");
    await ann.ok("lading org config set shared/default team.toml --public");
    expect((await shown(cy))["resolver.minimum-release-age"]).toMatchObject({ value: "3d", origin: "team" });
    await ann.ok("lading org config remove shared/default");
    await refused(cy, "lading -C project config list", "TEAM_CONFIG_UNAVAILABLE");
  });

  test("[CMP-12] it says nothing of whom a machine trusts or what runs on it", async () => {
    const settings = ['[registry]\nurl = "https://evil.test"\n', '[native]\nallow = "*"\n', '[signing]\nkey = "k"\n'];
    for (const text of [...settings, '[auth]\ntoken = "x"\n', '[hooks]\ninstall = "rm"\n']) {
      ann.write("evil.toml", text);
      await refused(ann, "lading org config set shared/evil evil.toml", "TEAM_CONFIG_REFUSED");
      // Whoever goes around the command reaches nobody either.
      const body = JSON.stringify({ text, public: true });
      await apiJson(registry, "/api/v1/organisations/shared/configurations/evil", { method: "PUT", body });
      project(cy);
      cy.write("project/lading.toml", cy.read("project/lading.toml").replace("shared/default", "shared/evil"));
      await refused(cy, "lading -C project config list", "TEAM_CONFIG_REFUSED");
    }
    bo.write("team.toml", "");
    await refused(bo, "lading org config set shared/default team.toml", "NOT_MEMBER");
  });
});

describe("an account by the command line", () => {
  test("a second factor is added, shown once, asked for, and removed", async () => {
    const dee = await person("dee");
    expect((await dee.ok("lading account otp status")).stdout).toContain("no second factor");
    const enrolment = (await dee.json("lading account otp enable --json")) as { secret: string; uri: string };
    expect(enrolment.uri).toMatch(/^otpauth:\/\/totp\//);
    await refused(dee, "lading account otp enable --code 000000", "SECOND_FACTOR_INVALID");
    const enabled = await dee.ok(`lading account otp enable --code ${totp(enrolment.secret)}`);
    const [recovery] = /[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}/.exec(enabled.stdout) ?? [];
    expect((await dee.ok("lading account otp status")).stdout).toContain("10 recovery codes");
    await dee.ok(`lading account otp disable --code ${recovery}`);
    expect((await dee.ok("lading account otp status")).stdout).toContain("no second factor");
  });
});

describe("trusted publishers by the command line", () => {
  let forge: Server;
  beforeAll(async () => {
    forge = createServer((request, response) => {
      const found = request.url === "/repos/acme/tool";
      response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
      response.end(JSON.stringify(found ? { id: 42, owner: { id: 7, login: "acme" } } : { message: "Not Found" }));
    });
    await new Promise<void>((resolve) => forge.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => void forge.close());

  test("a repository is bound by its ids, listed and removed", async () => {
    const eve = await person("eve");
    expect((await publish(eve, "eves-tool")).code).toBe(0);
    const env = { GITHUB_API_URL: `http://127.0.0.1:${(forge.address() as AddressInfo).port}` };
    const add = "lading trusted-publisher add eves-tool --github";
    const missing = await eve.line(`${add} acme/missing`, { env });
    expect(missing.stderr).toContain("PROJECT_LOOKUP_FAILED");
    await eve.ok(`${add} acme/tool --workflow release.yml`, { env });
    const [publisher] = (await eve.json("lading trusted-publisher list eves-tool --json")) as { id: string }[];
    expect(publisher).toMatchObject({
      issuer: "https://token.actions.githubusercontent.com",
      claims: { repository_id: "42", repository_owner_id: "7", workflow: "release.yml" },
      account: "eve",
    });
    await eve.ok(`lading trusted-publisher remove eves-tool ${publisher!.id}`);
    expect(await eve.json("lading trusted-publisher list eves-tool --json")).toEqual([]);
  });
});
