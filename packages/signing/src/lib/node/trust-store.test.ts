import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fingerprint } from "../key-id.ts";
import { isNamePattern, matchesNamePattern } from "../name-pattern.ts";
import { SigningError } from "../signing-error.ts";
import { testSigner } from "../testing/builders.ts";
import { parseTrustFile, renderTrustFile } from "../trust-file.ts";
import { createTrustPolicy } from "../trust.ts";
import { openTrustStore } from "./trust-store.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lading-trust-"));
});
afterEach(() => rm(folder, { recursive: true }));

const [ann, bob] = [testSigner("ann"), testSigner("bob")];
const annKey = {
  publicKey: ann.publicKey,
  label: "Ann",
  publisher: "company-team",
  names: ["company/*"],
  sinceMs: 1_767_225_600_000,
};
const path = (): string => join(folder, "config/trusted-keys.json");

describe("openTrustStore()", () => {
  test("adds, lists and removes keys, in a file that reads the same", async () => {
    const store = openTrustStore(path());
    expect(await store.list()).toEqual([]);
    await store.add(annKey);
    await store.add({ publicKey: bob.publicKey });
    const again = await openTrustStore(path()).list();
    expect(again.map((entry) => entry.fingerprint)).toEqual([ann, bob].map((one) => fingerprint(one.publicKey)).sort());
    expect(again.find((entry) => entry.label === "Ann")).toMatchObject(annKey);
    expect((await store.remove(fingerprint(bob.publicKey))).publicKey).toEqual(bob.publicKey);
    expect(await store.list()).toHaveLength(1);
    expect(await readdir(join(folder, "config"))).toEqual(["trusted-keys.json"]);
  });

  test("adding the same entry twice changes nothing; other conditions need `replace`", async () => {
    const store = openTrustStore(path());
    await store.add(annKey);
    const before = await readFile(path(), "utf8");
    await store.add(annKey);
    expect(await readFile(path(), "utf8")).toBe(before);
    await expect(store.add({ publicKey: ann.publicKey })).rejects.toMatchObject({ code: "TRUST_KEY_EXISTS" });
    await store.add({ publicKey: ann.publicKey }, { replace: true });
    expect((await store.list())[0]!.names).toBeUndefined();
  });

  test("makes the policy of one package: names, publishers, threshold", async () => {
    const store = openTrustStore(path());
    await store.add(annKey);
    await store.add({ publicKey: bob.publicKey });
    expect((await store.policyFor("company/tool", { threshold: 2 })).keys.size).toBe(2);
    expect((await store.policyFor("other")).keys.size).toBe(1);
    expect([...(await store.policyFor("company/tool", { publishers: ["company-team"] })).keys.keys()]).toEqual([
      fingerprint(ann.publicKey),
    ]);
    await expect(store.policyFor("other", { threshold: 0 })).rejects.toMatchObject({
      code: "SIGNATURE_POLICY_INVALID",
    });
  });

  test("refuses a key that cannot be one, and one that is not there", async () => {
    const store = openTrustStore(path());
    await expect(store.add({ publicKey: new Uint8Array(32) })).rejects.toMatchObject({ code: "TRUST_FILE_INVALID" });
    await expect(store.add({ publicKey: ann.publicKey, names: ["A b"] })).rejects.toMatchObject({
      code: "TRUST_FILE_INVALID",
    });
    await expect(store.remove("ed25519:0")).rejects.toMatchObject({ code: "TRUST_KEY_NOT_FOUND" });
  });

  test("loses no key of many that are added at once", async () => {
    const signers = Array.from({ length: 12 }, (_, n) => testSigner(`many ${n}`));
    await Promise.all(signers.map(({ publicKey }) => openTrustStore(path()).add({ publicKey })));
    expect(await openTrustStore(path()).list()).toHaveLength(12);
  });

  test("says that another process holds the lock", async () => {
    await mkdir(join(folder, "config"));
    await writeFile(`${path()}.lock`, "");
    await expect(openTrustStore(path(), { lockTimeoutMs: 50 }).add(annKey)).rejects.toMatchObject({
      code: "TRUST_FILE_BUSY",
    });
  });

  test("says that the file cannot be read or its folder made", async () => {
    await mkdir(path(), { recursive: true });
    await expect(openTrustStore(path()).list()).rejects.toMatchObject({ code: "TRUST_FILE_IO" });
    await writeFile(join(folder, "file"), "");
    await expect(openTrustStore(join(folder, "file/keys.json")).add(annKey)).rejects.toMatchObject({
      code: "TRUST_FILE_IO",
    });
  });

  test("never repairs or overwrites a damaged file", async () => {
    await mkdir(join(folder, "config"));
    await writeFile(path(), "{");
    await expect(openTrustStore(path()).add(annKey)).rejects.toMatchObject({ code: "TRUST_FILE_INVALID" });
    expect(await readFile(path(), "utf8")).toBe("{");
  });
});

describe("parseTrustFile()", () => {
  const entry = { ...annKey, fingerprint: fingerprint(ann.publicKey) };
  const good = JSON.parse(renderTrustFile({ keys: [entry] }));
  const parse = (value: unknown): unknown => parseTrustFile(JSON.stringify(value), "keys.json");
  const codeOf = (value: unknown): string => {
    try {
      parse(value);
    } catch (error) {
      if (error instanceof SigningError) return error.code;
      throw error;
    }
    return "no error";
  };

  test("keeps what this release does not know", () => {
    const newer = { ...good, note: 1, keys: [{ ...good.keys[0], contact: "x" }] };
    expect(JSON.parse(renderTrustFile(parseTrustFile(JSON.stringify(newer), "keys.json")))).toEqual(newer);
  });

  test.each([
    ["no object", []],
    ["no format", { keys: [] }],
    ["no keys", { format: good.format }],
    ["a key that is no object", { ...good, keys: [1] }],
    ["the same key twice", { ...good, keys: [good.keys[0], good.keys[0]] }],
    ["another fingerprint", { ...good, keys: [{ ...good.keys[0], fingerprint: fingerprint(bob.publicKey) }] }],
    ["damaged base64", { ...good, keys: [{ ...good.keys[0], publicKey: "*" }] }],
    ["a label that is no text", { ...good, keys: [{ ...good.keys[0], label: 1 }] }],
    ["names that are no patterns", { ...good, keys: [{ ...good.keys[0], names: ["A"] }] }],
    ["a day that does not exist", { ...good, keys: [{ ...good.keys[0], since: "2026-02-31T00:00:00Z" }] }],
  ])("refuses %s", (_, value) => {
    expect(codeOf(value)).toBe("TRUST_FILE_INVALID");
  });

  test("refuses a newer format, whose restrictions it could overlook", () => {
    expect(codeOf({ ...good, format: "lading-trust/3" })).toBe("TRUST_FILE_UNSUPPORTED");
  });

  test("throws nothing but SigningError", () => {
    const keys = fc.array(fc.oneof(fc.constant(good.keys[0]), fc.jsonValue()));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ format: fc.constant(good.format), keys })), (value) => {
        codeOf(value);
      }),
    );
  });
});

describe("matchesNamePattern()", () => {
  test.each([
    ["company/*", "company/tool", true],
    ["company/*", "company", false],
    ["*", "tool", true],
    ["*", "company/tool", false],
    ["**", "company/tool", true],
    ["comp*/t*l", "company/tool", true],
    ["my_tool", "my-tool", true],
    ["my.tool", "my-tool", true],
    ["my.tool", "myxtool", false],
    ["tool", "Tool", false],
    ["a+b", "aab", false],
  ])("%s on %s is %s", (pattern, name, expected) => {
    expect(matchesNamePattern(pattern, name)).toBe(expected);
  });

  test("takes no more stars than stay fast", () => {
    expect(isNamePattern("*a*b*c*d*")).toBe(false);
    // A run of stars is not one star: forty of them took hours on a name of forty letters.
    expect(isNamePattern(`${"*".repeat(40)}b`)).toBe(false);
    expect(matchesNamePattern(`${"*".repeat(40)}b`, "a".repeat(40))).toBe(false);
    expect(isNamePattern("**/a*")).toBe(true);
  });
});

describe("createTrustPolicy()", () => {
  test("refuses a key of low order", () => {
    expect(() => createTrustPolicy([{ publicKey: new Uint8Array(32) }])).toThrow(
      expect.objectContaining({ code: "KEY_INVALID" }),
    );
  });
});
