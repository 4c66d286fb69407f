import { lifting } from "../lift.ts";
import type { Dependency, DependencyProvider, ResolveInput, RootPackage, Suggestion } from "../types.ts";

/** A question and where its packages come from. */
export interface Question {
  readonly input: ResolveInput;
  readonly provider: DependencyProvider;
}

type Follower = (question: Question, suggestion: Suggestion) => Question;

/**
 * The question with a suggestion followed to the letter, as a user would do it; what is only told in words (host version,
 * feature) is read from the message. Where it names a version but no requirement, exactly that version is asked for.
 */
export function followSuggestion(question: Question, suggestion: Suggestion): Question {
  return FOLLOWERS[suggestion.type](question, suggestion);
}

const FOLLOWERS: Readonly<Record<Suggestion["type"], Follower>> = {
  "rename-root": (question, { key }) =>
    changing(question, (one) => (isMissing(question.provider, one) ? { ...one, key: key! } : one)),
  "loosen-root": askAgain,
  "allow-prerelease": (question, suggestion) =>
    suggestion.requirement === undefined
      ? { ...question, input: { ...question.input, prereleases: "fallback" } }
      : askAgain(question, suggestion),
  "allow-excluded": ({ input, provider }, { key, version, reason }) =>
    lifting(input, provider, { key: key!, reason: reason!, which: (one) => one === version }),
  "allow-reason": ({ input, provider }, { reason }) => lifting(input, provider, { reason: reason!, which: () => true }),
  "change-host": changeHost,
  "change-override": override,
  "add-override": override,
  "drop-override": ({ input, provider }, { key }) => ({
    input: { ...input, overrides: (input.overrides ?? []).filter((one) => one.key !== key) },
    provider,
  }),
  "drop-features": dropFeature,
  "remove-root": (question, { key }) => changing(question, (one) => (one.key === key ? undefined : one)),
};

function isMissing(provider: DependencyProvider, { key }: Dependency): boolean {
  return (provider.get(key)?.candidates.length ?? 0) === 0;
}

/** With the roots' dependencies changed; `undefined` takes one out. */
function changing({ input, provider }: Question, change: (one: Dependency) => Dependency | undefined): Question {
  const roots = input.roots.map((root) => ({
    ...root,
    dependencies: root.dependencies.flatMap((one) => change(one) ?? []),
  }));
  return { input: { ...input, roots }, provider };
}

function requirementOf({ requirement, version }: Suggestion): Dependency["requirement"] {
  return requirement ?? { canonical: `(only ${version})`, matches: (one) => one === version };
}

function askAgain(question: Question, suggestion: Suggestion): Question {
  const requirement = requirementOf(suggestion);
  return changing(question, (one) => (one.key === suggestion.key ? { ...one, requirement } : one));
}

function override({ input, provider }: Question, suggestion: Suggestion): Question {
  const key = suggestion.key!;
  const others = (input.overrides ?? []).filter((one) => one.key !== key);
  return { input: { ...input, overrides: [...others, { key, requirement: requirementOf(suggestion) }] }, provider };
}

function changeHost({ input, provider }: Question, { message }: Suggestion): Question {
  const [, axis = "", to = "", from = ""] = /^use (\S+) (\S+) instead of (\S+) and /.exec(message) ?? [];
  const versions = (input.hosts?.[axis] ?? []).map((one) => (one === from ? to : one));
  return { input: { ...input, hosts: { ...input.hosts, [axis]: versions } }, provider };
}

function dropFeature(question: Question, { key, message }: Suggestion): Question {
  const feature = /feature "([^"]+)"/.exec(message)?.[1];
  if (key !== undefined) {
    return changing(question, (one) => (one.key === key ? withoutFeature(one, feature) : one));
  }
  const switchOff = (root: RootPackage): RootPackage => ({
    ...root,
    enable: (root.enable ?? []).filter((one) => one !== feature),
  });
  return { ...question, input: { ...question.input, roots: question.input.roots.map(switchOff) } };
}

function withoutFeature(one: Dependency, feature: string | undefined): Dependency {
  if (feature === undefined) return { ...one, defaultFeatures: false };
  return { ...one, features: (one.features ?? []).filter((name) => name !== feature) };
}
