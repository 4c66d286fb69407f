import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPolicyFile } from "./policy-file.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "lading-policy-"));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

async function read(text: string): Promise<ReturnType<typeof readPolicyFile>> {
  const file = join(directory, "policy.toml");
  await writeFile(file, text);
  return readPolicyFile(file);
}

describe("readPolicyFile()", () => {
  it("reads every key", async () => {
    const text = `
      [[rules]]
      names = ["company/*"]
      review = true
      reviewers = ["rita", "group:security"]
      new_packages_only = true
      similar_names = "hold"
      [[rules]]
      allowed_licenses = ["MIT", "GPL-2.0+"]
      license_action = "hold"
      require_signatures = true
    `;
    expect(await read(text)).toEqual([
      {
        names: ["company/*"],
        review: true,
        reviewers: ["rita", "group:security"],
        newPackagesOnly: true,
        similarNames: "hold",
      },
      { names: ["**"], allowedLicenses: ["MIT", "GPL-2.0+"], licenseAction: "hold", requireSignatures: true },
    ]);
  });

  it.each([
    ["", /rules/],
    ["rules = []", /rules/],
    ["[[rules]]", /demands nothing/],
    ["[[rules]]\nreviews = true", /reviews/],
    ["other = 1\n[[rules]]\nreview = true", /other/],
    ['[[rules]]\nreview = true\nnames = ["NOT A NAME"]', /rules\[1\]\.names\[1\]: it is no package pattern/],
    ['[[rules]]\nallowed_licenses = ["Anything"]', /no SPDX identifier/],
    ['[[rules]]\nreview = true\nlicense_action = "hold"', /no allowed_licenses/],
    ['[[rules]]\nsimilar_names = "warn"', /similar_names/],
    ["[[rules", /policy/],
  ])("refuses %j", async (text, problem) => {
    const error = await read(text).catch((found: unknown) => found);
    expect(error).toMatchObject({ code: "SERVER_CONFIG_INVALID", message: expect.stringMatching(problem) });
  });

  it("refuses a file that is not there", () => {
    expect(() => readPolicyFile(join(directory, "none.toml"))).toThrow(/Cannot use the policy in/);
  });
});
