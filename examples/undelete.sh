#!/bin/sh
# Takes the delete markers below a prefix away again, so that what they hide is current again. Locked versions cannot be
# removed by it, and it removes no version at all.
# usage: undelete.sh BUCKET PREFIX [options of the AWS CLI, for example --endpoint-url URL]
set -eu
bucket=$1 prefix=$2
shift 2
batch=$(mktemp)
trap 'rm -f "$batch"' EXIT
while :; do
  # DeleteObjects takes a thousand keys at once.
  aws "$@" --output json s3api list-object-versions --bucket "$bucket" --prefix "$prefix" \
    --query '{Quiet: `true`, Objects: DeleteMarkers[?IsLatest] | [:1000].{Key: Key, VersionId: VersionId}}' > "$batch"
  grep -q '"VersionId"' "$batch" || break
  errors=$(aws "$@" --output text s3api delete-objects --bucket "$bucket" --delete "file://$batch" --query 'Errors')
  case $errors in '' | None) ;; *) echo "$errors" >&2; exit 1 ;; esac
  echo "$(grep -c '"VersionId"' "$batch") markers removed"
done
