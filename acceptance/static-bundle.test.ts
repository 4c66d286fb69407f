import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { install } from "@lading/engine";
import { bundleVerify } from "@lading/engine/static";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { createProject, failure, newSigner, publishPackage, removeTemporary } from "./lib/more.ts";
import { formatPublicKey } from "@lading/signing";

/** What a place without a network is given, and what it believes of it. */

const DAY_MS = 86_400_000;
const manifest = '[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\ntool = "^1.0.0"\n';
let registry: RegistryProcess;
let connected: Sandbox;
let url: string;
let root: string;

beforeAll(async () => {
  registry = await startRegistry();
  url = registry.url;
  const signer = newSigner();
  await fetch(`${url}/api/v1/keys`, {
    method: "POST",
    headers: { authorization: `Bearer ${registry.token}`, "content-type": "application/json" },
    body: JSON.stringify({ public_key: formatPublicKey(signer.publicKey) }),
  });
  await publishPackage(registry, { name: "gear", version: "1.0.0", files: { "gear.txt": "gear\n" } });
  await publishPackage(
    registry,
    { name: "tool", version: "1.0.0", needs: { gear: "^1" }, files: { "tool.txt": "tool\n" } },
    { signer },
  );
  connected = createSandbox({ env: { LADING_REGISTRY_URL: url } });
  connected.write("lading.toml", manifest);
  await connected.ok("lading lock");
  const made = (await connected.json("lading bundle create ../bundle --json")) as { registries: { root: string }[] };
  root = made.registries[0]!.root;
  // Nobody answers from here on.
  await registry.stop();
});

afterAll(async () => {
  await connected?.dispose();
  await registry?.dispose();
  removeTemporary();
});

const bundle = (): string => path.join(connected.root, "bundle");

/** A copy of the bundle, bent. */
function bent(file: RegExp, change: (bytes: Buffer) => Buffer): string {
  const copy = path.join(connected.root, `bundle-${Math.random()}`);
  cpSync(bundle(), copy, { recursive: true });
  const found = [...walk(copy)].find((one) => file.test(one))!;
  writeFileSync(found, change(readFileSync(found)));
  return copy;
}

function* walk(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const at = path.join(directory, entry.name);
    if (entry.isDirectory()) yield* walk(at);
    else yield at;
  }
}

describe("an offline bundle", () => {
  test("[SYN-03] is installed from without a socket, by a root that is pinned, and shows how old it is", async () => {
    const alone = createSandbox({
      env: { LADING_REGISTRY_URL: url, LADING_REGISTRY_ROOT: root, LADING_REGISTRY_BUNDLE: bundle() },
    });
    try {
      alone.write("lading.toml", manifest);
      // The network of this process is an empty one of its own: not even the loopback interface is up.
      const { stderr } = await alone.ok("unshare --user --map-root-user --net lading install --offline");
      expect(stderr).toContain("is read from the bundle");
      expect((await alone.ok("find -L . -name '*.txt' -exec cat {} +")).stdout).toContain("tool");
      expect(alone.read("lading.lock")).toContain(`registry+${url}/`);
      expect((await alone.ok(`lading bundle verify ${bundle()}`)).stdout).toContain("signatures hold until");
    } finally {
      await alone.dispose();
    }
  });

  test("is taken for some days after its signatures ran out, and not for ever", async () => {
    const files = { "lading.toml": manifest };
    const env = { LADING_REGISTRY_BUNDLE: bundle() };
    const after = (days: number) => ({ now: () => Date.now() + days * DAY_MS });
    const late = createProject(files, { registry: url, env });
    await late.use((context) => install({}, context), after(20));
    const said = late.events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(said.join("\n")).toMatch(/signatures ran out (19|20) days ago/);
    const tooLate = createProject(files, { registry: url, env });
    expect(await failure(() => tooLate.use((context) => install({}, context), after(40)))).toBe("METADATA_EXPIRED");
    const strict = createProject(files, { registry: url, env: { ...env, LADING_SECURITY_OFFLINE_MAX_AGE: "7d" } });
    expect(await failure(() => strict.use((context) => install({}, context), after(20)))).toBe("METADATA_EXPIRED");
  });

  test("is refused wherever it was bent", async () => {
    const project = createProject({ "lading.toml": manifest }, { registry: url });
    const verify = (directory: string): Promise<string> =>
      failure(() => project.use((context) => bundleVerify({ directory }, context)));
    const flip = (bytes: Buffer): Buffer => {
      bytes[Math.floor(bytes.length / 2)]! ^= 1;
      return bytes;
    };
    expect(await verify(bent(/timestamp\.json$/, flip))).toMatch(/^METADATA_/);
    expect(await verify(bent(/[0-9a-f]{64}\.tool\.json$/, flip))).toBe("TARGET_DIGEST_MISMATCH");
    const blobs = [...walk(bundle())].filter((file) => /blobs\/sha256\/[^/]+$/.test(file));
    // Two packages, a statement and its signer's key.
    expect(blobs).toHaveLength(4);
    for (const blob of blobs) {
      const code = await verify(bent(new RegExp(`${path.basename(blob)}$`), flip));
      expect(code).toMatch(/^(PACKAGE_MISMATCH|DOWNLOAD_|SIGNATURE_|STATEMENT_|ENVELOPE_)/);
    }
    expect(await verify(bent(/log\/checkpoint$/, flip))).toMatch(/^LOG_/);
    expect(await verify(bent(/bundle\.json$/, () => Buffer.from("{}")))).toBe("BUNDLE_INVALID");
    const other = `sha256:${"0".repeat(64)}` as never;
    const pinned = project.use((context) => bundleVerify({ directory: bundle(), root: other }, context));
    expect(await failure(() => pinned)).toBe("METADATA_ROOT_PIN_MISMATCH");
    const again = await connected.line("lading bundle create ../bundle");
    expect(again).toMatchObject({ code: 8, stderr: expect.stringContaining("BUNDLE_EXISTS") as string });
  });
});
