import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { apiJson, createSandbox, startRegistry, type RegistryProcess, type Sandbox } from "./lib/harness.ts";

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let registry: RegistryProcess;
let box: Sandbox;
let receiver: Server;
let address: string;
const received: Received[] = [];
let status = 204;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  registry = await startRegistry({ env: { REGISTRY_OUTBOUND_ALLOW: "127.0.0.1", REGISTRY_REGISTRATION: "open" } });
  box = createSandbox();
  await box.ok(`lading registry add local ${registry.url}`);
  await box.ok("lading login --token-stdin", { input: `${registry.token}\n` });
  await box.ok("lading keygen --output key.pem");
}, 300_000);

afterAll(async () => {
  receiver.close();
  await box.dispose();
  await registry.dispose();
});

async function until(condition: () => boolean): Promise<void> {
  for (let left = 1200; left > 0; left -= 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`it did not come about; received were ${received.map(({ body }) => body).join(" ")}`);
}

async function publish(version: string): Promise<void> {
  box.write("tool/lading.toml", `[package]\nname = "tool"\nversion = "${version}"\n`);
  await box.ok("lading -C tool publish --sign ../key.pem");
}

const types = (): readonly unknown[] => received.map(({ body }) => (JSON.parse(body) as { type: unknown }).type);

/** The guide's own code. */
async function openMessage(): Promise<(headers: object, body: string, secret: string, now?: number) => unknown> {
  const guide = readFileSync(path.join(import.meta.dirname, "../docs/guides/webhooks.md"), "utf8");
  const [, code] = /```js\n([\s\S]*?)```/.exec(guide) ?? [];
  const file = path.join(box.work, "receiver.mjs");
  writeFileSync(file, code!);
  const module = (await import(pathToFileURL(file).href)) as { openMessage: never };
  return module.openMessage;
}

test("a webhook hears of what is published, yanked and owned, and the guide's code tells true messages from others", async () => {
  await publish("1.0.0");
  const added = (await box.json(`lading webhook add ${address} --package tool --json`)) as {
    id: string;
    secret: string;
  };
  await publish("1.1.0");
  await box.ok("lading yank tool@1.1.0 --reason broken");
  await until(() => received.length === 2);
  expect(new Set(types())).toEqual(new Set(["package.published", "version.yanked"]));
  const open = await openMessage();
  for (const { headers, body } of received) {
    expect(open(headers, body, added.secret)).toMatchObject({ data: { package: "tool", version: "1.1.0" } });
    expect(open(headers, body.replace("1.1.0", "6.6.6"), added.secret)).toBeUndefined();
    expect(open(headers, body, `whsec_${Buffer.alloc(32).toString("base64")}`)).toBeUndefined();
    expect(open(headers, body, added.secret, Date.now() + 3_600_000)).toBeUndefined();
  }
  const { secret } = (await box.json(`lading webhook rotate ${added.id} --package tool --json`)) as { secret: string };
  expect((await box.ok(`lading webhook test ${added.id} --package tool`)).stdout).toMatch(
    /^webhook\.test, msg_\w+: delivered, it answered 204/,
  );
  const last = received.at(-1)!;
  for (const each of [secret, added.secret])
    expect(open(last.headers, last.body, each)).toMatchObject({ type: "webhook.test" });
  await box.ok(`lading webhook remove ${added.id} --package tool`);
});

test("an address that is down is tried again, and what it missed can be sent again by hand", async () => {
  const { id } = (await box.json(`lading webhook add ${address} --event 'channel.*' --json`)) as { id: string };
  status = 500;
  const before = received.length;
  await box.ok("lading channel add tool@1.0.0 beta");
  await until(() => received.length > before);
  const logged = async () =>
    (await box.json(`lading webhook deliveries ${id} --json`)) as {
      id: string;
      state: string;
      attempts: { status: number }[];
    }[];
  for (let left = 200; (await logged())[0]?.attempts.length === 0 && left > 0; left -= 1);
  const [failed] = await logged();
  // On a slow machine it was tried again meanwhile.
  expect([failed!.state, failed!.attempts[0]!.status]).toEqual(["waiting", 500]);
  status = 200;
  expect((await box.ok(`lading webhook redeliver ${id} ${failed!.id}`)).stdout).toContain("delivered");
  expect(received.at(-1)!.headers["webhook-id"]).toBe(failed!.id);
  expect((await box.ok(`lading webhook list`)).stdout).toContain(address);
  await box.ok(`lading webhook disable ${id}`);
  expect((await box.ok("lading webhook list")).stdout).toContain('"admin" disabled it');
  const untold = await box.line(`lading webhook test ${id}`);
  expect([untold.code, untold.stdout]).toEqual([1, expect.stringContaining("failed, the webhook is disabled")]);
  await box.ok(`lading webhook enable ${id}`);
  await box.ok(`lading webhook remove ${id}`);
});

test("who does not own a package has no webhook for it, and nobody one into a private network", async () => {
  const password = "the password of eve";
  const body = JSON.stringify({ username: "eve", password });
  await apiJson(registry, "/api/v1/auth/register", { method: "POST", body });
  const eve = createSandbox();
  await eve.ok(`lading registry add local ${registry.url}`);
  await eve.ok("lading login --username eve --password-stdin", { input: password });
  const own = await eve.line(`lading webhook add ${address} --package tool --json`);
  expect([own.code, own.stderr]).toEqual([6, expect.stringContaining("NOT_OWNER") as string]);
  expect((await eve.line("lading webhook list --json")).stderr).toContain("FORBIDDEN");
  const inside = await box.line("lading webhook add http://10.0.0.7/ --package tool --json");
  expect(inside.stderr).toContain("OUTBOUND_REFUSED");
  await eve.dispose();
});
