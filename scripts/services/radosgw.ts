import { AwsClient } from "aws4fetch";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, freshDirectory, run, startService, until, type Service } from "./processes.ts";

/** What reaches a bucket. */
export interface BucketAccess {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Ceph's S3 gateway over a store of one monitor and one disk in memory, on the loopback interface. */
export interface S3Server {
  /** A new, empty bucket. */
  createBucket(): Promise<BucketAccess>;
  /** Sets how many objects the user may have in all; 0 refuses every upload. */
  limitObjects(most: number | undefined): Promise<void>;
  /** Ends the gateway at once; what it acknowledged is in the store below it. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const REGION = "us-east-1";
const KEYS = { accessKeyId: "AKLADINGTEST", secretAccessKey: "secret-of-the-test-0123456789" };

// Small enough to start within seconds: no manager, no network but loopback, proposals of the monitor at once.
function configuration(directory: string, fsid: string, monitor: number): string {
  const settings = {
    fsid,
    mon_host: `v2:127.0.0.1:${monitor}/0`,
    public_addr: "127.0.0.1",
    cluster_addr: "127.0.0.1",
    ms_bind_ipv6: false,
    ms_bind_msgr1: false,
    run_dir: join(directory, "run"),
    admin_socket: join(directory, "run", "$name.asok"),
    keyring: join(directory, "keyring"),
    mon_data: join(directory, "mon"),
    osd_data: join(directory, "osd"),
    log_file: "",
    mon_cluster_log_file: "/dev/null",
    osd_objectstore: "memstore",
    memstore_device_bytes: 6 * 2 ** 30,
    osd_pool_default_size: 1,
    osd_pool_default_min_size: 1,
    osd_pool_default_pg_num: 1,
    osd_pool_default_pgp_num: 1,
    osd_pool_default_pg_autoscale_mode: "off",
    osd_crush_chooseleaf_type: 0,
    mon_allow_pool_size_one: true,
    mon_data_avail_crit: 1,
    mon_data_avail_warn: 1,
    paxos_propose_interval: 0.02,
    paxos_min_wait: 0.01,
    mon_tick_interval: 1,
    osd_class_load_list: "*",
    rgw_dynamic_resharding: false,
    rgw_user_quota_sync_interval: 1,
    rgw_user_quota_bucket_sync_interval: 1,
    rgw_bucket_quota_ttl: 0,
    debug_ms: "0/0",
  };
  return `[global]\n${Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}`)
    .join("\n")}\n`;
}

async function makeKeyring(path: string): Promise<void> {
  const all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"];
  await run("ceph-authtool", ["--create-keyring", path, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"]);
  for (const name of ["client.admin", "osd.0"]) await run("ceph-authtool", [path, "--gen-key", "-n", name, ...all]);
}

/** Starts the store and its gateway; takes some five seconds. */
export async function startRadosgw(): Promise<S3Server> {
  const directory = await freshDirectory("radosgw");
  const at = (name: string): string => join(directory.path, name);
  for (const name of ["mon", "osd", "run"]) await mkdir(at(name));
  const [fsid, disk, monitorPort, port] = [randomUUID(), randomUUID(), await freePort(), await freePort()];
  const conf = at("ceph.conf");
  await writeFile(conf, configuration(directory.path, fsid, monitorPort));
  await run("monmaptool", ["--create", "--fsid", fsid, "--addv", "a", `[v2:127.0.0.1:${monitorPort}]`, at("monmap")]);
  await makeKeyring(at("keyring"));
  const common = ["-c", conf, "--setuser", "root", "--setgroup", "root"];
  const user = process.getuid?.() === 0 ? common : ["-c", conf];
  await run("ceph-mon", ["--mkfs", "-i", "a", ...user, "--monmap", at("monmap"), "--keyring", at("keyring")]);
  const monitor = await startService("ceph-mon", ["-f", "-i", "a", ...user]);
  const ceph = (...words: string[]): Promise<string> => run("ceph", ["-c", conf, "--connect-timeout", "10", ...words]);
  await until("ceph-mon", () => ceph("osd", "new", disk), { service: monitor });
  await run("ceph-osd", ["--mkfs", "-i", "0", "--osd-uuid", disk, ...user]);
  const store = await startService("ceph-osd", ["-f", "-i", "0", ...user]);
  const endpoint = `http://127.0.0.1:${port}`;
  const gatewayArgs = ["-f", "-n", "client.admin", ...user, `--rgw_frontends=beast endpoint=127.0.0.1:${port}`];
  const startGateway = async (): Promise<Service> => {
    const service = await startService("radosgw", gatewayArgs);
    await until("radosgw", () => fetch(endpoint), { service, seconds: 60 });
    return service;
  };
  let gateway = await startGateway();
  const admin = (...words: string[]): Promise<string> =>
    run("radosgw-admin", ["-c", conf, "-n", "client.admin", ...words, "--uid", "registry"]);
  const keys = ["--access-key", KEYS.accessKeyId, "--secret-key", KEYS.secretAccessKey];
  await admin("user", "create", "--display-name", "registry", ...keys);
  let buckets = 0;
  return {
    createBucket: async () => {
      buckets += 1;
      const bucket = `packages-${buckets}`;
      const made = await new AwsClient({ ...KEYS, service: "s3", region: REGION }).fetch(`${endpoint}/${bucket}`, {
        method: "PUT",
      });
      if (!made.ok) throw new Error(`the bucket was not made: ${made.status} ${await made.text()}`);
      return { endpoint, region: REGION, bucket, ...KEYS };
    },
    limitObjects: async (most) => {
      if (most === undefined) await admin("quota", "disable", "--quota-scope", "user");
      else {
        await admin("quota", "set", "--quota-scope", "user", "--max-objects", String(most));
        await admin("quota", "enable", "--quota-scope", "user");
      }
    },
    kill: () => gateway.kill(),
    restart: async () => {
      gateway = await startGateway();
    },
    stop: async () => {
      for (const service of [gateway, store, monitor]) await service.kill();
      await directory.remove();
    },
  };
}
