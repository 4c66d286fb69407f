import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { versionOf } from "./peers.ts";
import type { CaseFile } from "./universes.ts";

/** One version in an index of cargo's form. */
export interface Crate {
  readonly name: string;
  readonly version: string;
  /** Crate -> requirement in cargo's syntax. */
  readonly needs: Readonly<Record<string, string>>;
}

/** The program itself, for the `cargo` of rustup starts another one. `undefined`: there is none. */
export function cargoPath(): string | undefined {
  const { status, stdout } = spawnSync("rustup", ["which", "cargo"], { encoding: "utf8" });
  if (status === 0) return stdout.trim();
  return spawnSync("cargo", ["--version"]).status === 0 ? "cargo" : undefined;
}

/** Cargo reads nothing of the user's own but where its toolchain is. */
export function cargoEnvironment(home: string): NodeJS.ProcessEnv {
  return {
    HOME: home,
    PATH: process.env["PATH"],
    CARGO_HOME: join(home, "cargo"),
    RUSTUP_HOME: process.env["RUSTUP_HOME"] ?? join(homedir(), ".rustup"),
    CARGO_TERM_COLOR: "never",
  };
}

/** Releases before 1.68, such as Debian 12's, read a sparse index only when they are asked for an unstable feature. */
export function sparseOptions(command: string): {
  readonly args: readonly string[];
  readonly env: Record<string, string>;
} {
  const minor = Number(/^cargo 1\.(\d+)/.exec(versionOf(command))?.[1]);
  return minor < 68 ? { args: ["-Z", "sparse-registry"], env: { RUSTC_BOOTSTRAP: "1" } } : { args: [], env: {} };
}

/** Writes index files as crates.io and its mirrors lay them out, one line a version. */
export function writeIndex(directory: string, crates: readonly Crate[]): void {
  const lines = new Map<string, string[]>();
  for (const { name, version, needs } of crates) {
    const deps = Object.entries(needs).map(([other, req]) => ({
      name: other,
      req,
      features: [],
      optional: false,
      default_features: true,
      target: null,
      kind: "normal",
    }));
    const line = { name, vers: version, deps, cksum: "0".repeat(64), features: {}, yanked: false };
    lines.set(name, [...(lines.get(name) ?? []), JSON.stringify(line)]);
  }
  for (const [name, ofName] of lines) {
    const file = join(directory, indexPath(name));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${ofName.join("\n")}\n`);
  }
}

function indexPath(name: string): string {
  if (name.length < 3) return `${name.length}/${name}`;
  if (name.length === 3) return `3/${name[0]}/${name}`;
  return `${name.slice(0, 2)}/${name.slice(2, 4)}/${name}`;
}

/** A package that depends on crates of the registry `source`, as the configuration file names it. */
export function writeCargoProject(directory: string, needs: Readonly<Record<string, string>>, source: string): void {
  mkdirSync(join(directory, "src"), { recursive: true });
  mkdirSync(join(directory, ".cargo"), { recursive: true });
  writeFileSync(join(directory, "src/lib.rs"), "");
  writeFileSync(
    join(directory, ".cargo/config.toml"),
    `[source.crates-io]\nreplace-with = "bench"\n\n[source.bench]\n${source}\n`,
  );
  const lines = Object.entries(needs).map(([name, requirement]) => `${name} = "${requirement}"\n`);
  writeFileSync(
    join(directory, "Cargo.toml"),
    `[package]\nname = "project"\nversion = "1.0.0"\nedition = "2021"\nresolver = "2"\n\n[dependencies]\n${lines.join("")}`,
  );
}

/** The only case of a file as a cargo project beside a registry of files; its texts have to be SemVer. */
export function writeCargoCase(directory: string, file: CaseFile): void {
  const [one] = file.cases!;
  const universe = file.universes[one!.universe]!;
  const crates = Object.entries(universe).flatMap(([name, { versions, deps }]) =>
    versions.map((version, index): Crate => {
      const needs = Object.entries(deps[index]!).map(([to, range]): [string, string] => [
        to,
        cargoRequirement(universe[to]!.ranges[range]![0]),
      ]);
      return { name, version, needs: Object.fromEntries(needs) };
    }),
  );
  writeIndex(join(directory, "registry/index"), crates);
  const needs = Object.entries(one!.root).map(([name, [text]]): [string, string] => [name, cargoRequirement(text)]);
  const source = `local-registry = "${join(directory, "registry")}"`;
  writeCargoProject(join(directory, "project"), Object.fromEntries(needs), source);
}

/** Cargo joins comparisons by a comma. */
export function cargoRequirement(canonical: string): string {
  return canonical.replaceAll(" ", ", ");
}

export function lockedCrates(project: string): number {
  const file = join(project, "Cargo.lock");
  return existsSync(file) ? readFileSync(file, "utf8").split("[[package]]").length - 2 : 0;
}
