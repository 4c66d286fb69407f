import { createClient } from "@redis/client";
import { freePort, freshDirectory, startService, until, type Service } from "./processes.ts";

const PASSWORD = "of-the-test";

/** A Redis server of its own on the loopback interface. */
export interface RedisServer {
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts Redis, without files. */
export async function startRedis(): Promise<RedisServer> {
  const directory = await freshDirectory("redis");
  const port = await freePort();
  const url = `redis://:${PASSWORD}@127.0.0.1:${port}/0`;
  const start = async (): Promise<Service> => {
    const flags = { port, bind: "127.0.0.1", save: "", appendonly: "no", dir: directory.path, requirepass: PASSWORD };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const service = await startService("redis-server", args);
    await until(
      "Redis",
      async () => {
        const client = createClient({ url, socket: { reconnectStrategy: false } });
        client.on("error", () => {});
        await client.connect();
        await client.ping();
        client.destroy();
      },
      { service },
    );
    return service;
  };
  let service = await start();
  return {
    url,
    kill: () => service.kill(),
    restart: async () => {
      service = await start();
    },
    stop: async () => {
      await service.stop();
      await directory.remove();
    },
  };
}
