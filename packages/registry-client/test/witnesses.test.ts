import { createMemoryTrustStore, type RegistryConfig } from "@lading/registry-client";
import { createFakeClock } from "@lading/registry-client/testing";
import { createNoteKey, formatNoteKey } from "@lading/signing/log";
import { TEST_NOW_MS, testSigner } from "@lading/signing/testing";
import { describe, expect, it } from "vitest";
import { clientOf, documentOf, testRegistry } from "./helpers.ts";
import { signRegistry } from "./trust-registry.ts";

const NAMES = ["one.example/w", "two.example/w", "three.example/w"];
const SIGNERS = NAMES.map((name) => testSigner(name));
const KEYS = SIGNERS.map((signer, i) => formatNoteKey(createNoteKey(NAMES[i]!, signer.publicKey, "witness")));

async function world() {
  const registry = await testRegistry();
  const signed = await signRegistry(registry);
  await signed.publish({ tool: documentOf("tool", [{ version: "1.0.0" }]) });
  const trust = createMemoryTrustStore();
  const read = (config: Partial<RegistryConfig>) =>
    clientOf(registry.url, { trust, clock: createFakeClock(TEST_NOW_MS) }, config).packageDocument("tool");
  return { registry, signed, read };
}

describe("witnesses that a user demands", () => {
  it("must have cosigned the checkpoint, on every contact", async () => {
    const { signed, read } = await world();
    await expect(read({ witnesses: KEYS })).rejects.toMatchObject({ code: "LOG_WITNESSES_MISSING" });
    for (const [i, signer] of SIGNERS.entries()) await signed.cosign(signer, NAMES[i]!);
    expect((await read({ witnesses: KEYS }))?.name).toBe("tool");
    // What comes later is demanded of again.
    await signed.publish({ tool: documentOf("tool", [{ version: "1.0.0" }, { version: "1.1.0" }]) });
    await expect(read({ witnesses: KEYS })).rejects.toMatchObject({ code: "LOG_WITNESSES_MISSING" });
  });

  it("are as many as are asked for, each counted once and by its own key", async () => {
    const { signed, read } = await world();
    await signed.cosign(SIGNERS[0]!, NAMES[0]!);
    expect((await read({ witnesses: KEYS, witnessThreshold: 1 }))?.name).toBe("tool");
    await expect(read({ witnesses: KEYS, witnessThreshold: 2 })).rejects.toMatchObject({
      code: "LOG_WITNESSES_MISSING",
    });
    await signed.cosign(SIGNERS[2]!, NAMES[2]!);
    expect((await read({ witnesses: KEYS, witnessThreshold: 2 }))?.name).toBe("tool");
    await expect(read({ witnesses: [KEYS[1]!] })).rejects.toMatchObject({ code: "LOG_WITNESSES_MISSING" });
  });

  it("are a demand that a registry without signed metadata does not meet", async () => {
    const registry = await testRegistry();
    registry.addDocument(documentOf("tool"));
    const client = clientOf(registry.url, {}, { witnesses: KEYS });
    await expect(client.packageDocument("tool")).rejects.toMatchObject({ code: "REGISTRY_METADATA_REQUIRED" });
  });
});
