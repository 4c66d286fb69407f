import {
  archiveIndexLines,
  buildLines,
  changedLines,
  indexLines,
  installLines,
  maintenanceLines,
  publishLines,
  scanLines,
  tagLines,
  testLines,
} from "./shell.ts";
import { PIPELINE_COMMANDS, indented, type CiWords } from "./words.ts";
import type { CiFile } from "./files.ts";

/** One pipeline of GitLab CI with the same jobs. */
export function gitlabFiles(words: CiWords): CiFile[] {
  return [
    {
      path: ".gitlab-ci.yml",
      purpose: "test, publish on a tag, several packages, upkeep on a schedule",
      text: pipeline(words),
    },
  ];
}

const script = (key: string, run: readonly string[]): string => `  ${key}:\n    - |\n${indented(run, 6)}`;

const CLONE = "https://gitlab-ci-token:$REGISTRY_TOKEN@$CI_SERVER_HOST/$REGISTRY_REPOSITORY.git";

/** A package of several is listed by its file, which the project's package registry holds. */
const UPLOAD = [
  'url="$CI_API_V4_URL/projects/$CI_PROJECT_ID/packages/generic/$name/$version/$(basename "$archive")"',
  'curl -fsS --header "JOB-TOKEN: $CI_JOB_TOKEN" --upload-file "$archive" "$url"',
];

function publishing(words: CiWords): string[] {
  if (!words.index) return publishLines(words);
  return indexLines(words, CLONE);
}

function pipeline(words: CiWords): string {
  const { prefix, token } = words;
  const secret = words.index
    ? "REGISTRY_TOKEN and REGISTRY_REPOSITORY"
    : `${token} (SIGNING_KEY to sign; REGISTRY_TOKEN to push the index of a static registry)`;
  const packageVariables = words.index
    ? `\n  variables:\n    PACKAGE_URL: $CI_PROJECT_URL\n    PACKAGE_REF: $CI_COMMIT_REF_NAME`
    : "";
  const jobs = [
    `# Variables of the project: ${prefix}_CLI_URL (where the single-file programs are), ${secret}, masked and protected.
stages: [test, publish, maintain]

default:
  image: node:22
  interruptible: true

variables:
  GIT_DEPTH: "0"
  GIT_USER: $GITLAB_USER_LOGIN
  GIT_EMAIL: $GITLAB_USER_EMAIL
  CHECKSUMS: ${words.outputDirectory}/checksum.json

.tools:
${script("before_script", installLines(words, PIPELINE_COMMANDS, 'export PATH="$HOME/.local/bin:$PATH"'))}`,
    `test:
  stage: test
  extends: .tools
  rules:
    - if: $CI_PIPELINE_SOURCE != "schedule"
      exists: [${words.manifest}]
${script("script", [...scanLines(words), ...testLines(words), ...buildLines(words)])}
  artifacts:
    paths: [${words.outputDirectory}/]`,
    `publish:
  stage: publish
  extends: .tools
  rules:
    - if: $CI_COMMIT_TAG =~ /^v\\d+\\.\\d+\\.\\d+/
      exists: [${words.manifest}]
  interruptible: false
  resource_group: publish${packageVariables}
${script("script", [...tagLines(words, "$CI_COMMIT_TAG"), ...buildLines(words), ...publishing(words)])}`,
    `# A repository of several packages: publishes those that changed. Raise their versions with the change.
packages:
  stage: publish
  extends: .tools
  rules:
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $CI_PIPELINE_SOURCE == "push"
      exists: ["*/${words.manifest}", "*/*/${words.manifest}"]
  interruptible: false
  resource_group: publish${packageVariables}
${script("script", several(words))}`,
    ...(words.command("index-merge") === undefined
      ? []
      : [
          `# For the repository of a static registry, on a schedule: merges sources/*.json into index.json and checks it.
registry:
  stage: maintain
  extends: .tools
  rules:
    - if: $CI_PIPELINE_SOURCE == "schedule"
      exists: ["sources/*.json"]
${script("script", [
  'git checkout --quiet -B "$CI_COMMIT_REF_NAME"',
  'git remote set-url origin "https://gitlab-ci-token:$REGISTRY_TOKEN@$CI_SERVER_HOST/$CI_PROJECT_PATH.git"',
  'git branch --quiet --set-upstream-to="origin/$CI_COMMIT_REF_NAME"',
  ...maintenanceLines(words),
])}`,
        ]),
  ];
  return `${jobs.join("\n\n")}\n`;
}

function several(words: CiWords): string[] {
  return [
    "changed() {",
    ...changedLines(words, "$CI_COMMIT_BEFORE_SHA").map((line) => `  ${line}`),
    "}",
    "set -e",
    "for directory in $(changed); do (",
    '  cd "$directory"',
    ...[
      ...testLines(words),
      ...buildLines(words),
      ...(words.index ? archiveIndexLines(words, CLONE, UPLOAD) : publishLines(words)),
    ].map((line) => `  ${line}`),
    "); done",
  ];
}
