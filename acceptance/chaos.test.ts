import { afterAll, describe, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "./lib/harness.ts";

const sandboxes: Sandbox[] = [];

const HEAD = `[package]
name = "chaotic"
version = "1.0.0"
description = "Faults on purpose"
license = "MIT"

[profile.release]
chaos_profile = "production"
`;

const PROFILES = `
[chaos-profile.production]
fault_injection_rate = 0.001
allowed_faults = ["network_delay", "packet_loss"]
max_fault_duration = "5s"
network_partition_probability = 0.01
message_drop_rate = 0.02

[chaos-profile.staging]
fault_injection_rate = 0.1
allowed_faults = ["all"]
max_fault_duration = "30s"

[chaos-profile.testing]
fault_injection_rate = 0.5
allowed_faults = ["all"]
chaos_seed = 12345
max_fault_duration = "1m"

[[chaos-profile.testing.fault_schedule]]
fault_type = "message_drop"
trigger = "on_send"
probability = 0.1
duration = "100ms"

[[chaos-profile.testing.fault_schedule]]
fault_type = "network_partition"
trigger = "cron:0 */5 * * * *"  # Every 5 minutes
probability = 1.0
duration = "30s"
`;

function open(profiles = PROFILES): Sandbox {
  const sandbox = createSandbox();
  sandboxes.push(sandbox);
  sandbox.write("gal.toml", HEAD + profiles);
  return sandbox;
}

interface Document {
  readonly profile: string;
  readonly fault_injection_rate: number;
  readonly allowed_faults: readonly string[];
  readonly max_fault_duration_ms: number;
  readonly fault_schedule: readonly Record<string, unknown>[];
}

interface Plan {
  readonly seed: number;
  readonly faults: readonly { readonly faultType: string; readonly start: string; readonly durationMs: number }[];
}

/** One profile with one line exchanged, and what `check` says of it. */
async function problem(from: string, to: string): Promise<string> {
  expect(PROFILES).toContain(from);
  const { code, stdout, stderr } = await open(PROFILES.replace(from, to)).line("gal-pkg check");
  expect(code).not.toBe(0);
  return stdout + stderr;
}

afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.dispose()));
});

describe("chaos profiles of a manifest", () => {
  test("[CHA-02] [CHA-05] [CHA-06] [CHA-13] the three documented ones are read, durations and `all` included", async () => {
    const listed = (await open().json("gal-pkg chaos list --json")) as { name: string; document: Document }[];
    expect(listed.map(({ name }) => name)).toEqual(["production", "staging", "testing"]);
    const [production, staging, testing] = listed.map(({ document }) => document);
    expect(production).toMatchObject({
      fault_injection_rate: 0.001,
      allowed_faults: ["network_delay", "packet_loss"],
      max_fault_duration_ms: 5000,
      network_partition_probability: 0.01,
      message_drop_rate: 0.02,
    });
    expect(staging).toMatchObject({ max_fault_duration_ms: 30_000 });
    expect(testing).toMatchObject({ max_fault_duration_ms: 60_000, chaos_seed: 12_345 });
    for (const fault of ["network_delay", "packet_loss", "message_drop", "network_partition"]) {
      expect(staging!.allowed_faults).toContain(fault);
    }
  });

  test("[CHA-03] [CHA-07] [CHA-08] rates and probabilities are from 0 to 1", async () => {
    expect(await problem("fault_injection_rate = 0.5", "fault_injection_rate = 1.5")).toMatch(
      /fault_injection_rate.*1\.5/s,
    );
    expect(await problem("network_partition_probability = 0.01", "network_partition_probability = -1")).toContain(
      "network_partition_probability",
    );
    expect(await problem("message_drop_rate = 0.02", "message_drop_rate = 2")).toContain("message_drop_rate");
  });

  test("[CHA-04] [CHA-13] only known faults are accepted", async () => {
    expect(await problem('"packet_loss"]', '"packet_lost"]')).toContain("packet_lost");
    expect(await problem('fault_type = "message_drop"', 'fault_type = "message_dorp"')).toContain("message_dorp");
  });

  test("[CHA-06] a scheduled fault may not last longer than the profile allows", async () => {
    expect(await problem('1.0\nduration = "30s"', '1.0\nduration = "2m"')).toContain("MANIFEST_DURATION_TOO_LONG");
    expect(await problem('max_fault_duration = "5s"', "max_fault_duration = 5")).toContain("max_fault_duration");
  });

  test("[CHA-10] [CHA-11] the schedule is an array of tables with known triggers", async () => {
    const [, , testing] = (await open().json("gal-pkg chaos list --json")) as { document: Document }[];
    expect(testing!.document.fault_schedule).toEqual([
      { fault_type: "message_drop", trigger: "on_send", probability: 0.1, duration_ms: 100 },
      { fault_type: "network_partition", trigger: "cron:0 */5 * * * *", probability: 1, duration_ms: 30_000 },
    ]);
    expect(await problem('trigger = "on_send"', 'trigger = "on_sent"')).toContain("on_sent");
    expect(await problem('"cron:0 */5 * * * *"', '"cron:*/5 * * * *"')).toContain("6");
  });

  test("[CHA-12] the next five times of a six-field cron trigger are five minutes apart", async () => {
    const sandbox = open();
    const listed = (await sandbox.json("gal-pkg chaos list --json")) as { schedule: { next: string[] }[] }[];
    const times = listed[2]!.schedule[1]!.next.map((time) => Date.parse(time));
    expect(times).toHaveLength(5);
    expect(times[0]! % 300_000).toBe(0);
    expect(times.map((time) => time - times[0]!)).toEqual([0, 300_000, 600_000, 900_000, 1_200_000]);
    expect((await sandbox.ok("gal-pkg chaos list")).stdout).toMatch(
      /network_partition cron:0 \*\/5 \* \* \* \*: next \d{4}-/,
    );
  });
});

describe("chaos plan", () => {
  const span = "--from 2026-01-31T12:00:00Z --for 10m --json";

  test("[CHA-09] the same seed gives the same plan twice, another one another", async () => {
    const sandbox = open();
    const first = (await sandbox.json(`gal-pkg chaos plan testing ${span}`)) as Plan;
    expect(await sandbox.json(`gal-pkg chaos plan testing ${span}`)).toEqual(first);
    expect(first.seed).toBe(12_345);
    expect(first.faults.length).toBeGreaterThan(100);
    for (const { durationMs } of first.faults) expect(durationMs).toBeLessThanOrEqual(60_000);
    for (const start of ["2026-01-31T12:00:00.000Z", "2026-01-31T12:05:00.000Z"]) {
      expect(first.faults).toContainEqual({ faultType: "network_partition", start, durationMs: 30_000 });
    }
    const other = open(PROFILES.replace("chaos_seed = 12345", "chaos_seed = 54321"));
    expect(((await other.json(`gal-pkg chaos plan testing ${span}`)) as Plan).faults).not.toEqual(first.faults);
  });

  test("says which profiles there are, and refuses a span without end", async () => {
    const sandbox = open();
    const unknown = await sandbox.line("gal-pkg chaos plan nothing");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('"production", "staging", "testing"');
    expect((await sandbox.line("gal-pkg chaos plan testing --for 2d")).stderr).toContain("at most a day");
  });
});

describe("chaos export", () => {
  test("[CHA-01] a runner gets the profile as JSON and in its environment", async () => {
    const sandbox = open();
    const document = (await sandbox.json("gal-pkg chaos export testing")) as Document;
    expect(document).toMatchObject({ format: 1, profile: "testing", fault_injection_rate: 0.5 });
    sandbox.write("runner.sh", 'echo "$GAL_CHAOS_PROFILE $GAL_CHAOS_SEED"; printf %s "$GAL_CHAOS_DOCUMENT"');
    const { stdout } = await sandbox.ok('set -a; eval "$(gal-pkg chaos export testing --as env)"; sh runner.sh');
    expect(stdout.split("\n")[0]).toBe("testing 12345");
    expect(JSON.parse(stdout.split("\n")[1]!)).toEqual(document);
  });

  test("[CHA-14] [MAN-28] a build profile chooses its chaos profile", async () => {
    expect(await open().json("gal-pkg chaos export release")).toMatchObject({ profile: "production" });
    expect(await problem("[chaos-profile.production]", "[chaos-profile.live]")).toContain("production");
  });
});
