import { createTrustPolicy, encodeEnvelope, verifyEnvelope } from "@lading/signing";
import { createNoteKey, openCheckpoint, signCheckpoint } from "@lading/signing/log";
import { nodeVerifier } from "@lading/signing/node";
import { acceptedFlips, flipRegistry, testRepository, testSigner, testStatement } from "@lading/signing/testing";
import { expect, it } from "vitest";

const signer = testSigner("ann");

it("every flipped bit of every metadata file is refused", async () => {
  const registry = await testRepository({ "index/_/to/tool.json": "{}", "index/_/ot/other.json": "[]" });
  expect(await flipRegistry(registry, () => true, nodeVerifier)).toEqual([]);
});

it("every flipped bit of an envelope is refused", async () => {
  const bytes = await encodeEnvelope(testStatement(), [signer]);
  const policy = createTrustPolicy([signer]);
  const accepts = (altered: Uint8Array): boolean =>
    verifyEnvelope(altered, { policy, expect: {}, verifier: nodeVerifier }).ok;
  expect(accepts(bytes)).toBe(true);
  expect(acceptedFlips(bytes, accepts)).toEqual([]);
});

it("every flipped bit of a checkpoint is refused", async () => {
  const origin = "registry.example/log";
  const bytes = await signCheckpoint({ origin, size: 7, root: new Uint8Array(32).fill(7) }, [signer]);
  const trust = { origin, keys: [createNoteKey(origin, signer.publicKey)], verifier: nodeVerifier };
  const accepts = (altered: Uint8Array): boolean => {
    try {
      return openCheckpoint(altered, trust).size >= 0;
    } catch {
      return false;
    }
  };
  expect(accepts(bytes)).toBe(true);
  expect(acceptedFlips(bytes, accepts)).toEqual([]);
});
