import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeDsse, encodeDsse } from "../dsse.ts";
import { encodeEnvelope, verifyEnvelope } from "../envelope.ts";
import { fingerprint } from "../key-id.ts";
import { nodeVerifier } from "../node/verifier.ts";
import type { Signer } from "../signer.ts";
import { SigningError } from "../signing-error.ts";
import { acceptedFlips } from "../testing/bit-flips.ts";
import { testSigner, testStatement, testTrust } from "../testing/builders.ts";
import { createTrustPolicy } from "../trust.ts";
import { parseTrustFile, renderTrustFile } from "../trust-file.ts";
import {
  RECOVERY_WAIT_MS,
  ledgerTrust,
  replayKeyStatements,
  type KeyLedger,
  type LedgerOptions,
} from "./key-ledger.ts";
import { decodeKeyStatement, encodeKeyStatement, isSignedBy, type KeyStatement } from "./key-statement.ts";
import { applyPublisherRules, judgePublisher, publisherError } from "./publisher-rule.ts";

const LOG = "registry.example/log";
const [ann, bob, carol, thief] = ["ann", "bob", "carol", "thief"].map(testSigner) as [Signer, Signer, Signer, Signer];
const print = ({ publicKey }: Signer): string => fingerprint(publicKey);

type Facts = Partial<{ account: string; log: string; reason: string; fromIndex: number }>;
const rotation = (from: Signer, to: Signer, facts: Facts = {}): KeyStatement => ({
  kind: "rotation",
  account: "ann",
  log: LOG,
  previous: print(from),
  key: to.publicKey,
  ...facts,
});
const recovery = (from: Signer, to: Signer): KeyStatement =>
  ({ ...rotation(from, to), kind: "recovery" }) as KeyStatement;
const revocation = (key: Signer, fromIndex: number): KeyStatement => ({
  kind: "revocation",
  account: "ann",
  log: LOG,
  key: key.publicKey,
  fromIndex,
});

async function codeOf(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "done";
  } catch (error) {
    if (error instanceof SigningError) return error.code;
    throw error;
  }
}

/** Replays statements: `[statement, signers, index]`, logged at the index in days. */
async function replay(
  logged: readonly (readonly [KeyStatement, readonly Signer[], number])[],
  options: Partial<LedgerOptions> = {},
) {
  const statements = await Promise.all(
    logged.map(async ([statement, signers, index]) => ({
      bytes: await encodeKeyStatement(statement, signers),
      index,
      loggedMs: index * 86_400_000,
    })),
  );
  const ledger = replayKeyStatements({
    pinned: [ann.publicKey],
    statements,
    log: LOG,
    account: "ann",
    nowMs: 1000 * 86_400_000,
    verifier: nodeVerifier,
    ...options,
  });
  const at = (index: number): string[] =>
    ledger.keys
      .filter((key) => key.fromIndex <= index && index < (key.untilIndex ?? Number.POSITIVE_INFINITY))
      .map(({ publicKey }) => [ann, bob, carol, thief].findIndex((one) => print(one) === fingerprint(publicKey)))
      .map((i) => ["ann", "bob", "carol", "thief"][i]!);
  return { ledger, at };
}

describe("encodeKeyStatement() and decodeKeyStatement()", () => {
  it.each([rotation(ann, bob), recovery(ann, bob), { ...revocation(ann, 7), reason: "laptop stolen" }])(
    "read back a $kind, and refuse every flipped bit",
    async (statement) => {
      const bytes = await encodeKeyStatement(statement, [ann, bob]);
      expect(decodeKeyStatement(bytes).statement).toEqual(statement);
      const accepts = (altered: Uint8Array): boolean => {
        try {
          const decoded = decodeKeyStatement(altered);
          return [ann, bob].every(({ publicKey }) => isSignedBy(decoded, publicKey, nodeVerifier));
        } catch (error) {
          if (error instanceof SigningError) return false;
          throw error;
        }
      };
      expect(accepts(bytes)).toBe(true);
      expect(acceptedFlips(bytes, accepts, (bit) => bit % 11 === 0)).toEqual([]);
    },
  );

  it("refuse what cannot be meant", async () => {
    const make = (statement: KeyStatement) => codeOf(encodeKeyStatement(statement, [ann]));
    expect(await make(rotation(ann, ann))).toBe("KEY_STATEMENT_INVALID");
    expect(await make(rotation(ann, bob, { account: "" }))).toBe("KEY_STATEMENT_INVALID");
    expect(await make(rotation(ann, bob, { log: "" }))).toBe("KEY_STATEMENT_INVALID");
    expect(await make(rotation(ann, bob, { reason: "" }))).toBe("KEY_STATEMENT_INVALID");
    expect(await make(revocation(ann, -1))).toBe("KEY_STATEMENT_INVALID");
    expect(await make({ ...rotation(ann, bob), key: new Uint8Array(32) })).toBe("KEY_STATEMENT_INVALID");
    expect(await make({ ...rotation(ann, bob), previous: "ann" } as KeyStatement)).toBe("KEY_STATEMENT_INVALID");
    expect(await codeOf(encodeKeyStatement(rotation(ann, bob), []))).toBe("SIGNATURE_MISSING");
    const faulty = { ...ann, sign: () => Promise.resolve(new Uint8Array(64)) };
    expect(await codeOf(encodeKeyStatement(rotation(ann, bob), [faulty]))).toBe("SIGNATURE_INVALID");
    const publication = await encodeEnvelope(testStatement(), [ann]);
    expect(await codeOf(() => decodeKeyStatement(publication))).toBe("STATEMENT_UNSUPPORTED");
    const envelope = decodeDsse(await encodeKeyStatement(rotation(ann, bob), [ann]));
    const altered = (change: (text: string) => string): Uint8Array =>
      encodeDsse({ ...envelope, payload: Buffer.from(change(Buffer.from(envelope.payload).toString())) });
    expect(
      await codeOf(() =>
        decodeKeyStatement(
          altered((text) => text.replace(/(?<="name":"ed25519:)./, (digit) => (digit === "0" ? "1" : "0"))),
        ),
      ),
    ).toBe("KEY_STATEMENT_INVALID");
    expect(await codeOf(() => decodeKeyStatement(altered((text) => `${text} `)))).toBe("KEY_STATEMENT_INVALID");
    expect(await codeOf(() => decodeKeyStatement(encodeDsse({ ...envelope, payloadType: "text/plain" })))).toBe(
      "KEY_STATEMENT_INVALID",
    );
  });

  it("throw nothing but their error, whatever the predicate holds", async () => {
    const envelope = decodeDsse(await encodeKeyStatement(revocation(ann, 7), [ann]));
    const known = JSON.parse(Buffer.from(envelope.payload).toString()) as { predicate: object };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("account", "key", "log", "fromIndex", "reason"),
        fc.jsonValue(),
        async (name, value) => {
          const text = JSON.stringify({ ...known, predicate: { ...known.predicate, [name]: value } });
          const code = await codeOf(() => decodeKeyStatement(encodeDsse({ ...envelope, payload: Buffer.from(text) })));
          expect(["done", "KEY_STATEMENT_INVALID"]).toContain(code);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("replayKeyStatements()", () => {
  it("follows rotations along the log", async () => {
    const { at, ledger } = await replay([
      [rotation(bob, carol), [bob, carol], 20],
      [rotation(ann, bob), [ann, bob], 10],
    ]);
    expect([at(0), at(9), at(10), at(19), at(20)]).toEqual([["ann"], ["ann"], ["bob"], ["bob"], ["carol"]]);
    expect(ledger.ignored).toEqual([]);
  });

  it("ignores a rotation that old or new key did not sign, of a key not in use, or of another log or account", async () => {
    const { at, ledger } = await replay([
      [rotation(ann, thief), [thief], 1],
      [rotation(ann, bob), [ann], 2],
      [rotation(carol, thief), [carol, thief], 3],
      [rotation(ann, bob, { log: "other" }), [ann, bob], 4],
      [rotation(ann, bob, { account: "mallory" }), [ann, bob], 5],
      [rotation(ann, bob), [ann, bob], 6],
      [rotation(bob, ann), [ann, bob], 7],
      [rotation(ann, thief), [ann, thief], 8],
    ]);
    expect(at(9)).toEqual(["bob"]);
    expect(ledger.ignored.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 7, 8]);
    const garbage = replayKeyStatements({
      pinned: [],
      statements: [{ bytes: new Uint8Array(3), index: 1, loggedMs: 0 }],
      log: LOG,
      nowMs: 0,
    });
    expect(garbage.ignored[0]!.reason).toContain("Cannot read the signature envelope");
  });

  it("shows a recovery while it waits, and lets it take effect after", async () => {
    const logged = [[recovery(ann, bob), [bob], 10]] as const;
    const soon = await replay(logged, { nowMs: 10 * 86_400_000 + RECOVERY_WAIT_MS - 1 });
    expect(soon.ledger.pending).toEqual([
      { fingerprint: print(bob), previous: print(ann), index: 10, effectiveMs: 10 * 86_400_000 + RECOVERY_WAIT_MS },
    ]);
    expect(soon.at(11)).toEqual(["ann"]);
    const later = await replay(logged, { nowMs: 10 * 86_400_000 + RECOVERY_WAIT_MS });
    expect([later.at(11), later.ledger.pending]).toEqual([["bob"], []]);
    // What the new key signed while it waited is not trusted either.
    expect(later.ledger.keys.find(({ how }) => how === "recovery")!.sinceMs).toBe(10 * 86_400_000 + RECOVERY_WAIT_MS);
  });

  it.each([
    [1, "recovery"],
    [30, "recovery"],
    [90, "recovery"],
    [0.5, "it waits for 0.5 days, allowed are 1 to 90"],
    [-3, "it waits for -3 days, allowed are 1 to 90"],
    [91, "it waits for 91 days, allowed are 1 to 90"],
    [Number.NaN, "it waits for NaN days, allowed are 1 to 90"],
  ])("waits for the %s days that the log states, within bounds", async (days, expected) => {
    const bytes = await encodeKeyStatement(recovery(ann, bob), [bob]);
    const loggedMs = 10 * 86_400_000;
    const effectiveMs = loggedMs + days * 86_400_000;
    const at = (nowMs: number): KeyLedger =>
      replayKeyStatements({
        pinned: [ann.publicKey],
        statements: [{ bytes, index: 10, loggedMs, effectiveMs }],
        log: LOG,
        nowMs,
      });
    const outcome = ({ keys, ignored }: KeyLedger): string | undefined =>
      ignored[0]?.reason ?? keys.find((key) => key.fingerprint === print(bob))?.how;
    expect(outcome(at(loggedMs + 100 * 86_400_000))).toBe(expected);
    if (expected !== "recovery") return;
    expect(at(effectiveMs - 1).pending).toHaveLength(1);
    expect(at(effectiveMs).pending).toHaveLength(0);
  });

  it("takes a recovery to one key once", async () => {
    const twice = await replay(
      [
        [recovery(ann, bob), [bob], 10],
        [recovery(carol, bob), [bob], 11],
      ],
      { pinned: [ann.publicKey, carol.publicKey] },
    );
    expect([twice.at(100), twice.ledger.ignored.map(({ index }) => index)]).toEqual([["carol", "bob"], [11]]);
  });

  it("lets the key in use object to a recovery while it waits, and not after", async () => {
    const objected = await replay([
      [recovery(ann, thief), [thief], 10],
      [revocation(thief, 10), [ann], 12],
    ]);
    expect([objected.at(100), objected.ledger.pending]).toEqual([["ann"], []]);
    const rotated = await replay([
      [recovery(ann, thief), [thief], 10],
      [rotation(ann, bob), [ann, bob], 12],
    ]);
    expect(rotated.at(100)).toEqual(["bob"]);
    const late = await replay([
      [recovery(ann, bob), [bob], 10],
      [revocation(bob, 10), [ann], 18],
    ]);
    expect(late.at(100)).toEqual(["bob"]);
    const stranger = await replay([
      [recovery(ann, bob), [bob], 10],
      [revocation(bob, 10), [thief], 12],
    ]);
    expect(stranger.at(100)).toEqual(["bob"]);
  });

  it("binds a revocation to a place in the log, and takes along what a stolen key passed on", async () => {
    const pinned = [ann.publicKey, carol.publicKey];
    const { at } = await replay([[revocation(ann, 5), [ann], 9]], { pinned });
    expect([at(4), at(5)]).toEqual([["ann", "carol"], ["carol"]]);
    const stolen = await replay(
      [
        [rotation(ann, thief), [ann, thief], 12],
        [revocation(ann, 10), [carol], 14],
      ],
      { pinned },
    );
    expect([stolen.at(9), stolen.at(13)]).toEqual([["ann", "carol"], ["carol"]]);
    const own = await replay([
      [rotation(ann, bob), [ann, bob], 12],
      [revocation(ann, 10), [bob], 14],
    ]);
    expect([own.at(9), own.at(11), own.at(13)]).toEqual([["ann"], [], ["bob"]]);
    const unknown = await replay([[revocation(bob, 1), [ann], 2]]);
    expect(unknown.ledger.ignored[0]!.reason).toContain("no key of this publisher");
    const abandoned = await replay([
      [rotation(ann, bob), [ann, bob], 12],
      [revocation(bob, 1), [ann], 14],
    ]);
    expect(abandoned.at(13)).toEqual(["bob"]);
  });
});

describe("ledgerTrust()", () => {
  it("trusts each key in its part of the log, and nothing where the place is not known", async () => {
    const { ledger } = await replay([[rotation(ann, bob), [ann, bob], 10]]);
    const policy = ledgerTrust(ledger, { names: ["company/*"] });
    const verdict = async (signer: Signer, logIndex?: number): Promise<string> => {
      const bytes = await encodeEnvelope(testStatement(), [signer]);
      const found = verifyEnvelope(bytes, { policy, expect: {}, logIndex });
      return found.ok ? "ok" : found.code;
    };
    expect(await verdict(ann, 9)).toBe("ok");
    expect(await verdict(ann, 10)).toBe("SIGNATURE_KEY_NOT_ALLOWED");
    expect(await verdict(bob, 10)).toBe("ok");
    expect(await verdict(bob, 9)).toBe("SIGNATURE_KEY_NOT_ALLOWED");
    expect(await verdict(ann)).toBe("SIGNATURE_KEY_NOT_ALLOWED");
    // A trust file keeps the part of the log, in a format that readers of the first one refuse.
    const entry = { ...policy.keys.get(print(ann))!, fingerprint: print(ann) };
    const text = renderTrustFile({ keys: [entry] });
    expect(text).toContain('"format": "lading-trust/2"');
    expect(parseTrustFile(text, "f").keys).toEqual([{ ...entry, untilIndex: 10 }]);
    expect(await codeOf(() => parseTrustFile(text.replace('untilIndex": 10', 'untilIndex": -1'), "f"))).toBe(
      "TRUST_FILE_INVALID",
    );
    expect(parseTrustFile(text.replace("trust/2", "trust/1"), "f").keys[0]!.untilIndex).toBeUndefined();
  });

  it("lets a key that nobody pinned revoke, and nothing else", async () => {
    const statements: Parameters<typeof replay>[0] = [[revocation(ann, 5), [carol], 9]];
    const alone = await replay(statements);
    expect(alone.ledger.keys[0]!.untilIndex).toBeUndefined();
    const { ledger } = await replay(statements, { revokers: [carol.publicKey] });
    expect(ledger.keys.map(({ untilIndex }) => untilIndex)).toEqual([5]);
    const forged = await replay([[rotation(ann, bob), [carol, bob], 9]], { revokers: [carol.publicKey] });
    expect(forged.ledger.ignored).toHaveLength(1);
    // One that was replaced must not come back as a revoker of its successors.
    const back = await replay(
      [
        [rotation(ann, bob), [ann, bob], 9],
        [revocation(bob, 9), [ann], 12],
      ],
      { revokers: [ann.publicKey] },
    );
    expect(back.ledger.ignored.map(({ index }) => index)).toEqual([12]);
  });

  it("asks for t of n different keys", async () => {
    const { ledger } = await replay([[rotation(ann, bob), [ann, bob], 10]], {
      pinned: [ann.publicKey, carol.publicKey],
    });
    const policy = ledgerTrust(ledger, { threshold: 2 });
    const verdict = async (...signers: Signer[]): Promise<boolean> =>
      verifyEnvelope(await encodeEnvelope(testStatement(), signers), { policy, expect: {}, logIndex: 11 }).ok;
    expect(await verdict(bob, carol)).toBe(true);
    expect(await verdict(ann, carol)).toBe(false);
    expect(await verdict(carol)).toBe(false);
    expect(await codeOf(() => ledgerTrust(ledger, { threshold: 0 }))).toBe("SIGNATURE_POLICY_INVALID");
  });
});

describe("applyPublisherRules() and judgePublisher()", () => {
  const store = createTrustPolicy([
    { publicKey: ann.publicKey, publisher: "company-team" },
    { publicKey: bob.publicKey, publisher: "others", names: ["other/*"] },
  ]);
  const source = "registries.toml [main]";
  const keysUnder = (...rules: Parameters<typeof applyPublisherRules>[1]): string[] =>
    [...applyPublisherRules(store, rules, "company/tool").keys.keys()].sort();

  it("refuse keys outside of public_keys, and accept listed ones that are not in the store", () => {
    expect(keysUnder()).toEqual([print(ann), print(bob)].sort());
    expect(keysUnder({ names: ["**"], publicKeys: [ann.publicKey], source })).toEqual([print(ann)]);
    expect(keysUnder({ names: ["**"], publicKeys: [carol.publicKey], source })).toEqual([print(carol)]);
    expect(keysUnder({ names: ["else/*"], publicKeys: [carol.publicKey], source })).toHaveLength(2);
    const policy = applyPublisherRules(store, [{ names: ["**"], publicKeys: [bob.publicKey], source }], "company/tool");
    // The store's own restriction of a key stays.
    expect(policy.keys.get(print(bob))!.names).toEqual(["other/*"]);
  });

  it("refuse keys of other publishers, all rules together, with the highest threshold", () => {
    const team = { names: ["company/*"], trustedPublishers: ["company-team"], source };
    expect(keysUnder(team)).toEqual([print(ann)]);
    expect(keysUnder(team, { names: ["**"], publicKeys: [bob.publicKey], source })).toEqual([]);
    const rules = [
      { ...team, threshold: 2 },
      { names: ["**"], threshold: 1, source },
    ];
    expect(applyPublisherRules(testTrust([ann]), rules, "company/tool").threshold).toBe(2);
  });

  it("refuse a package of another account, or of nobody known", () => {
    const rules = [{ names: ["company/*"], trustedPublishers: ["company-team"], source }];
    expect(judgePublisher(rules, "company/tool", "company-team")).toEqual({ ok: true });
    expect(judgePublisher(rules, "else/tool", "mallory")).toEqual({ ok: true });
    for (const account of ["mallory", undefined]) {
      const verdict = judgePublisher(rules, "company/tool", account);
      expect(verdict).toMatchObject({ ok: false, code: "PUBLISHER_NOT_TRUSTED" });
      expect(publisherError(verdict as Extract<typeof verdict, { ok: false }>).message).toContain(
        "registries.toml [main]",
      );
    }
  });

  it("refuse rules that cannot be meant", async () => {
    for (const rule of [{ names: [] }, { names: ["A"] }, { names: ["**"], threshold: 0 }]) {
      expect(await codeOf(() => judgePublisher([{ ...rule, source }], "a", "b"))).toBe("SIGNATURE_POLICY_INVALID");
    }
  });
});
