import { expect, it } from "vitest";
import { soak } from "./soak.ts";

/** Two minutes; `pnpm soak` takes an hour. */
const MINUTES = Number(process.env["LADING_SOAK_MINUTES"] ?? 2);
const PARTS = MINUTES < 10 ? 4 : 12;

// What a version costs in the documents that are kept prepared, in the log and in the caches of the database, at most.
const KIB_A_VERSION = 16;
const ALLOWANCE_MIB = 16;
const SPARE_HANDLES = 8;

it.skipIf(process.platform !== "linux")(
  `${MINUTES} minutes of mixed traffic: no growth of memory, handles or errors`,
  async () => {
    const seen = await soak(MINUTES, PARTS, (checkpoint) => console.log(JSON.stringify(checkpoint)));
    expect(seen.flatMap(({ wrong }) => wrong)).toEqual([]);
    // The first part warms up caches, connections and compiled code.
    const [, start] = seen;
    const end = seen.at(-1)!;
    const data = ((end.versions - start!.versions) * KIB_A_VERSION) / 1024;
    expect(end.memory).toBeLessThanOrEqual(start!.memory + data + ALLOWANCE_MIB);
    expect(end.handles).toBeLessThanOrEqual(start!.handles + SPARE_HANDLES);
  },
  (MINUTES + 5) * 60_000,
);
