import { describe, expect, it } from "vitest";
import {
  chaosEnvironment,
  chaosRunnerDocument,
  encodeCanonicalJson,
  nextTriggerTimes,
  parseManifest,
  planFaults,
  publishedManifest,
  type ChaosProfile,
  type PackageManifest,
} from "../index.ts";
import { EVERYTHING_TOML } from "../../test/manifest-fixtures.ts";

function read(text: string): PackageManifest {
  return parseManifest(text, { file: "gal.toml", dialect: "gal.toml" });
}

const OPTIONS = {
  file: "gal.toml",
  registryUrl: (name: string): string | undefined => (name === "company" ? "https://registry.example.com/" : undefined),
};

describe("publishedManifest()", () => {
  it("rewrites sources to versions, leaves development out and is canonical JSON", () => {
    const text = EVERYTHING_TOML.replace('near = { path = "../near" }\n', "").replace(/^far = .*\n/m, "");
    const published = publishedManifest(read(text), OPTIONS);
    expect(published.dependencies).toEqual([
      { name: "courier", kind: "normal", requirement: ">=1.2.0 <2.0.0-0" },
      {
        name: "metronome",
        kind: "normal",
        requirement: ">=0.5.0 <0.6.0-0",
        features: ["cron"],
        defaultFeatures: false,
      },
      { name: "both", kind: "normal", requirement: ">=0.1.0 <0.2.0-0" },
      {
        name: "company/ledger",
        kind: "normal",
        requirement: ">=1.0.0 <3.0.0-0",
        registry: "https://registry.example.com/",
      },
      {
        name: "spare",
        package: "spare-parts",
        kind: "normal",
        requirement: ">=1.0.0 <2.0.0-0",
        optional: true,
        targets: ["x86_64-linux"],
      },
      { name: "forge", kind: "build", requirement: ">=1.0.0 <2.0.0-0" },
      { name: "stage", kind: "peer", requirement: ">=3.0.0 <4.0.0-0", optional: true },
    ]);
    expect(published).toMatchObject({
      name: "orbit-scheduler",
      hosts: { gal: ">=1.0.0" },
      extra: { package: { metadata: { docs: { since: "2024-05-01" } } } },
    });
    expect(() => encodeCanonicalJson(published)).not.toThrow();
  });

  it("lists every dependency that nobody else could resolve", () => {
    const publish = (): unknown => publishedManifest(read(EVERYTHING_TOML), { file: "gal.toml" });
    expect(publish).toThrow(
      expect.objectContaining({
        code: "MANIFEST_NOT_PUBLISHABLE",
        diagnostics: [
          expect.objectContaining({ code: "MANIFEST_DEPENDENCY_UNPUBLISHABLE", key: "dependencies.near" }),
          expect.objectContaining({ key: "dependencies.far" }),
          expect.objectContaining({ key: "dependencies.company/ledger" }),
        ],
      }),
    );
    const filled = publishedManifest(read(EVERYTHING_TOML), { ...OPTIONS, requirementOf: () => ">=9.0.0" });
    expect(filled.dependencies?.find(({ name }) => name === "near")?.requirement).toBe(">=9.0.0");
  });

  it("refuses a workspace without package and publish = false", () => {
    const refused = expect.objectContaining({ code: "MANIFEST_NOT_PUBLISHABLE" });
    expect(() => publishedManifest(read("[workspace]\nmembers = []\n"), OPTIONS)).toThrow(refused);
    expect(() =>
      publishedManifest(read('[package]\nname = "a"\nversion = "1.0.0"\npublish = false\n'), OPTIONS),
    ).toThrow(refused);
  });
});

const HOUR = 3_600_000;

describe("chaos profiles", () => {
  const profile: ChaosProfile = {
    faultInjectionRate: 0.2,
    allowedFaults: ["network_delay", "packet_loss"],
    chaosSeed: 7,
    maxFaultDurationMs: 5000,
    faultSchedule: [
      { faultType: "network_partition", trigger: "cron:0 */5 * * * *", probability: 1, durationMs: 30_000 },
    ],
    extra: {},
  };

  it("planFaults() gives the same plan for the same seed, within the limits", () => {
    const plan = planFaults(profile, { fromMs: 0, untilMs: HOUR });
    expect(planFaults(profile, { fromMs: 0, untilMs: HOUR })).toEqual(plan);
    expect(planFaults({ ...profile, chaosSeed: 8 }, { fromMs: 0, untilMs: HOUR })).not.toEqual(plan);
    const random = plan.filter(({ faultType }) => faultType !== "network_partition");
    expect(random.length / 3600).toBeCloseTo(0.2, 1);
    expect(random.every(({ durationMs }) => durationMs >= 1 && durationMs <= 5000)).toBe(true);
    expect(plan.filter(({ faultType }) => faultType === "network_partition")).toHaveLength(12);
  });

  it("nextTriggerTimes() knows six fields, seconds first", () => {
    const start = Date.UTC(2024, 1, 28, 23, 58, 30);
    const next = (trigger: string, count = 5): string[] =>
      nextTriggerTimes(trigger, start, count).map((time) => new Date(time).toISOString().slice(0, 19));
    expect(next("cron:0 */5 * * * *")).toEqual([
      "2024-02-29T00:00:00",
      "2024-02-29T00:05:00",
      "2024-02-29T00:10:00",
      "2024-02-29T00:15:00",
      "2024-02-29T00:20:00",
    ]);
    expect(next("cron:15,45 0 12 29 feb *", 3)).toEqual([
      "2024-02-29T12:00:15",
      "2024-02-29T12:00:45",
      "2028-02-29T12:00:15",
    ]);
    expect(next("cron:0 0 0 13 * fri", 3)).toEqual([
      "2024-03-01T00:00:00",
      "2024-03-08T00:00:00",
      "2024-03-13T00:00:00",
    ]);
    expect(next("cron:0 0 0 30 2 *")).toEqual([]);
    expect(next("on_send")).toEqual([]);
  });

  it("go to a runner as JSON or as environment", () => {
    expect(chaosRunnerDocument("calm", profile)).toMatchObject({
      format: 1,
      profile: "calm",
      fault_injection_rate: 0.2,
      message_drop_rate: 0,
      fault_schedule: [{ duration_ms: 30_000 }],
    });
    expect(chaosEnvironment("calm", profile, "GAL")).toMatchObject({
      GAL_CHAOS_PROFILE: "calm",
      GAL_CHAOS_SEED: "7",
      GAL_CHAOS_ALLOWED_FAULTS: "network_delay,packet_loss",
    });
  });
});
