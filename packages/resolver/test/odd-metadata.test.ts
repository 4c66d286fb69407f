import { describe, expect, it } from "vitest";
import { resolve, type PackageMetadata } from "../src/index.ts";

async function answerFor(packages: Readonly<Record<string, PackageMetadata>>) {
  const known = new Map(Object.entries(packages));
  const answer = await resolve(
    { roots: [{ name: "root", dependencies: [{ key: "app", requirement: "*", features: ["default"] }] }] },
    { get: (key) => known.get(key) ?? { candidates: [] }, load: () => Promise.resolve() },
  );
  if (answer.status !== "solved") throw new Error(answer.explanation);
  return answer;
}

describe("resolve()", () => {
  it("meets a dependency that names the feature default of a package without features", async () => {
    const { packages } = await answerFor({
      app: {
        candidates: [{ version: "1.0.0", dependencies: [{ key: "lib", requirement: "*", features: ["default"] }] }],
      },
      lib: { candidates: [{ version: "1.0.0", dependencies: [] }] },
    });
    expect(packages.map(({ id, features }) => [id, features])).toEqual([
      ["app 1.0.0", []],
      ["lib 1.0.0", []],
    ]);
  });

  it("leaves out an ifPossible dependency whose requirement nobody can read, and says so", async () => {
    const dependencies = [{ key: "lib", requirement: "^x", ifPossible: true }];
    const { packages, notes } = await answerFor({
      app: { candidates: [{ version: "1.0.0", dependencies }] },
      lib: { candidates: [{ version: "1.0.0", dependencies: [] }] },
    });
    expect(packages.map(({ id }) => id)).toEqual(["app 1.0.0"]);
    expect(notes).toMatchObject([{ type: "optional-left-out", dependent: "app 1.0.0", key: "lib", requirement: "^x" }]);
    expect(notes[0]!.message).toContain("cannot be read");
  });

  it("leaves out an ifPossible dependency beside an equal one that asks for less", async () => {
    const dependencies = [
      { key: "lib", requirement: "*", ifPossible: true, features: ["missing"] },
      { key: "lib", requirement: "*" },
    ];
    const { packages, notes } = await answerFor({
      app: { candidates: [{ version: "1.0.0", dependencies }] },
      lib: { candidates: [{ version: "1.0.0", dependencies: [] }] },
    });
    expect(packages.find(({ key }) => key === "app")!.dependencies).toMatchObject([
      { id: "lib 1.0.0", optional: false },
    ]);
    expect(notes).toMatchObject([{ type: "optional-left-out", key: "lib" }]);
  });
});
