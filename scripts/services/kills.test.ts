import { expect, it } from "vitest";
import { killAtRandom } from "./kills.ts";

it("100 kills of server, connections and store: nothing acknowledged is lost, nothing half visible, no name stuck", async () => {
  const outcome = await killAtRandom(100);
  console.log(JSON.stringify(outcome));
  expect(outcome.acknowledged).toBeGreaterThan(100);
  expect(outcome.repeated).toBeGreaterThan(20);
}, 1_200_000);
