/** What a registry's signed metadata and its log are to its users: begin, follow, look into, and be refused. */
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let publisher: Sandbox;
let user: Sandbox;

const as = (sandbox: Sandbox): { readonly cwd: string } => ({ cwd: sandbox === publisher ? "lib" : "app" });
const inLib = (line: string) => publisher.ok(line, as(publisher));
const inApp = (line: string) => user.ok(line, as(user));

async function publishVersion(version: string, key: string): Promise<void> {
  publisher.write("lib/lading.toml", `[package]\nname = "mylib"\nversion = "${version}"\n`);
  await inLib(`lading publish --key ../${key}.pem`);
}

beforeAll(async () => {
  registry = await startRegistry();
  const env = { LADING_REGISTRY_URL: registry.url };
  publisher = createSandbox({ env: { ...env, LADING_TOKEN: registry.token } });
  user = createSandbox({ env });
  for (const key of ["first", "second"]) await publisher.ok(`lading keygen --output ${key}.pem --no-trust`);
  publisher.write("lib/src/index.txt", "1");
  await publishVersion("1.0.0", "first");
  user.write("app/lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n');
});

afterAll(async () => {
  await Promise.all([registry?.dispose(), publisher?.dispose(), user?.dispose()]);
});

describe("a registry's signed metadata", () => {
  test("is trusted at the first use, which is said once, and governs what is seen from then on", async () => {
    const root = /Root 1: (sha256:[0-9a-f]{64})/.exec(registry.output())![1]!;
    const first = await inApp("lading add mylib");
    expect(first.stderr).toContain(`trusted from now on by its root ${root}`);
    expect(first.stderr).toContain("development");
    const again = await inApp("lading update");
    expect(again.stderr).not.toContain("trusted from now on");
    const report = (await user.json("lading registry trust --json", as(user))) as {
      trust: { anchor: { how: string; digest: string }; root: { development: boolean }; log: { size: number } };
    };
    expect(report.trust).toMatchObject({
      anchor: { how: "first-use", digest: root },
      root: { development: true },
      log: { size: 3 },
    });
  });

  test("works offline from what was seen, and says in --json how old that is", async () => {
    user.write("other/lading.toml", '[package]\nname = "other"\nversion = "1.0.0"\n[dependencies]\nmylib = "^1.0.0"\n');
    const offline = await user.ok("lading lock --offline --json", { cwd: "other" });
    expect(offline.code).toBe(0);
    const late = await user.line("lading lock --offline", {
      cwd: "other",
      env: { LADING_SECURITY_OFFLINE_MAX_AGE: "1ms" },
    });
    // The lock is fresh: nobody has to be asked about anything.
    expect(late.code).toBe(0);
    const asked = await user.line("rm lading.lock && lading lock --offline", {
      cwd: "other",
      env: { LADING_SECURITY_OFFLINE_MAX_AGE: "1ms" },
    });
    expect(asked.code).toBe(7);
    expect(asked.stderr).toContain("error[REGISTRY_TRUST_STALE]");
  });

  test("begins with a root file or its digest where one is given, and with no other", async () => {
    const bytes = new Uint8Array(await (await fetch(`${registry.url}/metadata/1.root.json`)).arrayBuffer());
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const fresh = createSandbox();
    try {
      writeFileSync(fresh.path("1.root.json"), bytes);
      const added = await fresh.ok(`lading registry add main ${registry.url} --root 1.root.json`);
      expect(added.stdout).toContain(digest);
      expect((await fresh.ok("lading registry trust main")).stdout).toContain("by a root file");
      const wrong = `sha256:${"0".repeat(64)}`;
      await fresh.ok(`lading registry add wrong ${registry.url.replace("127.0.0.1", "localhost")} --root ${wrong}`);
      const refused = await fresh.line("lading registry trust wrong");
      expect(refused.code).toBe(7);
      expect(refused.stderr).toContain("error[METADATA_ROOT_PIN_MISMATCH]");
      expect(refused.stderr).toContain("An attack would look like this");
    } finally {
      await fresh.dispose();
    }
  });
});

describe("a registry's log", () => {
  test("proves a publication beside the package file, and what is locked beside the lock", async () => {
    expect(publisher.has("lib/target/package/mylib-1.0.0.lpk.proof")).toBe(true);
    expect(publisher.read("lib/target/package/mylib-1.0.0.lpk.proof")).toMatch(/^c2sp\.org\/tlog-proof@v1\n/);
    const stored = JSON.parse(user.read("app/lading.lock.proofs")) as { packages: { name: string; index: number }[] };
    expect(stored.packages).toMatchObject([{ name: "mylib", index: 2 }]);
  });

  test("shows in verify: who signed, when, which entry, which root; without network", async () => {
    const verified = await inApp("lading verify --offline");
    expect(verified.stdout).toMatch(/signed by ed25519:[0-9a-f]{64}, the key that the lock has pinned/);
    expect(verified.stdout).toMatch(
      /published \d{4}-\d\d-\d\dT[\d:]+Z by admin, entry 2 of \S+, proven against \d+ entries/,
    );
    expect(verified.stdout).toMatch(/held to root 1 sha256:[0-9a-f]{64}/);
    const json = (await user.json("lading verify --json", as(user))) as {
      layers: { name: string; log: { index: number } }[];
      registries: { mode: string }[];
    };
    expect(json.layers).toMatchObject([{ name: "mylib", log: { index: 2 } }]);
    expect(json.registries).toMatchObject([{ mode: "signed" }]);
  });

  test("a proof that was altered is found", async () => {
    const file = user.path("app/lading.lock.proofs");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace('\\"actor\\":\\"admin\\"', '\\"actor\\":\\"mallory\\"'));
    const refused = await user.line("lading verify", as(user));
    writeFileSync(file, before);
    expect(refused.code).toBe(7);
    expect(refused.stderr).toContain("error[LOG_INCLUSION_INVALID]");
  });

  test("a proof by a log that is not the registry's is not shown as one", async () => {
    const file = user.path("app/lading.lock.proofs");
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace(`"registry":"${registry.url}`, '"registry":"https://made-up.example/'));
    const shown = await user.line("lading verify", as(user));
    writeFileSync(file, before);
    expect(shown.stdout).toContain("no proof of a log that is known here");
    expect(shown.stdout).not.toContain("proven against");
  });

  test("is verified entry by entry, monitored by name, and compared with the audit records", async () => {
    const whole = (await user.json("lading log verify --full --json", as(user))) as Record<string, unknown>;
    expect(whole).toMatchObject({ full: true, size: 3, entries: { policy: 1, key: 1, publish: 1 }, proofs: 1 });
    const monitored = (await user.json("lading log monitor mylib --json", as(user))) as {
      entries: { type: string; text: string }[];
    };
    expect(monitored.entries.map(({ type }) => type)).toEqual(["policy", "key", "publish"]);
    expect(((await user.json("lading log monitor mylib --json", as(user))) as { entries: unknown[] }).entries).toEqual(
      [],
    );
    expect(
      (await user.ok("lading audit verify", { ...as(user), env: { LADING_TOKEN: registry.token } })).stdout,
    ).toContain("3 audit records are in");
  });
});

describe("a registry that was only ever given by its address", () => {
  test("is verified by what the lock names, without being given again", async () => {
    const visitor = createSandbox();
    try {
      visitor.write("lading.toml", '[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\nmylib = "1"\n');
      await visitor.ok(`lading install --registry ${registry.url}`);
      const verified = await visitor.ok("lading verify");
      expect(verified.stdout).toMatch(/signed by ed25519:[0-9a-f]{64}/);
      expect(verified.stdout).toContain("proven against");
      expect(verified.stdout).toMatch(/held to root 1 sha256:[0-9a-f]{64}/);
    } finally {
      await visitor.dispose();
    }
  });
});

describe("a publisher's keys", () => {
  test("move in the lock along a rotation in the log, and what a key signs after its revocation is refused", async () => {
    await inLib("lading key rotate --key ../first.pem --to ../second.pem");
    await publishVersion("1.1.0", "second");
    const updated = await inApp("lading update");
    expect(updated.stdout).toContain("mylib 1.0.0 -> 1.1.0");
    expect((await inApp("lading verify")).stdout).toMatch(
      /took the place of ed25519:[0-9a-f]{64} by rotation, entry 3/,
    );
    await publishVersion("1.2.0", "second");
    await inLib("lading key revoke --key ../second.pem --from 4");
    const outdated = await inApp("lading outdated");
    expect(outdated.stdout).toMatch(/1\.1\.0 +1\.0\.0 +1\.0\.0/);
    expect(outdated.stdout).toContain("1.1.0 must go: it is signed by the key");
    const reason = "which is not trusted from entry 4 of the log on";
    expect((await inApp("lading why-not mylib@1.2.0")).stdout).toContain(reason);
    // Where nothing else will do, it stops, and says why.
    const manifest = user.read("app/lading.toml");
    user.write("app/lading.toml", manifest.replace(/mylib = .*/, 'mylib = "^1.1"'));
    const refused = await user.line("lading update", as(user));
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain(reason);
    expect(refused.stderr).not.toContain("allow mylib");
    user.write("app/lading.toml", manifest);
    expect(user.read("app/lading.lock")).toContain('version = "1.1.0"');
    // What is installed was published with the key at entry 4: found also where somebody has removed the proofs.
    for (const file of ["app/nothing", "app/lading.lock.proofs"]) {
      rmSync(user.path(file), { force: true });
      const found = await user.line("lading verify --offline", as(user));
      expect(found.stderr).toContain("error[PUBLISHER_KEY_REVOKED]");
      expect(found.code).toBe(7);
    }
  });

  test("that are revoked are found in the store at install, by what the registry has stated since", async () => {
    user.write("copy/lading.toml", user.read("app/lading.toml"));
    user.write("copy/lading.lock", user.read("app/lading.lock"));
    for (const more of ["", " --offline"]) {
      const refused = await user.line(`lading install --locked${more}`, { cwd: "copy" });
      expect({ code: refused.code, found: refused.stderr.includes("error[PUBLISHER_KEY_REVOKED]") }).toEqual({
        code: 7,
        found: true,
      });
      expect(user.has("copy/lading_packages")).toBe(false);
    }
  });

  test("that are revoked are passed over: the newest version that a trusted key has signed is locked", async () => {
    const updated = await inApp("lading update");
    expect(updated.stdout).toContain("mylib 1.1.0 -> 1.0.0");
    expect((await inApp("lading verify")).code).toBe(0);
  });
});

describe("another registry at the same address", () => {
  test("is refused with the attack that it would be, and trusted only after it was told to", async () => {
    const port = Number(new URL(registry.url).port);
    await registry.stop();
    const impostor = await startRegistry({ port });
    try {
      const refused = await user.line("lading update", as(user));
      expect(refused.code).toBe(7);
      expect(refused.stderr).toMatch(/error\[(METADATA|LOG)_[A-Z_]+\]/);
      expect(refused.stderr).toContain("An attack would look like this");
      await inApp("lading registry trust --forget");
      const again = await user.line("lading registry trust", as(user));
      expect(again.stderr).toContain("trusted from now on");
    } finally {
      await impostor.dispose();
    }
  });
});
