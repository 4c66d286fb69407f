import { resolve } from "node:path";
import type { Digest, Lockfile, LockPackage } from "@lading/core-manifest";
import { describe, expect, it } from "vitest";
import { planInstall } from "./plan.ts";

const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}` as Digest;

function locked(name: string, version: string, more: Partial<LockPackage> = {}): LockPackage {
  return {
    name,
    version,
    checksum: digest("a"),
    tree: digest("b"),
    features: [],
    dependencies: [],
    source: { type: "registry", url: "https://registry.example.org/" },
    ...more,
  };
}

function lockOf(packages: readonly LockPackage[], members?: Lockfile["members"]): Lockfile {
  return { version: 1, root: "app", packages, ...(members === undefined ? {} : { members }) };
}

const options = { project: "/project" };

describe("planInstall()", () => {
  it("places every package that the members reach, with the paths of its dependencies", () => {
    const lock = lockOf(
      [locked("base", "1.0.0"), locked("company/tool", "2.0.0", { dependencies: ["base"] }), locked("stray", "1.0.0")],
      { app: ["company/tool"] },
    );
    const plan = planInstall(lock, options);
    expect(plan.packages).toMatchObject([
      {
        path: "@company/tool",
        dependencies: { base: "base" },
        direct: true,
        source: { type: "registry", url: "https://registry.example.org/" },
      },
      { path: "base", direct: false, blob: digest("a"), tree: digest("b") },
    ]);
    expect(plan.skipped).toEqual([{ name: "stray", version: "1.0.0", reason: "nothing that is installed needs it" }]);
  });

  it("gives the plain path to the version that the project names, and the others a path with their version", () => {
    const lock = lockOf(
      [locked("base", "1.0.0"), locked("base", "2.0.0"), locked("tool", "1.0.0", { dependencies: ["base 2.0.0"] })],
      { app: ["base 1.0.0", "tool"] },
    );
    expect(planInstall(lock, options).packages.map((item) => [item.path, item.version])).toEqual([
      [".versions/base@2.0.0", "2.0.0"],
      ["base", "1.0.0"],
      ["tool", "1.0.0"],
    ]);
  });

  it("prefers the highest version where the project names none, by SemVer and not by text", () => {
    const lock = lockOf(
      [
        locked("base", "10.0.0"),
        locked("base", "9.0.0"),
        locked("a", "1.0.0", { dependencies: ["base 9.0.0"] }),
        locked("b", "1.0.0", { dependencies: ["base 10.0.0"] }),
      ],
      { app: ["a", "b"] },
    );
    expect(planInstall(lock, options).packages.find((item) => item.path === "base")?.version).toBe("10.0.0");
  });

  it("leaves out packages of omitted kinds with what only they need, and members that are not wanted", () => {
    const lock = lockOf(
      [
        locked("dev-base", "1.0.0", { kinds: ["dev"] }),
        locked("dev-tool", "1.0.0", { kinds: ["dev"], dependencies: ["dev-base"] }),
        locked("other", "1.0.0"),
        locked("tool", "1.0.0"),
      ],
      { app: ["dev-tool", "tool"], second: ["other"] },
    );
    const plan = planInstall(lock, { ...options, omit: ["dev"], members: ["app"] });
    expect(plan.packages.map((item) => item.name)).toEqual(["tool"]);
    expect(plan.skipped.map((item) => item.reason)).toEqual([
      "it is only a dev dependency",
      "it is only a dev dependency",
      "nothing that is installed needs it",
    ]);
  });

  it("takes everything of a lock without members", () => {
    expect(planInstall(lockOf([locked("a", "1.0.0"), locked("b", "1.0.0")]), options).packages).toHaveLength(2);
  });

  it("installs path sources as directories of the project, and git sources by tree", () => {
    const lock = lockOf([
      locked("git", "1.0.0", {
        source: { type: "git", url: "https://git.example.org/git.git", commit: "0".repeat(40) },
      }),
      { name: "local", version: "0.1.0", features: [], dependencies: [], source: { type: "path", path: "../local" } },
    ]);
    const [git, local] = planInstall(lock, options).packages;
    expect(local).toMatchObject({ directory: resolve("/local"), source: { type: "path", url: "../local" } });
    expect(local?.tree).toBeUndefined();
    expect(git).toMatchObject({ tree: digest("b"), source: { type: "git", commit: "0".repeat(40) } });
  });

  it("chooses the artefact of the wanted target, then any, and refuses where there is neither", () => {
    const artifacts = [
      { target: "any", checksum: digest("1"), tree: digest("2"), size: 10 },
      { target: "x86_64-linux", checksum: digest("3"), tree: digest("4"), size: 20 },
    ];
    const lock = lockOf([locked("tool", "1.0.0", { artifacts })]);
    expect(planInstall(lock, { ...options, targets: ["x86_64-linux"] }).packages[0]).toMatchObject({
      tree: digest("4"),
      size: 20,
    });
    expect(planInstall(lock, { ...options, targets: ["arm64-linux"] }).packages[0]).toMatchObject({
      tree: digest("2"),
      size: 10,
    });
    const only = lockOf([locked("tool", "1.0.0", { artifacts: artifacts.slice(1) })]);
    expect(() => planInstall(only, options)).toThrow(
      expect.objectContaining({
        code: "INSTALL_TARGET_MISSING",
        message: expect.stringContaining('"x86_64-linux"') as string,
      }) as Error,
    );
  });

  it("refuses a reference to nothing, and a registry package without a tree digest", () => {
    const dangling = lockOf([locked("tool", "1.0.0", { dependencies: ["base"] })], { app: ["tool"] });
    expect(() => planInstall(dangling, options)).toThrow(
      expect.objectContaining({ code: "INSTALL_PLAN_INVALID" }) as Error,
    );
    const { tree: _, ...bare } = locked("tool", "1.0.0");
    expect(() => planInstall(lockOf([bare]), options)).toThrow(
      expect.objectContaining({ code: "INSTALL_PLAN_INVALID" }) as Error,
    );
  });
});
