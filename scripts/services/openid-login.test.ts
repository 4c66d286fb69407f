import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CLIENT_ID, startOpenId, type OpenIdServer } from "./openid.ts";
import { freePort } from "./processes.ts";
import { startServer, type Server } from "./server.ts";

const root = join(import.meta.dirname, "../..");
let provider: OpenIdServer;
let directory: string;
let server: Server;

beforeAll(async () => {
  provider = await startOpenId();
  directory = await mkdtemp(join(tmpdir(), "lading-openid-"));
  const port = await freePort();
  server = await startServer({
    data: join(directory, "data"),
    env: {
      REGISTRY_AUTH_TYPE: "oidc",
      REGISTRY_OIDC_ISSUER: provider.issuer,
      REGISTRY_OIDC_CLIENT_ID: CLIENT_ID,
      REGISTRY_OIDC_ADMIN_GROUPS: "keepers",
      REGISTRY_URL: `http://127.0.0.1:${port}`,
    },
    flags: ["--port", String(port)],
  });
});

afterAll(async () => {
  await server.stop();
  await provider.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Runs the command with an empty home; `visit` gets the address that it asks a person to open. */
async function lading(
  home: string,
  words: readonly string[],
  visit: (address: string) => Promise<unknown> = async () => {},
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const main = join(root, "apps/lading/src/main.ts");
  const child = spawn(process.execPath, ["-C", "@lading/source", main, ...words], {
    cwd: home,
    env: { PATH: process.env["PATH"], HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  let visited: Promise<unknown> | undefined;
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
    const address = /^ {2}(http:\S+)$/m.exec(err)?.[1];
    if (address !== undefined) visited ??= visit(address);
  });
  const code = await new Promise<number | null>((done) => child.once("close", done));
  await visited;
  return { code, out, err };
}

async function homeOf(name: string): Promise<string> {
  const home = await mkdtemp(join(directory, `${name}-`));
  await writeFile(join(home, "lading.toml"), '[package]\nname = "x"\nversion = "1.0.0"\n');
  return home;
}

describe("login --oauth2", () => {
  test("[AUT-06] [CLI-57] [AUT-21] opens a session through the provider, in a browser of this machine", async () => {
    const home = await homeOf("ann");
    const visit = (address: string) => provider.logIn(address, "ann+keepers");
    const login = await lading(home, ["login", "--oauth2", "--registry", server.url], visit);
    expect(login).toMatchObject({ code: 0, out: expect.stringContaining("as ann") as string });
    const whoami = await lading(home, ["whoami", "--registry", server.url, "--json"]);
    expect(JSON.parse(whoami.out)).toMatchObject({
      user: "ann",
      account: { admin: true, email: "ann@company.test" },
    });
  });

  test("--device opens a session by a code that is entered on another machine", async () => {
    const home = await homeOf("bob");
    const visit = (address: string) => provider.logIn(address, "bob");
    const login = await lading(home, ["login", "--oauth2", "--device", "--registry", server.url], visit);
    expect(login).toMatchObject({ code: 0, out: expect.stringContaining("as bob") as string });
    expect(login.err).toMatch(/and enter [A-Z]{4}-[A-Z]{4} /);
  });
});
