import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "./harness.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "lading-secrets-"));
});
afterAll(async () => rm(home, { recursive: true, force: true }));

describe("login warns of a secret on the command line, by what it is", () => {
  it.each([
    ["--token ldg_x", "A token on", "A password on"],
    ["--username ann --password pass", "A password on", "A token on"],
  ])("%s", async (flags, said, unsaid) => {
    const line = ["login", "--offline", "--registry", "https://registry.example", ...flags.split(" ")];
    const ran = await runCli(line, { cwd: home, env: { HOME: home, XDG_CONFIG_HOME: home } });
    expect(ran.stderr).toContain(`${said} the command line can be seen by other users`);
    expect(ran.stderr).not.toContain(unsaid);
  });
});
