import { afterAll, beforeAll, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let ann: Sandbox;
let eve: Sandbox;

async function person(username: string): Promise<Sandbox> {
  const password = `the password of ${username}`;
  const body = JSON.stringify({ username, password });
  await apiJson(registry, "/api/v1/auth/register", { method: "POST", body });
  const sandbox = createSandbox();
  await sandbox.ok(`lading registry add local ${registry.url}`);
  await sandbox.ok(`lading login --username ${username} --password-stdin`, { input: password });
  return sandbox;
}

beforeAll(async () => {
  registry = await startRegistry({ env: { REGISTRY_REGISTRATION: "open" } });
  [ann, eve] = [await person("ann"), await person("eve")];
  await ann.ok("lading org create acme");
  await ann.ok("lading team set acme/core --role publish");
  await ann.ok("lading team add acme/core ann");
  await ann.ok("lading namespace claim acme acme");
  for (const [name, license] of [
    ["acme/tool", "MIT"],
    ["plain", "Apache-2.0"],
  ] as const) {
    ann.write("it/lading.toml", `[package]\nname = "${name}"\nversion = "1.0.0"\nlicense = "${license}"\n`);
    await ann.ok("lading -C it publish");
  }
  await ann.ok("lading owner add acme/tool team:acme/core");
  await eve.ok("lading fetch acme/tool@1.0.0");
}, 400_000);

afterAll(async () => {
  await ann.dispose();
  await eve.dispose();
  await registry.dispose();
});

interface Usage {
  readonly packages: readonly { readonly package: string; readonly downloads: number }[];
  readonly teams: readonly unknown[];
}

test("[OBS-08] usage is reported by team and package, as JSON and CSV, to those who may see it", async () => {
  const report = async () => (await ann.json("lading report usage --org acme --json")) as Usage;
  for (let left = 60; (await report()).packages[0]!.downloads === 0 && left > 0; left -= 1);
  const found = await report();
  const today = new Date().toISOString().slice(0, 10);
  expect(found.packages).toMatchObject([
    {
      package: "acme/tool",
      teams: ["core"],
      downloads: 1,
      downloads_by_day: [{ downloads: 1 }],
      publishers: [{ username: "ann", versions: 1 }],
      versions: 1,
    },
  ]);
  expect(found.teams).toMatchObject([{ team: "core", members: 1, packages: 1, downloads: 1, publishers: ["ann"] }]);
  const csv = (await ann.ok(`lading report usage --org acme --until ${today} --csv`)).stdout;
  expect(csv).toMatch(
    /^kind,name,day,downloads,publishers,versions,bytes,active_tokens\n"package","acme\/tool","",1,"ann",1,\d+,0\n"day","acme\/tool","\d{4}-\d\d-\d\d",1,/,
  );
  expect(csv).toContain('\n"team","core","",1,"ann"');
  expect((await ann.json("lading report usage --package plain --json")) as Usage).toMatchObject({
    packages: [{ package: "plain", downloads: 0 }],
  });
  for (const which of ["--org acme", "--package plain", ""]) {
    const { code, stderr } = await eve.line(`lading report usage ${which} --json`);
    expect([which, code, /NOT_MEMBER|NOT_OWNER|FORBIDDEN/.test(stderr)]).toEqual([which, 6, true]);
  }
});

test("[CMP-07] the registry reports the licences in use over time, as JSON and CSV", async () => {
  await ann.ok("lading login --token-stdin", { input: `${registry.token}\n` });
  const month = new Date().toISOString().slice(0, 7);
  const lines = (await ann.json("lading report licenses --json")) as { license: string }[];
  expect(lines).toEqual([
    { license: "Apache-2.0", month, published: 1, versions: 1, packages: 1 },
    { license: "MIT", month, published: 1, versions: 1, packages: 1 },
  ]);
  const csv = (await ann.ok("lading report licenses --csv")).stdout;
  expect(csv).toBe(
    `month,license,published,versions,packages\n"${month}","Apache-2.0",1,1,1\n"${month}","MIT",1,1,1\n`,
  );
  expect((await eve.line("lading report licenses --json")).stderr).toContain("FORBIDDEN");
});
