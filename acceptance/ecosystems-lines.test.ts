/**
 * Every command line that the documents of the four ecosystems show, character for character, run in the order in which
 * a reader meets them. Addresses stand for registries of this machine, made-up secrets for real ones. Lines about
 * scanning and auditing, `login --oauth2` ("planned" there) and other people's programs are listed with why they are out.
 */
import { createRequire } from "node:module";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

/** One documented line, and what is done and seen around it. */
interface Line {
  readonly line: string;
  /** Exit code; default: 0. */
  readonly code?: number;
  /** What standard output has. */
  readonly shows?: RegExp | string;
  readonly stderr?: RegExp;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Lines of a shell before it. */
  readonly before?: string;
  /** A condition afterwards, as a line of a shell that must succeed. */
  readonly after?: string;
}

/** Sixty processes one after the other, on a machine that may be busy. */
const WALKTHROUGH_MS = 400_000;

let main: RegistryProcess;
let company: RegistryProcess;
let revit: RegistryProcess;
const sandboxes: Sandbox[] = [];

beforeAll(async () => {
  [main, company, revit] = await Promise.all([
    startRegistry(),
    startRegistry(),
    startRegistry({ bin: "revitpy-registry" }),
  ]);
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await Promise.all([main, company, revit].map((registry) => registry.dispose()));
});

function open(replace: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): Sandbox {
  const sandbox = createSandbox({ replace, env });
  sandboxes.push(sandbox);
  sandbox.write("~/.gitconfig", "[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n");
  return sandbox;
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Runs lines in their order; the first that does not do what is shown ends the check with everything it printed. */
async function session(sandbox: Sandbox, lines: readonly Line[]): Promise<void> {
  for (const { line, code = 0, shows, stderr, cwd, env, before, after } of lines) {
    const run = { ...(cwd === undefined ? {} : { cwd }), ...(env === undefined ? {} : { env }) };
    if (before !== undefined) await sandbox.ok(before, run);
    const result = await sandbox.line(line, run);
    const seen = `${line}\n${result.stdout}${result.stderr}`;
    expect(`${seen}\nexit code ${result.code}`).toBe(`${seen}\nexit code ${code}`);
    expect(`${line}\n${result.stdout}`).toMatch(
      typeof shows === "string" ? new RegExp(escaped(shows)) : (shows ?? /^/),
    );
    expect(`${line}\n${result.stderr}`).toMatch(stderr ?? /^/);
    if (after !== undefined) await sandbox.ok(after, run);
  }
}

const tomlPackage = (name: string, version: string, more = ""): string =>
  `[package]\nname = "${name}"\nversion = "${version}"\ndescription = "The ${name} package"\nlicense = "MIT"\n${more}`;

describe("the documents' command lines", () => {
  test("[CLI-01] [CLI-02] [CLI-03] [CLI-04] [CLI-06] [CLI-07] [CLI-08] [CLI-09] [CLI-10] Vitte's packager and registry", async () => {
    const sandbox = open({ "https://registry.vitte.dev": main.url }, { VITTE_TOKEN: main.token });
    sandbox.write("~/.config/vitte/config.toml", `[registry]\nurl = "${main.url}"\n`);
    sandbox.write("vitte.toml", tomlPackage("vitte", "0.1.0"));
    sandbox.write("src/main.vit", "main\n");
    sandbox.write("ast/vitte.toml", tomlPackage("vitte-ast", "0.1.0"));
    sandbox.write("ast/src/ast.vit", "tree\n");
    sandbox.write("three/vitte.toml", tomlPackage("vitte-three", "0.1.0"));
    await session(sandbox, [
      {
        line: "vitte packager --help",
        shows: /build[^]*publish[^]*sign[^]*verify|build[^]*sign[^]*publish[^]*verify|build/,
      },
      {
        line: "vitte packager build --manifest vitte.toml --out target/",
        after: "test -f target/vitte-0.1.0.vitpkg",
      },
      {
        before: "mkdir -p ~/.vitte/keys && vitte keygen --output ~/.vitte/keys/dev.json",
        line: "vitte packager sign target/vitte-0.1.0.vitpkg --key ~/.vitte/keys/dev.json",
        after: "test -f target/vitte-0.1.0.vitpkg.sig",
      },
      { line: "vitte packager verify target/vitte-0.1.0.vitpkg", shows: "vitte 0.1.0" },
      { line: "vitte packager publish --registry https://registry.vitte.dev --token $VITTE_TOKEN" },
      { line: "vitte package publish --registry https://registry.vitte.dev --token $VITTE_TOKEN", cwd: "ast" },
      { line: "vitte registry search vitte-ast", shows: /^vitte-ast +0\.1\.0 +The vitte-ast package$/m },
      { line: "vitte registry fetch vitte-ast@0.1.0", after: "test -f vitte-ast-0.1.0.vitpkg" },
      { line: "vitte registry publish", cwd: "three" },
      { line: "vitte registry list", shows: /vitte-ast[^]*vitte-three/ },
    ]);
  });

  test("[CLI-13] [CLI-14] [CLI-15] [CLI-16] [CLI-17] [CLI-18] [CLI-19] [CLI-20] RevitPy's install and build", async () => {
    const sandbox = open({
      "https://internal.company.com/registry": revit.url,
      "your-auth-token": revit.token,
    });
    const python = (name: string): string =>
      `[project]\nname = "${name}"\nversion = "1.0.0"\ndescription = "The ${name} package"\nlicense = "MIT"\n\n[tool.revitpy]\nsupported_revit_versions = ["2024", "2025"]\n`;
    sandbox.write("my-package/pyproject.toml", python("my-package"));
    sandbox.write("my-package/my_package/__init__.py", "");
    sandbox.write("geometry/pyproject.toml", python("revitpy-geometry"));
    await session(sandbox, [
      { line: "revitpy-install config set registry.url https://internal.company.com/registry" },
      { line: "revitpy-install config set auth.token your-auth-token", after: "! grep -r ldg_ ~/.revitpy/config.toml" },
      { line: "revitpy-build package --source ./my-package", after: "test -f dist/my-package-1.0.0.tar.gz" },
      { line: "revitpy-build publish ./dist/my-package-1.0.0.tar.gz", shows: "my-package 1.0.0" },
      {
        before: "cd geometry && revitpy-build publish && mkdir ../project",
        line: "revitpy-install install revitpy-geometry",
        cwd: ".",
        after: "test -f revitpy_packages/revitpy-geometry/pyproject.toml",
      },
      {
        line: "revitpy-install create-env my-project --revit-version 2025",
        shows: "Made environment my-project for revit 2025",
      },
      { line: "revitpy-build generate-key --output signing.key", after: "test -f signing.pub" },
      {
        before: "cp dist/my-package-1.0.0.tar.gz package.tar.gz",
        line: "revitpy-build sign package.tar.gz --key signing.key",
      },
      { line: "revitpy-install verify package.tar.gz --key signing.pub", shows: "my-package 1.0.0" },
    ]);
  });

  test("[CLI-22] [CLI-24] [CLI-25] [CLI-26] [CLI-27] Attune's packs and index tools", async () => {
    const sandbox = open({}, { ATTUNE_TOKEN: main.token });
    sandbox.write(
      "~/.gitconfig",
      `[user]\n  name = Ada\n  email = ada@example.com\n[init]\n  defaultBranch = main\n[url "file://${sandbox.root}/repositories/"]\n  insteadOf = https://github.com/org/\n`,
    );
    const yaml = (ref: string, version: string): string =>
      `ref: ${ref}\nlabel: ${ref}\ndescription: The ${ref} pack\nversion: ${version}\nauthor: Ada\nmeta:\n  license: MIT\n`;
    for (const ref of ["pack", "my-pack"]) sandbox.write(`${ref}/pack.yaml`, yaml(ref, "1.0.0"));
    await sandbox.ok("git init -q . && git add -A && git commit -q -m 1 && git tag v1.0.0", { cwd: "pack" });
    await sandbox.ok(
      `mkdir -p ${sandbox.root}/repositories && git clone -q --bare pack ${sandbox.root}/repositories/pack.git`,
    );
    for (const name of ["a", "b", "c"]) sandbox.write(`${name}/.keep`, "");
    const update = (ref: string, more: string): string =>
      `attune pack index-update \\\n--index registry/index.json \\\n${sandbox.path("my-pack")} \\\n--git-url https://github.com/org/my-pack \\\n--git-ref ${ref}${more}`;
    const entries = { official: ["core", "http"], community: ["http", "mail"], enterprise: ["mail", "crm"] };
    const files: Line[] = Object.entries(entries).flatMap(([registry, refs], position) => [
      { line: `attune pack index-init ${registry} --url https://packs.example.com/${registry}/` },
      ...refs.map((ref): Line => {
        sandbox.write(`${registry}-${ref}/pack.yaml`, yaml(ref, `1.${position}.0`));
        return {
          line: `attune pack index-update --index ${registry}/index.json ./${registry}-${ref} --git-url https://github.com/org/${ref} --git-ref v1`,
        };
      }),
    ]);
    await session(sandbox, [
      { line: "attune pack install https://github.com/org/pack.git", cwd: "a", after: "test -f packs/pack/pack.yaml" },
      { line: "attune pack install https://github.com/org/pack.git --skip-deps", cwd: "b", after: "test -f pack.lock" },
      {
        line: "attune pack install https://github.com/org/pack.git --skip-tests",
        cwd: "c",
        after: "test -f pack.lock",
      },
      { line: "attune pack checksum .", cwd: "my-pack", shows: /sha256:[0-9a-f]{64}/ },
      { line: "attune pack checksum . --json", cwd: "my-pack", shows: /"checksum": ?"sha256:[0-9a-f]{64}"/ },
      {
        line: `attune pack index-entry ${sandbox.path("my-pack")} --git-url https://github.com/org/my-pack --git-ref v1.0.0`,
        shows: '"ref": "my-pack"',
      },
      { line: "attune pack index-init registry --url https://packs.example.com/" },
      { line: update("v1.0.0", "") },
      { line: update("v1.0.0", ""), code: 8 },
      {
        before: `sed -i s/1.0.0/1.1.0/ ${sandbox.path("my-pack/pack.yaml")}`,
        line: update("v1.1.0", " \\\n--update"),
        after: "grep -q 1.1.0 registry/index.json",
      },
      ...files,
      {
        line: "attune pack index-merge \\\n--output merged.json \\\nofficial/index.json \\\ncommunity/index.json \\\nenterprise/index.json",
        shows:
          "✓ Merged 3 index files into merged.json\n  Total packs loaded: 6\n  Unique packs: 4\n  Duplicates resolved: 2\n",
      },
      {
        before:
          "cp merged.json merged-index.json && for n in 1 2 3; do mkdir registry$n; done && cp official/index.json registry1/ && cp community/index.json registry2/ && cp enterprise/index.json registry3/",
        line: "attune pack index-merge \\\n--output merged-index.json \\\nregistry1/index.json \\\nregistry2/index.json \\\nregistry3/index.json \\\n--force",
        shows: "Unique packs: 4",
      },
    ]);
  });

  test("[CLI-29] the index tools print JSON and YAML of equal content", async () => {
    const sandbox = open({});
    sandbox.write(
      "p/pack.yaml",
      "ref: p\nlabel: P\ndescription: The p pack\nversion: 1.0.0\nauthor: Ada\nmeta:\n  license: MIT\n",
    );
    const line = "attune pack index-entry ./p --git-url https://github.com/org/p --git-ref v1 --format";
    const json = await sandbox.json(`${line} json`);
    const yaml = createRequire(new URL("../packages/core-manifest/package.json", import.meta.url))("yaml") as {
      parse(text: string): unknown;
    };
    expect(yaml.parse((await sandbox.ok(`${line} yaml`)).stdout)).toEqual(json);
  });

  test(
    "[CLI-31] [CLI-32] [CLI-33] [CLI-45] [CLI-46] [CLI-47] [CLI-48] [CLI-52] [CLI-55] [CLI-64] GAL's walkthrough",
    async () => {
      const sandbox = open(
        {
          "https://packages.company.com": company.url,
          "--token abc123": `--token ${company.token}`,
          "--token your-api-token": `--token ${main.token}`,
        },
        { GAL_REGISTRY_TOKEN: main.token },
      );
      sandbox.write(
        "~/.config/gal/registries.toml",
        `default_registry = "default"\n\n[registries.default]\nname = "default"\nurl = "${main.url}"\nauth_type = "Token"\nverify_signatures = false\nallow_insecure = false\ntimeout_seconds = 30\nmax_retries = 3\n\n[registries.company-registry]\nname = "company-registry"\nurl = "${company.url}"\nauth_type = "Token"\n\n[registries.backup-registry]\nname = "backup-registry"\nurl = "${main.url}"\n`,
      );
      const supply: readonly (readonly [string, string, string])[] = [
        ["actor-utils", "1.2.3", "[features]\ndefault = []\n"],
        ["test-framework", "2.1.0", ""],
        ["chaos-lib", "0.5.2", "[features]\nscheduling = []\nexperimental = []\n"],
      ];
      for (const [name, version, more] of supply) {
        sandbox.write(`${name}/gal.toml`, tomlPackage(name, version, more));
        await sandbox.ok("gal-pkg publish", { cwd: name });
      }
      sandbox.write(
        "Cargo.toml",
        '[package]\nname = "from-cargo"\nversion = "0.1.0"\n\n[dependencies]\nactor-utils = "1.2"\n',
      );
      sandbox.write(
        "package.json",
        '{"name": "from-npm", "version": "0.1.0", "dependencies": {"chaos-lib": "^0.5.0"}}',
      );
      const inside = { cwd: "my-package" };
      await sandbox.ok("mkdir my-package");
      await session(sandbox, [
        { line: "gal-pkg init my-package", ...inside },
        { line: "gal-pkg init my-package --path ./packages/my-package", after: "test -f packages/my-package/gal.toml" },
        { line: "gal-pkg add actor-utils@^1.2.0", ...inside },
        { line: "gal-pkg add test-framework@^2.0 --dev", ...inside },
        { line: "gal-pkg add chaos-lib@0.5 --features scheduling,experimental", ...inside },
        { line: "gal-pkg remove actor-utils", ...inside, after: "! grep actor-utils gal.toml" },
        { line: "gal-pkg install", ...inside },
        { line: "gal-pkg install --profile release", ...inside },
        { line: "gal-pkg update", ...inside },
        { before: "gal-pkg add actor-utils@^1.2.0", line: "gal-pkg update actor-utils", ...inside },
        { line: 'gal-pkg search "actor system"', ...inside },
        { line: "gal-pkg info actor-utils", shows: "actor-utils 1.2.3", ...inside },
        { line: "gal-pkg info actor-utils@1.2.3", shows: "actor-utils 1.2.3", ...inside },
        { line: "gal-pkg tree", shows: "chaos-lib 0.5.2", ...inside },
        { line: "gal-pkg tree --depth 3", shows: "chaos-lib 0.5.2", ...inside },
        { line: "gal-pkg tree --duplicates", ...inside },
        { line: "gal-pkg publish --dry-run", ...inside },
        { line: "gal-pkg publish", ...inside },
        { line: "gal-pkg login --registry company-registry --token abc123" },
        { line: "gal-pkg publish --registry company-registry", ...inside },
        { line: "gal-pkg keygen --output ./my-key.pem", ...inside },
        {
          before: 'sed -i \'s/^version = "0.1.0"/version = "1.0.0"/\' gal.toml',
          line: "gal-pkg publish --sign ./my-key.pem",
          ...inside,
        },
        {
          line: 'gal-pkg yank my-package@1.0.0 --reason "Security vulnerability"',
          ...inside,
          after: "gal-pkg info my-package@1.0.0 | grep -q 'Security vulnerability'",
        },
        {
          line: "gal-pkg registry add company https://packages.company.com",
          after: "gal-pkg registry list | grep -q company",
        },
        { line: "gal-pkg registry list", shows: /company .*reachable/ },
        { line: "gal-pkg login --registry company --token abc123", after: "gal-pkg whoami --registry company" },
        { line: "gal-pkg config set default-registry company" },
        { line: "gal-pkg config get default-registry", shows: /^company$/m },
        { line: "gal-pkg config list", shows: /^registry\.default +company /m },
        { line: "gal-pkg logout --registry company" },
        {
          before: "gal-pkg config set default-registry default",
          line: "gal-pkg registry remove company",
          after: "! gal-pkg registry list | grep -q '^company '",
        },
        { line: "gal-pkg check", ...inside },
        { line: "gal-pkg login --token your-api-token" },
        { line: "gal-pkg config get auth.token", shows: /\*|…|\.\.\./ },
        { line: "gal-pkg login --registry default", env: { GAL_REGISTRY_TOKEN: main.token } },
        { line: "gal-pkg config set signing.key ./my-key.pem", ...inside },
        { line: "gal-pkg config set signing.auto true", ...inside },
        { line: "gal-pkg install --registry backup-registry", ...inside },
        { line: "rm gal.lock && gal-pkg install", ...inside, after: "test -f gal.lock" },
        {
          line: "export RUST_LOG=gal::package=debug\ngal-pkg install",
          ...inside,
          before: "rm -rf .lading",
          stderr: /debug/,
        },
        {
          before: "mkdir cargo npm && cp Cargo.toml cargo/ && cp package.json npm/",
          line: "gal-pkg migrate --from cargo",
          cwd: ".",
          after: "mv gal.toml cargo-gal.toml",
        },
        { line: "gal-pkg migrate --from npm", after: "test -f gal.toml" },
        { before: "cp ../Cargo.toml ../package.json .", line: "gal-pkg add --from-cargo Cargo.toml", ...inside },
        { line: "gal-pkg add --from-npm package.json", ...inside },
        { line: "gal-pkg clean --cache", ...inside, after: "test -f gal.lock" },
        { line: "gal-pkg clean --all", ...inside, after: "test -f gal.toml" },
      ]);
    },
    WALKTHROUGH_MS,
  );

  test("[CLI-56] login with a user's name and password", async () => {
    const sandbox = open({ "--password pass": "--password a-long-password" });
    sandbox.write(
      "~/.config/gal/registries.toml",
      `default_registry = "default"\n\n[registries.default]\nurl = "${main.url}"\n`,
    );
    await fetch(`${main.url}/api/v1/auth/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "user", password: "a-long-password" }),
    });
    await session(sandbox, [
      {
        line: "gal-pkg login --username user --password pass",
        after: "! grep -r a-long-password ~/.config ~/.local 2>/dev/null && gal-pkg whoami | grep -q user",
      },
    ]);
  });
});
