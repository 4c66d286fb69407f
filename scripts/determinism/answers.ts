/** Prints the answers to all questions, and to some under other orders of arrival: the same lines on every Node. */
import { createHash } from "node:crypto";
import { answerText, atOnce, questions, restless } from "./questions.ts";

for (const question of questions()) {
  const deliveries = [atOnce, ...[1, 2, 3].map((seed) => restless(seed))];
  for (const [index, delivery] of deliveries.entries()) {
    const text = await answerText(question, delivery);
    console.log(`${createHash("sha256").update(text).digest("hex")} ${index} ${question.name}`);
  }
}
