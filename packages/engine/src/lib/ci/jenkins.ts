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
import { PIPELINE_COMMANDS, type CiWords } from "./words.ts";
import type { CiFile } from "./files.ts";

/** A declarative pipeline of Jenkins with the same stages. */
export function jenkinsFiles(words: CiWords): CiFile[] {
  return [
    {
      path: "Jenkinsfile",
      purpose: "test, publish on a tag, several packages, upkeep on a schedule",
      text: pipeline(words),
    },
  ];
}

/** In single quotes, so that Groovy leaves the shell's variables alone; a backslash it would eat is doubled. */
function shell(run: readonly string[], spaces: number): string {
  const body = ["#!/bin/sh", "set -e", 'export PATH="$HOME/.local/bin:$PATH"', ...run]
    .join("\n")
    .replaceAll("\\", "\\\\");
  return `${" ".repeat(spaces)}sh '''${body}\n'''`;
}

function stage(
  name: string,
  run: readonly string[],
  more: { readonly when?: string; readonly credentials?: string } = {},
): string {
  const inner = shell(run, more.credentials === undefined ? 8 : 10);
  const steps =
    more.credentials === undefined ? inner : `        withCredentials([${more.credentials}]) {\n${inner}\n        }`;
  const when = more.when === undefined ? "" : `      when { ${more.when} }\n`;
  return `    stage('${name}') {\n${when}      steps {\n${steps}\n      }\n    }`;
}

/** A package of several is listed by its file, in the store of files that the job names. */
const UPLOAD = [
  'url="$ARCHIVE_URL/$name/$version/$(basename "$archive")"',
  'curl -fsS --upload-file "$archive" "$url"',
];

/** Jenkins checks out a commit, not a branch, and keeps the credential of its checkout to itself. */
const PUSH = [
  'case "$GIT_URL" in',
  '  https://*) place="${GIT_URL#https://}" && remote="https://x-access-token:$REGISTRY_TOKEN@${place#*@}" ;;',
  '  *) remote="$GIT_URL" ;;',
  "esac",
  'git push --quiet "$remote" "HEAD:refs/heads/$BRANCH_NAME"',
];

const credentialId = (variable: string): string => variable.toLowerCase().replaceAll("_", "-");

const secretText = (variable: string): string =>
  `string(credentialsId: '${credentialId(variable)}', variable: '${variable}')`;

function pipeline(words: CiWords): string {
  const { prefix, token } = words;
  const clone = "https://x-access-token:$REGISTRY_TOKEN@$REGISTRY_HOST/$REGISTRY_REPOSITORY.git";
  const publishing = words.index ? indexLines(words, clone) : publishLines(words);
  const variable = words.index ? "REGISTRY_TOKEN" : token;
  const credentials = secretText(variable);
  const secrets = [...new Set([variable, ...(words.command("index-merge") === undefined ? [] : ["REGISTRY_TOKEN"])])]
    .map((one) => `'${credentialId(one)}'`)
    .join(" and, to push the index of a registry, ");
  const here = `expression { fileExists('${words.manifest}') }`;
  const place = words.index
    ? ['PACKAGE_URL="${GIT_URL%.git}"', 'PACKAGE_REF="${TAG_NAME:-$GIT_COMMIT}"', "export PACKAGE_URL PACKAGE_REF"]
    : [];
  const several = [
    "changed() {",
    ...changedLines(words, "${GIT_PREVIOUS_SUCCESSFUL_COMMIT:-0000000000000000000000000000000000000000}").map(
      (line) => `  ${line}`,
    ),
    "}",
    ...place,
    "for directory in $(changed); do (",
    '  cd "$directory"',
    ...[
      ...testLines(words),
      ...buildLines(words),
      ...(words.index ? archiveIndexLines(words, clone, UPLOAD) : publishing),
    ].map((line) => `  ${line}`),
    "); done",
  ];
  const stages = [
    stage("Install the command line", installLines(words, PIPELINE_COMMANDS, `${words.bin} --version`)),
    stage("Test", [...scanLines(words), ...testLines(words), ...buildLines(words)], { when: here }),
    stage("Publish", [...tagLines(words, "$TAG_NAME"), ...place, ...publishing], {
      when: "tag pattern: 'v\\\\d+\\\\.\\\\d+\\\\.\\\\d+.*', comparator: 'REGEXP'",
      credentials,
    }),
    stage("Packages", several, { when: `allOf { branch 'main'; not { ${here} } }`, credentials }),
    ...(words.command("index-merge") === undefined
      ? []
      : [
          stage("Registry", maintenanceLines(words, PUSH), {
            credentials: secretText("REGISTRY_TOKEN"),
            when: "allOf { branch 'main'; triggeredBy 'TimerTrigger'; expression { fileExists('sources') } }",
          }),
        ]),
  ];
  return `// Variables of the job: ${prefix}_CLI_URL (where the single-file programs are)${words.index ? ", REGISTRY_HOST, REGISTRY_REPOSITORY, ARCHIVE_URL (where files of packages are put)" : ""}.
// Credentials: ${secrets} as secret text. For a multibranch job.
pipeline {
  agent any
  triggers { cron('H 4 * * *') }
  options { disableConcurrentBuilds() }
  environment {
    GIT_USER = 'jenkins'
    GIT_EMAIL = 'jenkins@localhost'
    CHECKSUMS = '${words.outputDirectory}/checksum.json'
  }
  stages {
${stages.join("\n")}
  }
}
`;
}
