import { describe, expect, it } from "vitest";
import { compareEvaluators } from "./access-check.ts";

describe("AccessPolicy", () => {
  it("agrees with a naive evaluator in 100,000 random cases", () => {
    let answered = 0;
    while (answered < 100_000) answered += compareEvaluators(20_000).answered;
    expect(answered).toBeGreaterThanOrEqual(100_000);
  });
});
