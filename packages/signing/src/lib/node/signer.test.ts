import * as fc from "fast-check";
import { expect, it } from "vitest";
import { softwareSigner } from "../signer.ts";
import { nodeSigner } from "./signer.ts";

it("nodeSigner() makes the very signatures of softwareSigner()", async () => {
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
  await fc.assert(
    fc.asyncProperty(seed, fc.uint8Array({ maxLength: 200 }), async (secret, message) => {
      const [node, portable] = [nodeSigner(secret), softwareSigner(secret)];
      expect([node.keyId, node.publicKey]).toEqual([portable.keyId, portable.publicKey]);
      expect(await node.sign(message)).toEqual(await portable.sign(message));
    }),
    { numRuns: 20 },
  );
  expect(() => nodeSigner(new Uint8Array(31))).toThrow("32");
});
