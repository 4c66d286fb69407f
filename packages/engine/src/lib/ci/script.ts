import { buildLines, fieldLine, indexLines, publishLines, testLines } from "./shell.ts";
import { indented, type CiWords } from "./words.ts";
import type { CiFile } from "./files.ts";

/** A script that publishes by hand what the pipelines publish by themselves. */
export function scriptFiles(words: CiWords): CiFile[] {
  return [{ path: "scripts/publish.sh", purpose: "publish by hand", text: publishScript(words), executable: true }];
}

function publishScript(words: CiWords): string {
  const remote = words.index ? indexLines(words, "$REGISTRY_REPOSITORY") : publishLines(words);
  const needs = words.index
    ? "REGISTRY_REPOSITORY: Git address of the registry's repository"
    : `${words.token}: token of the registry; SIGNING_KEY: private key to sign with, optional`;
  return `#!/usr/bin/env bash
# Publishes the package of a directory by hand: checks, tests, packs, tags and publishes it.
#
#   scripts/publish.sh [--dry-run] [DIRECTORY]
#
# ${needs}
set -euo pipefail

dry_run=false
if [ "\${1:-}" = "--dry-run" ]; then dry_run=true; shift; fi
cd "\${1:-.}"

fail() { echo "publish: $*" >&2; exit 1; }

[ -f ${words.manifest} ] || fail "there is no ${words.manifest} in $PWD"
${fieldLine("version", "version", words.manifest)}
[ -n "$version" ] || fail "${words.manifest} has no version"
tag="v$version"

[ -z "$(git status --porcelain)" ] || fail "commit or remove the changes that \\"git status\\" shows"
if [ "$(git rev-parse --verify --quiet "refs/tags/$tag^{commit}" || git rev-parse HEAD)" != "$(git rev-parse HEAD)" ]; then
  fail "tag $tag is at another commit; raise the version"
fi

CHECKSUMS=$(mktemp)
trap 'rm -f "$CHECKSUMS"' EXIT
${[...testLines(words), ...buildLines(words)].join("\n")}
cat "$CHECKSUMS"

if $dry_run; then
  echo "Would tag $tag and publish"
  exit 0
fi

git tag "$tag" 2>/dev/null || true
git push --quiet origin "refs/tags/$tag"

PACKAGE_URL=$(git config --get remote.origin.url | sed -e 's#^git@\\([^:]*\\):#https://\\1/#' -e 's#\\.git$##')
PACKAGE_REF=$tag
GIT_USER=\${GIT_USER:-$(git config user.name)}
GIT_EMAIL=\${GIT_EMAIL:-$(git config user.email)}
export PACKAGE_URL PACKAGE_REF GIT_USER GIT_EMAIL
(
${indented(remote, 2)}
)
echo "Published $tag"
`;
}
