import { describe, expect, it } from "vitest";
import { createMemoryTrustStore, registryConfig, type RegistryConfig } from "@lading/registry-client";
import type { LadingEvent } from "@lading/core-manifest";
import { LazyWalk, RECORD } from "../src/lib/trust/lazy-walk.ts";
import type { TrustPorts } from "../src/lib/trust/trust-ports.ts";
import type { TrustView, TrustWalk } from "../src/lib/trust/trust-types.ts";

const URL_OF = "https://r.example/";

/** A walk over a registry that describes itself so, with how often it was asked and the walk that verifies was loaded. */
function walk(given: {
  readonly metadata?: string;
  readonly registry?: Partial<RegistryConfig>;
  readonly offline?: boolean;
  readonly known?: boolean;
}) {
  const trust = createMemoryTrustStore();
  const events: LadingEvent[] = [];
  const seen = { described: 0, loaded: 0, failing: false };
  const view = { record: {} } as unknown as TrustView;
  const loaded: TrustWalk = {
    view: () => Promise.resolve(view),
    refresh: () => Promise.resolve(view),
    begin: () => Promise.resolve(view),
    remember: () => Promise.resolve(),
    forget: () => Promise.resolve(true),
  };
  const ports = {
    registry: registryConfig({ name: "main", url: URL_OF, ...given.registry }),
    offline: given.offline ?? false,
    onEvent: (event: LadingEvent) => events.push(event),
    describe: () => {
      seen.described++;
      if (seen.failing) return Promise.reject(new Error("no answer"));
      return Promise.resolve(given.metadata === undefined ? {} : { metadata: given.metadata });
    },
  } as unknown as TrustPorts;
  const lazy = new LazyWalk(ports, { store: trust, offlineMaxAgeMs: 1 }, () => {
    seen.loaded++;
    return Promise.resolve(loaded);
  });
  return { lazy, seen, events, trust, view };
}

describe("LazyWalk", () => {
  it("loads nothing for a registry without signed metadata, asks it once and says so once", async () => {
    const { lazy, seen, events } = walk({});
    expect(await Promise.all([lazy.view({}), lazy.view({})])).toEqual([undefined, undefined]);
    expect(await lazy.view({})).toBeUndefined();
    await lazy.remember();
    expect(seen).toMatchObject({ described: 1, loaded: 0 });
    expect(events).toHaveLength(1);
  });

  it("loads what verifies where the registry has signed metadata", async () => {
    const { lazy, seen, view } = walk({ metadata: `${URL_OF}metadata/` });
    expect(await lazy.view({})).toBe(view);
    expect(await lazy.refresh({})).toBe(view);
    expect(seen.loaded).toBe(1);
  });

  it.each([
    ["a root is pinned", { registry: { root: `sha256:${"a".repeat(64)}` as never } }],
    ["it works offline", { offline: true }],
  ])("asks nobody whether there is something to verify where %s", async (_, given) => {
    const { lazy, seen } = walk(given);
    await lazy.view({});
    expect(seen).toMatchObject({ described: 0, loaded: 1 });
  });

  it("does not take a registry that once had signed metadata for one without", async () => {
    const { lazy, seen, trust } = walk({});
    await trust.write(URL_OF, RECORD, new Uint8Array([1]));
    await lazy.view({});
    expect(seen).toMatchObject({ described: 0, loaded: 1 });
  });

  it("asks again when it is refreshed, and after an answer that did not come", async () => {
    const { lazy, seen, events } = walk({});
    seen.failing = true;
    await expect(lazy.view({})).rejects.toThrow("no answer");
    seen.failing = false;
    expect(await lazy.view({})).toBeUndefined();
    expect(await lazy.refresh({})).toBeUndefined();
    expect(seen).toMatchObject({ described: 3, loaded: 0 });
    expect(events).toHaveLength(1);
  });

  it("loads what verifies to begin to trust, and to forget", async () => {
    const { lazy, seen, view } = walk({});
    expect(await lazy.begin(new Uint8Array(), {})).toBe(view);
    expect(await lazy.forget()).toBe(true);
    expect(await lazy.view({})).toBe(view);
    expect(seen.loaded).toBe(1);
  });
});
