/**
 * Rules of every package.json that no other tool knows: licence, engines, exports, one entry file per export. And that
 * changesets name packages that there are: one that does not would stop the next release.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const problems: string[] = [];
const names = new Set<string>();

interface PackageJson {
  readonly name: string;
  readonly license?: string;
  readonly description?: string;
  readonly type?: string;
  readonly private?: boolean;
  readonly engines?: { readonly node?: string };
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, unknown>> };
  readonly dependencies?: Readonly<Record<string, string>>;
}

function check(folder: string): void {
  const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as PackageJson;
  names.add(manifest.name);
  const expect = (holds: boolean, message: string): void => {
    if (!holds) problems.push(`${folder}/package.json: ${message}`);
  };
  expect(manifest.license === "MIT", `license is "${manifest.license}", expected "MIT"`);
  expect((manifest.description ?? "").length > 20, "description is missing or too short");
  expect(manifest.type === "module", 'type is not "module"');
  expect(manifest.engines?.node === ">=22.18", `engines.node is "${manifest.engines?.node}", expected ">=22.18"`);
  expect(existsSync(join(root, folder, "README.md")), "README.md is missing beside it");
  for (const [entry, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === "string") continue;
    const stem = entry === "." ? "index" : entry.slice(2);
    expect(target["@lading/source"] === `./src/${stem}.ts`, `exports["${entry}"] has no source "./src/${stem}.ts"`);
    expect(existsSync(join(root, folder, "src", `${stem}.ts`)), `src/${stem}.ts is missing for export "${entry}"`);
    expect(!entry.includes("*"), `export "${entry}" has a wildcard`);
    expect(entry in (manifest.publishConfig?.exports ?? {}), `publishConfig.exports lacks "${entry}"`);
  }
  for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
    const workspace = name.startsWith("@lading/");
    expect(!workspace || range === "workspace:^", `dependency "${name}" is "${range}", expected "workspace:^"`);
    expect(workspace || /^\d/.test(range), `dependency "${name}" is "${range}", expected an exact version`);
  }
}

for (const parent of ["packages", "apps"]) {
  for (const entry of readdirSync(join(root, parent), { withFileTypes: true })) {
    if (entry.isDirectory()) check(`${parent}/${entry.name}`);
  }
}
for (const file of readdirSync(join(root, ".changeset")).filter(
  (name) => name.endsWith(".md") && name !== "README.md",
)) {
  const [, head = ""] = readFileSync(join(root, ".changeset", file), "utf8").split(/^---$/m);
  for (const [, name] of head.matchAll(/^"(.+)":/gm)) {
    if (!names.has(name!)) problems.push(`.changeset/${file}: there is no package "${name}"`);
  }
}
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "package.json files follow the rules" : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
