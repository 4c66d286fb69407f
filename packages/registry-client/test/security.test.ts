import { parseDigest, type LadingEvent } from "@lading/core-manifest";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createEnvironmentCredentials, createMemoryCredentials, layerCredentials } from "@lading/registry-client";
import { createCredentialsFile, createNodeFetch } from "@lading/registry-client/node";
import type { TestRegistry } from "@lading/registry-client/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { answered, clientOf, documentOf, temporaryDirectory, testRegistry } from "./helpers.ts";

const tokens = (registry: TestRegistry): (string | undefined)[] =>
  registry.requests.map((request) => request.headers.authorization);
const withToken = (registry: TestRegistry): { credentials: ReturnType<typeof createMemoryCredentials> } => ({
  credentials: createMemoryCredentials([[registry.url, { type: "token", token: "secret" }]]),
});

describe("tokens", () => {
  it("go to the registry's own addresses", async () => {
    const registry = await testRegistry({ token: "secret", private: true, path: "/team/" });
    registry.addDocument(documentOf("tool"));
    expect((await clientOf(registry.url, withToken(registry)).packageDocument("tool"))?.name).toBe("tool");
    expect(new Set(tokens(registry))).toEqual(new Set(["Bearer secret"]));
  });

  it("never go to another origin that the description names", async () => {
    const registry = await testRegistry();
    const other = await testRegistry();
    other.addDocument(documentOf("tool"));
    registry.addFile(
      ".well-known/lading.json",
      JSON.stringify({ protocol: 1, index: other.url, blobs: `${other.url}blobs/sha256/`, api: `${other.url}api/v1/` }),
    );
    const client = clientOf(registry.url, withToken(registry));
    await client.packageDocument("tool");
    await client.health();
    await expect(client.whoami()).resolves.toBeDefined();
    await client.download({ blob: other.addBlob(Buffer.from("x")) }, join(temporaryDirectory(), "x"));
    expect(tokens(registry)).toEqual(["Bearer secret"]);
    expect(other.requests.length).toBeGreaterThan(3);
    expect(new Set(tokens(other))).toEqual(new Set([undefined]));
  });

  it("and passwords neither: login() and register() refuse an API elsewhere before anything is sent", async () => {
    const registry = await testRegistry();
    const other = await testRegistry();
    registry.addFile(".well-known/lading.json", JSON.stringify({ protocol: 1, api: `${other.url}api/v1/` }));
    const account = { username: "alice", password: "correct horse" };
    const refused = expect.objectContaining({ code: "REGISTRY_REDIRECT_REFUSED" });
    await expect(clientOf(registry.url).login({ type: "basic", ...account })).rejects.toEqual(refused);
    await expect(clientOf(registry.url).register(account)).rejects.toEqual(refused);
    expect(other.requests).toEqual([]);
  });

  it("never go along a redirect to another origin", async () => {
    const registry = await testRegistry();
    const other = await testRegistry();
    const blob = other.addBlob(Buffer.from("x"));
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/blobs/") !== true) return false;
      response.writeHead(302, { location: new URL(request.url, other.url).href }).end();
      return true;
    };
    await clientOf(registry.url, withToken(registry)).download({ blob }, join(temporaryDirectory(), "x"));
    expect(tokens(other)).toEqual([undefined]);
    expect(tokens(registry)).toEqual(["Bearer secret", "Bearer secret"]);
  });

  it("never go to a path beside the registry's on the same host", async () => {
    const registry = await testRegistry({ path: "/team/" });
    const origin = new URL("/", registry.url).href;
    registry.addFile(".well-known/lading.json", JSON.stringify({ protocol: 1, index: `${origin}team-evil/` }));
    await clientOf(registry.url, withToken(registry)).packageDocument("tool");
    expect(tokens(registry)).toEqual(["Bearer secret", undefined]);
  });

  it("are not sent for auth_type none", async () => {
    const registry = await testRegistry();
    await clientOf(registry.url, withToken(registry), { authType: "none" }).describe();
    expect(tokens(registry)).toEqual([undefined]);
  });

  it("are missing or wrong with different errors", async () => {
    const registry = await testRegistry({ token: "secret" });
    await expect(clientOf(registry.url).whoami()).rejects.toMatchObject({
      code: "REGISTRY_AUTH_REQUIRED",
      exitCode: 6,
      hint: 'Run "login" for registry "test"',
    });
    const client = clientOf(registry.url);
    client.authenticate({ type: "token", token: "wrong" });
    await expect(client.whoami()).rejects.toMatchObject({ code: "REGISTRY_AUTH_FAILED" });
  });

  it("are never part of an error", async () => {
    const registry = await testRegistry({ token: "secret" });
    const client = clientOf(registry.url);
    client.authenticate({ type: "token", token: "ldg_very-secret" });
    const error = await client.whoami().catch((found: unknown) => found as Error & { toJSON(): unknown });
    expect(JSON.stringify(error)).not.toContain("very-secret");
  });
});

describe("redirects", () => {
  it.each<[string, (registry: TestRegistry, request: IncomingMessage) => string, string]>([
    ["in a circle", (registry, request) => new URL(request.url ?? "/", registry.url).href, "limit"],
    ["to plain http: on another machine", () => "http://registry.example.org/", "plain http:"],
    ["to a file", () => "file:///etc/passwd", "not an http: or https: address"],
  ])("%s are refused", async (_, target, text) => {
    const registry = await testRegistry();
    registry.intercept = (request, response) =>
      answered(response.writeHead(302, { location: target(registry, request) }).end());
    await expect(clientOf(registry.url).describe()).rejects.toMatchObject({
      code: "REGISTRY_REDIRECT_REFUSED",
      message: expect.stringContaining(text) as string,
    });
  });

  it("of a call that writes are refused", async () => {
    const registry = await testRegistry();
    registry.intercept = (request, response) =>
      request.method === "POST" && answered(response.writeHead(308, { location: "/elsewhere" }).end());
    await expect(clientOf(registry.url).createPackage("tool")).rejects.toMatchObject({
      code: "REGISTRY_REDIRECT_REFUSED",
    });
  });
});

describe("plain http:", () => {
  it.each([
    "http://registry.example.org",
    "http://10.0.0.1:8080",
    "http://localhost.example.org",
    "http://127.0.0.1.example.org",
    "http://[fe80::1]/",
  ])("to %s is refused unless allowed", (url) => {
    expect(() => clientOf(url)).toThrow(expect.objectContaining({ code: "REGISTRY_INSECURE", exitCode: 8 }) as Error);
    expect(clientOf(url, {}, { allowInsecure: true }).registry.url).toContain("http://");
  });

  it.each([
    "http://localhost:8080",
    "http://127.0.0.1:1",
    "http://127.9.9.9/",
    "http://[::1]:8080/",
    "http://dev.localhost/",
  ])("to %s is allowed", (url) => {
    expect(clientOf(url).registry.url).toMatch(/\/$/);
  });
});

describe("a credential that the registry refuses", () => {
  /** A registry that answers 401 to every request with a credential, and 404 to others for what is private. */
  async function refusing(): Promise<{ url: string; seen: string[]; registry: TestRegistry }> {
    const registry = await testRegistry();
    const seen: string[] = [];
    registry.addDocument(documentOf("tool", [{ version: "1.0.0" }]));
    registry.intercept = (request, response) => {
      seen.push(request.headers.authorization ?? "-");
      if (request.headers.authorization === undefined) return false;
      const problem = { title: "Unauthorized", detail: "The token has expired.", code: "TOKEN_INVALID" };
      response.writeHead(401, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
      return true;
    };
    return { url: registry.url, seen, registry };
  }

  it("keeps nobody from reading what is public, with a warning that names where it comes from", async () => {
    const { url, seen } = await refusing();
    const events: LadingEvent[] = [];
    const credentials = createEnvironmentCredentials({ MY_TOKEN: "old" }, [{ url, variables: ["MY_TOKEN"] }]);
    const client = clientOf(url, { credentials, onEvent: (event) => events.push(event) });
    expect((await client.packageDocument("tool"))?.versions).toHaveLength(1);
    expect(events.filter(({ type }) => type === "warning")).toEqual([
      expect.objectContaining({
        code: "CREDENTIAL_REJECTED",
        message: expect.stringContaining("the variable MY_TOKEN") as string,
      }),
    ]);
    // Refused once, it is not shown again.
    expect(seen.filter((header) => header !== "-")).toEqual(["Bearer old"]);
  });

  it("is told of where a package is not there for everybody, since it may be there for whom it was", async () => {
    const { url } = await refusing();
    const credentials = createEnvironmentCredentials({ MY_TOKEN: "old" }, [{ url, variables: ["MY_TOKEN"] }]);
    const client = clientOf(url, { credentials });
    const error = { code: "REGISTRY_AUTH_FAILED", message: expect.stringContaining("the variable MY_TOKEN") as string };
    await expect(client.packageDocument("private")).rejects.toMatchObject(error);
    await expect(client.info("private")).rejects.toMatchObject(error);
    const blob = parseDigest(`sha256:${"a".repeat(64)}`);
    await expect(client.statement(blob)).rejects.toMatchObject(error);
  });

  it("is not left out of a call that writes", async () => {
    const { url, seen } = await refusing();
    const credentials = createMemoryCredentials([[url, { type: "token", token: "old" }]]);
    const client = clientOf(url, { credentials });
    await client.describe();
    seen.length = 0;
    await expect(client.yank("tool", "1.0.0", "broken")).rejects.toMatchObject({ code: "REGISTRY_AUTH_FAILED" });
    expect(seen).toEqual(["Bearer old"]);
  });
});

describe("login() and logout()", () => {
  it("store what the registry accepted, and nothing it refused", async () => {
    const registry = await testRegistry({ token: "secret" });
    const credentials = createMemoryCredentials();
    const client = clientOf(registry.url, { credentials });
    await expect(client.login({ type: "token", token: "wrong" })).rejects.toMatchObject({
      code: "REGISTRY_AUTH_FAILED",
    });
    expect(await credentials.list()).toEqual([]);
    expect(await client.login({ type: "token", token: "secret" })).toMatchObject({ username: "tester" });
    expect(await credentials.get(registry.url)).toEqual({ type: "token", token: "secret" });
    expect(await client.logout()).toBe(true);
    expect(await client.logout()).toBe(false);
  });

  it("turn a password into a session, which logging out ends; a registry that is gone does not keep the token here", async () => {
    const registry = await testRegistry({ token: "a.b.c" });
    const seen: string[] = [];
    registry.intercept = (request, response) => {
      if (request.url?.startsWith("/api/v1/auth/log") !== true) return false;
      seen.push(`${request.url} ${request.headers.authorization ?? "-"}`);
      response
        .writeHead(200, { "content-type": "application/json" })
        .end('{"token":"a.b.c","user":{"username":"tester"}}');
      return true;
    };
    const credentials = createMemoryCredentials();
    const client = clientOf(registry.url, { credentials }, { maxRetries: 0 });
    await client.login({ type: "basic", username: "tester", password: "pass" });
    expect(await credentials.get(registry.url)).toEqual({ type: "token", token: "a.b.c" });
    await client.logout();
    expect(seen).toEqual(["/api/v1/auth/login -", "/api/v1/auth/logout Bearer a.b.c"]);
    await client.login({ type: "token", token: "a.b.c" });
    await registry.close();
    expect(await client.logout()).toBe(true);
    expect(await credentials.list()).toEqual([]);
  });
});

describe("createEnvironmentCredentials()", () => {
  const url = "https://registry.example.org/";
  const bindings = [{ url, variables: ["GAL_REGISTRY_TOKEN", "GAL_TOKEN"] }];

  it("gives the first variable that is set, to its own registry alone", async () => {
    const credentials = createEnvironmentCredentials({ GAL_REGISTRY_TOKEN: " ", GAL_TOKEN: " t \n" }, bindings);
    expect(await credentials.get(url)).toEqual({ type: "token", token: "t" });
    expect(await credentials.get("https://other.example.org/")).toBeUndefined();
    expect(await credentials.list()).toEqual([url]);
    await expect(credentials.set(url, { type: "token", token: "x" })).rejects.toMatchObject({
      code: "CREDENTIALS_READ_ONLY",
    });
    await expect(credentials.delete(url)).rejects.toMatchObject({ code: "CREDENTIALS_READ_ONLY" });
  });

  it("wins over the file behind it, which is what is written", async () => {
    const file = createMemoryCredentials([[url, { type: "token", token: "file" }]]);
    const env: Record<string, string> = { GAL_TOKEN: "env" };
    const both = layerCredentials(createEnvironmentCredentials(env, bindings), file);
    expect(await both.get(url)).toEqual({ type: "token", token: "env" });
    await both.set(url, { type: "token", token: "new" });
    delete env.GAL_TOKEN;
    expect(await both.get(url)).toEqual({ type: "token", token: "new" });
    expect(await both.list()).toEqual([url]);
    expect(await both.delete(url)).toBe(true);
  });
});

describe("createCredentialsFile()", () => {
  const url = "https://registry.example.org/";

  it("writes a file that only its owner can read, in a directory of the same kind", async () => {
    const file = join(temporaryDirectory(), "gal", "credentials.toml");
    await createCredentialsFile(file).set(url, { type: "token", token: "t" });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(file, "..")).mode & 0o777).toBe(0o700);
    expect(readFileSync(file, "utf8")).toContain(
      '[[credentials]]\nregistry = "https://registry.example.org/"\ntype = "token"\ntoken = "t"',
    );
  });

  it("says so when it cannot be written", async () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    await expect(
      createCredentialsFile(join(file, "credentials.toml")).set(url, { type: "token", token: "t" }),
    ).rejects.toMatchObject({ code: "CREDENTIALS_UNWRITABLE", exitCode: 5 });
  });

  it.each([0o644, 0o640, 0o620, 0o602])("refuses a file of mode %o instead of using it", async (mode) => {
    const file = join(temporaryDirectory(), "credentials.toml");
    const store = createCredentialsFile(file);
    await store.set(url, { type: "token", token: "t" });
    chmodSync(file, mode);
    await expect(store.get(url)).rejects.toMatchObject({
      code: "CREDENTIALS_UNSAFE",
      exitCode: 6,
      hint: expect.stringContaining("chmod 600") as string,
    });
    await expect(store.set(url, { type: "token", token: "t" })).rejects.toMatchObject({ code: "CREDENTIALS_UNSAFE" });
  });

  it.each([
    ["version = 2", '"version" is 2'],
    ["credentials = 3\nversion = 1", "not an array"],
    ['version = 1\n[[credentials]]\ntype = "token"', '"registry" of entry 1'],
    ['version = 1\n[[credentials]]\nregistry = "https://a.example/"\ntype = "token"', "entry 1 needs"],
    ['version = 1\ntoken = "secret', "not TOML"],
  ])("refuses %j without repeating what it holds", async (text, problem) => {
    const file = join(temporaryDirectory(), "credentials.toml");
    writeFileSync(file, text, { mode: 0o600 });
    const error = await createCredentialsFile(file)
      .list()
      .catch((found: unknown) => found as Error);
    expect(error).toMatchObject({ code: "CREDENTIALS_INVALID", message: expect.stringContaining(problem) as string });
    expect(JSON.stringify(error)).not.toContain("secret");
  });
});

describe("createNodeFetch()", () => {
  function certificate(directory: string): { cert: string; key: string; file: string } {
    const [key, file] = [join(directory, "key.pem"), join(directory, "cert.pem")];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-out",
        file,
        "-days",
        "2",
        "-subj",
        "/CN=lading test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
      ],
      { stdio: "ignore" },
    );
    return { cert: readFileSync(file, "utf8"), key: readFileSync(key, "utf8"), file };
  }

  it("trusts a private authority when told to, for calls and downloads, and not otherwise", async () => {
    const tls = certificate(temporaryDirectory());
    const registry = await testRegistry({ tls });
    registry.addDocument(documentOf("tool"));
    const blob = registry.addBlob(Buffer.from("x"));
    await expect(clientOf(registry.url, {}, { maxRetries: 0 }).describe()).rejects.toMatchObject({
      code: "REGISTRY_UNREACHABLE",
      message: expect.stringMatching(/self.signed/) as string,
    });
    const { fetch, close } = createNodeFetch({ caFile: tls.file, env: {} });
    onTestFinished(close);
    const client = clientOf(registry.url, { fetch });
    expect((await client.packageDocument("tool"))?.name).toBe("tool");
    await client.download({ blob }, join(temporaryDirectory(), "x"));
  });

  it("names an authority file or a proxy address that cannot be used", async () => {
    const registry = await testRegistry();
    for (const options of [
      { caFile: "/nowhere/ca.pem", env: {} },
      { proxy: "::", env: {} },
    ]) {
      const { fetch } = createNodeFetch(options);
      await expect(clientOf(registry.url, { fetch }).describe()).rejects.toMatchObject({
        code: "REGISTRY_CONFIG_INVALID",
      });
    }
  });

  it.each(["HTTPS_PROXY", "https_proxy"])(
    "goes through the proxy of %s, but not where NO_PROXY names the host",
    async (variable) => {
      const tls = certificate(temporaryDirectory());
      const registry = await testRegistry({ tls });
      registry.addDocument(documentOf("tool"));
      const blob = registry.addBlob(Buffer.from("x"));
      const tunnels: string[] = [];
      const proxy = createServer();
      proxy.on("connect", (request, socket, head) => {
        tunnels.push(request.url ?? "");
        const [host, port] = (request.url ?? "").split(":");
        const upstream = connect(Number(port), host, () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          upstream.write(head);
          upstream.pipe(socket).pipe(upstream);
        });
        for (const end of [upstream, socket]) end.on("error", () => {});
      });
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => void proxy.close());
      const env = { [variable]: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
      const through = createNodeFetch({ caFile: tls.file, env });
      const client = clientOf(registry.url, { fetch: through.fetch });
      await client.packageDocument("tool");
      await client.download({ blob }, join(temporaryDirectory(), "x"));
      expect(tunnels.length).toBeGreaterThan(0);
      expect(new Set(tunnels)).toEqual(new Set([new URL(registry.url).host]));
      await through.close();

      const before = tunnels.length;
      const around = createNodeFetch({ caFile: tls.file, env: { ...env, NO_PROXY: "127.0.0.1" } });
      expect((await clientOf(registry.url, { fetch: around.fetch }).packageDocument("tool"))?.name).toBe("tool");
      expect(tunnels).toHaveLength(before);
      await around.close();
    },
  );
});
