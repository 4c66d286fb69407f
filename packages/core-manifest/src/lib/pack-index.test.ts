import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDigest } from "./digest.ts";
import { isLadingError } from "./error.ts";
import { parsePackComponent } from "./pack-component.ts";
import {
  checkPackEntry,
  checkPackIndex,
  isPackUrl,
  mergePackIndexes,
  parsePackIndex,
  renderPackIndex,
  updatePackIndex,
  type PackIndex,
  type PackIndexEntry,
} from "./pack-index.ts";

const NOW = new Date("2026-01-31T12:00:00.500Z");
const SUM = parseDigest(`sha256:${"a".repeat(64)}`);
const OTHER_SUM = parseDigest(`sha256:${"b".repeat(64)}`);

function entry(ref: string, version: string, more: Partial<PackIndexEntry> = {}): PackIndexEntry {
  return {
    ref,
    label: ref,
    description: "",
    version,
    author: "Ada",
    license: "MIT",
    keywords: [],
    runtime_deps: [],
    install_sources: [{ type: "git", url: `https://git.example/${ref}`, ref: `v${version}`, checksum: SUM }],
    contents: { actions: [], sensors: [], triggers: [], rules: [], workflows: [] },
    ...more,
  };
}

function index(...packs: readonly PackIndexEntry[]): PackIndex {
  return {
    registry_name: "Packs",
    registry_url: "https://packs.example",
    version: "1.0",
    last_updated: "2026-01-01T00:00:00Z",
    packs,
  };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isLadingError(error)) return error.code;
    throw error;
  }
  return "nothing thrown";
}

describe("checkPackIndex()", () => {
  it("accepts what renderPackIndex() writes, and reads it back as it was", () => {
    const whole = index(entry("core", "1.0.0"), entry("mail", "2.0.0", { use_case: "Send", email: "a@b.example" }));
    const checked = checkPackIndex(renderPackIndex(whole));
    expect(checked.problems).toEqual([]);
    expect(checked.index).toEqual(whole);
  });

  it("lists every mistake with its place", () => {
    const broken = {
      ...index(entry("core", "1.0"), entry("Core!", "1.0.0"), entry("core", "1.0.0")),
      registry_url: "ftp://packs.example",
      last_updated: "yesterday",
    };
    const bad = structuredClone(broken) as unknown as { packs: Record<string, unknown>[] };
    bad.packs[1]!["install_sources"] = [{ type: "archive", url: "https://u:p@packs.example/a.tgz", checksum: "abc" }];
    bad.packs[2]!["keywords"] = ["a", "a"];
    delete bad.packs[2]!["license"];
    const places = checkPackIndex(JSON.stringify(bad)).problems.map(({ path }) => path);
    expect(places.toSorted()).toEqual(
      [
        "last_updated",
        "packs[0].version",
        "packs[1].install_sources[0].checksum",
        "packs[1].install_sources[0].url",
        "packs[1].ref",
        "packs[2].keywords[1]",
        "packs[2].license",
        "packs[2].ref",
        "registry_url",
      ].toSorted(),
    );
  });

  it("keeps unknown keys and warns of them", () => {
    const { index: read, problems } = checkPackIndex(JSON.stringify({ ...index(), maintainer: "Ada" }));
    expect(problems).toMatchObject([{ severity: "warning", path: "maintainer" }]);
    expect(read).toHaveProperty("maintainer", "Ada");
  });

  it("never throws, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const { index: read, problems } = checkPackIndex(text);
        expect(read === undefined).toBe(problems.some(({ severity }) => severity === "error"));
      }),
      { numRuns: 300 },
    );
  });

  it("refuses keys that reach into prototypes", () => {
    const text = JSON.stringify(index()).replace('"packs":[]', '"packs":[],"__proto__":{"x":1}');
    expect(checkPackIndex(text).index).toBeUndefined();
  });
});

describe("parsePackIndex()", () => {
  it("names the file and the first mistakes", () => {
    expect(codeOf(() => parsePackIndex("{}", "index.json"))).toBe("PACK_INDEX_INVALID");
    expect(() => parsePackIndex("{", "index.json")).toThrow(/"index\.json": it is no JSON/);
    expect(() => parsePackIndex("{}", "index.json")).toThrow(/"registry_name": it is not there/);
  });
});

describe("checkPackEntry()", () => {
  it("refuses an entry that the index could not hold", () => {
    expect(codeOf(() => checkPackEntry({ ...entry("core", "1.0.0"), license: undefined }))).toBe("PACK_INDEX_INVALID");
  });
});

describe("updatePackIndex()", () => {
  const now = { update: false, now: NOW };

  it("adds a new pack where its name belongs, and moves the time", () => {
    const { index: next, change } = updatePackIndex(
      index(entry("a", "1.0.0"), entry("c", "1.0.0")),
      entry("b", "1.0.0"),
      now,
    );
    expect(change).toBe("added");
    expect(next.packs.map(({ ref }) => ref)).toEqual(["a", "b", "c"]);
    expect(next.last_updated).toBe("2026-01-31T12:00:00Z");
  });

  it("refuses a known pack without update, and replaces it in its place with it", () => {
    const before = index(entry("z", "1.0.0"), entry("a", "1.0.0"));
    expect(codeOf(() => updatePackIndex(before, entry("z", "1.1.0"), now))).toBe("PACK_INDEX_DUPLICATE");
    const after = updatePackIndex(before, entry("z", "1.1.0"), { ...now, update: true });
    expect(after).toMatchObject({ change: "updated", before: "1.0.0" });
    expect(after.index.packs.map(({ ref, version }) => `${ref} ${version}`)).toEqual(["z 1.1.0", "a 1.0.0"]);
  });

  it("changes nothing, not even the time, for an entry that is there already", () => {
    const before = index(entry("a", "1.0.0"));
    const after = updatePackIndex(before, entry("a", "1.0.0"), { ...now, update: true });
    expect(after.change).toBe("unchanged");
    expect(after.index).toBe(before);
  });
});

describe("mergePackIndexes()", () => {
  it("keeps the highest version by precedence, not by text, and counts", () => {
    const merged = mergePackIndexes(
      [
        index(entry("a", "1.9.0"), entry("b", "1.0.0")),
        index(entry("a", "1.10.0")),
        index(entry("c", "1.0.0-rc.1"), entry("a", "1.2.0")),
      ],
      NOW,
    );
    expect(merged.index.packs.map(({ ref, version }) => `${ref} ${version}`)).toEqual([
      "a 1.10.0",
      "b 1.0.0",
      "c 1.0.0-rc.1",
    ]);
    expect(merged).toMatchObject({ loaded: 5, unique: 3, duplicates: 2 });
  });

  it("refuses one version with two contents at one place", () => {
    const other = entry("a", "1.0.0", {
      install_sources: [{ type: "git", url: "https://git.example/a", ref: "v1.0.0", checksum: OTHER_SUM }],
    });
    expect(codeOf(() => mergePackIndexes([index(entry("a", "1.0.0")), index(other)], NOW))).toBe("PACK_INDEX_CONFLICT");
  });

  it("does not depend on the order of inputs but for ties and the head", () => {
    const version = fc.tuple(fc.nat(3), fc.nat(12), fc.nat(3)).map((parts) => parts.join("."));
    const packs = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), version), { maxLength: 6 });
    const one = packs.map((list) => index(...new Map(list.map(([ref, text]) => [ref, entry(ref, text)])).values()));
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 4 }), (inputs) => {
        const forward = mergePackIndexes(inputs, NOW).index.packs;
        expect(mergePackIndexes(inputs.toReversed(), NOW).index.packs).toEqual(forward);
        expect(new Set(forward.map(({ ref }) => ref)).size).toBe(forward.length);
      }),
      { numRuns: 100 },
    );
  });
});

describe("isPackUrl()", () => {
  it.each([
    ["https://packs.example/a.tgz", true],
    ["http://127.0.0.1:8080/a.tgz", true],
    ["http://localhost/a.tgz", true],
    ["http://packs.example/a.tgz", false],
    ["http://127.0.0.1.evil.example/a", false],
    ["https://user@packs.example/a", false],
    ["file:///etc/passwd", false],
    ["packs.example", false],
  ])("%s: %s", (url, allowed) => expect(isPackUrl(url)).toBe(allowed));
});

describe("parsePackComponent()", () => {
  const source = { file: "actions/a.yaml", pack: "mail" };

  it("takes the pack's name off a reference", () => {
    expect(parsePackComponent("ref: mail.send\ndescription: |\n  Send a mail\n", source)).toEqual({
      name: "send",
      description: "Send a mail",
    });
    expect(parsePackComponent("name: send", source)).toEqual({ name: "send", description: "" });
  });

  it.each(["- a", "ref: 3", "a: [", "a: &x [1]\nb: [*x, *x]"])("refuses %j", (text) => {
    expect(codeOf(() => parsePackComponent(text, source))).toBe("PACK_COMPONENT_INVALID");
  });
});
