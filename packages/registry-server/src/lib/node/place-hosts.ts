import type Database from "better-sqlite3";
import type { PublishedManifest } from "@lading/core-manifest";
import { hostRangesRow } from "./sql-hosts.ts";

const BATCH = 200;

/** Writes down for which hosts the versions of a registry are that did not keep it beside them. */
export function placeHosts(database: Database.Database): void {
  const select = database.prepare("select id, manifest from versions where id > ? order by id limit ?");
  const insert = database.prepare("insert into host_ranges (id, ranges) values (?, ?) on conflict do nothing");
  const update = database.prepare("update versions set hosts = ? where id = ?");
  for (let last = 0; ;) {
    const rows = select.all(last, BATCH) as { readonly id: number; readonly manifest: string }[];
    if (rows.length === 0) return;
    for (const { id, manifest } of rows) {
      const row = hostRangesRow((JSON.parse(manifest) as PublishedManifest).hosts);
      insert.run(row.id, row.ranges);
      update.run(row.id, id);
      last = id;
    }
  }
}
