import { parseIndexDocument } from "@lading/core-manifest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, startServer, type TestServer } from "./harness.ts";

describe("publishing over HTTP", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => server.close());

  it("publishes a package that index, download and details then show", async () => {
    const built = await buildPackage(
      {
        name: "actor_utils",
        version: "1.2.3",
        description: "Actors for everybody",
        license: "MIT",
        readme: "README.md",
        keywords: ["actor"],
        dependencies: [{ name: "rand", kind: "normal", requirement: ">=0.8.0 <0.9.0" }],
      },
      { files: { "README.md": "# Hello\n", "src/main.txt": "x".repeat(1000) } },
    );
    const response = await server.publish(built);
    const body = (await response.json()) as Record<string, any>;
    expect([response.status, body]).toMatchObject([
      201,
      { name: "actor_utils", version: "1.2.3", visible: true, artifact: { blob: built.blob, tree: built.tree } },
    ]);
    const index = await server.call("/index/_/ac/actor-utils.json", { auth: "" });
    expect(index.status).toBe(200);
    expect(parseIndexDocument(await index.json())).toMatchObject({
      name: "actor_utils",
      sequence: 1,
      channels: { latest: "1.2.3" },
      versions: [{ version: "1.2.3" }],
    });
    const download = await server.call("/api/v1/packages/actor-utils/versions/1.2.3/download", { auth: "" });
    expect(download.status).toBe(302);
    const blob = await fetch(download.headers.get("location")!);
    expect(Buffer.compare(Buffer.from(await blob.arrayBuffer()), built.bytes)).toBe(0);
    expect(await (await server.call("/api/v1/packages/actor-utils/readme", { auth: "" })).text()).toBe("# Hello\n");
    expect((await server.publish(built)).status).toBe(200);
    const other = await buildPackage({ name: "actor_utils", version: "1.2.3", description: "Other" });
    const conflict = await server.publish(other);
    expect([conflict.status, await conflict.json()]).toMatchObject([409, { code: "VERSION_EXISTS" }]);
  });
});
