import fc from "fast-check";
import type { AccessAction, AccessRule, AccessRules, AccessSubject } from "../src/lib/access/access-policy.ts";

/** One question to the access rules. */
export interface Question {
  readonly rules: AccessRules;
  readonly subject: AccessSubject | undefined;
  readonly name: string;
}

const part = fc.constantFrom("a", "b", "ab", "*", "**", "a*", "*b", "a-*", "a_b", "a.b*");
const pattern = fc
  .oneof(
    part,
    fc.tuple(part, part).map(([left, right]) => `${left}/${right}`),
  )
  .filter((text) => !text.includes("***"));
const group = fc.constantFrom("g1", "g2", "org/team", "@authenticated");
const groups = fc.uniqueArray(group, { maxLength: 3 });
const rule: fc.Arbitrary<AccessRule> = fc.record({
  pattern,
  readGroups: fc.uniqueArray(fc.oneof(group, fc.constant("@everyone")), { maxLength: 3 }),
  writeGroups: groups,
  adminGroups: groups,
});
const namePart = fc.constantFrom("a", "b", "ab", "a-b", "aab", "b-a");

/** Random rules, askers and names. */
export const questions: fc.Arbitrary<Question> = fc.record({
  rules: fc.record({
    readPublic: fc.boolean(),
    writeRequiresAuth: fc.boolean(),
    adminUsers: fc.uniqueArray(fc.constantFrom("root", "Root@Company.com"), { maxLength: 2 }),
    packages: fc.array(rule, { maxLength: 5 }),
  }),
  subject: fc.option(
    fc
      .record({
        username: fc.constantFrom("root", "mia"),
        email: fc.option(fc.constantFrom("root@company.com", "mia@company.com"), { nil: undefined }),
        groups: fc.uniqueArray(fc.constantFrom("g1", "g2", "g3", "org/team"), { maxLength: 3 }),
        admin: fc.boolean(),
      })
      .map(({ email, ...rest }) => (email === undefined ? rest : { ...rest, email })),
    { nil: undefined },
  ),
  name: fc.oneof(
    namePart,
    fc.tuple(namePart, namePart).map(([left, right]) => `${left}/${right}`),
  ),
});

function expression(text: string): RegExp {
  const source = text
    .replaceAll(/[._]/g, "-")
    .replaceAll("**", "\u0000")
    .replaceAll("*", "[^/]*")
    .replaceAll("\u0000", ".*");
  return new RegExp(`^${source}$`);
}

/** Whether `left` is more specific, said as the specification says it and in no other way. */
function beats(left: string, right: string): boolean {
  const isName = (text: string): boolean => !text.includes("*");
  if (isName(left) !== isName(right)) return isName(left);
  const before = (text: string): number => text.split("*")[0]!.length;
  if (before(left) !== before(right)) return before(left) > before(right);
  const letters = (text: string): number => text.replaceAll("*", "").length;
  if (letters(left) !== letters(right)) return letters(left) > letters(right);
  return !left.includes("**") && right.includes("**");
}

/** The rules of a question that match its name and that no other matching rule beats. */
export function winners({ rules, name }: Question): readonly AccessRule[] {
  const matching = rules.packages.filter(({ pattern: text }) => expression(text).test(name));
  return matching.filter(({ pattern: text }) => !matching.some((other) => beats(other.pattern, text)));
}

/** The answer, worked out without the evaluator. */
export function naiveAnswer(question: Question, action: AccessAction): boolean {
  const { rules, subject } = question;
  const admins = rules.adminUsers.map((user) => user.toLowerCase());
  if (subject?.admin === true) return true;
  if (
    subject !== undefined &&
    [subject.username, subject.email].some((name) => name !== undefined && admins.includes(name))
  )
    return true;
  const [winner] = winners(question);
  if (winner === undefined) {
    if (action === "read") return rules.readPublic || subject !== undefined;
    if (action === "write") return !rules.writeRequiresAuth || subject !== undefined;
    return false;
  }
  const isIn = (list: readonly string[]): boolean =>
    list.includes("@everyone") ||
    (subject !== undefined && (list.includes("@authenticated") || list.some((one) => subject.groups.includes(one))));
  const admin = isIn(winner.adminGroups);
  const write = admin || isIn(winner.writeGroups);
  const read = write || isIn(winner.readGroups);
  return { admin, write, read }[action];
}
