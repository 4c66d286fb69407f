import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { publish, publishList } from "../src/index.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox();
});
afterEach(() => box.remove());

const member = (name: string, needs: readonly string[], more = ""): string =>
  `[package]\nname = "${name}"\nversion = "1.0.0"\nlicense = "MIT"\ndescription = "d"\n${more}\n[dependencies]\n${needs
    .map((other) => `${other} = { path = "../${other}", version = "1" }\n`)
    .join("")}`;

async function workspace(members: Readonly<Record<string, string>>): Promise<void> {
  const files = Object.entries(members).map(([name, text]) => [`packages/${name}/lading.toml`, text]);
  await box.write({ "lading.toml": '[workspace]\nmembers = ["packages/*"]\n', ...Object.fromEntries(files) });
}

describe("publishList()", () => {
  it("puts every member after those that it needs, and tells which the registry has", async () => {
    await workspace({
      app: member("app", ["mid", "base"]),
      base: member("base", []),
      mid: member("mid", ["base"]),
      secret: member("secret", [], "publish = false\n"),
      alone: member("alone", []),
    });
    await box.registry.publish({ name: "base", version: "1.0.0" });
    const steps = await box.use((context) => publishList({ workspace: true }, context));
    expect(steps.map(({ name, state, after, directory }) => [name, state, after, directory])).toEqual([
      ["alone", "new", [], "packages/alone"],
      ["base", "published", [], "packages/base"],
      ["mid", "new", ["base"], "packages/mid"],
      ["app", "new", ["base", "mid"], "packages/app"],
    ]);
    const offline = await box.use((context) => publishList({ package: "mid" }, context), { offline: true });
    expect(offline).toMatchObject([{ name: "mid", state: "unknown" }]);
  });

  it("refuses a circle, as publish() does before anything is sent; dev dependencies make none", async () => {
    await workspace({ a: member("a", ["b"]), b: member("b", ["c"]), c: member("c", ["a"]) });
    const circle = {
      code: "PATH_DEPENDENCY_CYCLE",
      message: expect.stringContaining('"a" needs "b" needs "c" needs "a"'),
    };
    await expect(box.use((context) => publishList({ workspace: true }, context))).rejects.toMatchObject(circle);
    await expect(box.use((context) => publish({ workspace: true }, context))).rejects.toMatchObject(circle);
    await workspace({ c: `${member("c", [])}\n[dev-dependencies]\na = { path = "../a", version = "1" }\n` });
    const steps = await box.use((context) => publishList({ workspace: true }, context));
    expect(steps.map(({ name }) => name)).toEqual(["c", "b", "a"]);
  });
});
