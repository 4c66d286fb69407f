import type { ChaosProfile } from "@lading/core-manifest";
import type { Fetch } from "@lading/registry-client";
import { describe, expect, test } from "vitest";
import { createFaultFetch, type InjectedFault } from "../src/index.ts";

const profile = (facts: Partial<ChaosProfile>): ChaosProfile => ({
  allowedFaults: ["all"],
  faultSchedule: [],
  extra: {},
  ...facts,
});

const BODY = new TextEncoder().encode("twelve bytes");

interface World {
  readonly fetch: Fetch;
  readonly faults: InjectedFault[];
  readonly sent: string[];
  readonly slept: number[];
}

function world(chaos: ChaosProfile, change: { seed?: number; now?: () => number } = {}): World {
  const [faults, sent, slept]: [InjectedFault[], string[], number[]] = [[], [], []];
  const plain: Fetch = (url, init) => {
    sent.push(`${init.method} ${url}`);
    return Promise.resolve({
      status: 200,
      headers: { get: () => null },
      body: (async function* () {
        yield BODY;
      })(),
    });
  };
  const fetch = createFaultFetch({
    profile: chaos,
    fetch: plain,
    onFault: (fault) => faults.push(fault),
    sleep: (ms) => Promise.resolve(void slept.push(ms)),
    now: () => 0,
    ...change,
  });
  return { fetch, faults, sent, slept };
}

async function ask(fetch: Fetch, url: string, method = "GET"): Promise<string> {
  try {
    const signal = new AbortController().signal;
    const { body } = await fetch(url, { method, headers: {}, signal, redirect: "manual", purpose: "call" });
    let text = "";
    for await (const chunk of body ?? []) text += new TextDecoder().decode(chunk);
    return text;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const urls = Array.from({ length: 200 }, (_, index) => `http://127.0.0.1:8080/index/${index}`);

describe("createFaultFetch()", () => {
  test("gives the same faults to the same exchanges, whatever their order and the registry's port", async () => {
    const chaos = profile({
      faultInjectionRate: 0.5,
      chaosSeed: 12345,
      allowedFaults: ["network_delay", "packet_loss", "message_drop"],
    });
    const one = world(chaos);
    for (const url of urls) await ask(one.fetch, url);
    const other = world(chaos);
    const elsewhere = urls.map((url) => url.replace("8080", "9999")).toReversed();
    await Promise.all(elsewhere.map((url) => ask(other.fetch, url)));
    const told = ({ faults }: World): string[] =>
      faults.map(({ faultType, url, attempt }) => `${new URL(url).pathname} ${attempt} ${faultType}`).sort();
    expect(told(one)).toEqual(told(other));
    expect(one.faults.length).toBeGreaterThan(70);
    expect(one.faults.length).toBeLessThan(130);
    const third = world(chaos, { seed: 1 });
    for (const url of urls) await ask(third.fetch, url);
    expect(told(third)).not.toEqual(told(one));
  });

  test("decides each attempt anew, so that a retry can succeed", async () => {
    const { fetch, faults } = world(profile({ faultInjectionRate: 0.5, allowedFaults: ["dns_failure"], chaosSeed: 7 }));
    const answers: string[] = [];
    for (let attempt = 0; attempt < 20; attempt += 1) answers.push(await ask(fetch, urls[0]!));
    expect(new Set(answers)).toEqual(new Set(["ENOTFOUND", "twelve bytes"]));
    expect(faults.every(({ attempt }, index) => index === 0 || attempt > faults[index - 1]!.attempt)).toBe(true);
  });

  test.each([
    ["network_partition", "ENETUNREACH", 0],
    ["dns_failure", "ENOTFOUND", 0],
    ["message_drop", "ETIMEDOUT", 1],
    ["packet_loss", "ECONNRESET", 1],
    ["connection_reset", "ECONNRESET", 1],
    ["message_duplicate", "twelve bytes", 2],
    ["network_delay", "twelve bytes", 1],
  ])("%s answers %s after %i requests", async (fault, answer, requests) => {
    const { fetch, sent } = world(profile({ faultInjectionRate: 1, allowedFaults: [fault] }));
    expect(await ask(fetch, urls[0]!)).toBe(answer);
    expect(sent).toHaveLength(requests);
  });

  test("message_corrupt changes one byte and no length; an upload is not sent twice", async () => {
    const corrupt = world(profile({ faultInjectionRate: 1, allowedFaults: ["message_corrupt"] }));
    const text = await ask(corrupt.fetch, urls[0]!);
    expect(text.split("").filter((letter, index) => letter !== "twelve bytes"[index])).toHaveLength(1);
    expect(text).toHaveLength(12);
    const twice = world(profile({ faultInjectionRate: 1, allowedFaults: ["message_duplicate"] }));
    await ask(twice.fetch, urls[0]!, "POST");
    expect(twice.sent).toHaveLength(1);
  });

  test("delays stay below half a second however long the profile's faults are", async () => {
    const { fetch, slept } = world(
      profile({ faultInjectionRate: 1, allowedFaults: ["network_delay"], maxFaultDurationMs: 60_000 }),
    );
    for (const url of urls) await ask(fetch, url);
    expect(slept).toHaveLength(200);
    expect(Math.max(...slept)).toBeLessThan(500);
  });

  test("faults that are none of a network's change nothing", async () => {
    const { fetch, faults } = world(profile({ faultInjectionRate: 1, allowedFaults: ["disk_full", "actor_crash"] }));
    expect(await ask(fetch, urls[0]!)).toBe("twelve bytes");
    expect(faults).toEqual([]);
  });

  test("partition, drop and event entries draw by their own probabilities", async () => {
    const none = { allowedFaults: [], faultInjectionRate: 0 };
    const partition = world(profile({ ...none, networkPartitionProbability: 1 }));
    expect(await ask(partition.fetch, urls[0]!)).toBe("ENETUNREACH");
    const drop = world(profile({ ...none, messageDropRate: 1 }));
    expect(await ask(drop.fetch, urls[0]!)).toBe("ETIMEDOUT");
    const send = world(
      profile({ ...none, faultSchedule: [{ faultType: "dns_failure", trigger: "on_send", probability: 1 }] }),
    );
    expect(await ask(send.fetch, urls[0]!)).toBe("ENOTFOUND");
    const other = world(
      profile({ ...none, faultSchedule: [{ faultType: "dns_failure", trigger: "on_spawn", probability: 1 }] }),
    );
    expect(await ask(other.fetch, urls[0]!)).toBe("twelve bytes");
  });

  test("a cron entry holds for its duration", async () => {
    let time = 1000;
    const entry = { faultType: "network_partition", trigger: "cron:0 */5 * * * *", probability: 1, durationMs: 30_000 };
    const { fetch } = world(profile({ allowedFaults: [], faultSchedule: [entry] }), { now: () => time });
    expect(await ask(fetch, urls[0]!)).toBe("twelve bytes");
    time = 300_000;
    expect(await ask(fetch, urls[0]!)).toBe("ENETUNREACH");
    time = 329_999;
    expect(await ask(fetch, urls[0]!)).toBe("ENETUNREACH");
    time = 330_000;
    expect(await ask(fetch, urls[0]!)).toBe("twelve bytes");
  });
});
