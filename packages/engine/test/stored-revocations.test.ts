import type { PlannedPackage } from "@lading/installer";
import { RegistryClientError, type RegistryClient } from "@lading/registry-client";
import { describe, expect, it } from "vitest";
import type { EngineContext } from "../src/lib/engine-context.ts";
import { refuseWithdrawn } from "../src/lib/stored-revocations.ts";

const URL_OF = "https://r.example/";
const NOW = Date.parse("2030-01-02T00:00:00Z");
const PACKAGES = [
  { registry: URL_OF, planned: { lock: { name: "tool", version: "1.0.0" } } as unknown as PlannedPackage },
];

/** As much of a client as holding packages to what was stated needs. */
function client(state: { readonly expires: string; readonly status?: string; readonly silent?: boolean }) {
  const asked: string[] = [];
  const entry = { version: "1.0.0", status: state.status ?? "active", reason: "malware", signers: [], artifacts: [] };
  const made = {
    registry: { name: "main", url: URL_OF },
    trust: {
      report: () => {
        asked.push("report");
        if (state.silent !== true) return Promise.resolve({ expires: state.expires });
        return Promise.reject(new RegistryClientError({ code: "REGISTRY_UNREACHABLE", message: "Cannot reach it" }));
      },
    },
    packageDocument: () => {
      asked.push("document");
      return Promise.resolve({ name: "tool", versions: [entry] });
    },
  };
  return { asked, client: made as unknown as RegistryClient };
}

async function check(stored: RegistryClient, online: RegistryClient | undefined): Promise<string[]> {
  const warnings: string[] = [];
  const context = {
    offline: online === undefined,
    now: () => NOW,
    onEvent: (event: { code?: string }) => warnings.push(event.code ?? ""),
    registries: () => Promise.resolve({ clients: [online] }),
  };
  const opened = { clients: [stored], close: () => Promise.resolve() };
  await refuseWithdrawn(context as unknown as EngineContext, PACKAGES, () => Promise.resolve(opened));
  return warnings;
}

const FRESH = "2030-01-03T00:00:00Z";
const EXPIRED = "2030-01-01T00:00:00Z";

describe("refuseWithdrawn", () => {
  it("asks nobody while what is stored has not expired, nor offline", async () => {
    const online = client({ expires: FRESH });
    await check(client({ expires: FRESH }).client, online.client);
    await check(client({ expires: EXPIRED }).client, undefined);
    expect(online.asked).toEqual([]);
  });

  it("asks the registry once what is stored has expired, and goes by what it says", async () => {
    const online = client({ expires: FRESH, status: "removed" });
    await expect(check(client({ expires: EXPIRED }).client, online.client)).rejects.toMatchObject({
      code: "VERSION_REMOVED",
      message: expect.stringContaining("malware") as string,
    });
    expect(online.asked).toEqual(["report", "document"]);
  });

  it("goes by what is stored, with a warning, where the registry does not answer", async () => {
    const silent = client({ expires: FRESH, silent: true });
    expect(await check(client({ expires: EXPIRED }).client, silent.client)).toEqual(["REVOCATIONS_UNKNOWN"]);
    const removed = client({ expires: EXPIRED, status: "removed" });
    await expect(check(removed.client, silent.client)).rejects.toMatchObject({ code: "VERSION_REMOVED" });
  });
});
