import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { api, createSandbox, startRegistry, type BinName, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

const ROOT = path.join(import.meta.dirname, "..");
let registry: RegistryProcess;
const sandboxes: Sandbox[] = [];

function open(env: Readonly<Record<string, string>> = {}): Sandbox {
  const box = createSandbox({ env });
  sandboxes.push(box);
  return box;
}

beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

const page = (file: string): string => readFileSync(path.join(ROOT, file), "utf8");

interface Block {
  readonly language: string;
  /** What stands behind the language: `file=profile.toml`. */
  readonly about: string;
  readonly text: string;
}

function blocks(text: string): Block[] {
  return [...text.matchAll(/^ *```(\w+)([^\n]*)\n(.*?)^ *```$/gms)].map(([, language, about, body]) => ({
    language: language!,
    about: about!.trim(),
    text: body!,
  }));
}

/** Command lines of a page's shell blocks, for one program, without comments. */
function commandLines(text: string, bin: string): string[] {
  return blocks(text)
    .filter(({ language }) => language === "sh")
    .flatMap((block) => block.text.split("\n"))
    .flatMap((line) => line.replace(/(?:^|\s)#.*$/, "").split("&&"))
    .map((line) => line.trim())
    .filter((line) => line.startsWith(`${bin} `));
}

describe("docs/guides/fifth-ecosystem.md", () => {
  test("makes a package manager of its own from one profile and a program of at most ten lines, as written", async () => {
    const box = open({ ADMIN_TOKEN: registry.token });
    const parts = blocks(page("docs/guides/fifth-ecosystem.md"));
    const files = parts.filter(({ about }) => about.startsWith("file="));
    expect(files.map(({ about }) => about)).toEqual(["file=profile.toml", "file=pebble.mjs"]);
    for (const { about, text } of files) box.write(about.slice("file=".length), text);
    expect(files[1]!.text.trim().split("\n").length).toBeLessThanOrEqual(10);
    // `npm install` finds this checkout in the place of the registry of npm.
    box.write(
      "tools/npm",
      `#!/bin/sh\ntest "$*" = "install @lading/cli @lading/core-manifest" || exit 1\nmkdir -p node_modules/@lading\nfor one in cli core-manifest; do ln -s "${ROOT}/packages/$one" node_modules/@lading/$one; done\n`,
    );
    mkdirSync(box.path("tools/node-bin"));
    symlinkSync(process.execPath, box.path("tools/node-bin/node"));
    const shell = parts.filter(({ language, about }) => language === "sh" && about === "");
    const script = shell
      .map(({ text }) => text)
      .join("\n")
      .replaceAll("http://localhost:8080", registry.url);
    box.write("guide.sh", `set -e\n${script}`);
    const env = {
      PATH: `${box.path("tools")}:${box.path("tools/node-bin")}:/usr/bin:/bin`,
      NODE_OPTIONS: "--conditions=@lading/source --disable-warning=ExperimentalWarning",
    };
    await box.ok(`chmod +x tools/npm && sh guide.sh`, { env });
    expect(box.read("zen-corner/pebble.lock")).toContain("raked-gravel");
    expect((await api(registry, "/api/v1/packages/raked-gravel/versions/0.1.0")).status).toBe(200);
    // The command for the second terminal is the one that this test's registry was started by.
    const [other] = parts.filter(({ about }) => about === "terminal=2");
    expect(other!.text.trim()).toBe("npx lading-registry --data registry-data --port 8080");
  });
});

describe("docs/guides/organisations.md", () => {
  test("takes an operator and three people from an empty registry to reviewed, private and handed-over packages", async () => {
    const text = page("docs/guides/organisations.md");
    const parts = blocks(text);
    const operator = open();
    const files = parts.filter(({ about }) => about.startsWith("file="));
    for (const { about, text: content } of files) operator.write(about.slice("file=".length), content);
    const [start] = parts.filter(({ about }) => about === "terminal=2");
    const variables = [...start!.text.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [
      name!,
      value!.endsWith(".toml") ? operator.path(value!) : value!,
    ]);
    const own = await startRegistry({ env: Object.fromEntries(variables) as Record<string, string> });
    try {
      operator.write("admin-token", `${own.token}\n`);
      const boxes: Record<string, Sandbox> = { operator, ann: open(), bo: open(), rita: open() };
      for (const username of ["ann", "bo", "rita"]) {
        const password = `the password of ${username}`;
        const body = JSON.stringify({ username, password });
        expect((await api(own, "/api/v1/auth/register", { method: "POST", body })).status).toBe(201);
        boxes[username]!.write("password", `${password}\n`);
        for (const { about, text: content } of files.filter((one) => one.about.endsWith("/lading.toml")))
          boxes[username]!.write(about.slice("file=".length), content);
      }
      const ids: Readonly<Record<string, string>> = {
        INVITATION: "lading invitation list --json",
        REVIEW: "lading review list --json",
        OFFER: "lading owner transfer list --json",
      };
      const said: Record<string, string> = {};
      for (const { about, text: block } of parts.filter((one) => one.about.startsWith("as="))) {
        const who = about.slice("as=".length);
        for (const written of block.trim().split("\n")) {
          let line = written.replaceAll("https://registry.example", own.url);
          const [word] = /\b(?:INVITATION|REVIEW|OFFER)\b/.exec(line) ?? [];
          if (word !== undefined) {
            const answer = (await boxes[who]!.json(ids[word]!)) as { id: string }[] | { items: { id: string }[] };
            const id = Array.isArray(answer) ? answer[0]!.id : answer.items[0]!.id;
            line = line.replaceAll(word, id);
          }
          said[written] = (await boxes[who]!.ok(line)).stdout;
        }
      }
      expect(said["lading -C tool publish"]).toContain("review");
      expect(said["lading org info acme"]).toContain("makers");
      expect(said["lading owner list acme/tool"]).toBe("bo\nteam:acme/makers\n");
      expect(said["lading owner list bo-tool"]).toBe("team:acme/makers\n");
      expect(said["lading info acme-internal/secret --registry internal"]).toContain("1.0.0");
      expect(said["lading team members acme/makers"]).toContain("No members");
      // What the guide promises of private packages and of who left.
      expect((await fetch(`${own.url}/api/v1/packages/acme-internal%2Fsecret`)).status).toBe(404);
      await expect
        .poll(async () => (await boxes["bo"]!.line("lading info acme-internal/secret --registry internal")).code, {
          timeout: 30_000,
        })
        .not.toBe(0);
    } finally {
      await own.dispose();
    }
  }, 300_000);
});

describe("the guides", () => {
  const GUIDES = [
    "package-authors",
    "dependency-users",
    "registry-operators",
    "index-maintainers",
    "tool-upgrade",
    "troubleshooting",
    "ci",
  ];

  test("name only commands and flags that there are", async () => {
    const box = open();
    const known = new Map<string, string>();
    const helpOf = async (line: string): Promise<string> => {
      const words = line
        .split(" ")
        .filter((word) => /^[a-z][a-z-]*$/.test(word))
        .slice(0, 4);
      for (let length = words.length; length > 1; length -= 1) {
        const command = words.slice(0, length).join(" ");
        if (!known.has(command)) known.set(command, (await box.line(`${command} --help`)).stdout);
        if (known.get(command) !== "") return known.get(command)!;
      }
      throw new Error(`There is no command in "${line}"`);
    };
    const wrong: string[] = [];
    for (const guide of GUIDES) {
      const text = page(`docs/guides/${guide}.md`);
      for (const bin of ["lading", "attune"] as const) {
        for (const line of commandLines(text, bin)) {
          const help = await helpOf(line.replaceAll(/ (?:\.|\.\.)?\/?[\w./-]*\/[\w./-]*/g, ""));
          const flags = [...line.matchAll(/\s(--[a-z-]+)/g)].map(([, flag]) => flag!);
          wrong.push(...flags.filter((flag) => !help.includes(flag)).map((flag) => `${guide}: ${line}: ${flag}`));
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test("[CIC-14] [CIC-15] [CIC-16] [CIC-17] the page on CI has an overview, prerequisites and the best practices", () => {
    const text = page("docs/guides/ci.md");
    for (const heading of [
      "Overview",
      "Prerequisites",
      "Semantic versioning strategy",
      "Automated testing requirements",
      "Checksum verification",
      "Publishing by hand",
    ]) {
      expect(text).toMatch(new RegExp(`^## ${heading}$`, "m"));
    }
  });

  test("[CIC-19] the page on troubleshooting treats authentication, conflicts, scans and connections, by codes that there are", async () => {
    const text = page("docs/guides/troubleshooting.md");
    for (const heading of [
      "Authentication failures",
      "Dependency conflicts",
      "Failed scans and checks",
      "Connection issues",
    ]) {
      expect(text).toMatch(new RegExp(`^## ${heading}$`, "m"));
    }
    const codes = new Set(
      [...text.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, code]) => code!).filter((code) => !/PROXY/.test(code)),
    );
    codes.delete("GAL_REGISTRY_TOKEN");
    expect(codes.size).toBeGreaterThan(6);
    const box = open();
    for (const code of codes) await box.ok(`lading explain ${code}`);
  });

  test("[PRJ-06] [PRJ-07] [PRJ-08] the best practices of the documents each have their section", () => {
    const practices = {
      "package-authors": [
        "Semantic versioning",
        "Small dependencies",
        "Feature flags",
        "Documentation",
        "Testing",
        "Security",
      ],
      "dependency-users": [
        "Version constraints",
        "Regular updates",
        "Security monitoring",
        "Minimal dependencies",
        "Lock files",
      ],
      "registry-operators": ["Staging", "Gradual rollout", "Monitoring", "Backup", "Access control"],
    };
    for (const [guide, headings] of Object.entries(practices)) {
      for (const heading of headings)
        expect(page(`docs/guides/${guide}.md`)).toMatch(new RegExp(`^## ${heading}$`, "m"));
    }
  });

  test("[STO-08] the guide on static registries says where archives may lie", () => {
    const text = page("docs/guides/static-registry.md");
    const section = text.split("## Where package files may lie")[1]!;
    for (const place of ["Releases", "Generic package registries", "Artefact servers", "S3"])
      expect(section).toContain(`**${place}**`);
  });

  test("[PRJ-24] the tools for index maintainers are a documented set, and each does what its row says", async () => {
    const text = page("docs/guides/index-maintainers.md");
    for (const command of ["checksum", "index-entry", "index-update", "index-merge", "index-validate", "index-init"]) {
      expect(text).toContain(`| \`attune pack ${command}`);
    }
    const box = open();
    box.write(
      "my-pack/pack.yaml",
      'ref: my-pack\nlabel: Mine\ndescription: d\nversion: "1.0.0"\nauthor: A\nmeta:\n  license: MIT\n',
    );
    await box.ok("attune pack index-init registry --url https://registry.example.com/index.json");
    const [block] = blocks(text).filter(({ language }) => language === "sh");
    const lines = block!.text.split("\n").filter((line) => line.startsWith("attune pack index-"));
    expect(lines).toHaveLength(2);
    for (const line of lines) await box.ok(line, { cwd: "registry" });
    expect(box.read("registry/index.json")).toContain('"my-pack"');
  });

  test("[MIG-05] [MIG-07] upgrading is described in its four steps, and for pack users", () => {
    const text = page("docs/guides/tool-upgrade.md");
    for (const step of ["Back up", "Update", "Migrate", "Verify"])
      expect(text).toMatch(new RegExp(`^\\d\\. \\*\\*${step}\\.\\*\\*`, "m"));
    expect(text).toMatch(/^## For pack users/m);
  });
});

describe("docs/guides/module-map.md", () => {
  const text = page("docs/guides/module-map.md");
  const rows = [...text.matchAll(/^\| ([^|]+) \| `([^`]+)` \|/gm)].map(([, names, place]) => ({
    names: names!,
    place: place!,
  }));

  test("[PRJ-01] [PRJ-02] [PRJ-04] maps every module of the documents to a package that can be imported", () => {
    const all = rows.map(({ names }) => names).join(" ");
    for (const name of [
      "builder",
      "manifest",
      "compress",
      "sign",
      "publish",
      "verify",
      "cli",
      "tests",
      "server",
      "api",
      "storage",
      "index",
      "auth",
      "sync",
      "vitte-build",
      "vitte-install",
      "vitte-cli",
      "vitte-key",
      "vitte-cache",
      "PackageManifest",
      "RegistryClient",
      "DependencyResolver",
      "PackageCache",
      "PackageMetrics",
      "GalError",
      "commands/pack.rs",
      "commands/pack_index.rs",
      "routes/packs.rs",
      "dto/pack.rs",
      "DependencyValidator",
      "InstallSource",
      "ProgressEvent",
      "docs/pack-registry-cicd.md",
    ]) {
      expect(all).toContain(`\`${name}\``);
    }
    const require = createRequire(import.meta.url);
    for (const { place } of rows.filter(({ place }) => place.endsWith("/"))) {
      expect(readdirSync(path.join(ROOT, place)).length).toBeGreaterThan(0);
    }
    for (const { place } of rows.filter(({ place }) => place.startsWith("@"))) {
      const [, name, entry] = /^(@lading\/[^/]+)(?:\/(.*))?$/.exec(place)!;
      const manifest = require(path.join(ROOT, "packages", name!.slice("@lading/".length), "package.json")) as {
        exports: object;
      };
      expect(Object.keys(manifest.exports)).toContain(entry === undefined ? "." : `./${entry}`);
    }
  });

  test("[PRJ-03] draws the architecture twice, of packages that there are", () => {
    const packages = readdirSync(path.join(ROOT, "packages"));
    const [mermaid] = blocks(text).filter(({ language }) => language === "mermaid");
    const drawn = [...mermaid!.text.matchAll(/\["([a-z-]+)"\]/g)].map(([, name]) => name!);
    expect(drawn.length).toBeGreaterThan(7);
    expect(drawn.filter((name) => !packages.includes(name))).toEqual([]);
    const box = [...text.matchAll(/│ +([a-z-]+) +│/g)].map(([, name]) => name!);
    expect(box.length).toBeGreaterThan(3);
    expect(box.filter((name) => !packages.includes(name))).toEqual([]);
  });
});

describe("the repository", () => {
  test("[PRJ-09] the example of every ecosystem is checked, tested and packed by its own program", async () => {
    const box = open();
    const examples: readonly (readonly [BinName, string, readonly string[]])[] = [
      ["vitte", "examples/vitte/project", ["check", "test --if-present", "packager build"]],
      ["gal-pkg", "examples/gal/project", ["check", "test --if-present", "pack"]],
      ["attune", "examples/attune/pack", ["pack check", "pack test --if-present", "pack build"]],
      ["revitpy-install", "examples/revitpy/my-package", ["check", "test --if-present", "pack"]],
      ["tess", "examples/own-ecosystem/pattern", ["check", "test --if-present", "fire"]],
    ];
    expect(readdirSync(path.join(ROOT, "examples"))).toHaveLength(examples.length);
    for (const [bin, directory, lines] of examples) {
      box.copy(directory, bin);
      for (const line of lines) await box.ok(`${bin} ${line}`, { cwd: bin });
    }
  });

  test("[PRJ-10] has a changelog and a page on testing, whose commands there are", () => {
    expect(page("CHANGELOG.md")).toMatch(/^## \d+\.\d+\.\d+$/m);
    const { scripts } = JSON.parse(page("package.json")) as { scripts: Record<string, string> };
    const named = [...page("docs/testing-status.md").matchAll(/`pnpm ([a-z:]+)`/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  test("[TST-19] the commit hook lets good files through and stops bad ones", async () => {
    const box = open({ LADING_TOOLS: path.join(ROOT, "node_modules/.bin") });
    box.write("~/.gitconfig", "[user]\n  name = A\n  email = a@example.com\n");
    box.copy(".githooks", "repo/.githooks");
    box.write("repo/good.ts", "export const one = 1;\n");
    const inside = { cwd: "repo", env: { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin` } };
    await box.ok(
      "git init -q . && git config core.hooksPath .githooks && git add good.ts && git commit -qm good",
      inside,
    );
    box.write("repo/bad.ts", "export const   two=2\n");
    const unformatted = await box.line("git add bad.ts && git commit -qm bad", inside);
    expect([unformatted.code, unformatted.stdout + unformatted.stderr]).toEqual([1, expect.stringContaining("bad.ts")]);
    box.write("repo/bad.ts", "debugger;\n");
    expect((await box.line("git add bad.ts && git commit -qm bad", inside)).code).toBe(1);
    expect((await box.ok("git log --oneline", inside)).stdout.trim().split("\n")).toHaveLength(1);
  });

  test("[TST-14] [TST-16] [TST-17] unit, integration and end-to-end tests are groups that run alone, as does each package", () => {
    const { scripts } = JSON.parse(page("package.json")) as { scripts: Record<string, string> };
    const list = (script: string): string[] => {
      const [, ...args] = scripts[script]!.replace("vitest run", "vitest list --filesOnly").split(" ");
      const output = execFileSync(process.execPath, [path.join(ROOT, "node_modules/vitest/vitest.mjs"), ...args], {
        cwd: ROOT,
        encoding: "utf8",
      });
      return output.split("\n").filter((line) => line.includes(".test.ts"));
    };
    const [unit, integration, all] = [list("test:unit"), list("test:integration"), list("test:here")];
    expect(unit.filter((file) => integration.includes(file))).toEqual([]);
    expect([...unit, ...integration].sort()).toEqual([...all].sort());
    expect(unit.length * integration.length).toBeGreaterThan(0);
    for (const name of readdirSync(path.join(ROOT, "packages"))) {
      const own = JSON.parse(page(`packages/${name}/package.json`)) as { scripts: Record<string, string> };
      expect([name, own.scripts["test"]]).toEqual([name, `vitest run --root ../.. --project ${name}`]);
      expect(all.some((file) => file.includes(`packages/${name}/`))).toBe(true);
    }
  });

  test("[TST-15] coverage is written as HTML", async () => {
    const box = open();
    const vitest = path.join(ROOT, "node_modules/vitest/vitest.mjs");
    execFileSync(
      process.execPath,
      [
        vitest,
        "run",
        "--project",
        "core-manifest",
        "src/lib/units.test.ts",
        "--coverage",
        `--coverage.reportsDirectory=${box.path("coverage")}`,
      ],
      { cwd: ROOT, stdio: "ignore" },
    );
    expect(box.read("coverage/index.html")).toContain("<html");
  });

  test("[TST-18] one command runs format, lint and types, and each of them finds its mistake", () => {
    const { scripts } = JSON.parse(page("package.json")) as { scripts: Record<string, string> };
    for (const part of ["format:check", "lint", "typecheck", "docs:check", "test:here"]) {
      expect(scripts["check"]).toContain(`pnpm run ${part}`);
      expect(scripts[part]).toBeDefined();
    }
    const box = open();
    const tool = (name: string, ...args: string[]): number => {
      try {
        execFileSync(path.join(ROOT, "node_modules/.bin", name), args, { cwd: box.work, stdio: "ignore" });
        return 0;
      } catch (error) {
        return (error as { status: number }).status;
      }
    };
    box.write("a.ts", "export const a: number = 1;\n");
    expect([
      tool("oxfmt", "--check", "a.ts"),
      tool("oxlint", "--deny-warnings", "a.ts"),
      tool("tsc", "--noEmit", "a.ts"),
    ]).toEqual([0, 0, 0]);
    box.write("a.ts", "export const a:number='1';debugger\n");
    for (const code of [
      tool("oxfmt", "--check", "a.ts"),
      tool("oxlint", "--deny-warnings", "a.ts"),
      tool("tsc", "--noEmit", "a.ts"),
    ]) {
      expect(code).not.toBe(0);
    }
  });

  test("[PRF-12] performance is documented with the machine and numbers", () => {
    const text = page("BENCHMARKS.md");
    expect(text).toMatch(/^Machine: .*\d+ GiB.*Node \d+\.\d+/m);
    expect([...text.matchAll(/\d+(?:\.\d+)? (?:ms|s|MB\/s)\b/g)].length).toBeGreaterThan(10);
  });
});
