import { describe, expect, test } from "vitest";
import { resolve } from "../src/index.ts";
import { universe } from "../src/testing.ts";
import { ids, need, solved, unsolvable } from "./support.ts";

const perMajor = { coexistence: "per-major" } as const;

describe("per-major", () => {
  const world = universe()
    .package("foo", "1.0.0", { shared: ">=1.0.0 <2.0.0" })
    .package("bar", "1.0.0", { shared: ">=2.0.0 <3.0.0" })
    .package("wide", "1.0.0", { shared: ">=1.0.0" })
    .package("shared", "1.0.0")
    .package("shared", "1.5.0")
    .package("shared", "2.0.0");

  test("keeps two majors side by side, one version of each", async () => {
    const answer = await solved(world, { foo: "*", bar: "*" }, perMajor);
    expect(answer.packages.filter(({ key }) => key === "shared").map(({ id, slot }) => [id, slot])).toEqual([
      ["shared 1.5.0", "1"],
      ["shared 2.0.0", "2"],
    ]);
  });

  test("a range over several majors takes the newest, and says which", async () => {
    const answer = await solved(world, { foo: "*", wide: "*" }, perMajor);
    const wide = answer.packages.find(({ key }) => key === "wide")!;
    expect(wide.dependencies.map(({ id }) => id)).toEqual(["shared 2.0.0"]);
  });

  test("a range over several majors follows the lock", async () => {
    const locked = [{ key: "shared", version: "1.0.0" }];
    expect(await ids(world, { wide: "*" }, { ...perMajor, locked })).toEqual(["shared 1.0.0", "wide 1.0.0"]);
  });

  test("within one major two requirements meet", async () => {
    const tight = world.package("other", "1.0.0", { shared: "=1.0.0" });
    expect(await ids(tight, { foo: "*", other: "*" }, perMajor)).toEqual(["foo 1.0.0", "other 1.0.0", "shared 1.0.0"]);
    const clash = tight.package("third", "1.0.0", { shared: "=1.5.0" });
    expect((await unsolvable(clash, { other: "*", third: "*" }, perMajor)).explanation).toContain(
      "myapp depends on third any which depends on shared 1.5.0",
    );
  });

  test("0.x versions coexist by minor", async () => {
    const young = universe().package("a", "0.1.5").package("a", "0.2.0").package("b", "1.0.0", { a: ">=0.1.0 <0.2.0" });
    expect(await ids(young, { a: "=0.2.0", b: "*" }, perMajor)).toEqual(["a 0.1.5", "a 0.2.0", "b 1.0.0"]);
  });

  test("falls back to another major where the newest has no solution", async () => {
    const broken = world.package("shared", "3.0.0", { gone: "*" });
    expect(await ids(broken, { wide: "*" }, perMajor)).toEqual(["shared 2.0.0", "wide 1.0.0"]);
  });

  test("an optional peer is checked in its own major", async () => {
    const plug = world.package("plug", "1.0.0", {
      dependencies: [need("shared", ">=2.0.0", { kind: "peer", optional: true })],
    });
    expect(await ids(plug, { plug: "*", foo: "*" }, perMajor)).toEqual(["foo 1.0.0", "plug 1.0.0", "shared 1.5.0"]);
  });

  test("features go to the major that was chosen", async () => {
    const featured = universe()
      .package("a", "1.0.0", { dependencies: [need("lib", ">=1.0.0", { features: ["x"] })] })
      .package("b", "1.0.0", { dependencies: [need("lib", "<2.0.0")] })
      .package("lib", "1.0.0", { features: { x: [] } })
      .package("lib", "2.0.0", { features: { x: [] } });
    const answer = await solved(featured, { a: "*", b: "*" }, perMajor);
    expect(answer.packages.map(({ id, features }) => [id, features]).slice(2)).toEqual([
      ["lib 1.0.0", []],
      ["lib 2.0.0", ["x"]],
    ]);
  });
});

describe("features", () => {
  const world = universe()
    .package("lib", "1.0.0", {
      features: {
        default: ["std"],
        std: [],
        tls: ["dep:ssl", "net?/secure"],
        web: ["net/secure"],
        both: ["tls", "std"],
      },
      dependencies: [need("ssl", "*", { optional: true }), need("net", "*", { optional: true })],
    })
    .package("ssl", "1.1.0")
    .package("net", "1.0.0", { features: { secure: ["crypto"], crypto: [] } });
  const lib = (...features: string[]) => need("lib", "*", { features, defaultFeatures: false });
  const featuresOf = async (dependency: ReturnType<typeof lib>, key: string) =>
    (await solved(world, [dependency])).packages.find((one) => one.key === key)?.features;

  test("default features are on unless refused", async () => {
    expect(await featuresOf(need("lib", "*"), "lib")).toEqual(["default", "std"]);
    expect(await featuresOf(lib(), "lib")).toEqual([]);
  });

  test("two dependents get the union", async () => {
    const two = world
      .package("a", "1.0.0", { dependencies: [lib("tls")] })
      .package("b", "1.0.0", { dependencies: [lib("std")] });
    const answer = await solved(two, { a: "*", b: "*" });
    expect(answer.packages.find(({ key }) => key === "lib")!.features).toEqual(["std", "tls"]);
  });

  test("a feature brings its optional dependency", async () => {
    expect(await ids(world, [lib("tls")])).toEqual(["lib 1.0.0", "ssl 1.1.0"]);
    expect(await ids(world, [lib("ssl")])).toEqual(["lib 1.0.0", "ssl 1.1.0"]);
    expect(await ids(world, [lib("std")])).toEqual(["lib 1.0.0"]);
  });

  test("name/feature brings the dependency with the feature", async () => {
    expect(await featuresOf(lib("web"), "net")).toEqual(["crypto", "secure"]);
  });

  test("name?/feature adds the feature only where something else brings the dependency", async () => {
    expect(await featuresOf(lib("tls"), "net")).toBeUndefined();
    expect(await featuresOf(lib("tls", "net"), "net")).toEqual(["crypto", "secure"]);
  });

  test("a version without the feature is passed over", async () => {
    const newer = world.package("lib", "2.0.0", { features: { other: [] } });
    expect(await ids(newer, [lib("tls")])).toEqual(["lib 1.0.0", "ssl 1.1.0"]);
    const { explanation } = await unsolvable(newer, [need("lib", ">=2.0.0", { features: ["tls"] })]);
    expect(explanation).toContain('lib 2.0.0 has no feature "tls"');
  });

  test("a feature that lists what does not exist rules its version out, no more", async () => {
    const odd = universe()
      .package("a", "2.0.0", { features: { f: ["ghost"] } })
      .package("a", "1.0.0", { features: { f: [] } });
    expect(await ids(odd, [need("a", "*", { features: ["f"] })])).toEqual(["a 1.0.0"]);
    expect(await ids(odd, [need("a", "*")])).toEqual(["a 2.0.0"]);
  });

  test("a root's features switch on dependencies and their features", async () => {
    const root = {
      name: "myapp",
      dependencies: [need("lib", "*", { optional: true, defaultFeatures: false }), need("net", "*")],
      features: { default: [], experimental: ["lib", "lib/tls", "net/secure"] },
    };
    const plain = await resolve({ roots: [root] }, world.provider());
    expect(plain.status === "solved" && plain.packages.map(({ id }) => id)).toEqual(["net 1.0.0"]);
    const full = await resolve({ roots: [{ ...root, enable: ["experimental"] }] }, world.provider());
    expect(full.status === "solved" && full.packages.map(({ id, features }) => [id, features])).toEqual([
      ["lib 1.0.0", ["tls"]],
      ["net 1.0.0", ["crypto", "secure"]],
      ["ssl 1.1.0", []],
    ]);
  });

  test("features may refer to each other in a circle", async () => {
    const circle = universe().package("a", "1.0.0", { features: { x: ["y"], y: ["x"] } });
    const answer = await solved(circle, [need("a", "*", { features: ["x"] })]);
    expect(answer.packages[0]!.features).toEqual(["x", "y"]);
  });

  test("members of a workspace share one answer", async () => {
    const roots = [
      { name: "one", dependencies: [lib("std")] },
      { name: "two", dependencies: [lib("tls")] },
    ];
    const answer = await resolve({ roots }, world.provider());
    expect(answer.status === "solved" && answer.packages.map(({ id, features }) => [id, features])).toEqual([
      ["lib 1.0.0", ["std", "tls"]],
      ["ssl 1.1.0", []],
    ]);
  });

  test("an alias gives a dependency another name for its dependent", async () => {
    const aliased = world.package("a", "1.0.0", {
      features: { f: ["tool/tls"] },
      dependencies: [need("lib", "*", { name: "tool", defaultFeatures: false })],
    });
    const answer = await solved(aliased, [need("a", "*", { features: ["f"] })]);
    expect(answer.packages.find(({ key }) => key === "a")!.dependencies).toMatchObject([
      { name: "tool", id: "lib 1.0.0" },
    ]);
    expect(answer.packages.find(({ key }) => key === "lib")!.features).toEqual(["tls"]);
  });
});
