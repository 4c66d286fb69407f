import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSandbox, type Sandbox } from "./lib/harness.ts";

let box: Sandbox;
beforeAll(() => {
  box = createSandbox();
  box.write(
    "~/.gitconfig",
    `[user]\n  name = A\n  email = a@example.com\n[protocol "file"]\n  allow = always\n[url "file://${box.work}/"]\n  insteadOf = https://github.com/org/\n`,
  );
});
afterAll(() => box.dispose());

const manifest = (ref: string, version: string): string =>
  `ref: ${ref}\nlabel: ${ref}\ndescription: d\nversion: "${version}"\nauthor: A\nmeta:\n  license: MIT\n`;

describe("the tools of pack maintainers", () => {
  test("[TST-09] the checksum of a directory is the published one: .git plays no part, links are refused", async () => {
    box.write("sum/z.txt", "last");
    box.write("sum/a.txt", "first");
    const known = "sha256:ca427e7c4daebdc0cb0f04df11ee68a2b2bfc1b8a6892d3fdaab82fdb4207c94";
    expect((await box.ok("attune pack checksum sum")).stdout).toBe(`${known}  sum\n`);
    await box.ok("git init -q sum && git -C sum add -A && git -C sum commit -qm one");
    expect((await box.ok("attune pack checksum sum")).stdout).toBe(`${known}  sum\n`);
    await box.ok("ln -s a.txt sum/link");
    expect((await box.line("attune pack checksum sum")).code).not.toBe(0);
    await box.ok("rm sum/link && printf x >> sum/a.txt");
    expect((await box.ok("attune pack checksum sum")).stdout).not.toContain(known);
    const file = await box.ok("attune pack checksum sum/z.txt");
    expect(file.stdout.split(" ")[0]).toBe(`sha256:${(await box.ok("sha256sum sum/z.txt")).stdout.slice(0, 64)}`);
  });

  test("[TST-10] install sources of Git and of archives are made of what is there, and bad addresses are refused", async () => {
    box.write("source/pack.yaml", manifest("source", "1.0.0"));
    await box.ok(
      "git init -q source && git -C source add -A && git -C source commit -qm one && git -C source tag v1.0.0 && git -C source remote add origin https://github.com/org/source",
    );
    const git = await box.json("attune pack checksum source --json --git-url org/source --git-ref v1.0.0");
    expect(git).toEqual({
      type: "git",
      url: "https://github.com/org/source",
      ref: "v1.0.0",
      checksum: expect.stringMatching(/^sha256:/) as string,
    });
    await box.ok("tar czf source.tar.gz source");
    const archive = await box.json(
      "attune pack checksum source.tar.gz --json --archive-url https://example.com/source.tar.gz",
    );
    expect(archive).toMatchObject({ type: "archive", url: "https://example.com/source.tar.gz" });
    for (const url of ["http://example.com/a", "https://user:secret@example.com/a", "ftp://example.com/a"]) {
      const refused = await box.line(`attune pack checksum source --json --git-url ${url} --git-ref v1`);
      expect([url, refused.code === 0, refused.stderr.includes("secret")]).toEqual([url, false, false]);
    }
  });

  test("[TST-05] [TST-11] the five commands agree on one pack: entry, index, merge and installation name the same bytes", async () => {
    box.write("one/pack.yaml", manifest("one", "1.0.0"));
    await box.ok("git init -q one && git -C one add -A && git -C one commit -qm one && git -C one tag v1.0.0");
    const from = "--git-url https://github.com/org/one --git-ref v1.0.0";
    const [sum] = (await box.ok("attune pack checksum one")).stdout.split(" ");
    const entry = await box.json(`attune pack index-entry one ${from} --json`);
    expect(JSON.stringify(entry)).toContain(sum);
    for (const name of ["left", "right"]) {
      await box.ok(`attune pack index-init ${name} --url https://registry.example.com/${name}.json`);
    }
    await box.ok(`attune pack index-update --index left/index.json one ${from}`);
    const again = await box.line(`attune pack index-update --index left/index.json one ${from}`);
    expect(again.code).toBe(8);
    box.write("one/pack.yaml", manifest("one", "1.10.0"));
    await box.ok("git -C one commit -qam two && git -C one tag v1.10.0");
    await box.ok(
      "attune pack index-update --index right/index.json one --git-url https://github.com/org/one --git-ref v1.10.0",
    );
    const merged = await box.ok("attune pack index-merge --output merged.json left/index.json right/index.json");
    expect(merged.stdout).toMatch(/Duplicates resolved: 1/);
    await box.ok("attune pack index-validate merged.json");
    const [kept] = (JSON.parse(box.read("merged.json")) as { packs: { version: string }[] }).packs;
    expect(kept!.version).toBe("1.10.0");
    box.write("user/.keep", "");
    await box.ok("attune pack install https://github.com/org/one#v1.10.0", { cwd: "user" });
    const [installed] = (await box.ok("attune pack checksum one")).stdout.split(" ");
    expect(JSON.stringify(kept)).toContain(installed);
    expect(box.read("user/packs/one/pack.yaml")).toBe(box.read("one/pack.yaml"));
  });
});
