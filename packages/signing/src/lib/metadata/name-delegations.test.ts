import { describe, expect, it } from "vitest";
import { generateKey } from "../generate.ts";
import {
  nameDelegationFor,
  nameDelegationMembers,
  readNameDelegations,
  type NameDelegation,
} from "./name-delegations.ts";
import type { JsonObject } from "./strict-json.ts";

const [ann, bob] = [generateKey().publicKey, generateKey().publicKey];
const SINCE = Date.parse("2030-01-01T00:00:00Z");

const delegation = (pattern: string, rest: Partial<NameDelegation> = {}): NameDelegation => ({
  pattern,
  keys: [ann],
  threshold: 1,
  sinceMs: SINCE,
  former: [],
  ...rest,
});

const refusal = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
};

describe("name delegations", () => {
  it("read back as they were written, the nearest pattern first, whatever their order was", () => {
    const former = [{ key: bob, untilMs: SINCE + 1000 }];
    const all = [delegation("company/*", { former }), delegation("company/gear"), delegation("gear-*")];
    const read = readNameDelegations(nameDelegationMembers(all));
    expect(read.map(({ pattern }) => pattern)).toEqual(["company/gear", "company/*", "gear-*"]);
    expect(read[1]).toEqual({
      ...all[0],
      keys: [new Uint8Array(ann)],
      former: [{ key: new Uint8Array(bob), untilMs: SINCE + 1000 }],
    });
    expect(nameDelegationMembers(read)).toEqual(nameDelegationMembers(all));
    expect(nameDelegationMembers([])).toEqual({});
  });

  it.each([
    ["company/gear", "company/gear"],
    ["company/Gear".toLowerCase(), "company/gear"],
    ["company/ge.ar-box", "company/*"],
    ["com_pany/tool", undefined],
    ["company", undefined],
    ["other/company", undefined],
    ["gear_box", "gear-*"],
    ["other/gear-box", undefined],
    ["gear", undefined],
    ["no name", undefined],
  ])("about %j the pattern %j decides", (name, pattern) => {
    const all = [delegation("company/gear"), delegation("company/*"), delegation("gear-*")];
    expect(nameDelegationFor(all, name)?.pattern).toBe(pattern);
  });

  it("of two patterns with as many letters the one with fewer stars decides: a name before what may be more", () => {
    const all = ["*ge*ar", "*gear", "gear", "company/*tool", "company/tool"].map((pattern) => delegation(pattern));
    for (const given of [all, all.toReversed()]) {
      const read = readNameDelegations(nameDelegationMembers(given));
      const order = ["company/tool", "company/*tool", "gear", "*gear", "*ge*ar"];
      expect(read.map(({ pattern }) => pattern)).toEqual(order);
      for (const name of ["gear", "company/tool"]) expect(nameDelegationFor(read, name)?.pattern).toBe(name);
    }
  });

  it("are read in the order of the file, also of one that has a pattern before the name that it matches", () => {
    const members = nameDelegationMembers([delegation("*gear"), delegation("gear")]);
    const value = members["x-lading-publishers"] as JsonObject;
    const roles = (value["roles"] as readonly JsonObject[]).toReversed();
    const read = readNameDelegations({ "x-lading-publishers": { ...value, roles } });
    expect(read.map(({ pattern }) => pattern)).toEqual(["*gear", "gear"]);
  });

  it.each([["**"], ["*/gear"], ["company/**"], ["a*b*c*"], ["Company/*"], ["a/b/c"], [""], ["../x"], ["company/"]])(
    "refuses to write the pattern %j",
    (pattern) => {
      expect(refusal(() => nameDelegationMembers([delegation(pattern)]))).toBe("METADATA_INPUT_INVALID");
    },
  );

  it("refuses to write thresholds that cannot be met, and keys that are none", () => {
    for (const wrong of [
      { threshold: 0 },
      { threshold: 2 },
      { threshold: 2, keys: [ann, ann] },
      { keys: [] },
      { keys: [new Uint8Array(32)] },
    ])
      expect(refusal(() => nameDelegationMembers([delegation("tool", wrong)]))).toBe("METADATA_INPUT_INVALID");
  });

  it("refuses what cannot be read: a delegation that is stepped over would let anybody sign", () => {
    const members = nameDelegationMembers([delegation("company/*", { former: [{ key: bob, untilMs: SINCE }] })]);
    const value = members["x-lading-publishers"] as JsonObject;
    const [role] = value["roles"] as readonly JsonObject[];
    const bent: readonly unknown[] = [
      null,
      [],
      {},
      { ...value, roles: {} },
      { ...value, roles: [{ ...role, name: "**" }] },
      { ...value, roles: [{ ...role, threshold: 0 }] },
      { ...value, roles: [{ ...role, keyids: ["0".repeat(64)] }] },
      { ...value, roles: [{ ...role, "x-lading-since": "tomorrow" }] },
      { ...value, roles: [{ ...role, "x-lading-since": undefined }] },
      { ...value, roles: [{ ...role, "x-lading-former": [] }] },
      { ...value, roles: [role, role] },
      { ...value, keys: {} },
    ];
    for (const one of bent)
      expect(refusal(() => readNameDelegations({ "x-lading-publishers": one } as JsonObject))).toBe(
        "METADATA_MALFORMED",
      );
  });
});
