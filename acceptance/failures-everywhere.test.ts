/**
 * Every way of failing that the documents name, in every bin that has the command: the same message, code and exit
 * status under each brand, and nothing changed: not the project, not its lock and environment, not this user's files,
 * not the registry.
 */
import { cpSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";
import { registryState, stateOf } from "./lib/state.ts";

/** A port on which nobody listens: the first of the privileged ones. */
const NOBODY = "http://127.0.0.1:1/";
const ABSENT = "absent-package";
const NO_DIGEST = `sha256:${"0".repeat(64)}`;

/** How one ecosystem writes what the failures need. */
interface Brand {
  /** The bins whose commands of these names are tried, as they are typed. */
  readonly bins: readonly string[];
  /** Where registries are configured. */
  readonly configure: string;
  readonly pack: string;
  readonly token: string;
  readonly manifest: string;
  /** Of a package with a dependency, where one is named. */
  readonly write: (name: string, dependency?: string) => string;
  readonly extension: string;
}

const plainToml = (name: string, dependency?: string): string =>
  `[package]\nname = "${name}"\nversion = "1.0.0"\ndescription = "The ${name} package"\nauthors = ["Ada"]\nlicense = "MIT"\n${dependency === undefined ? "" : `\n[dependencies]\n${dependency} = "1"\n`}`;

const BRANDS: Readonly<Record<string, Brand>> = {
  lading: {
    bins: ["lading"],
    configure: "lading",
    pack: "lading pack",
    token: "LADING_TOKEN",
    manifest: "lading.toml",
    write: plainToml,
    extension: ".lpk",
  },
  vitte: {
    bins: ["vitte"],
    configure: "vitte",
    pack: "vitte pack",
    token: "VITTE_TOKEN",
    manifest: "vitte.toml",
    write: plainToml,
    extension: ".vitpkg",
  },
  gal: {
    bins: ["gal-pkg"],
    configure: "gal-pkg",
    pack: "gal-pkg pack",
    token: "GAL_TOKEN",
    manifest: "gal.toml",
    write: plainToml,
    extension: ".galpkg",
  },
  attune: {
    bins: ["attune pack"],
    configure: "attune",
    pack: "attune pack build",
    token: "ATTUNE_TOKEN",
    manifest: "pack.yaml",
    write: (name, dependency) =>
      `ref: ${name}\nlabel: ${name}\ndescription: The ${name} pack\nversion: 1.0.0\nauthor: Ada\nmeta:\n  license: MIT\n${dependency === undefined ? "" : `dependencies:\n  - ${dependency}\n`}`,
    extension: ".tar.gz",
  },
  revitpy: {
    bins: ["revitpy-install", "revitpy-build"],
    configure: "revitpy-install",
    pack: "revitpy-install pack",
    token: "REVITPY_TOKEN",
    manifest: "pyproject.toml",
    write: (name, dependency) =>
      `[project]\nname = "${name}"\nversion = "1.0.0"\ndescription = "The ${name} package"\nauthors = [{ name = "Ada" }]\nlicense = "MIT"\n${dependency === undefined ? "" : `dependencies = ["${dependency}>=1"]\n`}\n[tool.revitpy]\nsupported_revit_versions = ["2021"]\n`,
    extension: ".tar.gz",
  },
};

interface Failure {
  readonly what: string;
  /** What follows the bin; `FILE` is the packed `app`. */
  readonly line: string;
  /** Default: all of them. */
  readonly bins?: readonly string[];
  readonly cwd?: string;
  readonly wrongToken?: true;
  readonly exit: number;
  readonly code: string;
  /** What the message has: what was wanted, what was found. */
  readonly says: readonly RegExp[];
}

const BUILDER = "revitpy-build";
const INDEX_UPDATE = "index-update --index index/index.json ./base --git-url https://github.com/org/base --git-ref v1";
const INSTALLERS = Object.values(BRANDS).flatMap(({ bins }) => bins.filter((bin) => bin !== BUILDER));

const FAILURES: readonly Failure[] = [
  {
    what: "missing dependency",
    line: "install",
    bins: INSTALLERS,
    cwd: "lonely",
    exit: 4,
    code: "RESOLUTION_IMPOSSIBLE",
    says: [/absent-package/, /lonely/],
  },
  {
    what: "missing package",
    line: `add ${ABSENT}`,
    bins: INSTALLERS,
    cwd: "app",
    exit: 2,
    code: "PACKAGE_NOT_FOUND",
    says: [/"absent-package"/, /"default"/],
  },
  {
    what: "wrong host",
    line: "install old-revit --revit-version 2025",
    bins: ["revitpy-install"],
    cwd: "app",
    exit: 2,
    code: "VERSION_NOT_FOUND",
    says: [/old-revit/, /2025/],
  },
  {
    what: "duplicate index entry",
    line: INDEX_UPDATE,
    bins: INSTALLERS,
    exit: 8,
    code: "PACK_INDEX_DUPLICATE",
    says: [/base/, /--update/],
  },
  {
    what: "existing output without --force",
    line: "index-merge --output merged.json index/index.json",
    bins: INSTALLERS,
    exit: 8,
    code: "INDEX_FILE_EXISTS",
    says: [/merged\.json/, /--force/],
  },
  {
    what: "existing key file",
    line: "keygen --output key.pem",
    bins: INSTALLERS,
    exit: 8,
    code: "KEY_FILE_EXISTS",
    says: [/key\.pem/, /never overwritten/],
  },
  {
    what: "unknown registry",
    line: "publish --registry nowhere",
    cwd: "app",
    exit: 2,
    code: "REGISTRY_NOT_CONFIGURED",
    says: [/"nowhere"/, /"default", "gone"/],
  },
  {
    what: "unreachable registry",
    line: "publish FILE --registry gone",
    cwd: "app",
    exit: 5,
    code: "REGISTRY_UNREACHABLE",
    says: [/"gone"/, /127\.0\.0\.1:1/],
  },
  {
    what: "wrong token",
    line: "publish FILE",
    cwd: "app",
    wrongToken: true,
    exit: 6,
    code: "REGISTRY_AUTH_FAILED",
    says: [/token|credential/i],
  },
  {
    what: "bad checksum",
    line: `install FILE --checksum ${NO_DIGEST}`,
    bins: INSTALLERS,
    cwd: "user",
    exit: 7,
    code: "SOURCE_CHECKSUM_MISMATCH",
    says: [/sha256:0{64}/, /its checksum is sha256:/],
  },
  {
    what: "bad signature: another key",
    line: "verify FILE --key ../other.pub",
    cwd: "app",
    exit: 7,
    code: "SIGNATURE_KEY_UNKNOWN",
    says: [/app-1\.0\.0|ed25519:/],
  },
  {
    what: "bad signature: other bytes",
    line: "verify BROKEN --key ../key.pub",
    cwd: "app",
    exit: 7,
    code: "ARCHIVE_BLOB_MISMATCH",
    says: [/broken/, /expected sha256:/],
  },
  {
    what: "missing key file",
    line: "sign FILE --key nothing.pem",
    cwd: "app",
    exit: 2,
    code: "KEY_FILE_NOT_FOUND",
    says: [/nothing\.pem/],
  },
];

let registry: RegistryProcess;
const boxes = new Map<string, Sandbox>();

beforeAll(async () => {
  registry = await startRegistry();
  const author = createSandbox({ env: { REVITPY_REGISTRY_URL: registry.url, REVITPY_TOKEN: registry.token } });
  boxes.set("author", author);
  author.write("old/pyproject.toml", BRANDS["revitpy"]!.write("old-revit"));
  await author.ok("revitpy-build publish", { cwd: "old" });
  // What is no brand's own is made once: keys, and an index of packs.
  await author.ok("attune pack keygen --output shared/key.pem && attune pack keygen --output shared/other.pem");
  author.write("shared/base/pack.yaml", BRANDS["attune"]!.write("base"));
  await author.ok("attune pack index-init shared/index --url https://packs.example.com/");
  await author.ok(`attune pack ${INDEX_UPDATE} && cp index/index.json merged.json`, { cwd: "shared" });
  const prepare = async ([name, brand]: readonly [string, Brand]): Promise<void> => {
    boxes.set(name, await prepared(brand, author.path("shared")));
  };
  await Promise.all(Object.entries(BRANDS).map(prepare));
}, 180_000);

afterAll(async () => {
  for (const box of boxes.values()) await box.dispose();
  await registry.dispose();
});

/** One home and its projects, in which each failure finds what the one before found. */
async function prepared(brand: Brand, shared: string): Promise<Sandbox> {
  const box = createSandbox({ env: { [brand.token]: registry.token } });
  const [bin = ""] = brand.bins;
  await box.ok(`${brand.configure} registry add default ${registry.url} --default`);
  await box.ok(`${brand.configure} registry add gone ${NOBODY}`);
  cpSync(shared, box.work, { recursive: true });
  for (const name of ["app", "base", "user"]) box.write(`${name}/${brand.manifest}`, brand.write(name));
  box.write(`lonely/${brand.manifest}`, brand.write("lonely", ABSENT));
  await box.ok(`${brand.pack} --output ../out && mv ../out/* ../FILE${brand.extension} && rmdir ../out`, {
    cwd: "app",
  });
  const file = `FILE${brand.extension}`;
  const broken = `broken${brand.extension}`;
  await box.ok(
    `${bin} sign ${file} --key key.pem && cp ${file} ${broken} && cp ${file}.sig ${broken}.sig && printf X >>${broken}`,
  );
  return box;
}

for (const [name, brand] of Object.entries(BRANDS)) {
  describe.each(brand.bins)("%s", (bin) => {
    const programs = brand.bins.map((one) => one.split(" ")[0]);
    const own = FAILURES.filter(({ bins }) => bins === undefined || bins.includes(bin));
    test.each(own)("[TST-13] $what: $code, exit $exit, and nothing is changed", async (failure) => {
      const box = boxes.get(name)!;
      const [before, registered] = [stateOf(box.root), await registryState(registry)];
      const line = failure.line
        .replace("FILE", `../FILE${brand.extension}`)
        .replace("BROKEN", `../broken${brand.extension}`);
      const failed = await box.line(`${bin} ${line}`, {
        ...(failure.cwd === undefined ? {} : { cwd: failure.cwd }),
        ...(failure.wrongToken === true ? { env: { [brand.token]: "ldg_wrong" } } : {}),
      });
      expect(failed.stderr).toContain(`error[${failure.code}]`);
      expect(failed.code).toBe(failure.exit);
      for (const word of failure.says) expect(failed.stderr).toMatch(word);
      expect(failed.stderr).toMatch(/^help: .+/m);
      // What is asked to be run is a line that can be typed.
      const [asked] = /(?<=^help: .*\b[Rr]un [`"])[^`"]+/m.exec(failed.stderr) ?? [];
      expect([undefined, ...programs]).toContain(asked?.split(" ")[0]);
      expect(failed.stderr).not.toMatch(/\n {4}at /);
      expect(stateOf(box.root)).toEqual(before);
      expect(await registryState(registry)).toEqual(registered);
    });
  });
}
