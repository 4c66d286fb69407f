/** Several packages in one repository: what they share, in which order they are published, and locks that git merged. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

let registry: RegistryProcess;
let box: Sandbox;
beforeAll(async () => {
  registry = await startRegistry();
  box = createSandbox({ env: { LADING_TOKEN: registry.token } });
  await box.ok(`lading registry add local ${registry.url} --default`);
});
afterAll(async () => {
  await box.dispose();
  await registry.dispose();
});

const single = (name: string, version: string, dependencies = ""): string =>
  `[package]\nname = "${name}"\nversion = "${version}"\nlicense = "MIT"\n\n[dependencies]\n${dependencies}`;

describe("a workspace", () => {
  const root = { cwd: "workspace" } as const;
  const member = (name: string, dependencies: readonly string[]): void =>
    box.write(
      `workspace/${name}/lading.toml`,
      `[package]\nname = "${name}"\nversion.workspace = true\nlicense.workspace = true\n\n[dependencies]\n${dependencies
        .map((one) => `${one} = { path = "../${one}" }\n`)
        .join("")}`,
    );

  test("gives members its version and licence, lists and publishes what others need first, and reports a circle", async () => {
    box.write(
      "workspace/lading.toml",
      '[workspace]\nmembers = ["a-top", "m-mid", "z-base"]\n\n[workspace.package]\nversion = "2.3.4"\nlicense = "MIT"\n',
    );
    member("a-top", ["m-mid"]);
    member("m-mid", ["z-base"]);
    member("z-base", []);
    interface Step {
      readonly name: string;
      readonly version: string;
      readonly state: string;
    }
    const listed = async (): Promise<readonly Step[]> =>
      (await box.json("lading publish --workspace --list --json", root)) as readonly Step[];
    const order = ["z-base", "m-mid", "a-top"];
    expect((await listed()).map(({ name, version, state }) => [name, version, state])).toEqual(
      order.map((name) => [name, "2.3.4", "new"]),
    );
    // From inside a member, too.
    await box.ok("lading check", { cwd: "workspace/a-top" });
    const { stdout } = await box.ok("lading publish --workspace", root);
    expect([...stdout.matchAll(/Published (\S+) 2\.3\.4/g)].map(([, name]) => name)).toEqual(order);
    expect((await listed()).map(({ state }) => state)).toEqual(["published", "published", "published"]);
    expect((await box.ok("lading info a-top")).stdout).toMatch(/MIT/);
    box.write("user/lading.toml", single("user", "1.0.0", 'a-top = "2"\n'));
    await box.ok("lading install", { cwd: "user" });
    expect(order.every((name) => box.has(`user/lading_packages/${name}/lading.toml`))).toBe(true);

    member("z-base", ["a-top"]);
    for (const line of ["lading publish --workspace --list", "lading publish --workspace"]) {
      const refused = await box.line(line, root);
      expect(refused.stderr).toContain("error[PATH_DEPENDENCY_CYCLE]");
      expect(refused.code).not.toBe(0);
      for (const name of order) expect(refused.stderr).toContain(name);
    }
  });
});

describe("a lock that git could not merge", () => {
  test("is resolved by install, which keeps what both branches added", async () => {
    for (const name of ["left", "right"]) {
      box.write(`${name}/lading.toml`, single(name, "1.0.0"));
      await box.ok("lading publish", { cwd: name });
    }
    const inside = { cwd: "merged" } as const;
    box.write("merged/lading.toml", single("merged", "1.0.0"));
    await box.ok("lading install", inside);
    const git = "git -c user.name=Ada -c user.email=ada@example.com";
    await box.ok(`git init -q -b main && git add lading.toml lading.lock && ${git} commit -qm start`, inside);
    for (const name of ["left", "right"]) {
      await box.ok(`git checkout -q main && git checkout -q -b ${name} && lading add ${name}`, inside);
      await box.ok(`git add lading.toml lading.lock && ${git} commit -qm ${name}`, inside);
    }
    expect((await box.line(`${git} merge left`, inside)).code).not.toBe(0);
    expect(box.read("merged/lading.lock")).toContain("<<<<<<<");
    // The manifest is the user's to merge.
    box.write("merged/lading.toml", single("merged", "1.0.0", 'left = "^1.0.0"\nright = "^1.0.0"\n'));
    await box.ok("lading install", inside);
    const lock = box.read("merged/lading.lock");
    expect(lock).not.toMatch(/^[<=>|]{7}/m);
    expect([lock.includes('name = "left"'), lock.includes('name = "right"')]).toEqual([true, true]);
    expect(["left", "right"].map((name) => box.has(`merged/lading_packages/${name}/lading.toml`))).toEqual([
      true,
      true,
    ]);
    await box.ok("lading install --locked", inside);
  });
});
