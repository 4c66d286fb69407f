import { describe, expect, it } from "vitest";
import { MemoryCache } from "../memory-cache.ts";
import { FakeClock, fakeAccount, fakeAudit } from "../testing/fixtures.ts";
import { MemoryMetadataStore } from "../testing/memory-metadata-store.ts";
import { MEMBERSHIP_TTL_MS, StoredGroups } from "./groups.ts";
import { parseTeamName } from "./organisation.ts";

async function world(directory: readonly string[]) {
  const metadata = new MemoryMetadataStore();
  const clock = new FakeClock();
  const ann = { origin: "ldap", subject: "1", username: "ann", groups: directory, admin: false };
  await metadata.identities.externalAccount(ann, "a1", fakeAudit());
  const ada = fakeAccount("ada");
  await metadata.createAccount(ada, fakeAudit());
  const { organisations } = metadata;
  await organisations.createOrganisation({ id: "o1", name: "acme", created: 1 }, ada, fakeAudit());
  const team = { id: "t1", organisationId: "o1", name: "core", role: "publish", created: 1 } as const;
  await organisations.createTeam(team, fakeAudit());
  const directoryTeams = [
    { group: "makers", organisation: "acme", team: "core" },
    { group: "makers", organisation: "acme", team: "missing" },
  ];
  return {
    organisations,
    clock,
    groups: new StoredGroups({ metadata, cache: new MemoryCache(clock), directoryTeams }),
  };
}

describe("StoredGroups", () => {
  it("tells teams as o/t beside the directory's groups", async () => {
    const { organisations, groups } = await world(["employees"]);
    await organisations.setMember("o1", fakeAccount("ann", { id: "a1" }), "member", fakeAudit());
    await organisations.setTeamMember("t1", fakeAccount("ann", { id: "a1" }), "member", fakeAudit());
    expect(await groups.groupsOf("a1")).toEqual(["acme/core", "employees"]);
    expect(await groups.groupsOf("nobody")).toEqual([]);
  });

  it("makes members of mapped groups members of the team and its organisation, where there is such a team", async () => {
    const { groups } = await world(["makers"]);
    expect(await groups.groupsOf("a1")).toEqual(["acme/core", "makers"]);
    expect(await groups.membershipsOf("a1")).toEqual({
      organisations: [{ name: "acme", role: "member" }],
      teams: [{ organisation: "acme", name: "core", role: "publish" }],
    });
  });

  it("takes no group of a directory for a team that is called alike", async () => {
    const { groups } = await world(["acme/core", "Acme/Core", "/acme/core"]);
    expect(await groups.groupsOf("a1")).toEqual(["/acme/core", "Acme/Core"]);
  });

  it("feels a change within five seconds, and at once on the server that made it", async () => {
    const { organisations, clock, groups } = await world([]);
    const ann = fakeAccount("ann", { id: "a1" });
    expect(await groups.groupsOf("a1")).toEqual([]);
    await organisations.setMember("o1", ann, "member", fakeAudit());
    await organisations.setTeamMember("t1", ann, "member", fakeAudit());
    expect(await groups.groupsOf("a1")).toEqual([]);
    clock.advance(MEMBERSHIP_TTL_MS);
    expect(await groups.groupsOf("a1")).toEqual(["acme/core"]);
    await organisations.removeMember("o1", ann, fakeAudit());
    await groups.forget("a1");
    expect(await groups.groupsOf("a1")).toEqual([]);
    expect(MEMBERSHIP_TTL_MS).toBeLessThanOrEqual(5000);
  });
});

describe("parseTeamName()", () => {
  it("takes o/t and nothing else", () => {
    expect(parseTeamName("acme/core-2")).toEqual({ organisation: "acme", team: "core-2" });
    for (const text of [
      "acme",
      "acme/",
      "/core",
      "acme/core/x",
      "Acme/core",
      "acme/co.re",
      "acme/-core",
      `a/${"b".repeat(65)}`,
    ])
      expect([text, parseTeamName(text)]).toEqual([text, undefined]);
  });
});
