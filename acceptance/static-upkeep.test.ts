import { afterAll, describe, expect, test } from "vitest";
import { delegateStatic } from "@lading/registry-static";
import { directoryStore, readKeyDirectory } from "@lading/registry-static/node";
import { readPublicKeyFile } from "@lading/signing/node";
import { createSandbox, type Sandbox } from "./lib/harness.ts";

/** Static registries over time: contributors, delegated names, and what was superseded. */

const sandboxes: Sandbox[] = [];
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
});

function open(): Sandbox {
  const sandbox = createSandbox();
  sandboxes.push(sandbox);
  sandbox.write("~/.gitconfig", "[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n");
  return sandbox;
}

/** A package file, signed by nobody. */
async function packed(sandbox: Sandbox, name: string, version = "1.0.0"): Promise<string> {
  const folder = name.replace("/", "-");
  sandbox.write(`${folder}/lading.toml`, `[package]\nname = "${name}"\nversion = "${version}"\n`);
  sandbox.write(`${folder}/readme.txt`, `${name} ${version}\n`);
  await sandbox.ok("lading pack", { cwd: folder });
  const { stdout } = await sandbox.ok(`sh -c 'ls ${folder}/target/package/*${version}.lpk'`);
  return stdout.trim();
}

function writeApp(sandbox: Sandbox, name: string, requirement: string): void {
  sandbox.write(
    "app/lading.toml",
    `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\n"${name}" = "${requirement}"\n`,
  );
}

interface Judged {
  readonly submissions: readonly {
    readonly digest: string;
    readonly name?: string;
    readonly outcome: string;
    readonly signers?: readonly string[];
    readonly problem?: { readonly code: string };
  }[];
}

describe("contributors without keys of the registry", () => {
  test("hand in to a Git repository; the maintainer publishes what the name's owner has signed, and nothing else", async () => {
    const sandbox = open();
    await sandbox.ok("git init -q --bare registry.git");
    const to = `git+file://${sandbox.path("registry.git")}`;
    await sandbox.ok(`lading index-init ${to} --native --keys keys`);
    for (const name of ["ann", "eve"]) await sandbox.ok(`lading keygen --output ${name}.pem`);
    await sandbox.ok(`lading index-delegate 'company/*' --public-key ann.pub --to ${to} --keys keys`);
    const good = await packed(sandbox, "company/gear");
    const bad = await packed(sandbox, "company/gear", "1.1.0");
    await sandbox.ok(`lading index-submit ${good} --key ann.pem --to ${to}`);
    await sandbox.ok(`lading index-submit ${bad} --key eve.pem --to ${to}`);
    const unsigned = await sandbox.line(`lading index-submit ${await packed(sandbox, "tool")} --to ${to}`);
    expect(unsigned).toMatchObject({ code: 7, stderr: expect.stringContaining("SIGNATURE_REQUIRED") as string });
    const accept = `lading index-accept --to ${to} --keys keys --json`;
    const dry = await sandbox.line(`${accept} --dry-run`);
    expect(dry.code).toBe(1);
    const outcomes = ({ submissions }: Judged) =>
      Object.fromEntries(
        submissions.map(({ outcome, problem, signers }) => [outcome, problem?.code ?? signers?.length]),
      );
    expect(outcomes(JSON.parse(dry.stdout) as Judged)).toEqual({ acceptable: 1, refused: "STATIC_NOT_DELEGATED" });
    expect((await sandbox.ok("git --git-dir registry.git ls-tree -r --name-only main")).stdout).not.toContain("blobs/");
    const done = JSON.parse((await sandbox.line(accept)).stdout) as Judged;
    expect(outcomes(done)).toEqual({ accepted: 1, refused: "STATIC_NOT_DELEGATED" });
    const refused = done.submissions.find(({ outcome }) => outcome === "refused")!;
    await sandbox.ok(`lading index-accept ${refused.digest.slice(7, 17)} --reject --to ${to} --keys keys`);
    const files = (await sandbox.ok("git --git-dir registry.git ls-tree -r --name-only main")).stdout;
    expect(files).not.toContain("submissions/");
    expect((await sandbox.ok(accept)).stdout).toContain('"submissions": []');

    writeApp(sandbox, "company/gear", "^1.0.0");
    await sandbox.ok(`lading registry add main ${to}`);
    await sandbox.ok("lading install", { cwd: "app" });
    const key = /publisher = "(ed25519:[0-9a-f]{64})"/.exec(sandbox.read("app/lading.lock"))![1]!;
    expect(done.submissions.find(({ outcome }) => outcome === "accepted")!.signers).toEqual([key]);
    const message = await sandbox.ok("git --git-dir registry.git log --format=%s");
    expect(message.stdout).toContain("Hand in company/gear 1.0.0");
    expect(message.stdout).toContain("Delegate company/*");
  });

  test("hand in to a directory that the maintainer looks into; bent files and unknown keys wait with the reason", async () => {
    const sandbox = open();
    await sandbox.ok("lading index-init registry --native");
    await sandbox.ok("lading keygen --output ann.pem");
    await sandbox.ok(`lading index-submit ${await packed(sandbox, "tool")} --key ann.pem --to inbox`);
    const from = "lading index-accept --from inbox --to registry";
    const unknown = await sandbox.line(from);
    expect(unknown).toMatchObject({ code: 1, stdout: expect.stringContaining("STATIC_STATEMENT_REFUSED") as string });
    await sandbox.ok("sh -c 'cp -r inbox bent; for f in bent/submissions/*/package; do printf x >> $f; done'");
    const bent = await sandbox.line("lading index-accept --from bent --to registry --public-key ann.pub");
    expect(bent).toMatchObject({ code: 1, stdout: expect.stringContaining("STATIC_SUBMISSION_INVALID") as string });
    expect((await sandbox.ok(`${from} --public-key ann.pub`)).stdout).toContain("tool 1.0.0 published");
    // The key is known from now on.
    await sandbox.ok(`lading index-submit ${await packed(sandbox, "tool", "1.1.0")} --key ann.pem --to inbox`);
    expect((await sandbox.ok(from)).stdout).toContain("tool 1.1.0 published");
    expect((await sandbox.ok("lading index-validate registry")).stdout).toContain("1 package, 2 versions");
  });
});

test("delegated names: what the store has already is held to a delegation as soon as it is known", async () => {
  const sandbox = open();
  await sandbox.ok("lading index-init registry --native");
  for (const name of ["ann", "eve"]) await sandbox.ok(`lading keygen --output ${name}.pem`);
  const publish = async (version: string, key: string): Promise<unknown> =>
    sandbox.ok(
      `lading index-publish ${await packed(sandbox, "company/gear", version)} --key ${key}.pem --accept-key --to registry`,
    );
  await publish("1.0.0", "eve");
  writeApp(sandbox, "company/gear", "^1.0.0");
  await sandbox.ok(`lading registry add main file://${sandbox.path("registry")}`);
  await sandbox.ok("lading install", { cwd: "app" });
  // As of before eve's publication, by a maintainer who found out.
  const trust = await readKeyDirectory({ directory: sandbox.path("registry-keys") });
  const { publicKey } = await readPublicKeyFile(sandbox.path("ann.pub"));
  await delegateStatic(
    { store: directoryStore(sandbox.path("registry")), trust, now: () => Date.now() - 3_600_000 },
    { pattern: "company/*", keys: [publicKey] },
  );
  const again = "rm -rf .lading lading_packages && lading";
  const refused = await sandbox.line(`${again} update`, { cwd: "app" });
  expect(refused).toMatchObject({ code: 7, stderr: expect.stringContaining("PUBLISHER_NOT_DELEGATED") as string });
  // What was learnt then holds for every installation from the store, without asking again.
  const offline = await sandbox.line(`${again} install --offline`, { cwd: "app" });
  expect(offline).toMatchObject({ code: 7, stderr: expect.stringContaining("PUBLISHER_NOT_DELEGATED") as string });
  expect(sandbox.has("app/lading_packages/company")).toBe(false);
  await publish("1.1.0", "ann");
  await sandbox.ok(`${again} update --accept-publisher company/gear`, { cwd: "app" });
  await sandbox.ok(`${again} install --offline`, { cwd: "app" });
  expect(sandbox.read("app/lading.lock")).toContain('version = "1.1.0"');
});

test("delegated names: a client refuses what others have signed since, though the registry's own keys vouch for it", async () => {
  const sandbox = open();
  await sandbox.ok("lading index-init registry --native");
  for (const name of ["ann", "eve"]) await sandbox.ok(`lading keygen --output ${name}.pem`);
  const publish = async (version: string, key: string): Promise<unknown> =>
    sandbox.ok(
      `lading index-publish ${await packed(sandbox, "company/gear", version)} --key ${key}.pem --accept-key --to registry`,
    );
  await publish("1.0.0", "eve");
  // As a registry is whose maintainer was broken into: names were delegated an hour ago, and eve has published since.
  const trust = await readKeyDirectory({ directory: sandbox.path("registry-keys") });
  const { publicKey } = await readPublicKeyFile(sandbox.path("ann.pub"));
  await delegateStatic(
    { store: directoryStore(sandbox.path("registry")), trust, now: () => Date.now() - 3_600_000 },
    { pattern: "company/*", keys: [publicKey] },
  );
  writeApp(sandbox, "company/gear", "^1.0.0");
  await sandbox.ok(`lading registry add main file://${sandbox.path("registry")}`);
  const refused = await sandbox.line("lading install", { cwd: "app" });
  expect(refused.code).toBe(7);
  expect(refused.stderr).toContain("error[PUBLISHER_NOT_DELEGATED]");
  expect(refused.stderr).toContain('sign "company/*"');
  expect(sandbox.has("app/lading_packages/company")).toBe(false);
  const listed = await sandbox.ok("lading index-delegate --to registry");
  expect(listed.stdout).toContain("company/*  1 of 1");
  const policy = await sandbox.ok("lading log monitor company/gear", { cwd: "app" });
  expect(policy.stdout).toContain("the policy of company/* changed");
  // What the owner signs is installed; and all of it where the names are no longer delegated.
  await publish("1.1.0", "ann");
  await sandbox.ok("lading update && lading install", { cwd: "app" });
  expect(sandbox.read("app/lading.lock")).toContain('version = "1.1.0"');
  await sandbox.ok("lading index-delegate 'company/*' --remove --to registry");
  writeApp(sandbox, "company/gear", "=1.0.0");
  await sandbox.ok("lading update --accept-publisher company/gear && lading install", { cwd: "app" });
});

test("superseded files are counted by a dry run, and clients that come from any living state find theirs", async () => {
  const sandbox = open();
  await sandbox.ok("lading index-init registry --native");
  await sandbox.ok("lading keygen --output ann.pem");
  for (const version of ["1.0.0", "1.1.0"])
    await sandbox.ok(`lading index-publish ${await packed(sandbox, "tool", version)} --key ann.pem --to registry`);
  const dry = (await sandbox.json("lading index-prune --to registry --dry-run --json")) as Record<string, unknown>;
  expect(dry).toMatchObject({ dryRun: true, removed: [], bytes: 0, snapshots: 3 });
  expect(dry.kept).toBeGreaterThan(3);
  await sandbox.ok("lading index-prune --to registry");
  writeApp(sandbox, "tool", "^1.0.0");
  await sandbox.ok(`lading registry add main file://${sandbox.path("registry")}`);
  await sandbox.ok("lading install", { cwd: "app" });
  expect((await sandbox.ok("lading index-validate registry")).stdout).toContain("1 package, 2 versions");
});
