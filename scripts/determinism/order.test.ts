import { describe, expect, test } from "vitest";
import { answerText, atOnce, questions, restless, type Question } from "./questions.ts";

const ORDERS = 1000;

interface Answer {
  readonly status: string;
}

/** Asks in every order, and shows the first answer that is another one. */
async function expectSameBytes(
  question: Question,
  orders: (seed: number) => ReturnType<typeof restless>,
): Promise<void> {
  const expected = await answerText(question, orders(0));
  for (let seed = 1; seed <= ORDERS; seed++) {
    const found = await answerText(question, orders(seed));
    // The bytes are what counts; compared as values they show where they differ.
    if (found === expected) continue;
    expect.soft(JSON.parse(found), `order ${seed}`).toEqual(JSON.parse(expected));
    throw new Error(`Order ${seed} gives other bytes`);
  }
}

const answers = await Promise.all(
  questions().map(async (question) => {
    const { status } = JSON.parse(await answerText(question, atOnce)) as Answer;
    return { ...question, status };
  }),
);
const solved = answers.filter(({ status }) => status === "solved");
const unsolvable = answers.filter(({ status }) => status === "unsolvable");

describe("resolve() gives the same answer, byte for byte, under 1,000 orders of arrival", () => {
  test.each([...solved, ...unsolvable])("$name", async (question) => {
    const expected = await answerText(question, atOnce);
    expect(await answerText(question, restless(0))).toBe(expected);
    await expectSameBytes(question, (seed) => restless(seed));
  });
});

test("the questions have answers of both kinds", () => {
  expect([solved.length, unsolvable.length]).toEqual([8, 2]);
});
