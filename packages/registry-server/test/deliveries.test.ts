import { afterEach, describe, expect, it, vi } from "vitest";
import {
  DeliveryService,
  ENDPOINT_PARALLEL,
  type DeliveryChannel,
  type SendOutcome,
} from "../src/lib/deliveries/delivery-service.ts";
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
  return { service, open, sent };
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

  it("idle() resolves when all that is due was sent", async () => {
    const { service, sent } = await startSending(many("fast", 100));
    await service.idle();
    expect([...sent].sort()).toEqual([...many("fast", 100)].sort());
  });
});
