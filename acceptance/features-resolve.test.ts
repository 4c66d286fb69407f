import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  indexDocumentPath,
  parseIndexDocument,
  parseLockfile,
  parsePackageName,
  parseRequirement,
  parseVersion,
} from "@lading/core-manifest";
import { install, lock, publish, type ContextInput } from "@lading/engine";
import { createStaticRegistry, type StaticRegistry } from "@lading/engine/testing";
import { createNodeFetch } from "@lading/registry-client/node";
import { createSandbox, startRegistry, type RegistryProcess } from "./lib/harness.ts";
import {
  createProject,
  failure,
  locked,
  publishPackages,
  removeTemporary,
  temporary,
  writeFiles,
  type PackageSpec,
  type Project,
} from "./lib/more.ts";

let registry: RegistryProcess;

beforeAll(async () => {
  registry = await startRegistry();
});

afterAll(async () => {
  await registry.dispose();
  removeTemporary();
});

const publishAll = (...specs: readonly PackageSpec[]): Promise<void> => publishPackages(registry, specs);

/** A project of Lading's own ecosystem, on the real registry. */
const projectOf = (dependencies: string, more = ""): Project =>
  createProject(
    { "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n${more}\n[dependencies]\n${dependencies}\n` },
    { registry: registry.url },
  );

const single = `\n[resolver]\ncoexistence = "single"\n`;
const solved = async (project: Project): Promise<string[]> =>
  locked((await project.use((context) => lock({}, context))).lock);

describe("solutions", () => {
  test("[RES-01] what a greedy resolver cannot solve is solved, and what has no solution is proved to have none", async () => {
    await publishAll(
      { name: "gr-base", version: "1.0.0" },
      { name: "gr-base", version: "2.0.0" },
      { name: "gr-first", version: "1.0.0", needs: { "gr-base": "1" } },
      { name: "gr-first", version: "1.1.0", needs: { "gr-base": "2" } },
      { name: "gr-second", version: "1.0.0", needs: { "gr-base": "1" } },
    );
    expect(await solved(projectOf(`gr-first = "1"\ngr-second = "1"${single}`))).toEqual([
      "gr-base 1.0.0",
      "gr-first 1.0.0",
      "gr-second 1.0.0",
    ]);
    const hopeless = projectOf(`gr-first = "=1.1.0"\ngr-second = "1"${single}`);
    expect(await failure(() => hopeless.use((context) => lock({}, context)))).toBe("RESOLUTION_IMPOSSIBLE");
    expect(existsSync(path.join(hopeless.root, "lading.lock"))).toBe(false);
  });

  test("[RES-02] [RES-24] the library's lock equals the one that the command writes", async () => {
    await publishAll(
      { name: "eq-leaf", version: "1.0.0" },
      { name: "eq-tool", version: "1.0.0", needs: { "eq-leaf": "1" } },
    );
    const project = projectOf(`eq-tool = "1"`);
    const { lock: returned } = await project.use((context) => lock({}, context));
    const sandbox = createSandbox({ env: { LADING_REGISTRY_URL: registry.url } });
    sandbox.write("lading.toml", project.read("lading.toml"));
    await sandbox.ok("lading lock");
    expect(sandbox.read("lading.lock")).toBe(project.read("lading.lock"));
    expect(parseLockfile(sandbox.read("lading.lock"), "lading.lock")).toEqual(returned);
    await sandbox.dispose();
  });

  test("[RES-08] a dependency of a dependency is installed", async () => {
    await publishAll(
      { name: "tr-c", version: "1.0.0", files: { "c.txt": "c" } },
      { name: "tr-b", version: "1.0.0", needs: { "tr-c": "1" } },
      { name: "tr-a", version: "1.0.0", needs: { "tr-b": "1" } },
    );
    const project = projectOf(`tr-a = "1"`);
    await project.use((context) => install({}, context));
    expect(project.read("lading_packages/tr-c/c.txt")).toBe("c");
  });

  test("[RES-09] a conflict names both requirers with their ranges, a missing package is named", async () => {
    await publishAll(
      { name: "cf-base", version: "1.0.0" },
      { name: "cf-base", version: "2.0.0" },
      { name: "cf-left", version: "1.0.0", needs: { "cf-base": "1" } },
      { name: "cf-right", version: "1.0.0", needs: { "cf-base": "2" } },
    );
    const sandbox = createSandbox({ env: { LADING_REGISTRY_URL: registry.url } });
    sandbox.write("lading.toml", projectOf(`cf-left = "1"\ncf-right = "1"${single}`).read("lading.toml"));
    const conflict = await sandbox.line("lading install");
    expect(conflict).toMatchObject({ code: 4, stdout: "" });
    for (const part of ["cf-left", "cf-right", "cf-base", "1.0.0", "2.0.0", "RESOLUTION_IMPOSSIBLE"]) {
      expect(conflict.stderr).toContain(part);
    }
    sandbox.write("lading.toml", projectOf(`no-such-package-anywhere = "1"`).read("lading.toml"));
    const missing = await sandbox.line("lading install");
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toContain("no-such-package-anywhere");
    expect(missing.stderr).toContain("help: ");
    await sandbox.dispose();
  });

  test("[RES-11] a circle of packages is told with its path, at once", async () => {
    const sandbox = createSandbox();
    const manifest = (name: string, other: string): string =>
      `[package]\nname = "${name}"\nversion = "1.0.0"\n\n[dependencies]\n${other} = { path = "../${other}" }\n`;
    sandbox.write("ring-a/lading.toml", manifest("ring-a", "ring-b"));
    sandbox.write("ring-b/lading.toml", manifest("ring-b", "ring-a"));
    const circle = await sandbox.line("lading install", { cwd: "ring-a" });
    await sandbox.dispose();
    expect(circle.code).not.toBe(0);
    expect(circle.stderr).toContain(". -> ../ring-b -> .");
    expect(circle.stderr).toContain("PATH_DEPENDENCY_CYCLE");
  });

  test("[RES-12] [MAN-37] an optional dependency is there only where it is asked for, and may be impossible", async () => {
    await publishAll(
      { name: "op-extra", version: "1.0.0" },
      {
        name: "op-tool",
        version: "1.0.0",
        needs: { "op-extra": { requirement: ">=1.0.0 <2.0.0-0", optional: true } },
        features: { extra: ["dep:op-extra"] },
      },
    );
    expect(await solved(projectOf(`op-tool = "1"`))).toEqual(["op-tool 1.0.0"]);
    expect(await solved(projectOf(`op-tool = { version = "1", features = ["extra"] }`))).toEqual([
      "op-extra 1.0.0",
      "op-tool 1.0.0",
    ]);
    const impossible = projectOf(`op-tool = "1"\nop-nowhere = { version = "9", optional = true }`);
    expect(await solved(impossible)).toEqual(["op-tool 1.0.0"]);
  });

  test("[RES-13] [MAN-25] [MAN-26] features of several dependents are united; defaults and references count", async () => {
    await publishAll(
      { name: "fe-lib", version: "1.0.0", features: { default: ["base"], base: [], one: [], two: [], wild: [] } },
      { name: "fe-a", version: "1.0.0", needs: { "fe-lib": { requirement: ">=1.0.0 <2.0.0-0", features: ["one"] } } },
      { name: "fe-b", version: "1.0.0", needs: { "fe-lib": { requirement: ">=1.0.0 <2.0.0-0", features: ["two"] } } },
    );
    const project = projectOf(`fe-a = "1"\nfe-b = "1"\nfe-lib = "1"`, `\n[features]\nexperimental = ["fe-lib/wild"]\n`);
    const features = async (choice: readonly string[]): Promise<readonly string[]> => {
      const result = await project.use((context) => lock({ features: choice }, context));
      return result.lock.packages.find(({ name }) => name === "fe-lib")!.features;
    };
    expect(await features([])).toEqual(["base", "default", "one", "two"]);
    expect(await features(["experimental"])).toEqual(["base", "default", "one", "two", "wild"]);
  });

  test("[MAN-39] a feature that is off by default brings nothing into the install", async () => {
    await publishAll({ name: "of-heavy", version: "1.0.0" });
    const manifest = `of-heavy = { version = "1", optional = true }`;
    const features = `\n[features]\ndefault = []\nheavy = ["dep:of-heavy"]\n`;
    const project = projectOf(manifest, features);
    await project.use((context) => install({}, context));
    expect(existsSync(path.join(project.root, "lading_packages/of-heavy"))).toBe(false);
    await project.use((context) => install({ features: ["heavy"] }, context));
    expect(existsSync(path.join(project.root, "lading_packages/of-heavy"))).toBe(true);
  });

  test("[RES-14] [RES-15] [MAN-36] each host version gets the newest package that supports it", async () => {
    const range = (from: number, below: number): Record<string, string> => ({ revit: `>=${from}.0.0 <${below}.0.0` });
    await publishAll(
      { name: "ho-geometry", version: "1.0.0", hosts: range(2021, 2023) },
      { name: "ho-geometry", version: "2.0.0", hosts: range(2023, 2026) },
      { name: "ho-geometry", version: "3.0.0", hosts: range(2024, 2025) },
    );
    const project = (): Project =>
      createProject(
        {
          "pyproject.toml": `[project]\nname = "host-app"\nversion = "1.0.0"\ndependencies = ["ho-geometry"]\n\n[tool.revitpy]\n`,
        },
        { profile: "revitpy", registry: registry.url },
      );
    const chosen: Record<string, string> = {};
    for (const host of ["2021", "2022", "2023", "2024", "2025"]) {
      const result = await project().use((context) => lock({ hosts: [`revit=${host}`] }, context));
      chosen[host] = result.lock.packages[0]!.version;
    }
    expect(chosen).toEqual({ 2021: "1.0.0", 2022: "1.0.0", 2023: "2.0.0", 2024: "3.0.0", 2025: "2.0.0" });
    expect(await failure(() => project().use((context) => lock({ hosts: ["revit=2026"] }, context)))).toBe(
      "RESOLUTION_IMPOSSIBLE",
    );
  });

  test("[MAN-16] a toolchain older than the package declares fails, and names the constraint", async () => {
    const modern = createProject(
      { "gal.toml": '[package]\nname = "tc-modern"\nversion = "1.0.0"\nlicense = "MIT"\ngal-version = "1.4"\n' },
      { profile: "gal", registry: registry.url, token: registry.token },
    );
    await modern.use((context) => publish({}, context));
    const project = createProject(
      { "gal.toml": `[package]\nname = "tc-app"\nversion = "1.0.0"\n\n[dependencies]\ntc-modern = "1"\n` },
      { profile: "gal", registry: registry.url },
    );
    const attempt = (version: string) => project.use((context) => install({ hosts: [`gal=${version}`] }, context));
    await expect(attempt("1.0.0")).rejects.toMatchObject({
      code: "RESOLUTION_IMPOSSIBLE",
      details: { explanation: expect.stringMatching(/gal[^]*1\.4\.0/) },
    });
    expect((await attempt("1.4.0")).install!.packages).toBe(1);
  });

  test("[MAN-24] a build dependency is marked in the lock, and left out of an install without build tools", async () => {
    await publishAll({ name: "bd-tool", version: "1.0.0" }, { name: "bd-lib", version: "1.0.0" });
    const project = projectOf(`bd-lib = "1"\n\n[build-dependencies]\nbd-tool = "1"`);
    await project.use((context) => install({ omit: ["build"] }, context));
    expect(project.lock().packages.find(({ name }) => name === "bd-tool")!.kinds).toEqual(["build"]);
    expect(existsSync(path.join(project.root, "lading_packages/bd-lib"))).toBe(true);
    expect(existsSync(path.join(project.root, "lading_packages/bd-tool"))).toBe(false);
  });

  test("[MAN-35] pre-releases are published, come before their release, and build metadata does not count", async () => {
    await publishAll({ name: "pr-lib", version: "1.0.0-rc.1+build.5" }, { name: "pr-lib", version: "1.0.0-rc.2" });
    expect(await solved(projectOf(`pr-lib = "=1.0.0-rc.1"`))).toEqual(["pr-lib 1.0.0-rc.1+build.5"]);
    await publishAll({ name: "pr-lib", version: "1.0.0" });
    expect(await solved(projectOf(`pr-lib = "1"`))).toEqual(["pr-lib 1.0.0"]);
    expect(await solved(projectOf(`pr-lib = ">=1.0.0-rc.1, <1.0.0"`))).toEqual(["pr-lib 1.0.0-rc.2"]);
  });

  test("[RES-28] [TST-03] each requirement on one package takes the right one of its versions", async () => {
    const versions = ["0.4.9", "0.5.0", "0.5.2", "0.6.0", "1.0.0", "1.2.0", "1.9.0", "1.10.0", "2.0.0"];
    await publishAll(...versions.map((version) => ({ name: "mx-lib", version })));
    const table: Record<string, string> = {
      "0.5": "0.5.2",
      "^0.5.0": "0.5.2",
      "~1.2": "1.2.0",
      "^1.2.0": "1.10.0",
      "1": "1.10.0",
      "=1.9.0": "1.9.0",
      ">=0.5, <1.0": "0.6.0",
      "<1.0.0": "0.6.0",
      "*": "2.0.0",
      "0.4 || 0.6": "0.6.0",
    };
    const found: Record<string, string> = {};
    for (const requirement of Object.keys(table)) {
      found[requirement] = (await solved(projectOf(`mx-lib = "${requirement}"`)))[0]!.split(" ")[1]!;
    }
    expect(found).toEqual(table);
  });

  test("[RES-26] only the metadata of packages that are reached is asked for", async () => {
    await publishAll(
      { name: "lz-leaf", version: "1.0.0" },
      { name: "lz-tool", version: "1.0.0", needs: { "lz-leaf": "1" } },
      { name: "lz-unrelated", version: "1.0.0" },
    );
    const project = projectOf(`lz-tool = "1"`);
    const asked: string[] = [];
    const { fetch: send } = createNodeFetch();
    const recording: Partial<ContextInput> = {
      fetch: (url, init) => {
        asked.push(new URL(url).pathname);
        return send(url, init);
      },
    };
    await project.use((context) => lock({}, context), recording);
    const documents = asked
      .filter((route) => route.startsWith("/index/"))
      // Signed metadata names the version of a document by its digest.
      .map((route) => path.basename(route, ".json").replace(/^[0-9a-f]{64}\./, ""));
    expect(documents.toSorted()).toEqual(["lz-leaf", "lz-tool"]);
  });
});

describe("requirements", () => {
  test("[RES-05] a bare 0.5 is a caret in the TOML dialects; in pack.yaml it means any 0.5.x, and a full version itself", () => {
    const accepted = (syntax: "caret" | "exact"): boolean[] =>
      ["0.5.0", "0.5.2", "0.6.0"].map((version) => parseRequirement("0.5", syntax).matches(parseVersion(version)));
    expect(accepted("caret")).toEqual([true, true, false]);
    expect(accepted("exact")).toEqual([true, true, false]);
    const exact = parseRequirement("0.5.1", "exact");
    expect(["0.5.1", "0.5.2"].map((version) => exact.matches(parseVersion(version)))).toEqual([true, false]);
    const spec = readFileSync(new URL("../docs/spec/requirements.md", import.meta.url), "utf8");
    expect(spec).toContain("pack.yaml");
  });

  test("[RES-06] [RES-19] [TST-08] every comparator parses and matches what it should", () => {
    const table: [string, string[], string[]][] = [
      [">=1.2.0", ["1.2.0", "2.0.0"], ["1.1.9"]],
      ["<=1.2.0", ["1.2.0", "0.1.0"], ["1.2.1"]],
      [">1.2.0", ["1.2.1"], ["1.2.0"]],
      ["<1.2.0", ["1.1.9"], ["1.2.0"]],
      ["=1.2.0", ["1.2.0"], ["1.2.1"]],
      ["~1.2.0", ["1.2.9"], ["1.3.0"]],
      ["^1.2.0", ["1.9.0"], ["2.0.0", "1.1.0"]],
      ["^0.2.3", ["0.2.9"], ["0.3.0"]],
      ["*", ["0.0.1", "9.9.9"], []],
      [">=1.0, <2.0", ["1.5.0"], ["2.0.0"]],
      ["^1 || ^3", ["1.1.0", "3.2.0"], ["2.0.0"]],
    ];
    for (const [text, good, bad] of table) {
      const requirement = parseRequirement(text, "caret");
      for (const version of good)
        expect(`${text} ${version} ${requirement.matches(parseVersion(version))}`).toBe(`${text} ${version} true`);
      for (const version of bad)
        expect(`${text} ${version} ${requirement.matches(parseVersion(version))}`).toBe(`${text} ${version} false`);
    }
  });
});

describe("sources", () => {
  test("[MAN-19] a path dependency resolves with no registry at all", async () => {
    const project = createProject({
      "app/lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nlocal-dep = { path = "../local-dep" }\n`,
      "local-dep/lading.toml": `[package]\nname = "local-dep"\nversion = "0.3.0"\n`,
      "local-dep/lib.txt": "local",
    });
    const cwd = path.join(project.root, "app");
    const summary = await project.use((context) => install({}, context), { cwd, offline: true });
    expect(locked(summary.lock.lock)).toEqual(["local-dep 0.3.0"]);
    expect(readFileSync(path.join(cwd, "lading_packages/local-dep/lib.txt"), "utf8")).toBe("local");
  });

  test("[MAN-20] [INS-02] [INS-04] a Git dependency resolves at its tag or branch with the commit recorded; a missing tag is named", async () => {
    const sandbox = createSandbox();
    sandbox.write("made/lading.toml", `[package]\nname = "from-git"\nversion = "1.0.0"\n`);
    sandbox.write("made/lib.txt", "tagged");
    const git = "git -c user.name=T -c user.email=t@example.com";
    await sandbox.ok(
      `cd made && git init -q -b main && git add . && ${git} commit -qm one && git tag v1.0 && echo branch > lib.txt && git checkout -qb next && ${git} commit -qam two && git checkout -q main && git clone -q --bare . ../bare.git`,
    );
    const commit = (await sandbox.ok("git -C bare.git rev-parse v1.0")).stdout.trim();
    const url = pathToFileURL(sandbox.path("bare.git")).href;
    const at = (reference: string): Project =>
      createProject({
        "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nfrom-git = { git = "${url}", ${reference} }\n`,
      });
    const tagged = at(`tag = "v1.0"`);
    await tagged.use((context) => install({}, context));
    expect(tagged.lock().packages[0]).toMatchObject({ name: "from-git", source: { type: "git", url, commit } });
    expect(tagged.read("lading_packages/from-git/lib.txt")).toBe("tagged");
    const branch = at(`branch = "next"`);
    await branch.use((context) => install({}, context));
    expect(branch.read("lading_packages/from-git/lib.txt")).toBe("branch\n");
    await expect(at(`tag = "v9.9"`).use((context) => lock({}, context))).rejects.toMatchObject({
      code: "GIT_FAILED",
      message: expect.stringContaining("v9.9"),
    });
    await sandbox.dispose();
  });

  test("[INS-03] git@host:path goes through ssh", async () => {
    const directory = temporary();
    writeFiles(directory, { "ssh.sh": `#!/bin/sh\necho "$@" >> "${directory}/asked"\nexit 255\n` });
    const { chmodSync } = await import("node:fs");
    chmodSync(path.join(directory, "ssh.sh"), 0o755);
    const project = createProject(
      {
        "lading.toml": `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\npack = { git = "git@git.example.com:org/pack.git" }\n`,
      },
      { env: { GIT_SSH_COMMAND: path.join(directory, "ssh.sh") } },
    );
    expect(await failure(() => project.use((context) => lock({}, context)))).toBe("GIT_FAILED");
    expect(readFileSync(path.join(directory, "asked"), "utf8")).toMatch(
      /git@git\.example\.com .*git-upload-pack 'org\/pack\.git'/,
    );
  });
});

describe("the lock", () => {
  test("[RES-22] a hundred runs over shuffled documents write one and the same lock", async () => {
    const fixture = await createStaticRegistry(path.join(temporary(), "registry"));
    await publishFixtures(fixture);
    const documents = ["sh-a", "sh-b", "sh-c", "sh-d"].map((name) => {
      const file = path.join(fixture.directory, indexDocumentPath(parsePackageName(name)));
      return { file, document: parseIndexDocument(JSON.parse(readFileSync(file, "utf8"))) };
    });
    const shuffled = <Item>(items: readonly Item[]): Item[] =>
      items
        .map((item) => [Math.random(), item] as const)
        .sort(([left], [right]) => left - right)
        .map(([, item]) => item);
    const texts = new Set<string>();
    const project = createProject({}, { registry: fixture.url });
    for (let run = 0; run < 100; run++) {
      for (const { file, document } of documents) {
        const versions = shuffled(document.versions);
        writeFiles(path.dirname(file), { [path.basename(file)]: JSON.stringify({ ...document, versions }) });
      }
      const root = `run-${run}`;
      project.write({
        [`${root}/lading.toml`]: `[package]\nname = "app"\nversion = "1.0.0"\n\n[dependencies]\nsh-a = "1"\nsh-b = "1"\n`,
      });
      const cwd = path.join(project.root, root);
      await project.use((context) => lock({}, context), { cwd, home: path.join(project.home, root) });
      texts.add(project.read(`${root}/lading.lock`));
    }
    expect(texts.size).toBe(1);
  });

  async function publishFixtures(fixture: StaticRegistry): Promise<void> {
    for (const version of ["1.0.0", "1.1.0", "1.2.0"]) {
      await fixture.publish({ name: "sh-d", version });
      await fixture.publish({ name: "sh-c", version, dependencies: { "sh-d": version === "1.2.0" ? "=1.1.0" : "1" } });
      await fixture.publish({ name: "sh-b", version, dependencies: { "sh-d": "1", "sh-c": "1" } });
      await fixture.publish({ name: "sh-a", version, dependencies: { "sh-b": "1", "sh-c": "1", "sh-d": "1" } });
    }
  }
});

describe("architecture", () => {
  test("[RES-29] the resolver is one package that others use, and the packages' graph has no circle", () => {
    const root = fileURLToPath(new URL("../packages/", import.meta.url));
    const names = readdirSync(root);
    const graph = new Map(
      names.map((name) => {
        const text = readFileSync(path.join(root, name, "package.json"), "utf8");
        const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
        return [name, Object.keys(dependencies).flatMap((key) => (key.startsWith("@lading/") ? [key.slice(8)] : []))];
      }),
    );
    const visit = (name: string, above: readonly string[]): void => {
      expect(above).not.toContain(name);
      for (const next of graph.get(name)!) visit(next, [...above, name]);
    };
    for (const name of names) visit(name, []);
    expect(graph.get("engine")).toContain("resolver");
    const page = readFileSync(path.join(root, "../ARCHITECTURE.md"), "utf8");
    for (const name of names) expect(page).toContain(name);
  });
});
