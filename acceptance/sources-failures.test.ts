/**
 * Every way of failing that the documents name: a clear message, a code of its own, the exit status of the table in
 * docs/spec/cli.md, and nothing changed: not the project, not its environment, not this user's files, not the registry.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { registryState, stateOf } from "./lib/state.ts";

let registry: RegistryProcess;
/** One for all: each failure leaves it as the one before found it. */
let sandbox: Sandbox;
const sandboxes: Sandbox[] = [];

const yaml = (ref: string, version: string, more = ""): string =>
  `ref: ${ref}\nlabel: ${ref}\ndescription: The ${ref} pack\nversion: ${version}\nauthor: Ada\nmeta:\n  license: MIT\n${more}`;

const toml = (name: string, version: string, more = ""): string =>
  `[package]\nname = "${name}"\nversion = "${version}"\ndescription = "The ${name} package"\nlicense = "MIT"\n${more}`;

/** A port on which nobody listens: the first of the privileged ones. */
const NOBODY = "http://127.0.0.1:1";

async function open(): Promise<void> {
  sandbox = createSandbox({ env: { ATTUNE_TOKEN: registry.token, GAL_TOKEN: registry.token } });
  sandboxes.push(sandbox);
  for (const [file, url] of [
    ["~/.config/attune/registries.toml", registry.url],
    ["~/.config/gal/registries.toml", registry.url],
  ] as const) {
    sandbox.write(
      file,
      `default_registry = "default"\n\n[registries.default]\nname = "default"\nurl = "${url}"\n\n[registries.gone]\nname = "gone"\nurl = "${NOBODY}"\nmax_retries = 0\n`,
    );
  }
  sandbox.write("~/.revitpy/config.toml", `[registry]\nurl = "${registry.url}"\n`);
  // A pack project with one pack installed, a GAL project with one dependency, and what the lines name.
  sandbox.write("app/pack.yaml", yaml("app", "1.0.0", "dependencies: []\n"));
  sandbox.write("base/pack.yaml", yaml("base", "1.0.0"));
  sandbox.write("lonely/pack.yaml", yaml("lonely", "1.0.0", "dependencies:\n  - absent-pack\n"));
  sandbox.write("needy/pack.yaml", yaml("needy", "1.0.0", 'runtime_deps:\n  - "nodejs>=999.0"\n'));
  await sandbox.ok("attune pack install ../base", { cwd: "app" });
  sandbox.write("gal/gal.toml", toml("gal-app", "1.0.0"));
  sandbox.write("gal/src/main.gal", "actor Main {}\n");
  sandbox.write("revit/revitpy.toml", `[package]\nname = "revit-app"\nversion = "1.0.0"\n`);
  await sandbox.ok("attune pack index-init index --url https://packs.example.com/");
  await sandbox.ok(
    "attune pack index-update --index index/index.json ./base --git-url https://github.com/org/base --git-ref v1",
  );
  await sandbox.ok(
    "cp index/index.json merged.json && gal-pkg keygen --output key.pem && gal-pkg keygen --output other.pem",
  );
  await sandbox.ok(
    "gal-pkg pack -C gal && cp gal/target/*.galpkg signed.galpkg && gal-pkg sign signed.galpkg --key key.pem",
  );
  await sandbox.ok(
    "cp signed.galpkg broken.galpkg && cp signed.galpkg.sig broken.galpkg.sig && printf X >> broken.galpkg",
  );
}

beforeAll(async () => {
  registry = await startRegistry();
  const author = createSandbox({
    env: {
      GAL_REGISTRY_URL: registry.url,
      GAL_TOKEN: registry.token,
      REVITPY_REGISTRY_URL: registry.url,
      REVITPY_TOKEN: registry.token,
    },
  });
  sandboxes.push(author);
  author.write("taken/gal.toml", toml("gal-app", "1.0.0"));
  author.write("taken/src/other.gal", "actor Other {}\n");
  author.write(
    "old/pyproject.toml",
    `[project]\nname = "old-revit"\nversion = "1.0.0"\ndescription = "Old"\nlicense = "MIT"\n\n[tool.revitpy]\nsupported_revit_versions = ["2021"]\n`,
  );
  await author.ok("gal-pkg publish", { cwd: "taken" });
  await author.ok("revitpy-build publish", { cwd: "old" });
  await open();
});

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
  await registry.dispose();
});

interface Failure {
  readonly what: string;
  readonly line: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly exit: number;
  readonly code: string;
  /** Words that the message has: what was wanted, what was found. */
  readonly says: readonly RegExp[];
}

const FAILURES: readonly Failure[] = [
  {
    what: "missing dependency",
    line: "attune pack install ../lonely",
    cwd: "app",
    exit: 4,
    code: "RESOLUTION_IMPOSSIBLE",
    says: [/absent-pack/, /lonely/],
  },
  {
    what: "missing package",
    line: "attune pack install no-such-pack",
    cwd: "app",
    exit: 2,
    code: "PACKAGE_NOT_FOUND",
    says: [/no-such-pack/],
  },
  {
    what: "missing runtime",
    line: "attune pack install ../needy",
    cwd: "app",
    exit: 4,
    code: "REQUIREMENTS_UNMET",
    says: [/nodejs >=999\.0/, /found is \d+\.|it was not found/],
  },
  {
    what: "wrong host",
    line: "revitpy-install install old-revit --revit-version 2025",
    cwd: "revit",
    exit: 2,
    code: "VERSION_NOT_FOUND",
    says: [/old-revit/, /2025/],
  },
  {
    what: "unknown host",
    line: "revitpy-install install --revit-version 2019",
    cwd: "revit",
    exit: 2,
    code: "HOST_INVALID",
    says: [/2019/, /"2021"/],
  },
  {
    what: "duplicate entry",
    line: "attune pack index-update --index index/index.json ./base --git-url https://github.com/org/base --git-ref v1",
    exit: 8,
    code: "PACK_INDEX_DUPLICATE",
    says: [/base/, /--update/],
  },
  {
    what: "existing output without --force",
    line: "attune pack index-merge --output merged.json index/index.json",
    exit: 8,
    code: "INDEX_FILE_EXISTS",
    says: [/merged\.json/, /--force/],
  },
  {
    what: "unknown registry",
    line: "gal-pkg install --registry nowhere",
    cwd: "gal",
    exit: 2,
    code: "REGISTRY_NOT_CONFIGURED",
    says: [/nowhere/, /default/],
  },
  {
    what: "unreachable registry",
    line: "gal-pkg add leaf --registry gone",
    cwd: "gal",
    exit: 5,
    code: "REGISTRY_UNREACHABLE",
    says: [/gone/],
  },
  {
    what: "wrong token",
    line: "gal-pkg publish",
    cwd: "gal",
    env: { GAL_TOKEN: "ldg_wrong", GAL_REGISTRY_TOKEN: "ldg_wrong" },
    exit: 6,
    code: "REGISTRY_AUTH_FAILED",
    says: [/token|credential/i],
  },
  {
    what: "version that exists with other content",
    line: "gal-pkg publish",
    cwd: "gal",
    exit: 8,
    code: "PUBLISH_VERSION_EXISTS",
    says: [/gal-app/, /1\.0\.0/],
  },
  {
    what: "bad checksum",
    line: `gal-pkg install ../signed.galpkg --checksum sha256:${"0".repeat(64)}`,
    cwd: "gal",
    exit: 7,
    code: "SOURCE_CHECKSUM_MISMATCH",
    says: [/sha256:0{64}/, /its checksum is sha256:/],
  },
  {
    what: "bad signature: another key",
    line: "gal-pkg verify signed.galpkg --key other.pub",
    exit: 7,
    code: "SIGNATURE_KEY_UNKNOWN",
    says: [/signed\.galpkg|ed25519:/],
  },
  {
    what: "bad signature: other bytes",
    line: "gal-pkg verify broken.galpkg --key key.pub",
    exit: 7,
    code: "ARCHIVE_BLOB_MISMATCH",
    says: [/broken\.galpkg/, /expected sha256:/],
  },
  {
    what: "missing key file",
    line: "gal-pkg sign signed.galpkg --key nothing.pem",
    exit: 2,
    code: "KEY_FILE_NOT_FOUND",
    says: [/nothing\.pem/],
  },
];

describe("failures", () => {
  test("[CCH-06] [TST-13] each has its own code", () => {
    const codes = FAILURES.map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  for (const { what, line, cwd, env, exit, code, says } of FAILURES) {
    test(`[TST-13] ${what}: ${code}, exit ${exit}, and nothing is changed`, async () => {
      const [before, registered] = [stateOf(sandbox.root), await registryState(registry)];
      const run = { ...(cwd === undefined ? {} : { cwd }), ...(env === undefined ? {} : { env }) };
      const failed = await sandbox.line(line, run);
      expect(`${failed.stderr}${failed.stdout}`).toContain(`error[${code}]`);
      expect(failed.code).toBe(exit);
      for (const word of says) expect(failed.stderr).toMatch(word);
      expect(failed.stderr).toMatch(/^help: .+/m);
      expect(failed.stderr).not.toMatch(/\n {4}at /);
      expect(stateOf(sandbox.root)).toEqual(before);
      expect(await registryState(registry)).toEqual(registered);
    });
  }
});
