import fc from "fast-check";
import { expect } from "vitest";
import { AccessPolicy } from "../src/lib/access/access-policy.ts";
import { naiveAnswer, questions, winners } from "./access-naive.ts";

/** Asks the evaluator and the naive one the same, `numRuns` times; how many questions had rules that were refused. */
export function compareEvaluators(numRuns: number): { readonly answered: number; readonly refused: number } {
  let answered = 0;
  let refused = 0;
  fc.assert(
    fc.property(questions, (question) => {
      let policy: AccessPolicy;
      try {
        policy = new AccessPolicy(question.rules);
      } catch (error) {
        expect(error).toMatchObject({ code: "ACCESS_RULES_INVALID" });
        refused += 1;
        return;
      }
      answered += 1;
      expect(winners(question).length).toBeLessThanOrEqual(1);
      for (const action of ["read", "write", "admin"] as const)
        expect(policy.may(action, question.subject, question.name)).toBe(naiveAnswer(question, action));
    }),
    { numRuns },
  );
  return { answered, refused };
}
