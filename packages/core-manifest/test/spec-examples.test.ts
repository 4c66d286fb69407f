import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  decodeCanonicalJson,
  parseIndexDocument,
  parseLockfile,
  parseProfile,
  renderLockfile,
  type LadingEvent,
} from "../src/index.ts";

/** The first example of a language in a specification. */
function example(name: string, language: string): string {
  const text = readFileSync(new URL(`../../../docs/spec/${name}.md`, import.meta.url), "utf8");
  return new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(text)![1]!;
}

describe("examples of the specifications", () => {
  it("lockfile.md: parseLockfile() reads it, and renderLockfile() keeps its blocks", () => {
    const text = example("lockfile", "toml");
    const lock = parseLockfile(text, "lockfile.md");
    expect(lock.packages.map((entry) => `${entry.name} ${entry.version}`)).toEqual([
      "actor-utils 1.2.3",
      "geometry 2.0.0",
      "rand 0.8.5",
      "rand 0.9.0",
    ]);
    const withoutComments = text.replaceAll(/ +# .*/g, "");
    expect(renderLockfile(lock)).toBe(withoutComments);
  });

  it("index.md: parseIndexDocument() expands it", () => {
    const document = parseIndexDocument(JSON.parse(example("index", "json")));
    expect(
      document.versions.map(({ version, dependencies, license }) => [version, dependencies.length, license]),
    ).toEqual([
      ["1.0.0", 1, "MIT"],
      ["1.1.0", 1, "MIT"],
      ["1.2.0", 1, "MIT"],
    ]);
  });

  it("profile.md: parseProfile() reads it", () => {
    expect(parseProfile(example("profile", "toml"), "profile.md").id).toBe("vitte");
  });

  it("canonical-json.md: decodeCanonicalJson() reads it", () => {
    expect(decodeCanonicalJson(example("canonical-json", "json").trimEnd())).toMatchObject({ format: 1 });
  });

  it("events.md: every line is an event with its version", () => {
    const events = example("events", "json")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as LadingEvent & { v: number });
    expect(events.map(({ v, type }) => [v, type])).toEqual([
      [1, "step-started"],
      [1, "downloading"],
      [1, "verifying"],
      [1, "step-completed"],
    ]);
  });
});
