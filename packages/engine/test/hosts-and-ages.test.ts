import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtinProfile, isLadingError, type EcosystemProfile } from "@lading/core-manifest";
import { install, lock, tree } from "../src/index.ts";
import { hostsHere } from "../src/lib/hosts.ts";
import { createSandbox, type Sandbox } from "../src/testing.ts";

let box: Sandbox;
afterEach(() => box.remove());

const NOW = Date.parse("2026-06-10T12:00:00Z");
const hoursAgo = (hours: number): string => new Date(NOW - hours * 3_600_000).toISOString().replace(".000Z", "Z");

async function failure(
  run: () => Promise<unknown>,
): Promise<{ code: string; message: string; hint: string | undefined }> {
  try {
    await run();
  } catch (error) {
    if (isLadingError(error)) return { code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error("expected an error");
}

describe("a minimum release age of the profile", () => {
  const profile: EcosystemProfile = {
    ...builtinProfile("lading"),
    resolver: { minimumReleaseAge: "24h", minimumReleaseAgeExclude: ["company/*"] },
  };
  beforeEach(async () => {
    box = await createSandbox();
    for (const name of ["leaf", "company/tool"]) {
      await box.registry.publish({ name, version: "1.0.0", published: hoursAgo(1000) });
      await box.registry.publish({ name, version: "1.1.0", published: hoursAgo(3) });
    }
  });
  const locked = async (more = "", input = {}): Promise<string[]> => {
    await box.write({
      "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n${more}\n[dependencies]\nleaf = "1"\n"company/tool" = "1"\n`,
    });
    const outcome = await box.use((context) => lock({ dryRun: true, ...input }, context), { profile, now: () => NOW });
    return outcome.lock.packages.map(({ name, version }) => `${name} ${version}`);
  };

  it("holds where nobody else says anything, but for its exceptions", async () => {
    expect(await locked()).toEqual(["company/tool 1.1.0", "leaf 1.0.0"]);
  });

  it("gives way to manifest, setting and command line, which may switch it off", async () => {
    expect(await locked('[resolver]\nminimum-release-age = "0s"')).toEqual(["company/tool 1.1.0", "leaf 1.1.0"]);
    expect(await locked('[config.resolver]\nminimum-release-age = "1h"')).toEqual(["company/tool 1.1.0", "leaf 1.1.0"]);
    expect(await locked("", { minimumReleaseAge: "2h" })).toEqual(["company/tool 1.1.0", "leaf 1.1.0"]);
    // A rule of one's own has its own exceptions.
    expect(await locked('[resolver]\nminimum-release-age = "24h"')).toEqual(["company/tool 1.0.0", "leaf 1.0.0"]);
  });

  it("takes further exceptions from manifest and setting", async () => {
    expect(await locked('[resolver]\nminimum-release-age-exclude = ["leaf"]')).toEqual([
      "company/tool 1.1.0",
      "leaf 1.1.0",
    ]);
  });

  it("tells how long a version that is needed has to wait", async () => {
    await box.write({
      "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nleaf = "^1.1"\n`,
    });
    const failed = await failure(() => box.use((context) => lock({}, context), { profile, now: () => NOW }));
    expect(failed.hint).toContain("it is 3 hours old; allowed in 21 hours");
  });
});

describe("hosts whose version is detected", () => {
  const says = (text: string): string[] => [process.execPath, "-e", `console.log(${JSON.stringify(text)})`];
  const withPython = (detect: readonly string[] | undefined, versions: readonly string[] = []): EcosystemProfile => ({
    ...builtinProfile("revitpy"),
    hosts: builtinProfile("revitpy").hosts.map((host) => {
      const { detect: _, ...rest } = host;
      if (host.axis !== "python") return host;
      return detect === undefined ? { ...rest, versions } : { ...rest, versions, detect };
    }),
  });
  beforeEach(async () => {
    box = await createSandbox("revitpy");
    await box.registry.publish({ name: "wall", version: "1.0.0", hosts: { python: "<3.11.0" } });
    await box.registry.publish({ name: "wall", version: "2.0.0", hosts: { python: ">=3.11.0" } });
    await manifest("");
  });
  const manifest = (own: string): Promise<void> =>
    box.write({
      "pyproject.toml": `[project]\nname = "app"\nversion = "1.0.0"\nlicense = "MIT"\ndependencies = ["wall"]\n\n[tool.revitpy]\n${own}`,
    });

  it("are asked for by the word detect, on the command line, in settings and in the manifest", async () => {
    const profile = withPython(says("Python 3.11.4"));
    const asked = await box.use((context) => lock({ hosts: ["python=detect"] }, context), { profile });
    expect(asked.environments).toEqual([{ python: "3.11.4" }]);
    expect(asked.lock.packages.map(({ version }) => version)).toEqual(["2.0.0"]);
    await manifest(`\n[tool.revitpy.environments]\npython = ["3.9", "detect"]\n`);
    const declared = await box.use((context) => lock({}, context), { profile });
    expect(declared.environments).toEqual([{ python: "3.9" }, { python: "3.11.4" }]);
    const env = { ...process.env, REVITPY_REGISTRY_URL: box.registry.url, REVITPY_HOSTS_PYTHON: "detect" };
    expect(await box.use((context) => hostsHere(context, []), { profile, env })).toEqual([
      { axis: "python", version: "3.11.4", origin: "setting", detected: true },
    ]);
  });

  it("choose the environment of a lock that differs between versions", async () => {
    await box.use((context) => lock({ hosts: ["python=3.9", "python=3.11"] }, context));
    for (const [python, version] of [
      ["Python 3.11.4", "2.0.0"],
      ["Python 3.9.18", "1.0.0"],
    ] as const) {
      const profile = withPython(says(python));
      await box.use((context) => install({}, context), { profile });
      const shown = await box.use((context) => tree({}, context), { profile });
      expect(shown.roots[0]!.dependencies.map((node) => node.version)).toEqual([version]);
      expect(await box.read(`revitpy_packages/wall/lading.toml`)).toContain(`version = "${version}"`);
    }
    const none = await failure(() =>
      box.use((context) => install({}, context), { profile: withPython(says("Python 3.12.0")) }),
    );
    expect(none.code).toBe("LOCK_ENVIRONMENT_AMBIGUOUS");
  });

  it("are one of the versions that the profile knows", async () => {
    const profile = withPython(says("Revit 2025.2.1"), ["2024", "2025"]);
    const outcome = await box
      .use((context) => lock({ hosts: ["python=detect"] }, context), { profile })
      .catch((error: unknown) => error);
    expect(outcome).toMatchObject({ environments: [{ python: "2025" }] });
  });

  it.each([
    [undefined, [], 'the profile "revitpy" names no program to ask'],
    [["/nowhere/python", "--version"], [], '"/nowhere/python --version" cannot be run'],
    [says("no numbers"), [], "prints no version"],
    [says("Revit 2019.1"), ["2024", "2025"], 'says 2019.1.0, known are "2024", "2025"'],
  ] as const)("are a clear error where detection fails: %j", async (detect, versions, problem) => {
    const failed = await failure(() =>
      box.use((context) => lock({ hosts: ["python=detect"] }, context), { profile: withPython(detect, versions) }),
    );
    expect([failed.code, failed.message]).toEqual(["HOST_UNDETECTED", expect.stringContaining(problem)]);
    expect(failed.hint).toContain("--host python=VERSION");
  });
});
