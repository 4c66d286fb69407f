import { describe, expect, it } from "vitest";
import { parseAccess } from "../src/lib/access/access-file.ts";
import {
  AccessPolicy,
  isPrivate,
  treeName,
  type AccessRule,
  type AccessSubject,
} from "../src/lib/access/access-policy.ts";
import { patternsOverlap } from "../src/lib/pattern-overlap.ts";
import { compareEvaluators } from "./access-check.ts";

const GAL = `
[access]
read_public = true
write_requires_auth = true
admin_users = ["admin@company.com"]

[access.packages."company/*"]
read_groups = ["employees"]
write_groups = ["developers"]
admin_groups = ["package-maintainers"]
`;

function read(text: string): ReturnType<typeof parseAccess> {
  return parseAccess(text, { file: "access.toml" });
}

function policyOf(text: string): AccessPolicy {
  return new AccessPolicy({ readPublic: true, writeRequiresAuth: true, adminUsers: [], packages: [], ...read(text) });
}

function person(...groups: string[]): AccessSubject {
  return { username: "mia", groups, admin: false };
}

describe("parseAccess()", () => {
  it("reads the file of the GAL document", () => {
    expect(read(GAL)).toEqual({
      readPublic: true,
      writeRequiresAuth: true,
      adminUsers: ["admin@company.com"],
      packages: [
        {
          pattern: "company/*",
          readGroups: ["employees"],
          writeGroups: ["developers"],
          adminGroups: ["package-maintainers"],
          place: '"access.toml" line 7',
        },
      ],
    });
  });

  it.each([
    ["read_publik = true", 2, 'unknown key "read_publik"'],
    ["read_public = 1", 2, '"read_public" is not true or false'],
    ['admin_users = "root"', 2, '"admin_users" is not a list of texts'],
    ['[access.packages."company/*"]\nreaders = ["a"]', 3, 'unknown key "readers"'],
    ['[access.packages."company/*"]\nread_groups = [1]', 3, '"read_groups" is not a list of texts'],
    ['[access.packages."company/*"]\nread_groups = []', 2, "names no group"],
    ['[access.packages."Company/*"]\nread_groups = ["a"]', 2, "is no package pattern"],
    ['[access.packages."company/***"]\nread_groups = ["a"]', 2, "is no package pattern"],
    ['[access.packages."company/*"]\nread_groups = ["@all"]', 3, 'names "@all"'],
    ['[access.packages."company/*"]\nwrite_groups = ["@everyone"]', 3, 'names "@everyone"'],
    ['[access.packages."company/*"]\nread_groups = ["a"]\ntree = "A B"', 4, '"tree" is not a name'],
    ['[access.packages."*"]\nread_groups = ["a"]', 2, "gives no name for its tree"],
    ['[access.packages."a/*"]\nread_groups = ["a"]\n[access.packages."a-*"]\nread_groups = ["a"]', 4, "have one tree"],
    ["packages = 3", 2, '"packages" is not a table'],
    ["[other]\nkey = 1", 2, 'unknown key "other"'],
    ["read_public = = true", 2, ""],
    ["read_public = true\nread_public = false", 3, ""],
  ])("refuses %j in line %i", (text, line, problem) => {
    expect(() => read(`[access]\n${text}\n`)).toThrowError(
      expect.objectContaining({
        code: "ACCESS_RULES_INVALID",
        message: expect.stringMatching(
          new RegExp(`^Cannot use the access rules in "access.toml" line ${line}: `),
        ) as string,
      }) as Error,
    );
    expect(() => read(`[access]\n${text}\n`)).toThrowError(problem);
  });

  it("reads inline and dotted forms, and the line of each", () => {
    const text = 'access.packages."a/*" = { read_groups = ["x"], write_groups = ["y"] }\naccess.read_public = false\n';
    expect(read(text)).toMatchObject({
      readPublic: false,
      packages: [{ pattern: "a/*", place: '"access.toml" line 1' }],
    });
  });

  it("leaves what belongs to others alone where the file is the server's configuration", () => {
    const text = `[server]\nport = 1\n[access]\nregistration = "open"\n[access.packages."a/*"]\nread_groups = ["x"]\n`;
    expect(parseAccess(text, { file: "c.toml", others: true })).toMatchObject({ packages: [{ pattern: "a/*" }] });
    expect(() => parseAccess(`${text}reed = 1\n`, { file: "c.toml", others: true })).toThrowError("line 7");
  });
});

describe("AccessPolicy", () => {
  const policy = policyOf(GAL);

  it.each([
    ["read", [], false],
    ["read", ["employees"], true],
    ["write", ["employees"], false],
    ["write", ["developers"], true],
    ["read", ["developers"], true],
    ["admin", ["developers"], false],
    ["admin", ["package-maintainers"], true],
    ["write", ["package-maintainers"], true],
  ] as const)("%s of a package of the rule by a member of %j: %s", (action, groups, allowed) => {
    expect(policy.may(action, person(...groups), "company/tool")).toBe(allowed);
  });

  it("denies everything to whoever is not known, and decides nothing about other packages", () => {
    expect(policy.may("read", undefined, "company/tool")).toBe(false);
    expect(policy.may("read", undefined, "tool")).toBe(true);
    expect(policy.may("write", undefined, "tool")).toBe(false);
    expect(policy.may("write", person(), "tool")).toBe(true);
    expect(policy.may("admin", person("package-maintainers"), "tool")).toBe(false);
  });

  it("knows administrators by user name, and by an e-mail address only where it is vouched for", () => {
    expect(policy.may("admin", { ...person(), email: "Admin@Company.com" }, "company/tool")).toBe(true);
    expect(policy.may("admin", { ...person(), username: "admin@company.com" }, "tool")).toBe(true);
    expect(policy.may("admin", person(), "tool")).toBe(false);
    expect(policy.may("admin", { ...person(), admin: true }, "company/tool")).toBe(true);
  });

  it("lets the most specific pattern decide alone", () => {
    const both = policyOf(`${GAL}[access.packages."company/secret-*"]\nread_groups = ["board"]\n`);
    expect(both.may("read", person("employees"), "company/secret-plan")).toBe(false);
    expect(both.may("read", person("board"), "company/secret-plan")).toBe(true);
    expect(both.may("read", person("board"), "company/tool")).toBe(false);
  });

  it("keeps `*` within a namespace and lets `**` cross it", () => {
    const rules = policyOf(
      '[access.packages."a*"]\nread_groups = ["x"]\n[access.packages."b**"]\nread_groups = ["x"]\n',
    );
    expect(rules.ruleOf("ab")).toBeDefined();
    expect(rules.ruleOf("a/b")).toBeUndefined();
    expect(rules.ruleOf("b/b")).toBeDefined();
  });

  it("refuses rules of equal rank that match the same names, naming both lines, and takes those that do not", () => {
    const rules = (...patterns: string[]): string =>
      patterns.map((pattern) => `[access.packages."${pattern}"]\nread_groups = ["x"]\n`).join("");
    expect(() => policyOf(rules("alpha/*", "gamma/*"))).not.toThrow();
    expect(() => policyOf(rules("a*c*", "a*d*"))).toThrowError(
      /"a\*c\*" \("access.toml" line 1\) and "a\*d\*" \("access.toml" line 3\)/,
    );
  });

  it("agrees with a naive evaluator about random rules", () => {
    const { answered, refused } = compareEvaluators(5000);
    expect(Math.min(answered, refused)).toBeGreaterThan(100);
  });
});

describe("isPrivate() and treeName()", () => {
  const rule = (pattern: string, readGroups: readonly string[]): AccessRule => ({
    pattern,
    readGroups,
    writeGroups: [],
    adminGroups: [],
  });

  it("take a rule as private unless everybody may read", () => {
    expect(isPrivate(rule("company/*", ["employees"]))).toBe(true);
    expect(isPrivate(rule("company/*", ["@authenticated"]))).toBe(true);
    expect(isPrivate(rule("company/*", ["@everyone"]))).toBe(false);
    expect(treeName(rule("company/*", []))).toBe("company");
    expect(treeName(rule("company/secret-*", []))).toBe("company-secret");
    expect(treeName(rule("**", []))).toBeUndefined();
  });
});

describe("patternsOverlap()", () => {
  it.each([
    ["a*", "*b", true],
    ["a/*", "b/*", false],
    ["a/*", "a**", true],
    ["a*", "a/b", false],
    ["**", "x/y", true],
    ["a.b", "a_b", true],
    ["a*c", "ab", false],
  ])("of %s and %s: %s", (left, right, overlap) => {
    expect(patternsOverlap(left, right)).toBe(overlap);
    expect(patternsOverlap(right, left)).toBe(overlap);
  });
});
