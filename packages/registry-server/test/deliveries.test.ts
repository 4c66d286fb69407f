import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  DeliveryService,
  ENDPOINT_PARALLEL,
  ROUNDS,
  type DeliveryChannel,
  type SendOutcome,
} from "../src/lib/deliveries/delivery-service.ts";
import { SqliteMetadataStore, openDatabase } from "../src/node.ts";
import { MemoryDeliveryStore } from "../src/lib/testing/memory-delivery-store.ts";

const DELIVERED: SendOutcome = { outcome: "delivered" };
const services: DeliveryService[] = [];

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.stop()));
});

interface Sending {
  readonly id: string;
  readonly end: () => void;
}

/** A service whose deliveries to targets that begin with "slow" take until they are told to end. */
async function startSending(due: readonly string[], endpointOf?: DeliveryChannel["endpointOf"]) {
  const store = new MemoryDeliveryStore();
  for (const [at, id] of due.entries()) {
    const target = id.split(" ")[0]!;
    await store.add({ id, channel: "probe", target, event: "any", payload: "{}", created: at });
  }
  const claim = vi.spyOn(store, "claim");
  const open: Sending[] = [];
  const sent: string[] = [];
  const channel: DeliveryChannel = {
    name: "probe",
    pausesMs: [],
    ...(endpointOf === undefined ? {} : { endpointOf }),
    since: async () => undefined,
    plan: async () => [],
    send: async ({ id }, signal) => {
      if (id.startsWith("slow"))
        await new Promise<void>((resolve) => {
          open.push({ id, end: resolve });
          signal.addEventListener("abort", () => resolve());
        });
      sent.push(id);
      return DELIVERED;
    },
  };
  const trail = {} as ConstructorParameters<typeof DeliveryService>[0]["trail"];
  const clock = { now: () => 1_000_000 };
  const service = new DeliveryService({ store, trail, channels: [channel], clock, log: () => {} });
  services.push(service);
  return { service, open, sent, claim };
}

const many = (target: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${target} ${at}`);

describe("DeliveryService", () => {
  it("sends to others while an endpoint is slow, and never much to one at a time", async () => {
    const { service, open, sent } = await startSending([...many("slow", 40), ...many("fast", 3)]);
    await service.look();
    await vi.waitFor(() => expect(sent).toEqual(many("fast", 3)));
    expect(open.map(({ id }) => id)).toEqual(many("slow", ENDPOINT_PARALLEL));
    await service.look();
    expect(open).toHaveLength(ENDPOINT_PARALLEL);
  });

  it("goes on with what is due to an endpoint as soon as it has answered, without another look", async () => {
    const { service, open, sent } = await startSending(many("slow", ENDPOINT_PARALLEL + 2));
    await service.look();
    open[0]!.end();
    await vi.waitFor(() => expect(open).toHaveLength(ENDPOINT_PARALLEL + 1));
    expect(sent).toEqual(["slow 0"]);
    open[1]!.end();
    await vi.waitFor(() => expect(open).toHaveLength(ENDPOINT_PARALLEL + 2));
  });

  it("takes targets of one endpoint for one", async () => {
    const due = [...many("slow-a", 9), ...many("slow-b", 9), "fast 0"];
    const { service, open, sent } = await startSending(due, (target) => target.split("-")[0]!);
    await service.look();
    await vi.waitFor(() => expect(sent).toEqual(["fast 0"]));
    expect(open).toHaveLength(ENDPOINT_PARALLEL);
  });

  it("finds what is behind a thousand targets of a slow endpoint, with few claims a look", async () => {
    const slow = Array.from({ length: 1000 }, (_, at) => `slow-${at} x`);
    const endpointOf = (target: string): string => target.split("-")[0]!;
    const { service, open, sent, claim } = await startSending([...slow, "fast 0"], endpointOf);
    let looks = 0;
    for (; sent.length === 0 && looks < 100; looks += 1) {
      claim.mockClear();
      await service.look();
      expect(claim.mock.calls.length).toBeLessThanOrEqual(ROUNDS);
    }
    expect([sent, open.length]).toEqual([["fast 0"], ENDPOINT_PARALLEL]);
    // What is known to be full is asked for no more.
    claim.mockClear();
    await service.look();
    expect(claim).toHaveBeenCalledTimes(1);
    expect(claim.mock.calls[0]![0].except).toHaveLength(1000 - ENDPOINT_PARALLEL);
    // One of them has answered: another of them takes its place.
    open[0]!.end();
    await vi.waitFor(() => expect(open).toHaveLength(ENDPOINT_PARALLEL + 1));
    expect(open.at(-1)!.id).toBe(`slow-${ENDPOINT_PARALLEL} x`);
  });

  it("idle() goes on with what waits behind more than one look rules out", async () => {
    const slow = Array.from({ length: 150 }, (_, at) => `slow-${at} x`);
    const { service, open, sent } = await startSending([...slow, "fast 0"], (target) => target.split("-")[0]!);
    const ending = setInterval(() => {
      for (const { end } of open.splice(0)) end();
    }, 1);
    await service.idle().finally(() => clearInterval(ending));
    expect(sent).toHaveLength(151);
  });

  it("idle() resolves when all that is due was sent", async () => {
    const { service, sent } = await startSending(many("fast", 100));
    await service.idle();
    expect([...sent].sort()).toEqual([...many("fast", 100)].sort());
  });
});

describe("SqliteMetadataStore.deliveries", () => {
  it("waits for no other writer where nothing that is due is wanted", async () => {
    const directory = await mkdtemp(join(tmpdir(), "lading-deliveries-"));
    const file = join(directory, "registry.db");
    const store = new SqliteMetadataStore(file);
    const other = openDatabase(file);
    try {
      await store.deliveries.add({ id: "a", channel: "probe", target: "a", event: "any", payload: "{}", created: 1 });
      other.exec("begin immediate");
      const request = { now: 10, until: 20, limit: 1, channels: ["probe"] };
      expect(await store.deliveries.claim({ ...request, wanted: () => false })).toEqual([]);
      other.exec("rollback");
      expect(await store.deliveries.claim({ ...request, wanted: () => true })).toHaveLength(1);
    } finally {
      other.close();
      await store.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
